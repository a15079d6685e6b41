"""What `panodepth render` does, apart from reading the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import ConfigError, OutputError
from panodepth.lab.training.config import SceneKind
from panodepth.lab.training.files import write_whole
from panodepth.strict import Count, Index, check_fields


@dataclass(frozen=True)
class RenderJob:
    """Which scenes to write: indices first .. first + count - 1 of `seed`.

    size is (H, W), W = 2H. Raises ConfigError for values that cannot work.
    """

    count: Count
    seed: Index = 0
    size: tuple[int, int] = (512, 1024)
    kind: SceneKind = "mixed"
    first: Index = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_fields(self, "render")
        height, width = self.size
        if width != 2 * height or height < SMALLEST_HEIGHT:
            raise ConfigError(
                f"size is {height}x{width}; the width is twice the height, which is at least "
                f"{SMALLEST_HEIGHT}"
            )


SMALLEST_HEIGHT = 4  # pixels; below, the camera has nothing to meter the light by
DATASET_FILE = "dataset.json"
PIXELS_AT_ONCE = 1 << 19  # per call of the renderer, to bound its memory


def render_dataset(
    job: RenderJob, out: str | Path, *, on_done: Callable[[Path], None] | None = None
) -> list[Path]:
    """Write rendered panoramas as a folder of pairs, and return the pictures' paths.

    Each scene gives `indoor_000012.png` (or outdoor_) and `indoor_000012_distance.npz` with
    `distance` (H, W) float32 in metres, NaN in the sky, and `sky` (H, W) bool: the layout that
    `panodepth.lab.data.open_folder` reads, with a `dataset.json` that gives the unit; one that is
    there already stays. Files are written under a temporary name and renamed; existing ones are
    replaced. Raises OutputError when the folder cannot be written.
    """
    from PIL import Image

    folder = Path(out)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _describe(folder / DATASET_FILE)
        for name, image, distance, sky in _scenes(job):
            arrays = partial(np.savez, distance=distance, sky=sky)
            write_whole(folder / f"{name}_distance.npz", arrays)
            picture = folder / f"{name}.png"
            write_whole(picture, partial(Image.fromarray(image).save, format="PNG"))
            written.append(picture)
            if on_done is not None:
                on_done(picture)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None
    return written


def _describe(file: Path) -> None:
    """Write what holds for the whole folder, unless somebody has."""
    if file.exists():
        return
    text = json.dumps({"unit": "m", "credit": "panodepth render"}, indent=1) + "\n"
    write_whole(file, lambda opened: opened.write(text.encode()))


def _scenes(job: RenderJob) -> Iterator[tuple[str, Any, Any, Any]]:
    """(name, uint8 image, distance with NaN in the sky, sky) of every scene of the job."""
    from panodepth.lab.worlds import render_batch

    height, width = job.size
    at_once = max(1, PIXELS_AT_ONCE // (height * width))
    for start in range(job.first, job.first + job.count, at_once):
        indices = range(start, min(start + at_once, job.first + job.count))
        batch = render_batch(job.seed, indices, height, width, kind=job.kind, device=job.device)
        images = (batch.image.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).byte().cpu().numpy()
        skies = batch.sky.cpu().numpy()
        distances = np.where(skies, np.nan, batch.distance.cpu().numpy()).astype(np.float32)
        for i, index in enumerate(indices):
            place = "indoor" if bool(batch.indoor[i]) else "outdoor"
            yield f"{place}_{index:06d}", images[i], distances[i], skies[i]

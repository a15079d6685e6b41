"""What `panodepth render` writes: worlds as files, whole panoramas or perspective RGB-D frames."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from torch import Tensor

from panodepth.atomic import atomic, write_atomic
from panodepth.errors import ConfigError, OutputError
from panodepth.lab.data.source import DATASET_FILE
from panodepth.lab.training.config import SceneKind
from panodepth.strict import Count, Index, Range, check_fields
from panodepth.types import ByteArray

SMALLEST_HEIGHT = 4  # pixels; below, the camera has nothing to meter the light by
FARTHEST_M = 100.0  # that a view may be from the panorama's place; worlds end
PIXELS_AT_ONCE = 1 << 19  # per call of the renderer, to bound its memory


class Rendered(NamedTuple):
    """One picture and its truth, ready to be written.

    image: (h, w, 3) uint8. arrays: of NAME_distance.npz. facts: of NAME.json; None = no such file.
    """

    name: str
    image: ByteArray
    arrays: dict[str, Any]
    facts: dict[str, Any] | None = None

    def write(self, folder: Path) -> Path:
        """Write all files of it or none, the picture last; returns the picture's path."""
        from PIL import Image

        endings = ["_distance.npz", *([] if self.facts is None else [".json"]), ".png"]
        files = [folder / f"{self.name}{ending}" for ending in endings]
        with atomic(*files) as temporary:
            with temporary[0].open("wb") as opened:
                np.savez(opened, **self.arrays)
            if self.facts is not None:
                temporary[1].write_text(json.dumps(self.facts, indent=1) + "\n", encoding="utf-8")
            Image.fromarray(self.image).save(temporary[-1], format="PNG")
        return files[-1]


@dataclass(frozen=True)
class WorldJob(ABC):
    """Worlds first .. first + count - 1 of `seed`, of version `worlds`.

    Raises ConfigError for values out of range.
    """

    count: Count
    seed: Index = 0
    kind: SceneKind = "mixed"
    first: Index = 0
    device: str = "cpu"
    worlds: Annotated[int, Range(at_least=1, at_most=2)] = 1

    def __post_init__(self) -> None:
        check_fields(self, "render")

    @property
    @abstractmethod
    def pixels(self) -> int:
        """Of all pictures of one world."""

    @abstractmethod
    def pictures(self, indices: range) -> Iterator[Rendered]:
        """Those of the worlds `indices`, rendered at once."""


@dataclass(frozen=True)
class PanoramaJob(WorldJob):
    """A panorama of each world. size: (H, W), W = 2H.

    A world gives `indoor_000012.png` (or outdoor_) and `indoor_000012_distance.npz` with `distance`
    (H, W) float32 in metres, NaN in the sky, and `sky` (H, W) bool: the layout that
    `panodepth.lab.data.open_folder` reads.
    """

    size: tuple[int, int] = (512, 1024)

    def __post_init__(self) -> None:
        super().__post_init__()
        height, width = self.size
        if width != 2 * height or height < SMALLEST_HEIGHT:
            raise ConfigError(
                f"size is {height}x{width}; the width is twice the height, which is at least "
                f"{SMALLEST_HEIGHT}"
            )

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]

    def pictures(self, indices: range) -> Iterator[Rendered]:
        from panodepth.lab.worlds import Priors, render_batch

        priors = Priors(version=self.worlds)
        batch = render_batch(
            self.seed, indices, *self.size, kind=self.kind, device=self.device, priors=priors
        )
        images, skies = _bytes(batch.image), batch.sky.cpu().numpy()
        distances = _without_sky(batch.distance, skies)
        for i, index in enumerate(indices):
            arrays = {"distance": distances[i], "sky": skies[i]}
            yield Rendered(_name(batch.indoor[i], index), images[i], arrays)


@dataclass(frozen=True)
class ViewJob(WorldJob):
    """`views` perspective frames of each world.

    size: (h, w) pixels. fov_deg: full horizontal angle. move_m: camera positions are drawn within
    this distance of the panorama's place. A view gives `indoor_000012_v03.png` (or outdoor_),
    `…_distance.npz` with `distance` (along the ray) and `z_depth` (h, w) float32 in metres, NaN in
    the sky, and `sky` (h, w) bool, and `….json` with `intrinsics` (3x3, pixels), `pose` (4x4, view
    to the world's panorama, metres) and where it comes from.
    """

    views: Count = 1
    size: tuple[int, int] = (480, 640)
    fov_deg: Annotated[float, Range(at_least=1, at_most=170)] = 90.0
    move_m: Annotated[float, Range(at_least=0, at_most=FARTHEST_M)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.size) < 4:
            raise ConfigError(f"size is {self.size[0]}x{self.size[1]}; at least 4x4")

    @property
    def pixels(self) -> int:
        return self.views * self.size[0] * self.size[1]

    def pictures(self, indices: range) -> Iterator[Rendered]:
        from panodepth.lab.worlds import Priors, ViewSpec, render_views

        spec = ViewSpec(self.size, math.radians(self.fov_deg), count=self.views, move_m=self.move_m)
        priors = Priors(version=self.worlds)
        batch = render_views(
            self.seed, indices, spec, kind=self.kind, device=self.device, priors=priors
        )
        images, skies = _bytes(batch.image), batch.sky.cpu().numpy()
        distances, z_depths = (_without_sky(m, skies) for m in (batch.distance, batch.z_depth))
        for i, index in enumerate(indices):
            for k in range(self.views):
                place = {"distance": distances[i, k], "z_depth": z_depths[i, k], "sky": skies[i, k]}
                facts = {
                    "intrinsics": batch.intrinsics.tolist(),
                    "pose": batch.pose[i, k].tolist(),
                    "height": self.size[0],
                    "width": self.size[1],
                    "x_fov_deg": self.fov_deg,
                    "unit": "m",
                    "frame": "x right, y down, z forward; pose: view to panorama",
                    "seed": self.seed,
                    "index": index,
                    "view": k,
                }
                name = f"{_name(batch.indoor[i], index)}_v{k:02d}"
                yield Rendered(name, images[i, k], place, facts)


def render_files(
    job: WorldJob, out: str | Path, *, on_done: Callable[[Path], None] | None = None
) -> list[Path]:
    """Write a job's pictures with their truth, and return the pictures' paths.

    Panoramas get a `dataset.json` that gives the unit, unless one is there. Files are written under
    a temporary name and renamed; existing ones are replaced. Raises OutputError when the folder
    cannot be written.
    """
    folder, written = Path(out), []
    about = folder / DATASET_FILE
    if isinstance(job, PanoramaJob) and not about.exists():
        write_atomic(
            about, json.dumps({"unit": "m", "credit": "panodepth render"}, indent=1) + "\n"
        )
    at_once, stop = max(1, PIXELS_AT_ONCE // job.pixels), job.first + job.count
    for start in range(job.first, stop, at_once):
        for picture in job.pictures(range(start, min(start + at_once, stop))):
            written.append(picture.write(folder))
            if on_done is not None:
                on_done(written[-1])
    if lost := sum(not file.exists() for file in written):
        raise OutputError(f"{folder}: {lost} of {len(written)} files were removed meanwhile")
    return written


def _name(indoor: Tensor, index: int) -> str:
    """The name of a scene. indoor: () bool."""
    return f"{'indoor' if bool(indoor) else 'outdoor'}_{index:06d}"


def _bytes(image: Tensor) -> ByteArray:
    """(..., 3, h, w) in [0, 1] to (..., h, w, 3) uint8."""
    levels = (image.movedim(-3, -1) * 255).round().clamp(0, 255).byte()
    return np.asarray(levels.cpu().numpy())


def _without_sky(distance: Tensor, sky: Any) -> Any:
    """float32, NaN where there is sky. distance, sky: (...) of one shape."""
    return np.where(sky, np.nan, distance.cpu().numpy()).astype(np.float32)

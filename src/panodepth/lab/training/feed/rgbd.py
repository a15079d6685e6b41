"""Rendered perspective RGB-D frames as files: `panodepth render --views`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np

from panodepth.errors import ConfigError, OutputError
from panodepth.lab.training.config import SceneKind
from panodepth.lab.training.files import write_whole
from panodepth.strict import Count, Index, Range, check_fields
from panodepth.types import BoolArray, FloatArray

FARTHEST_M = 100.0  # that a view may be from the panorama's place; worlds end
PIXELS_AT_ONCE = 1 << 19  # per call of the renderer, to bound its memory


@dataclass(frozen=True)
class ViewJob:
    """Which frames to write: `views` of each of the worlds first .. first + count - 1 of `seed`.

    size: (h, w) pixels. fov_deg: full horizontal angle. move_m: camera positions are drawn within
    this distance of the panorama's place. Raises ConfigError for values that cannot work.
    """

    count: Count
    views: Count
    fov_deg: Annotated[float, Range(at_least=1, at_most=170)] = 90.0
    size: tuple[int, int] = (480, 640)
    seed: Index = 0
    first: Index = 0
    kind: SceneKind = "mixed"
    move_m: Annotated[float, Range(at_least=0, at_most=FARTHEST_M)] = 0.0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_fields(self, "render")
        if min(self.size) < 4:
            raise ConfigError(f"size is {self.size[0]}x{self.size[1]}; at least 4x4")


def render_rgbd(
    job: ViewJob, out: str | Path, *, on_done: Callable[[Path], None] | None = None
) -> list[Path]:
    """Write rendered views as perspective RGB-D, and return the pictures' paths.

    A view gives `indoor_000012_v03.png` (or outdoor_), `…_distance.npz` with `distance` (along the
    ray) and `z_depth` (h, w) float32 in metres, NaN in the sky, and `sky` (h, w) bool, and `….json`
    with `intrinsics` (3x3, pixels), `pose` (4x4, view to the world's panorama, metres) and where it
    comes from. Files are written under a temporary name and renamed; existing ones are replaced.
    Raises OutputError when the folder cannot be written.
    """
    folder = Path(out)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for start in range(job.first, job.first + job.count, _worlds_at_once(job)):
            stop = min(start + _worlds_at_once(job), job.first + job.count)
            for frame in _frames(job, range(start, stop)):
                written.append(frame.write(folder))
                if on_done is not None:
                    on_done(written[-1])
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None
    return written


def _worlds_at_once(job: ViewJob) -> int:
    return max(1, PIXELS_AT_ONCE // (job.views * job.size[0] * job.size[1]))


@dataclass(frozen=True)
class _Frame:
    """One view, ready to be written; `facts` is its JSON."""

    name: str
    image: Any
    distance: FloatArray
    z_depth: FloatArray
    sky: BoolArray
    facts: dict[str, Any]

    def write(self, folder: Path) -> Path:
        from PIL import Image

        def save(file: IO[bytes]) -> None:
            np.savez(file, distance=self.distance, z_depth=self.z_depth, sky=self.sky)

        write_whole(folder / f"{self.name}_distance.npz", save)
        text = json.dumps(self.facts, indent=1) + "\n"
        write_whole(folder / f"{self.name}.json", lambda file: file.write(text.encode()))
        picture = folder / f"{self.name}.png"
        write_whole(picture, lambda file: Image.fromarray(self.image).save(file, format="PNG"))
        return picture


def _frames(job: ViewJob, indices: range) -> list[_Frame]:
    from panodepth.lab.worlds import ViewSpec, render_views

    spec = ViewSpec(job.size, math.radians(job.fov_deg), count=job.views, move_m=job.move_m)
    batch = render_views(job.seed, indices, spec, kind=job.kind, device=job.device)
    images = (batch.image.movedim(2, -1) * 255).round().clamp(0, 255).byte().cpu().numpy()
    skies = batch.sky.cpu().numpy()
    maps = [m.cpu().numpy() for m in (batch.distance, batch.z_depth)]
    distance, z_depth = (np.where(skies, np.nan, m).astype(np.float32) for m in maps)
    out = []
    for i, index in enumerate(indices):
        place = "indoor" if bool(batch.indoor[i]) else "outdoor"
        for k in range(job.views):
            facts = {
                "intrinsics": batch.intrinsics.tolist(),
                "pose": batch.pose[i, k].tolist(),
                "height": job.size[0],
                "width": job.size[1],
                "x_fov_deg": job.fov_deg,
                "unit": "m",
                "frame": "x right, y down, z forward; pose: view to panorama",
                "seed": job.seed,
                "index": index,
                "view": k,
            }
            name = f"{place}_{index:06d}_v{k:02d}"
            arrays = (images[i, k], distance[i, k], z_depth[i, k], skies[i, k])
            out.append(_Frame(name, *arrays, facts))
    return out

"""Run by test_ray: on one local Ray cluster of two CPUs, runs that must equal those of one process.

Run with FRAMES and OUT. Classes are defined here so that they travel to Ray's workers by value.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import ray

from panodepth.jobs import Workers
from panodepth.lab.curation.estimate import Estimate
from panodepth.lab.curation.frame import Frame
from panodepth.lab.curation.pipeline import Options, curate
from panodepth.lab.curation.quality import Limits
from panodepth.lab.curation.sources import FrameSource, open_frame_source
from panodepth.lab.curation.stages import Plan
from panodepth.types import ByteArray

PLAN = Plan(size=(32, 64), limits=Limits(same=-1, edges=0, spread=1))


@dataclass(frozen=True)
class Wrapped:
    """A source's frames. deadly: on number 1 the process dies, number 5 raises. bare: no depths."""

    frames: FrameSource
    deadly: bool = False
    bare: bool = False

    @property
    def name(self) -> str:
        return self.frames.name

    def __len__(self) -> int:
        return len(self.frames)

    def label(self, index: int) -> tuple[str, str]:
        return self.frames.label(index)

    def __getitem__(self, index: int) -> Frame:
        if self.deadly and index == 1:
            os._exit(9)
        if self.deadly and index == 5:
            raise ZeroDivisionError("on purpose")
        frame = self.frames[index]
        return replace(frame, z_depth=None) if self.bare else frame


@dataclass(frozen=True)
class Guess:
    """Depth by brightness. calls: folder of a list of calls per process; the first dies."""

    calls: Path | None = None
    name: str = "guess"

    def __call__(self, image: ByteArray) -> Estimate:
        if self.calls is not None:
            born = self.calls / f"{os.getpid()}"
            first = not any(self.calls.iterdir())
            born.write_text(f"{born.read_text() if born.exists() else ''}{time.monotonic()}\n")
            if first:
                os._exit(9)
        return Estimate(
            np.linspace(0.5, 1, image[..., 0].size, dtype=np.float32).reshape(image.shape[:2])
            + image[..., 0] / np.float32(2550),
            "inverse",
        )


def main(frames: Path, out: Path) -> None:
    source = open_frame_source("frames", frames)
    on_ray = Options(Workers(2, "ray"), chunk=2)
    seen: list[bool] = []
    curate(source, PLAN, out / "plain", on_ray, progress=seen.append)
    assert len(seen) == len(source), seen
    curate(source, PLAN, out / "plain", on_ray, progress=seen.append)  # nothing is left to do
    assert len(seen) == len(source), seen
    curate(Wrapped(source, deadly=True), PLAN, out / "deadly", on_ray)
    bare = Wrapped(source, bare=True)
    (out / "calls").mkdir()
    one = Options(Workers(engine="ray"), chunk=2)  # without a GPU a model gets one worker
    curate(bare, PLAN, out / "guessed", one, estimator=Guess(out / "calls"))
    curate(bare, PLAN, out / "guessed_here", Options(chunk=2), estimator=Guess())


if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    ray.shutdown()

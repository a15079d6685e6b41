"""How fast each stage of curation is, in CPU time of one thread, on made frames of 640 x 480.

    python benchmarks/curation.py [--repeat 20] [--memory FRAMES]

CPU time, so that other work on the machine does not count. --memory runs so many small frames
through the whole pipeline and prints the peak memory after each tenth.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from panodepth.curation.frame import Frame, Rejected, pinhole_from_fov
from panodepth.curation.outpaint import Diffusion
from panodepth.curation.pipeline import Options, curate
from panodepth.curation.project import place
from panodepth.curation.quality import Limits, measure, perceptual_hash
from panodepth.curation.stages import Plan, Tools, curate_views
from panodepth.curation.turns import yaw_pitch_roll
from panodepth.data import Encoding
from panodepth.data.shard_codec import encode

VIEW, SIZE = (480, 640), (512, 1024)


@dataclass(frozen=True)
class MadeFrames:
    """Slanted planes under coarse noise, made when they are read."""

    count: int
    view: tuple[int, int] = VIEW
    name: str = "made"

    def __len__(self) -> int:
        return self.count

    def label(self, index: int) -> tuple[str, str]:
        return f"{index:06d}", ""

    def __getitem__(self, index: int) -> Frame | Rejected:
        rng = np.random.default_rng(index)
        h, w = self.view
        coarse = rng.integers(0, 255, (h // 4, w // 4, 3)).astype(np.uint8)
        image = np.asarray(cv2.resize(coarse, (w, h)), np.uint8)
        slope = 1 / np.linspace(0.2, 1, w, dtype=np.float32)[None].repeat(h, 0)
        return Frame(f"{index:06d}", image, slope, pinhole_from_fov(90, self.view))


def timed(name: str, run: Callable[[], object], repeat: int) -> None:
    run()
    took = []
    for _ in range(repeat):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    print(f"{name:34s} {np.median(took) * 1e3:7.1f} ms", flush=True)


def stages(repeat: int) -> None:
    cv2.setNumThreads(1)
    frame = MadeFrames(1)[0]
    assert isinstance(frame, Frame)
    for name, angles in (("front", (0, 0, 0)), ("tilted", (100, 35, 20)), ("pole", (0, 80, 0))):
        turn = yaw_pitch_roll(*angles)
        timed(f"P2E, {name}", lambda turn=turn: place(frame, turn, SIZE), repeat)
    placed = place(frame, np.eye(3), SIZE)
    timed("measure (gates)", lambda: measure(frame), repeat)
    timed("perceptual hash", lambda: perceptual_hash(frame.image), repeat)
    timed("out-paint, diffuse", lambda: Diffusion().fill(placed.image, placed.coverage, 0), repeat)
    plan, tools = Plan(size=SIZE), Tools(Diffusion())
    made = curate_views([frame], plan, tools)
    assert not isinstance(made, Rejected)
    timed("encode (jpg, float16, mask)", lambda: encode(made.panorama, Encoding()), repeat)
    timed("all stages", lambda: curate_views([frame], plan, tools), repeat)


def memory(count: int) -> None:
    done = [0]

    def tell(kept: bool) -> None:
        done[0] += 1
        if done[0] % max(1, count // 10) == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{done[0]:7d} frames: {peak:.0f} MB at most", flush=True)

    plan = Plan(size=(64, 128), limits=Limits(same=-1))
    with tempfile.TemporaryDirectory() as folder:
        source = MadeFrames(count, (48, 64))
        curate(source, plan, Path(folder) / "out", Options(chunk=500), progress=tell)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--memory", type=int, default=0)
    given = parser.parse_args()
    if given.memory:
        memory(given.memory)
    else:
        stages(given.repeat)

"""How fast curation is, stage by stage and as a whole, and that its memory stays flat.

    python benchmarks/curation.py [--repeat 20]     each stage: CPU time of one thread
    python benchmarks/curation.py --workers 1,2 --frames 128   whole runs: frames a second
    python benchmarks/curation.py --memory 10000    one run of small frames: memory over time

Made frames of 640 x 480 to panoramas of 512 x 1024. Stages are timed by CPU time, so that other
work on the machine does not count; whole runs by the clock, on files (PNG and 16-bit PNG), each
number of workers in turn, with the starting of processes and without.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.jobs import Workers
from panodepth.lab.curation.frame import Frame, pinhole_from_fov
from panodepth.lab.curation.memory import keep_freed_memory
from panodepth.lab.curation.outpainters.diffuse import Diffusion
from panodepth.lab.curation.pipeline import Options, curate
from panodepth.lab.curation.project import place
from panodepth.lab.curation.quality import Limits, measure, perceptual_hash
from panodepth.lab.curation.sources import FrameSource, open_frame_source
from panodepth.lab.curation.stages import Plan, Tools, curate_views
from panodepth.lab.data import Encoding
from panodepth.lab.data.shard_codec import encode

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

    def __getitem__(self, index: int) -> Frame:
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
    keep_freed_memory()  # as runs do
    frame = MadeFrames(1)[0]
    assert isinstance(frame, Frame)
    for name, angles in (("front", (0, 0, 0)), ("tilted", (100, 35, 20)), ("pole", (0, 80, 0))):
        rotation = rotation_from_yaw_pitch_roll(*np.radians(angles))
        timed(f"P2E, {name}", lambda rotation=rotation: place(frame, rotation, SIZE), repeat)
    placed = place(frame, np.eye(3), SIZE)
    timed("measure (gates)", lambda: measure(frame), repeat)
    timed("perceptual hash", lambda: perceptual_hash(frame.image), repeat)
    timed("out-paint, diffuse", lambda: Diffusion().fill(placed.image, placed.coverage, 0), repeat)
    plan, tools = Plan(size=SIZE), Tools(Diffusion())
    made = curate_views([frame], plan, tools)
    for encoding in (Encoding(), Encoding(distance="png")):
        kind = f"jpg, {encoding.distance}, mask"
        timed(f"encode ({kind})", lambda encoding=encoding: encode(made.panorama, encoding), repeat)
        size = sum(len(part) for part in encode(made.panorama, encoding).values())
        print(f"  a sample takes {size / 1e6:.2f} MB", flush=True)
    timed("all stages but reading, encoding", lambda: curate_views([frame], plan, tools), repeat)
    with tempfile.TemporaryDirectory() as folder:
        write_frames(Path(folder), 1)
        source = open_frame_source("frames", folder)
        timed("read (PNG, 16-bit PNG)", lambda: source[0], repeat)


def write_frames(folder: Path, count: int) -> None:
    """Made frames as files: NAME.png with NAME_depth.png in millimetres."""
    made = MadeFrames(count)
    (folder / "camera.json").write_text(json.dumps({"x_fov_deg": 90, "scale": 0.001, "unit": "m"}))
    for index in range(count):
        frame = made[index]
        assert isinstance(frame, Frame)
        assert frame.z_depth is not None
        cv2.imwrite(str(folder / f"{frame.name}.png"), frame.image)
        cv2.imwrite(
            str(folder / f"{frame.name}_depth.png"), (frame.z_depth * 1000).astype(np.uint16)
        )


def rates(source: FrameSource, out: Path, workers: int) -> tuple[float, float]:
    """Samples a second of one run: with the starting of processes, and while all are at work."""
    ends: list[float] = []
    start = time.monotonic()
    options, plan = Options(Workers(workers), chunk=8), Plan(limits=Limits(same=-1))
    done = curate(source, plan, out, options, progress=lambda kept: ends.append(time.monotonic()))
    assert done.kept == len(source), done
    # From the first quarter to the last: all processes are up, and none is without a chunk.
    low, high = len(ends) // 4, len(ends) - len(ends) // 4
    return len(ends) / (time.monotonic() - start), (high - low) / (ends[high] - ends[low])


def whole(counts: list[int], frames: int) -> None:
    """Run a folder of frames with each number of workers; rates, and their ratio to the first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "frames"
        folder.mkdir()
        write_frames(folder, frames)
        source = open_frame_source("frames", folder)
        first: tuple[float, float] | None = None
        for workers in counts:
            rate, steady = rates(source, Path(name) / f"out{workers}", workers)
            first = first or (rate, steady)
            print(f"workers {workers}: {rate:.1f} samples/s ({rate / first[0]:.2f}x), ", end="")
            print(f"while all are up {steady:.1f} ({steady / first[1]:.2f}x)", flush=True)


def resident_mb() -> float:
    """Memory of this process at present (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def memory(count: int) -> None:
    """Run small frames in this process; memory after each twentieth, and its slope."""
    found: list[tuple[int, float]] = []
    done = [0]

    def tell(kept: bool) -> None:
        done[0] += 1
        if done[0] % max(1, count // 20) == 0:
            found.append((done[0], resident_mb()))
            print(f"{done[0]:7d} frames: {found[-1][1]:.1f} MB", flush=True)

    plan = Plan(size=(64, 128), limits=Limits(same=-1))
    with tempfile.TemporaryDirectory() as folder:
        source = MadeFrames(count, (48, 64))
        curate(source, plan, Path(folder) / "out", Options(chunk=500), progress=tell)
    late = found[len(found) // 4 :]
    slope = statistics.linear_regression([float(n) for n, _ in late], [mb for _, mb in late]).slope
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"at most {peak:.1f} MB; {slope * 1000:+.3f} MB per 1,000 frames after the first quarter")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--workers", default="", metavar="1,2")
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--memory", type=int, default=0, metavar="FRAMES")
    given = parser.parse_args()
    if given.memory:
        memory(given.memory)
    elif given.workers:
        whole([int(n) for n in given.workers.split(",")], given.frames)
    else:
        stages(given.repeat)


if __name__ == "__main__":
    main()

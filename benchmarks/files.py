"""Time and memory of every output format: `python benchmarks/files.py [--size 4096x8192] [--zlib]`.
Of some, for a picture: `python benchmarks/files.py --picture examples/interior.jpg --only glb`.

Best of five, in milliseconds, into a new folder each time; then what a process of its own needs at
most beside the prediction, in megabytes (Linux alone). The picture is a rendered room; sizes above
1024 rows are enlarged from there. --zlib: times and sizes as without the package `isal`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.connection
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from panodepth.export import WRITERS
from panodepth.geometry.resizing import resize_erp
from panodepth.types import Prediction

RUNS = 5
MAX_RENDERED_HEIGHT = 1024
LARGE = 1 << 24  # pixels from which two runs must do


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="512x1024")
    parser.add_argument("--zlib", action="store_true")
    parser.add_argument("--picture", help="predicted by the bundled model, in place of the room")
    parser.add_argument("--only", default=",".join(WRITERS), help="formats, separated by commas")
    arguments = parser.parse_args()
    if arguments.zlib:
        sys.modules["isal"] = None  # type: ignore[assignment]  # importing it fails
    height, width = (int(x) for x in arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "room.npz"
        picture = arguments.picture
        np.savez(scene, **(predicted(picture) if picture else room(height, width)))
        for name in arguments.only.split(","):
            seconds, size = timed(scene, name)
            peak = measured(scene, name)
            print(f"{name:12} {seconds * 1e3:8.1f} ms  {size / 1e6:7.2f} MB  +{peak:6.0f} MB")


def room(height: int, width: int) -> dict[str, np.ndarray]:
    """A rendered room: distance (H, W) float32, mask (H, W) bool, image (H, W, 3) uint8."""
    from panodepth.lab.worlds import render_batch  # loads torch, which would blur the memory

    rows = min(height, MAX_RENDERED_HEIGHT)
    scene = render_batch(1_000_000, [0], rows, rows * width // height, kind="indoor")
    image = resize_erp(scene.image[0].numpy(), (height, width))
    return {
        "distance": resize_erp(scene.distance[0].numpy(), (height, width)),
        "mask": resize_erp(scene.valid[0].numpy().astype(np.float32), (height, width)) > 0.5,
        "image": np.ascontiguousarray((image * 255).astype(np.uint8).transpose(1, 2, 0)),
    }


def predicted(picture: str) -> dict[str, np.ndarray]:
    """What the bundled model says of a picture, as `room`."""
    import panodepth

    found = panodepth.load().predict(picture)
    return {"distance": found.distance, "mask": found.mask, "image": found.image}


def load(scene: Path) -> Prediction:
    with np.load(scene) as file:
        return Prediction(**file, meta={"name": "room"})


def timed(scene: Path, name: str) -> tuple[float, int]:
    """Seconds, the best of some runs, and the bytes of the files."""
    seconds = []
    whole = load(scene)
    for _ in range(RUNS if whole.distance.size < LARGE else 2):
        # A new one each time: points and normals are not there already.
        prediction = Prediction(whole.distance, whole.mask, whole.image, whole.meta)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            files = prediction.save(f"{folder}/", formats=[name])
            seconds.append(time.perf_counter() - started)
            size = sum(Path(f).stat().st_size for f in files)
    return min(seconds), size


def measured(scene: Path, name: str) -> float:
    """Megabytes beside the prediction at the peak of writing it, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=tell_peak, args=(scene, name, sender))
    process.start()
    peak: float = receiver.recv()
    process.join()
    return peak


def tell_peak(scene: Path, name: str, sender: multiprocessing.connection.Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = np.ones((4, 8), np.float32)  # loads what this format needs
        Prediction(small, small > 0, np.zeros((4, 8, 3), np.uint8)).save(f"{folder}/", [name])
        prediction = load(scene)
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        prediction.save(f"{folder}/", formats=[name])
        sender.send((memory("VmHWM") - before) / 1e6)


def memory(entry: str) -> int:
    """Bytes of this process, as Linux counts them; VmRSS now, VmHWM at the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{entry}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()

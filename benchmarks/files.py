"""Time every output format for one panorama: `python benchmarks/files.py [--size 546x1092]`.

Best of five, in seconds, on whatever machine this runs. The picture is a rendered room.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from panodepth.export import WRITERS
from panodepth.scenes import render_batch
from panodepth.types import Prediction

RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="546x1092")
    height, width = (int(x) for x in parser.parse_args().size.split("x"))
    scene = render_batch(1_000_000, [0], height, width, kind="indoor")
    image = (scene.image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    distance = scene.distance[0].numpy()
    for name in WRITERS:
        seconds = []
        for _ in range(RUNS):
            prediction = Prediction(distance, scene.valid[0].numpy(), image, {"name": "room"})
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                files = prediction.save(f"{folder}/", formats=[name])
                seconds.append(time.perf_counter() - started)
                size = sum(Path(f).stat().st_size for f in files)
        print(f"{name:12} {min(seconds):7.3f} s  {size / 1e6:7.2f} MB")


if __name__ == "__main__":
    main()

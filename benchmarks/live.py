"""Print how fast frames become scans: `python benchmarks/live.py [--threads 2] [--frames 100]`.

1024×512 frames of an example, each turned a little further, by the loop behind `panodepth live`:
from arrays, as a camera's driver hands them over, and from JPEG files. Wall time is what it took
beside all else that runs on the machine; CPU time is what the process used, on all its threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import panodepth
from panodepth.predict.live.loop import scans
from panodepth.predict.live.options import LiveOptions
from panodepth.predict.predictor import Predictor

EXAMPLE = Path(__file__).parents[1] / "examples/interior.jpg"
WARM_UP = 5


def measure(predictor: Predictor, frames: Iterable[Any], options: LiveOptions, name: str) -> None:
    """Print the latency and rate of a loop."""
    latencies: list[float] = []
    wall = cpu = 0.0
    for found in scans(predictor, frames, options):
        assert found.scan is not None, found.error
        if found.number < WARM_UP:
            wall, cpu = time.perf_counter(), time.process_time()
        else:
            latencies.append(found.latency)
    count = len(latencies)
    rate = count / (time.perf_counter() - wall)
    used = (time.process_time() - cpu) / count
    median, high = np.quantile(latencies, (0.5, 0.95)) * 1e3
    print(
        f"{name}: {rate:.1f} Hz; latency {median:.0f} ms (median), {high:.0f} ms (p95); "
        f"CPU time {used * 1e3:.0f} ms a frame, of {count} frames"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=100)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    predictor = panodepth.load(chosen.model, device="cpu")
    picture = cv2.resize(cv2.imread(str(EXAMPLE))[..., ::-1], (1024, 512))
    turned = [np.roll(picture, 8 * k, 1) for k in range(chosen.frames + WARM_UP)]
    options = LiveOptions(camera_height=1.6)
    print(f"{predictor}, {chosen.threads} threads")
    measure(predictor, turned, options, "arrays of 1024x512")
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(turned):
            cv2.imwrite(f"{folder}/{number:05d}.jpg", frame[..., ::-1])
        measure(predictor, folder, options, "JPEG files of 1024x512")


if __name__ == "__main__":
    main()

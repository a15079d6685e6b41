"""Print what measuring costs without the network, at 512×1024 on one core.

    python benchmarks/evaluation.py

CPU time of this process, the least of several runs. Limits: the ten metrics with alignment 60 ms;
together with seam, poles, normals and contours 300 ms. Clouds and turned cameras stand apart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import torch

from panodepth.geometry.grid import erp_rays
from panodepth.lab.evaluation.protocol import PROTOCOLS
from panodepth.lab.evaluation.run.predictors import Predicted
from panodepth.lab.evaluation.scoring import Compared, Extras, compare, measure
from panodepth.types import Panorama

HEIGHT, WIDTH = 512, 1024
REPEATS = 7
ROOM = np.array([2.0, 1.5, 3.0], np.float32)


def best(call: Callable[[], object]) -> float:
    """Least CPU time of a few calls [ms]."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times) * 1e3


def scene() -> tuple[Panorama, Predicted]:
    """A box room with things in it and holes in the truth, and a blurred, noisy prediction."""
    random = np.random.default_rng(0)
    rays = np.abs(erp_rays(HEIGHT, WIDTH))
    truth = (ROOM / np.maximum(rays, 1e-9)).min(-1)
    for _ in range(40):
        y, x = random.integers(100, 400), random.integers(0, WIDTH - 120)
        truth[y : y + random.integers(10, 90), x : x + random.integers(10, 120)] *= 0.7
    mask = random.random(truth.shape) < 0.97
    noise = random.normal(0, 0.05, truth.shape)
    prediction = cv2.GaussianBlur(truth, (0, 0), 2) * np.exp(noise)
    image = random.uniform(0.1, 1, (HEIGHT, WIDTH, 3)).astype(np.float32)
    meta = {"name": "room", "unit": "m"}
    return Panorama(image, truth, mask, meta), Predicted(prediction.astype(np.float32))


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    panorama, predicted = scene()
    print(f"{HEIGHT}×{WIDTH}, one core, CPU time in ms (align and clip + measure = total)")
    for name, protocol in PROTOCOLS.items():
        compared: Compared = compare(panorama, predicted, protocol)
        ready = best(partial(compare, panorama, predicted, protocol))
        ten = best(partial(measure, compared, protocol, Extras(geometry=False)))
        both = best(partial(measure, compared, protocol, Extras()))
        print(f"{name:10}  ten {ready:5.1f} + {ten:5.1f} = {ready + ten:5.1f}   ", end="")
        print(f"with geometry {ready + both:6.1f}")
    points = best(lambda: measure(compared, protocol, Extras(geometry=False, points=True)))
    print(f"point cloud {points - ten:.0f} more")


if __name__ == "__main__":
    main()

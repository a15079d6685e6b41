"""What each `--quality` costs at 8192x4096: `python benchmarks/sharp.py [--size 4096x8192]`.

A photograph of examples/ is enlarged, with noise, to a JPEG of that size; then `panodepth predict`
runs on it once per quality, in a process of its own, writing EXR and preview. Printed are wall
time, CPU seconds of the process and its peak resident memory. No network is needed. How sharp the
results are is measured by benchmarks/detail.py; --picture FILE.png shows a part of the photograph
by each quality instead, as in the README.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

import panodepth
from panodepth.export.colour import colourise, distance_range
from panodepth.predict.options import QUALITIES
from panodepth.size import Size, parse_size

PICTURE = Path(__file__).parents[1] / "examples" / "interior.jpg"
CROP = np.s_[250:450, 180:560]  # rows, columns of the photograph
COLOURS = 200  # of the PNG
NOISE = 3.0  # standard deviation, of 255: enlarged pictures are too smooth for a fair JPEG


class Cost(NamedTuple):
    """Seconds on the clock, seconds of all threads, and mebibytes at the peak."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def large_picture(path: Path, size: Size) -> None:
    """Write the enlarged photograph, (height, width) pixels."""
    image = cv2.imread(str(PICTURE))
    assert image is not None
    large = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, NOISE, large.shape[:2]).astype(np.float32)
    large = np.clip(large + noise[..., None], 0, 255).astype(np.uint8)
    cv2.imwrite(str(path), large, [cv2.IMWRITE_JPEG_QUALITY, 92])


def run(arguments: list[str]) -> Cost:
    """`panodepth ...` in a process of its own; RuntimeError when it fails."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "panodepth", *arguments]
    child = os.posix_spawn(sys.executable, command, os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed")
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, peak)


def crops(path: Path) -> None:
    """A part of the photograph, and its distance by each quality, side by side."""
    predictor = panodepth.load()
    found = [predictor.predict(PICTURE, quality=quality) for quality in QUALITIES[1:]]
    limits = distance_range(found[0].distance, found[0].mask)
    maps = [colourise(p.distance[CROP], p.mask[CROP], limits=limits) for p in found]
    whole = np.hstack([found[0].image[CROP], *maps])
    Image.fromarray(whole).quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {', '.join(['photograph', *QUALITIES[1:]])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=parse_size, default=(4096, 8192), help="HxW of the picture")
    parser.add_argument("--quality", action="append", choices=QUALITIES, help="default: all")
    parser.add_argument("--model", default="default")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="make this instead")
    arguments = parser.parse_args()
    if arguments.picture:
        return crops(arguments.picture)
    with tempfile.TemporaryDirectory() as folder:
        picture, out = Path(folder) / "large.jpg", Path(folder) / "out"
        large_picture(picture, arguments.size)
        print("| quality | wall s | CPU s | CPU s / 2 cores | peak MiB |\n|---|---|---|---|---|")
        for quality in arguments.quality or QUALITIES:
            options = ["--format", "exr,preview", "--model", arguments.model, "--quiet"]
            cost = run(["predict", str(picture), "--out", str(out), "--quality", quality, *options])
            seconds = f"{cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.cpu_s / 2:.1f}"
            print(f"| {quality} | {seconds} | {cost.peak_mib:.0f} |", flush=True)


if __name__ == "__main__":
    main()

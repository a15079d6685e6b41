"""What each `--quality` gives: `python benchmarks/detail.py [--data DIR] [--size 2048x4096]`.

On rendered validation worlds and with --data on DIR/rendered_house, at that size, 384x768 unless
another is given: boundary F1 (depth contours within 2 px of the true ones), AbsRel
after median alignment, the angle between predicted and true normals on walls (median per room, then
the mean), and CPU seconds a picture. seam, borders: the mean step of log distance over the seam,
and over the borders of the tiles of the last doubling, by the 95th percentile of the steps between
all neighbouring columns, and rows; at most 1 = they do not show. The pictures are those of no
training. --kept DIR keeps the rendered worlds for the next time.

--change detail.MOST_RISE=9 measures with another value of a constant of panodepth.predict.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from flatness import wall_angle_deg
from scorecard import EDGE_SIZE, Sample, error, folder, tolerant_f1

import panodepth
from panodepth.lab.evaluation.protocol import VALIDATION_SEED
from panodepth.lab.worlds import render_batch
from panodepth.predict.detail import TILE
from panodepth.predict.options import QUALITIES
from panodepth.size import Size, parse_size
from panodepth.types import FloatArray

Walls = tuple[torch.Tensor, torch.Tensor]
"""(H, W, 3) true normals and (H, W) semantic ids."""


def rendered(kind: str, number: int, size: Size, kept: Path | None) -> dict[str, Any]:
    """Arrays of a validation world, its picture in 8 bits; kept: a folder of those made before."""
    file = None if kept is None else kept / f"{size[0]}_{kind}1_{number}.npz"
    if file is not None and file.is_file():
        with np.load(file) as npz:
            return dict(npz)
    batch = render_batch(VALIDATION_SEED, [number], *size, kind=kind)
    found = {
        "image": (batch.image[0].permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8),
        "distance": batch.distance[0].numpy(),
        "valid": batch.valid[0].numpy(),
        "normals": batch.normals[0].numpy().astype(np.float16),
        "label": batch.label[0].numpy().astype(np.uint8),
    }
    if file is not None:
        np.savez(file, **found)  # type: ignore[arg-type]
    return found


def samples(
    data: Path | None, worlds: int, size: Size, kept: Path | None
) -> Iterator[tuple[str, Sample, Walls | None]]:
    """Set, picture with truth, and what tells walls; size: (height, width)."""
    for sample in folder(data / "rendered_house", "*") if data else ():
        image = cv2.resize(sample.image, size[::-1], interpolation=cv2.INTER_AREA)
        truth = cv2.resize(sample.distance, size[::-1], interpolation=cv2.INTER_NEAREST)
        valid = np.isfinite(truth) & (truth > 0)
        yield "rendered_house", Sample(sample.name, image, truth, valid), None
    for kind in ("indoor", "outdoor"):
        for number in range(worlds):
            world = rendered(kind, number, size, kept)
            image, truth, valid = world["image"], world["distance"], world["valid"]
            normals = torch.from_numpy(world["normals"].astype(np.float32))
            walls = (normals, torch.from_numpy(world["label"])) if kind == "indoor" else None
            if valid.any():
                yield f"worlds {kind}", Sample(f"{kind} {number}", image, truth, valid), walls


def steps(distance: FloatArray) -> tuple[float, float]:
    """seam and borders of the module's head."""
    log = np.log(distance)
    across = np.abs(np.roll(log, -1, 1) - log).mean(0)
    down = np.abs(np.diff(log, axis=0)).mean(1)
    borders = [
        means[tile - 1 : -1 : tile] / np.quantile(means, 0.95)
        for means, tile in ((across, 2 * TILE[1]), (down, 2 * TILE[0]))
    ]
    return float(across[-1] / np.quantile(across[:-1], 0.95)), float(np.concatenate(borders).mean())


def change(text: str) -> None:
    """Give a number of panodepth.predict another value: "tiles.refining.EDGE_LOG=-1"."""
    name, _, value = text.partition("=")
    module, _, constant = f"panodepth.predict.{name}".rpartition(".")
    place = importlib.import_module(module)
    now = getattr(place, constant)
    assert isinstance(now, (float, dict)), name
    setattr(
        place, constant, dict.fromkeys(now, float(value)) if isinstance(now, dict) else float(value)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--data", type=Path, help="a folder with rendered_house/")
    parser.add_argument("--worlds", type=int, default=8, help="of each kind")
    parser.add_argument("--size", type=parse_size, default=EDGE_SIZE, help="HxW of the pictures")
    parser.add_argument("--quality", action="append", choices=QUALITIES, help="default: all")
    parser.add_argument("--kept", type=Path, metavar="DIR")
    parser.add_argument("--change", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    for text in arguments.change:
        change(text)
    predictor = panodepth.load(arguments.model)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for name, sample, walls in samples(
        arguments.data, arguments.worlds, arguments.size, arguments.kept
    ):
        for quality in arguments.quality or QUALITIES:
            started = time.process_time()
            prediction = predictor.predict(sample.image, sky="none", quality=quality)
            seconds = time.process_time() - started
            sharp = tolerant_f1(prediction.distance, sample.distance, sample.valid)
            off = error(prediction.distance, sample.distance, sample.valid)
            angle = wall_angle_deg(prediction.normals, *walls) if walls else np.nan
            found.setdefault((name, quality), []).append(
                (sharp, off, angle, *steps(prediction.distance), seconds)
            )
    print(
        "| set | pictures | quality | boundary F1 | AbsRel | walls off | seam | borders | CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, quality), rows in found.items():
        sharp, off, angle, seam, borders, seconds = np.mean(rows, axis=0)
        wall = "–" if np.isnan(angle) else f"{angle:.1f}°"
        numbers = f"{sharp:.3f} | {off:.4f} | {wall} | {seam:.2f} | {borders:.2f} | {seconds:.2f}"
        print(f"| {name} | {len(rows)} | {quality} | {numbers} |")


if __name__ == "__main__":
    main()

"""What `--quality balanced` changes: `python benchmarks/detail.py [--data DIR]`.

On rendered validation worlds, and with --data on DIR/rendered_house, both at 384x768, for the model
as it is ("fast") and with the detail network ("balanced"): boundary F1 (depth contours within 2 px
of the true ones), AbsRel after median alignment, the angle between predicted and true normals on
walls (median per room, then the mean), and CPU seconds a picture. The pictures are those of no
training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from flatness import wall_angle_deg
from scorecard import EDGE_SIZE, Sample, error, folder, tolerant_f1

import panodepth
from panodepth.lab.evaluation.protocol import VALIDATION_SEED
from panodepth.lab.worlds import render_batch
from panodepth.predict.options import QUALITIES

Walls = tuple[torch.Tensor, torch.Tensor]
"""(H, W, 3) true normals and (H, W) semantic ids."""


def samples(data: Path | None, worlds: int) -> Iterator[tuple[str, Sample, Walls | None]]:
    """Set, picture with truth at EDGE_SIZE, and what tells walls."""
    for sample in folder(data / "rendered_house", "*") if data else ():
        image = cv2.resize(sample.image, EDGE_SIZE[::-1], interpolation=cv2.INTER_AREA)
        truth = cv2.resize(sample.distance, EDGE_SIZE[::-1], interpolation=cv2.INTER_NEAREST)
        valid = np.isfinite(truth) & (truth > 0)
        yield "rendered_house", Sample(sample.name, image, truth, valid), None
    for kind in ("indoor", "outdoor"):
        for number in range(worlds):
            batch = render_batch(VALIDATION_SEED, [number], *EDGE_SIZE, kind=kind)
            image = np.ascontiguousarray(batch.image[0].permute(1, 2, 0).numpy())
            truth, valid = batch.distance[0].numpy(), batch.valid[0].numpy()
            walls = (batch.normals[0], batch.label[0]) if kind == "indoor" else None
            if valid.any():
                yield f"worlds {kind}", Sample(f"{kind} {number}", image, truth, valid), walls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--data", type=Path, help="a folder with rendered_house/")
    parser.add_argument("--worlds", type=int, default=8, help="of each kind")
    arguments = parser.parse_args()
    predictor = panodepth.load(arguments.model)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for name, sample, walls in samples(arguments.data, arguments.worlds):
        for quality in QUALITIES:
            started = time.process_time()
            prediction = predictor.predict(sample.image, sky="none", quality=quality)
            seconds = time.process_time() - started
            sharp = tolerant_f1(prediction.distance, sample.distance, sample.valid)
            off = error(prediction.distance, sample.distance, sample.valid)
            angle = wall_angle_deg(prediction.normals, *walls) if walls else np.nan
            found.setdefault((name, quality), []).append((sharp, off, angle, seconds))
    print("| set | pictures | quality | boundary F1 | AbsRel | walls off | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for (name, quality), rows in found.items():
        sharp, off, angle, seconds = np.mean(rows, axis=0)
        wall = "–" if np.isnan(angle) else f"{angle:.1f}°"
        numbers = f"{sharp:.3f} | {off:.4f} | {wall} | {seconds:.2f}"
        print(f"| {name} | {len(rows)} | {quality} | {numbers} |")


if __name__ == "__main__":
    main()

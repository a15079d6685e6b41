"""Print how flat walls come out and how closed the seam is: `python benchmarks/flatness.py`.

On rendered rooms of the validation seed: the angle between predicted and true normals on walls
(median per room, then the mean), the step of log distance over the seam against the steps between
other columns, and the change when the input is rolled by five steps of its size.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from panodepth.lab.worlds import render_batch
from panodepth.lab.worlds.parts.place import WALL
from panodepth.predict import load

SEED = 1_000_000  # validation worlds
ROLL_STEPS = 5  # of the model's size step: 14 px with patches, 32 px with an EfficientNet


def wall_angle_deg(normals: np.ndarray, truth: torch.Tensor, label: torch.Tensor) -> float:
    """Median angle on wall pixels at least three pixels from anything else; (H, W, 3), (H, W)."""
    wall = label == WALL
    for axis in (0, 1):
        wall = wall & torch.roll(wall, 3, axis) & torch.roll(wall, -3, axis)
    cosine = (torch.from_numpy(normals) * truth).sum(-1)[wall].clamp(-1, 1)
    return float(torch.rad2deg(torch.acos(cosine)).median())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--rooms", type=int, default=16)
    arguments = parser.parse_args()
    predictor = load(arguments.model)
    height, width = predictor.size
    batch = render_batch(SEED, range(arguments.rooms), height, width, kind="indoor")
    angles, seams, steps, rolls = [], [], [], []
    columns = ROLL_STEPS * predictor.model.config.step
    for k, image in enumerate(batch.image.permute(0, 2, 3, 1).numpy()):
        prediction = predictor.predict(image, level="none")
        angles.append(wall_angle_deg(prediction.normals, batch.normals[k], batch.label[k]))
        logs = np.log(prediction.solid)
        jumps = np.abs(logs - np.roll(logs, 1, axis=1)).mean(0)
        seams.append(jumps[0])
        steps.append(jumps[1:].mean())
        rolled = predictor.predict(np.roll(image, columns, axis=1), level="none").solid
        rolls.append(np.abs(rolled / np.roll(prediction.solid, columns, axis=1) - 1).mean())
    print(f"{arguments.rooms} rooms at {height}x{width}")
    print(f"walls: normal error {np.mean(angles):.1f} deg (worst room {np.max(angles):.1f})")
    print(f"seam: mean |step of log distance| {np.mean(seams):.4f}, elsewhere {np.mean(steps):.4f}")
    print(f"rolled by {columns} columns: mean relative difference {np.mean(rolls):.1e}")


if __name__ == "__main__":
    main()

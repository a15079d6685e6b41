"""Miniature panoramas and predictors for the evaluation's tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from panodepth.lab.evaluation.run.predictors import Predicted
from panodepth.types import Panorama


def smooth(seed: int, height: int = 32, width: int = 64) -> np.ndarray:
    """(H, W) float32 distances between about 0.8 and 6, periodic, with one near box in it."""
    random = np.random.default_rng(seed)
    lon = (np.arange(width) + 0.5) / width * 2 * np.pi
    lat = ((np.arange(height) + 0.5) / height - 0.5)[:, None] * np.pi
    a, b, c = random.uniform(-0.4, 0.4, 3)
    log = 0.8 + np.cos(lat) * (a * np.sin(lon) + b * np.cos(2 * lon)) + c * np.sin(lat)
    distance = np.exp(log).astype(np.float32)
    y, x = random.integers(height // 4, height // 2), random.integers(0, width)
    columns = np.arange(x, x + width // 8) % width
    distance[y : y + height // 4, columns] *= np.float32(0.5)
    return distance


def panorama(seed: int = 0, height: int = 32, width: int = 64, **meta: str) -> Panorama:
    random = np.random.default_rng(seed + 100)
    image = random.uniform(0.1, 1, (height, width, 3)).astype(np.float32)
    distance = smooth(seed, height, width)
    mask = np.ones(distance.shape, bool)
    return Panorama(image, distance, mask, {"name": f"s{seed}", "unit": "m", **meta})


class Fixed:
    """A predictor that answers with one array."""

    def __init__(self, distance: np.ndarray, unit: str | None = None) -> None:
        self.answer = Predicted(np.asarray(distance, np.float32), unit)

    def __call__(self, panorama: Panorama) -> Predicted:
        return self.answer


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A plain folder of 30 panoramas, 32 × 64, in metres; sample 7 has no distance file."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(30):
        made = panorama(number)
        assert made.distance is not None
        picture = np.rint(made.image[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"p{number:02d}.png"), picture)
        if number != 7:
            np.savez(folder / f"p{number:02d}_distance.npz", distance=made.distance)
    (folder / "dataset.json").write_text('{"unit": "m"}')
    return folder

"""Miniature panoramas on disk, 32 × 16 pixels, in whatever tree a test needs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from panodepth.lab.data import ShardLimits, open_folder
from panodepth.lab.data.source import PairSource

H, W = 16, 32
PAIRS_A_SHARD = ShardLimits(max_samples=2)


def make_image(seed: int = 0, height: int = H, width: int = W) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_distance(seed: int = 0, height: int = H, width: int = W) -> np.ndarray:
    """0.5 to 8 m."""
    values = np.random.default_rng(seed + 1000).uniform(0.5, 8, (height, width))
    return values.astype(np.float32)


def write_image(path: Path, pixels: np.ndarray) -> Path:
    """uint8 or uint16, grey or RGB(A), by the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        pixels = cv2.cvtColor(pixels, code)
    assert cv2.imwrite(str(path), pixels)
    return path


def write_pair(folder: Path, name: str, seed: int = 0, **arrays: np.ndarray) -> np.ndarray:
    """NAME.png with NAME_distance.npz; returns the distance."""
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / f"{name}.png", make_image(seed))
    arrays.setdefault("distance", make_distance(seed))
    np.savez(folder / f"{name}_distance.npz", **arrays)
    return arrays["distance"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good pairs, one of them below: a, b and sub/c."""
    for seed, name in enumerate(("a", "b", "sub/c")):
        here = tmp_path / "mine" / name
        write_pair(here.parent, here.name, seed)
    return tmp_path / "mine"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def big(tmp_path: Path) -> PairSource:
    """Five samples, of which number 2 is broken."""
    for i in range(5):
        write_pair(tmp_path / "big", f"{i}", i)
    (tmp_path / "big/2_distance.npz").write_bytes(b"broken")
    return open_folder(tmp_path / "big")

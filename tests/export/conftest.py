"""Predictions with closed-form truth, made without the package's own geometry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from panodepth.types import Prediction

# A room in the house frame (x right, y down, z forward), the camera at the origin, in metres.
ROOM_LOW = np.array([-2.0, -1.1, -3.0])
ROOM_HIGH = np.array([2.5, 1.6, 4.0])


def _rays(height: int, width: int) -> np.ndarray:
    """(H, W, 3) float64 unit rays of the pixel centres."""
    lon = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    lat = (((np.arange(height) + 0.5) / height - 0.5) * np.pi)[:, None]
    x, y, z = np.cos(lat) * np.sin(lon), np.sin(lat) + 0 * lon, np.cos(lat) * np.cos(lon)
    return np.stack([x, y, z], axis=-1)


def _make(height: int = 64, width: int = 128, *, masked: bool = True, **meta: object) -> Prediction:
    """The room seen from within, in noise colours; masked: a block on the seam and one inside."""
    rays = _rays(height, width)
    with np.errstate(divide="ignore"):
        walls = np.where(rays > 0, ROOM_HIGH / rays, ROOM_LOW / rays)
    mask = np.ones((height, width), bool)
    if masked:
        mask[height // 3 : height // 2, -width // 16 :] = False
        mask[height // 3 : height // 2, : width // 16] = False
        mask[height // 2 :, width // 2 : width // 2 + 5] = False
    image = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Prediction(
        walls.min(axis=-1).astype(np.float32),
        mask,
        image,
        {"name": "room", "unit": "m", "model": "truth", **meta},
        confidence=np.full(mask.shape, 0.5, np.float32),
    )


@pytest.fixture
def room_corners() -> tuple[np.ndarray, np.ndarray]:
    return ROOM_LOW, ROOM_HIGH


@pytest.fixture
def rays() -> Callable[[int, int], np.ndarray]:
    return _rays


@pytest.fixture
def make_room() -> Callable[..., Prediction]:
    return _make


@pytest.fixture
def room() -> Prediction:
    return _make()


ROUGH_SHAPES = [(33, 67), (70, 141)]


@pytest.fixture(params=ROUGH_SHAPES, ids=str)
def rough(request: pytest.FixtureRequest) -> Prediction:
    """Steps, slopes, and a mask with long runs and single pixels."""
    height, width = request.param
    rng = np.random.default_rng(height)
    steps = np.exp(rng.normal(0, 0.5, (height // 8 + 1, width // 8 + 1)))
    distance = steps.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    distance *= rng.uniform(0.97, 1.03, distance.shape)
    mask = rng.random(distance.shape) > 0.05
    mask[: height // 5, width // 3 :] = False
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Prediction(
        distance.astype(np.float32),
        mask,
        image,
        {"name": "rough"},
        confidence=np.ones(mask.shape, np.float32),
    )


@pytest.fixture(params=[True, False], ids=["masked", "whole"])
def rough_or_whole(rough: Prediction, request: pytest.FixtureRequest) -> Prediction:
    if request.param:
        return rough
    return Prediction(rough.distance, np.ones_like(rough.mask), rough.image, rough.meta)


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that even small panoramas take several bands."""
    for module in (
        "export.thinning",
        "export.rasters.distance",
        "export.rasters.normals",
        "export.rasters.preview",
        "geometry.bands",
        "geometry.point_bands",
    ):
        monkeypatch.setattr(f"panodepth.{module}.BAND_PIXELS", 900)
    monkeypatch.setattr("panodepth.export.meshes.triangles.BAND_CELLS", 900)
    monkeypatch.setattr("panodepth.export.colour._BLOCK_PIXELS", 900)

"""The row round the zenith, against planes and boxes in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.geometry.seam import level_zenith


def plane(height: int, width: int, slope_deg: float) -> np.ndarray:
    """(H, W) distance to a plane 1.5 above the camera that rises to the right; inf below it."""
    lon = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    lat = (((np.arange(height) + 0.5) / height - 0.5) * np.pi)[:, None]
    up = -np.sin(lat) - np.tan(np.deg2rad(slope_deg)) * np.cos(lat) * np.sin(lon)
    with np.errstate(divide="ignore"):
        return np.where(up > 0, 1.5 / up, np.inf)


@settings(deadline=None)
@given(st.integers(4, 300), st.floats(0.01, 1e4))
def test_a_level_ceiling_comes_out_exactly(height: int, scale: float) -> None:
    truth = plane(height, 2 * height, 0)[:2] * scale
    spoiled = np.concatenate([truth, np.ones((height - 2, 2 * height))])
    spoiled[0] *= 1.3
    level_zenith(spoiled)
    assert spoiled[0] == pytest.approx(truth[0], rel=1e-12)
    assert np.array_equal(spoiled[1], truth[1])


def test_a_sloping_ceiling_is_off_by_less_than_a_row() -> None:
    truth = plane(126, 252, 45)
    mended = truth.copy()
    level_zenith(mended)
    assert np.abs(mended[0] / truth[0] - 1).max() < 1.1 * np.pi / 126
    assert np.array_equal(mended[1:], truth[1:])


def test_it_turns_with_the_panorama() -> None:
    rng = np.random.default_rng(0)
    map_ = rng.uniform(1, 9, (20, 40)).astype(np.float32)
    turned = np.roll(map_, 7, axis=1)
    level_zenith(map_)
    level_zenith(turned)
    assert np.array_equal(turned, np.roll(map_, 7, axis=1))
    assert map_.dtype == np.float32


def test_one_row_has_no_neighbour() -> None:
    row = np.ones((1, 4))
    level_zenith(row)
    assert (row == 1).all()

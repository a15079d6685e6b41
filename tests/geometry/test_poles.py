"""The rows round the poles, against planes in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.geometry.poles import level_zenith, settle_poles


def plane(height: int, width: int, slope_deg: float) -> np.ndarray:
    """(H, W) distance to a plane 1.5 above the camera that rises to the right; inf below it."""
    lon = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    lat = (((np.arange(height) + 0.5) / height - 0.5) * np.pi)[:, None]
    up = -np.sin(lat) - np.tan(np.deg2rad(slope_deg)) * np.cos(lat) * np.sin(lon)
    with np.errstate(divide="ignore"):
        return np.where(up > 0, 1.5 / up, np.inf)


def everywhere(distance: np.ndarray) -> np.ndarray:
    return np.ones(distance.shape, np.bool_)


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


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 90), st.integers(0, 90))
def test_it_turns_with_the_panorama(height: int, width: int, columns: int) -> None:
    map_ = np.random.default_rng(height).uniform(1, 9, (height, width)).astype(np.float32)
    turned = np.roll(map_, columns, axis=1)
    settle_poles(map_, everywhere(map_))
    settle_poles(turned, everywhere(turned))
    np.testing.assert_allclose(turned, np.roll(map_, columns, axis=1), rtol=1e-5)
    assert map_.dtype == np.float32
    assert map_.min() > 0.9


@pytest.mark.parametrize("size", [(126, 252), (40, 80), (91, 181)])
def test_rooms_keep_floor_and_ceiling(size: tuple[int, int]) -> None:
    level = plane(*size, 0)
    level = np.minimum(level, np.minimum(level[::-1], 7))
    settled = level.copy()
    settle_poles(settled, everywhere(settled))
    np.testing.assert_allclose(settled, level, rtol=1e-12)


@pytest.mark.parametrize(("slope_deg", "most"), [(10, 0.006), (20, 0.012), (45, 0.032)])
def test_slopes_stay_and_what_is_far_from_the_poles(slope_deg: float, most: float) -> None:
    rng = np.random.default_rng(1)
    slope = np.minimum(plane(126, 252, slope_deg), 9)
    settled = slope * np.exp(rng.normal(0, 0.02, slope.shape))
    noisy = settled.copy()
    settle_poles(settled, everywhere(settled))
    assert np.array_equal(settled[21:-21], noisy[21:-21])
    assert not np.isclose(settled[:21], noisy[:21]).all(1).any()
    clean = slope.copy()
    settle_poles(clean, everywhere(clean))
    assert np.abs(clean[:21] / slope[:21] - 1).max() < most


def test_what_is_not_valid_neither_counts_nor_changes() -> None:
    floor = np.minimum(plane(126, 252, 0)[::-1], 20)
    seen = everywhere(floor)
    seen[:, 80:200] = False
    given = np.where(seen, floor, 0.01)
    settled = given.copy()
    settle_poles(settled, seen)
    np.testing.assert_allclose(settled[1:], given[1:], rtol=1e-9)  # `level_zenith` did the first


def test_spokes_at_the_nadir_go() -> None:
    rng = np.random.default_rng(2)
    floor = np.minimum(plane(126, 252, 0)[::-1], 20)
    spoilt = floor * np.exp(rng.normal(0, 0.05, floor.shape[1]))  # each column by its own factor
    settled = spoilt.copy()
    settle_poles(settled, everywhere(settled))
    before, after = (np.log(x / floor).std(1) for x in (spoilt, settled))
    assert after[-1] < 0.1 * before[-1]
    assert after[-5] < 0.4 * before[-5]
    assert (after[63:] < before[63:] * (1 + 1e-9)).all()


@pytest.mark.parametrize("height", [1, 2, 3])
def test_few_rows_reach_no_pole(height: int) -> None:
    rows = np.ones((height, 4))
    level_zenith(rows)
    assert (rows == 1).all()

"""Previews: the order of colours, the logarithmic scale, and what is not a surface."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.export.colour import NO_SURFACE, colourise, distance_range, distance_table


def _luminance(table: np.ndarray) -> np.ndarray:
    coded = table.astype(np.float64) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_table_darkens_from_warm_near_to_blue_far() -> None:
    table = distance_table()
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert (np.diff(_luminance(table)) < 0).all()
    assert table[0, 0] > table[0, 2]  # near: more red than blue
    assert table[-1, 2] > table[-1, 0]  # far: more blue than red
    assert not (table == np.array(NO_SURFACE)).all(axis=1).any()


def test_scale_is_logarithmic_between_the_limits() -> None:
    distance = np.geomspace(1, 100, 256, dtype=np.float32).reshape(8, 32)
    picture = colourise(distance, limits=(1.0, 100.0))
    assert np.array_equal(picture.reshape(-1, 3), distance_table())
    beyond = colourise(np.array([[0.1, 5000]], np.float32), limits=(1.0, 100.0))
    assert np.array_equal(beyond[0], distance_table()[[0, 255]])


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 1e4), shift=st.integers(0, 63), seed=st.integers(0, 99))
def test_neither_unit_nor_heading_changes_the_colours(scale: float, shift: int, seed: int) -> None:
    distance = np.random.default_rng(seed).uniform(0.5, 20, (32, 64)).astype(np.float32)
    picture = colourise(distance)
    scaled = colourise((distance * scale).astype(np.float32))
    step = np.abs(np.diff(distance_table().astype(int), axis=0)).max()
    assert np.abs(picture.astype(int) - scaled).max() <= step
    assert np.array_equal(colourise(np.roll(distance, shift, 1)), np.roll(picture, shift, 1))


def test_masked_and_impossible_pixels_are_grey_and_do_not_count() -> None:
    rng = np.random.default_rng(0)
    distance = rng.uniform(1, 2, (32, 64)).astype(np.float32)
    mask = np.ones_like(distance, dtype=bool)
    mask[:8] = False
    spoiled = distance.copy()
    spoiled[:8] = 1e6
    spoiled[10, :4] = np.nan, np.inf, 0, -1
    picture = colourise(spoiled, mask)
    assert (picture[:8] == NO_SURFACE).all()
    assert (picture[10, :4] == NO_SURFACE).all()
    near, far = distance_range(spoiled, mask)
    assert 1 <= near < 1.05
    assert 1.95 < far <= 2


def test_a_few_outliers_do_not_spoil_the_range() -> None:
    distance = np.linspace(1, 2, 20_000, dtype=np.float32).reshape(100, 200)
    distance[0, :50], distance[-1, -50:] = 1e-4, 1e4
    near, far = distance_range(distance)
    assert near == pytest.approx(1, abs=0.02)
    assert far == pytest.approx(2, abs=0.02)


def test_constant_and_empty_maps_are_pictures_too() -> None:
    flat = colourise(np.full((8, 16), 3, np.float32))
    assert (flat == flat[0, 0]).all()
    empty = colourise(np.ones((8, 16), np.float32), np.zeros((8, 16), bool))
    assert (empty == NO_SURFACE).all()


def test_range_of_a_large_map_finds_its_few_valid_pixels() -> None:
    distance = np.ones((1500, 3000), np.float32)
    mask = np.zeros(distance.shape, bool)
    mask[701, 1001], distance[701, 1001] = True, 7
    assert distance_range(distance, mask) == pytest.approx((7, 7))

"""What a network is shown of a tile, and where its answer lies on the panorama."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.geometry.grid import erp_rays, solid_angles
from panodepth.geometry.rotation import rotate_vectors
from panodepth.predict.tiles.tile import FACTOR, REACH_DEG, Tile, tile_rotations
from panodepth.predict.tiles.zoom import zoomed

ROOM = np.array([2.0, 1.5, 3.0], np.float32)


def room_log(rays: np.ndarray) -> np.ndarray:
    """Log distance to the walls of a box along unit rays (..., 3)."""
    return np.asarray(np.log((ROOM / np.maximum(np.abs(rays), 1e-9)).min(-1)), np.float32)


@given(st.floats(0.2, 5))
def test_zooming_keeps_directions_about_the_axis_and_has_an_inverse(factor: float) -> None:
    rays = erp_rays(9, 18)
    out = zoomed(rays, factor)
    np.testing.assert_allclose(np.linalg.norm(out, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(zoomed(out, 1 / factor), rays, atol=2e-5)
    before, after = (np.arccos(np.clip(r[..., 2], -1, 1)) for r in (rays, out))
    np.testing.assert_allclose(
        after, 2 * np.arctan(factor * np.tan(before.astype(np.float64) / 2)), atol=2e-3
    )
    cross = rays[..., 0] * out[..., 1] - rays[..., 1] * out[..., 0]
    np.testing.assert_allclose(cross, 0, atol=1e-5)


def test_tiles_are_level_and_every_direction_is_inside_one() -> None:
    turns = tile_rotations()
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.eye(3)[None].repeat(8, 0), atol=1e-6
    )
    np.testing.assert_allclose(turns[:6, :, 1], np.tile([0, 1, 0], (6, 1)), atol=1e-6)
    nearest = (erp_rays(40, 80) @ turns[:, :, 2].T).max(-1)
    assert math.degrees(math.acos(nearest.min())) < REACH_DEG - 2


@pytest.mark.parametrize("number", [0, 2, 6, 7])
def test_a_tile_shows_the_picture_there_and_twice_as_large(number: int) -> None:
    turn = tile_rotations()[number]
    colours = np.ascontiguousarray(np.moveaxis(erp_rays(128, 256) / 2 + 0.5, -1, 0))
    shown = Tile(turn).picture(colours, np.eye(3), (40, 80))
    seen = np.moveaxis(shown, 0, -1) * 2 - 1
    wanted = rotate_vectors(turn, zoomed(erp_rays(40, 80), 1 / FACTOR))
    np.testing.assert_allclose(seen[2:-2], wanted[2:-2], atol=0.03)
    steps = [np.linalg.norm(r[20, 40] - r[20, 39]) for r in (wanted, erp_rays(40, 80))]
    assert steps[0] == pytest.approx(steps[1] / FACTOR, rel=0.01)


def test_a_picture_that_is_turned_shows_the_level_tile() -> None:
    turn = tile_rotations()[1]
    to_picture = tile_rotations()[3].astype(np.float64)
    level = erp_rays(128, 256)
    tilted = rotate_vectors(to_picture.T, level)  # the picture's pixels, as level directions
    planes = [np.ascontiguousarray(np.moveaxis(r / 2 + 0.5, -1, 0)) for r in (level, tilted)]
    one = Tile(turn).picture(planes[0], np.eye(3), (30, 60))
    other = Tile(turn).picture(planes[1], to_picture, (30, 60))
    np.testing.assert_allclose(one, other, atol=0.03)


@pytest.mark.parametrize("number", [0, 4, 6])
def test_an_answer_of_its_own_scale_and_drift_is_laid_on_the_base(number: int) -> None:
    turn = tile_rotations()[number]
    rays = zoomed(erp_rays(60, 120), 1 / FACTOR)
    answer = room_log(rotate_vectors(turn, rays)) - 1.7 + 0.2 * rays[..., 0] - 0.1 * rays[..., 1]
    base = room_log(erp_rays(80, 160)).astype(np.float64)
    base[40, 20:25] += 1.0  # what is odd in the base hardly counts
    laid = Tile(turn).laid(answer, base)
    inside = laid.weight > 0.05
    share = (inside * solid_angles(80, 160)).sum() / (4 * math.pi)
    assert share == pytest.approx((1 - math.cos(math.radians(0.95 * REACH_DEG))) / 2, rel=0.02)
    off = np.abs(laid.log_distance - room_log(erp_rays(80, 160)))[inside]
    assert np.median(off) < 0.004
    assert np.quantile(off, 0.99) < 0.05

"""Distances that are wrong by regions: found all over two pictures, and evened out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scene.test_align import PLACES, SIZE, photo

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.sampling import sample_erp
from panodepth.scene.evening import evened
from panodepth.scene.registration import Registration
from panodepth.scene.sweep import Maps, even_rays, level_maps, swept
from panodepth.types import FloatArray, Prediction

STEP, SCALE = np.array(PLACES[1].position) / PLACES[0].scale, PLACES[1].scale / PLACES[0].scale
TRUE = Registration(
    math.radians(PLACES[1].yaw_deg), STEP, SCALE, 100, 0.01, np.full(3, 0.01), np.zeros(2)
)


def wrong(prediction: Prediction, share: float) -> tuple[Prediction, FloatArray]:
    """With distances that are off by regions, up to `share`, half of the sphere each way; ln."""
    x, y, z = np.moveaxis(erp_rays(*SIZE), -1, 0)
    off = np.asarray(share * np.sin(3 * x + 1) * np.sin(2 * y + 3 * z), np.float32)
    off -= np.median(off)
    return replace(prediction, distance=prediction.distance * np.exp(off)), off


@pytest.fixture(scope="module")
def rooms() -> list[tuple[Maps, FloatArray]]:
    found = [wrong(photo(place, "room"), 0.2) for place in PLACES[:2]]
    return [(level_maps(room), off) for room, off in found]


@given(st.integers(1, 2000))
def test_rays_are_spread_evenly(count: int) -> None:
    rays = even_rays(count)
    assert np.allclose(np.linalg.norm(rays, axis=1), 1, atol=1e-6)
    assert np.linalg.norm(rays.mean(0)) <= 1.01 / math.sqrt(count)


def test_regions_that_are_wrong_are_found(rooms: list[tuple[Maps, FloatArray]]) -> None:
    for number, back in ((0, False), (1, True)):
        (one, off), (other, _) = rooms[number], rooms[1 - number]
        part = swept(one, other, TRUE, back=back)
        clear = np.isfinite(part.factors)
        truth = -sample_erp(off[None], part.rays[None])[0, 0]
        assert clear.mean() > 0.3
        assert np.median(np.abs(part.factors - truth)[clear]) < 0.02
        assert np.mean(np.abs(part.factors - truth)[clear] < 0.06) > 0.8


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_step_and_scale_are_evened(rooms: list[tuple[Maps, FloatArray]], factor: float) -> None:
    start = TRUE._replace(position=STEP * factor, scale=SCALE / factor)
    better = evened(rooms[0][0], rooms[1][0], start)
    assert better.yaw_rad == start.yaw_rad
    assert np.allclose(np.cross(better.position, STEP), 0, atol=1e-9)
    assert np.linalg.norm(better.position - STEP) < 0.04 * np.linalg.norm(STEP)
    assert better.scale == pytest.approx(SCALE, rel=0.03)


def test_exact_distances_stay_as_they_are() -> None:
    one, other = (level_maps(photo(place, "room")) for place in PLACES[:2])
    assert evened(one, other, TRUE) is TRUE


def test_a_wrong_place_is_left_alone(rooms: list[tuple[Maps, FloatArray]]) -> None:
    there = TRUE._replace(yaw_rad=TRUE.yaw_rad + math.pi)
    part = swept(rooms[0][0], rooms[1][0], there, back=False)
    assert np.isfinite(part.factors).mean() < 0.1

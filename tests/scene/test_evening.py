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
from panodepth.scene.align import Room, Scene
from panodepth.scene.evening import clear_share, evened
from panodepth.scene.matching import Matches
from panodepth.scene.poses import Place
from panodepth.scene.registration import Registration, guesses, refined, turned
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
    assert better.scale_spread is not None
    assert better.scale_spread > abs(math.log(better.scale / SCALE)) / 2


def test_exact_distances_stay_as_they_are() -> None:
    one, other = (level_maps(photo(place, "room")) for place in PLACES[:2])
    same = evened(one, other, TRUE)
    assert np.array_equal(same.position, TRUE.position)
    assert same.scale == TRUE.scale
    assert same.scale_spread is not None
    assert 0 < same.scale_spread < 0.03


def test_a_wrong_place_is_left_alone(rooms: list[tuple[Maps, FloatArray]]) -> None:
    there = TRUE._replace(yaw_rad=TRUE.yaw_rad + math.pi)
    assert clear_share(rooms[0][0], rooms[1][0], there) < 0.1
    left = evened(rooms[0][0], rooms[1][0], there)
    assert left.scale_spread is not None
    assert left.scale_spread > 0.1


def test_a_place_that_is_not_known_well_is_said_so() -> None:
    first, place = Room("a", Place()), Place(0.0, (2.0, 0.0, 0.0))
    for position, scale, noted in ((0.09, 0.029, 0), (0.11, 0.01, 1), (0.01, 0.031, 1)):
        second = Room("b", place, 20, 0, 0.1, position, scale)
        note = Scene((first, second), "relative").note(second)
        assert (note is not None) == noted
        assert note is None or f"off by {scale:.0%}, its place by {position / 2:.0%}" in note
    second = Room("b", Place(0.0, (1e-7, 0.0, 0.0)), 20, 0, 0.1, 0.01, 0.01)  # the same picture
    note = Scene((first, second), "relative").note(second)
    assert note == "it seems to be taken where a was: no step between them is clear"


def test_other_guesses_are_of_what_the_first_leaves() -> None:
    rng = np.random.default_rng(0)
    lists = []
    for yaw, count in ((0.5, 60), (-2.0, 30)):  # two places, each with its own matches
        here = rng.uniform(-3, 3, (count, 3))
        there = turned(-yaw, here - [1.0, 0.0, 0.5])
        lists.append([part for points in (here, there) for part in split(points)])
    matches = Matches(*(np.concatenate(part) for part in zip(*lists, strict=True)))
    yaws = [guess.yaw_rad for guess, _ in zip(guesses(matches, 6), range(2), strict=False)]
    assert np.allclose(yaws, [0.5, -2.0], atol=0.02)


def drawn(rng: np.random.Generator, regions: int) -> tuple[Matches, Registration]:
    """240 matches, equally many in each region, where distances err alike; and the true place."""
    centres = np.repeat(even_rays(regions), 240 // regions, 0)
    rays = centres + rng.normal(0, 0.05, (240, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    here = rays * rng.uniform(1.5, 4, (240, 1))
    there = turned(-0.7, here - [0.9, 0.0, 0.5])
    lists = []
    for points in (here, there):
        ray, distance = split(points)
        ray = ray + rng.normal(0, math.radians(0.1), ray.shape)
        wrong = np.repeat(rng.normal(0, 0.12, regions), 240 // regions)
        lists += [ray / np.linalg.norm(ray, axis=1, keepdims=True), distance * np.exp(wrong)]
    position = np.array([0.9, 0.0, 0.5])
    return Matches(*lists), Registration(0.7, position, 1, 240, 0, np.zeros(3), np.zeros(2))


@pytest.mark.parametrize("regions", [20, 240])
def test_standard_errors_hold_what_is_wrong_by_regions(regions: int) -> None:
    rng = np.random.default_rng(regions)
    inside = []
    for _ in range(40):
        matches, true = drawn(rng, regions)
        found = refined(matches, true)
        assert found is not None
        off = np.linalg.norm(found.position - true.position)
        inside.append(off < np.linalg.norm(found.position_spread))
    assert 0.45 < np.mean(inside) < 0.95  # one standard deviation: 0.68


def split(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rays and distances."""
    length = np.linalg.norm(points, axis=1)
    return points / length[:, None], length

"""A floor that drifts is no obstacle, a wall that leans is one line, and a box stays a box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.export.robots import ground, obstacles
from panodepth.export.robots.maps import OCCUPIED, Grid, MapOptions, occupancy_map
from panodepth.export.robots.obstacles import LEAN, followed, grazing, plumb, seen_around
from panodepth.export.robots.scan import ScanOptions, laser_scan
from panodepth.geometry.grid import axis_angles, erp_rays
from panodepth.types import Prediction

SIZE = (256, 512)
HEIGHT, WALL = 1.5, 4.0
OPTIONS = ScanOptions(camera_height=HEIGHT)


def seen(floor: np.ndarray, wall: np.ndarray) -> Prediction:
    """A round room. floor: (H, W) distance to it, at and below the horizon; wall: (H, W)."""
    distance = np.minimum(floor, wall).astype(np.float32)
    return Prediction(distance, np.ones(SIZE, bool), np.zeros((*SIZE, 3), np.uint8), {"unit": "m"})


def round_room(drift: float = 0.0, lean: float = 0.0) -> Prediction:
    """drift: how far the floor rises in a metre. lean: how far the wall comes nearer in one."""
    down = np.broadcast_to(np.sin(axis_angles(*SIZE)[1])[:, None], SIZE)
    across = np.sqrt(1 - down**2)
    with np.errstate(divide="ignore"):
        # height - d down = drift d across, and d across = WALL - lean (height - d down)
        floor = np.where(down + drift * across > 0, HEIGHT / (down + drift * across), np.inf)
        wall = (WALL - lean * HEIGHT) / np.maximum(across - lean * down, 1e-9)
    return seen(floor, wall)


@pytest.mark.parametrize("drift", [-0.1, 0.0, 0.05, 0.12])
def test_a_floor_that_drifts_is_no_obstacle(drift: float) -> None:
    ranges = laser_scan(round_room(drift), OPTIONS).ranges
    np.testing.assert_allclose(ranges, WALL, atol=0.002)
    assert laser_scan(round_room(0.5), OPTIONS).ranges.max() < 1.0  # what is steeper is one


@pytest.mark.parametrize("lean", [-0.15, 0.1, 0.15])
def test_a_wall_that_leans_is_one_line(lean: float) -> None:
    wall = seen_around(round_room(lean=lean), Path("map"), OPTIONS).wall
    away = np.hypot(wall[:, 0], wall[:, 1])
    assert np.ptp(away) < 0.002
    # The middle row of the band is somewhat below its middle height.
    assert abs(away[0] - (WALL - lean * 0.95)) < abs(lean) * 0.4
    assert np.ptp(wall[:, 2]) > 1.5


def test_a_box_on_the_floor_stays(tmp_path: Path) -> None:
    room = round_room()
    rays = np.asarray(erp_rays(*SIZE, dtype=np.float64))
    front = np.array([-0.3, HEIGHT - 0.3, 1.5]), np.array([0.3, HEIGHT, 2.1])  # 0.3 m high
    with np.errstate(divide="ignore"):
        low, high = front[0] / rays, front[1] / rays
    enter = np.minimum(low, high).max(-1)
    hit = (enter > 0) & (enter <= np.maximum(low, high).min(-1))
    boxed = replace(room, distance=np.where(hit, enter, room.distance).astype(np.float32))
    ranges = laser_scan(boxed, OPTIONS).ranges
    assert ranges[len(ranges) // 2] == pytest.approx(1.5, abs=0.03)
    found = occupancy_map(boxed)
    row, column = found.grid.cells(np.array([[1.8, 0.0]]))
    assert found.grey[row[0], column[0]] == OCCUPIED


def test_between_near_and_far_nothing_is_drawn_on_the_map() -> None:
    distance = np.full((8, 256), 2.0)
    distance[2:6, 4:8] = 1.0
    found = grazing(distance)
    assert found[2:6, 3].all()
    assert found[2:6, 8].all()
    assert found[1, 4:8].all()
    assert not found[3:5, 5:7].any()
    assert not found[:, 12:].any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_turning_the_picture_turns_the_result(seed: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    run, z = rng.uniform(0.1, 5, (12, 16)), rng.uniform(-0.2, 2, (12, 16))
    valid = rng.random((12, 16)) > 0.2

    def turned(array: np.ndarray) -> np.ndarray:
        return np.roll(array, columns, 1)

    for function, arrays in ((followed, (run, z, valid)), (plumb, (run, z, valid))):
        np.testing.assert_array_equal(function(*map(turned, arrays)), turned(function(*arrays)))
    np.testing.assert_array_equal(grazing(turned(run)), turned(grazing(run)))
    straight = plumb(run, z, valid)
    np.testing.assert_array_equal(straight[~valid], run[~valid])
    assert set(straight[valid]) <= set(run[valid])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 20, 1 << 15]))
def test_what_stands_upright_has_its_median(seed: int, pixels: int) -> None:
    """As a plain loop down each column says, whatever the columns that are done at a time."""
    rng = np.random.default_rng(seed)
    run, z = 2 + np.cumsum(rng.normal(0, 0.05, (2, 12, 9)), 1)
    band = rng.random(run.shape) > 0.2
    expected = run.copy()
    for column in range(run.shape[1]):
        surfaces: list[list[int]] = []
        for row in np.flatnonzero(band[:, column]):
            above = row - 1, column
            steep = abs(z[row, column] - z[above]) > abs(run[row, column] - run[above])
            if surfaces and surfaces[-1][-1] == row - 1 and steep:
                surfaces[-1].append(row)
            else:
                surfaces.append([row])
        for rows in surfaces:
            kept = run[rows, column]
            median = np.sort(kept)[len(kept) // 2]
            expected[rows, column] = np.where(abs(kept - median) <= LEAN * median, median, kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(obstacles, "BAND_PIXELS", pixels)
        np.testing.assert_array_equal(plumb(run, z, band), expected)


@pytest.mark.parametrize("pixels", [1, 20, 1 << 15])
def test_jumps_are_found_across_bands_too(monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    logs = np.random.default_rng(0).normal(0, 3, (12, 9))
    most = obstacles.GRAZING * 2 * np.pi / 9
    expected = np.zeros(logs.shape, bool)
    for row, column in np.ndindex(logs.shape):
        around = [(row, column - 1), (row, (column + 1) % 9), (row - 1, column), (row + 1, column)]
        inside = (place for place in around if 0 <= place[0] < 12)
        expected[row, column] = any(abs(logs[p] - logs[row, column]) > most for p in inside)
    assert 0.1 < expected.mean() < 0.9
    monkeypatch.setattr(obstacles, "BAND_PIXELS", pixels)
    np.testing.assert_array_equal(grazing(np.exp(logs)), expected)


def test_bands_of_rows_hold_every_point_once(monkeypatch: pytest.MonkeyPatch) -> None:
    room = round_room(drift=0.05)
    some = replace(room, mask=np.random.default_rng(0).random(SIZE) > 0.3)
    whole = np.concatenate(list(ground.over_ground(some, HEIGHT)))
    assert len(whole) == some.mask.sum()
    np.testing.assert_allclose(
        whole, some.points[some.mask][:, [2, 0, 1]] * [1, -1, -1] + [0, 0, HEIGHT], atol=1e-5
    )
    grid = Grid.around([whole], MapOptions(), Path("map"))
    monkeypatch.setattr(ground, "BAND_PIXELS", 1000)
    bands = list(ground.over_ground(some, HEIGHT))
    assert len(bands) == SIZE[0]
    np.testing.assert_array_equal(np.concatenate(bands), whole)
    assert Grid.around(bands, MapOptions(), Path("map")) == grid

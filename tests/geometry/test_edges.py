"""Up by vertical edges: rooms with striped walls and a floor of slanting boards, at any tilt."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from tests.drawn import drawn

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.edges import by_edges
from panodepth.geometry.level.up import Up
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll

H, W = 128, 256
LOW, HIGH = np.array([-2.0, -1.0, -1.5]), np.array([3.0, 1.6, 4.0])
Map = npt.NDArray[np.float64]


def true_up(pitch_deg: float, roll_deg: float) -> Map:
    turn = rotation_from_yaw_pitch_roll(0.0, math.radians(pitch_deg), math.radians(roll_deg))
    return np.asarray(turn.T @ [0.0, -1.0, 0.0])


def hits(pitch_deg: float, roll_deg: float, yaw_deg: float) -> tuple[Map, Map]:
    """Distance (H, W) in a box, and the points (H, W, 3) in its level frame."""
    turn = rotation_from_yaw_pitch_roll(*np.radians([yaw_deg, pitch_deg, roll_deg]).tolist())
    rays = rotate_vectors(turn, erp_rays(H, W, dtype=np.float64))
    with np.errstate(divide="ignore"):
        distance = np.where(rays > 0, HIGH / rays, LOW / rays).min(-1)
    return distance, distance[..., None] * rays


def painted(points: Map) -> npt.NDArray[np.float32]:
    """Walls of stripes and a few shelves, and boards below and above that run askew."""
    x, y, z = np.moveaxis(points, -1, 0)
    level = (np.abs(y - HIGH[1]) < 1e-6) | (np.abs(y - LOW[1]) < 1e-6)
    stripes = np.tanh(4 * np.sin(4 * (x + z))) + 0.5 * np.tanh(4 * np.sin(4 * y))
    boards = 2 * np.sin(9 * (0.8 * x + 0.3 * z))
    return np.asarray(0.5 + 0.2 * np.where(level, boards, stripes), np.float32)


def off(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    return math.degrees(math.acos(min(1.0, float(np.dot(one, other)))))


@drawn(8, pitch=(-25.0, 25), roll=(-25.0, 25), yaw=(-180.0, 180), more=(-4.0, 4), side=(-4.0, 4))
def test_what_a_first_up_is_off_by_is_taken_off(
    pitch: float, roll: float, yaw: float, more: float, side: float
) -> None:
    distance, points = hits(pitch, roll, yaw)
    near = Up(tuple(true_up(pitch + more, roll + side).tolist()), 3.0, 0.5, "estimate")
    found = by_edges(painted(points), distance, near)
    assert off(found.direction, true_up(pitch, roll)) < 1.5
    assert np.linalg.norm(found.direction) == pytest.approx(1, abs=1e-6)
    assert (found.support, found.source) == (0.5, "estimate")


def test_what_has_no_upright_edges_leaves_the_first_up() -> None:
    distance, points = hits(20, 5, 0)
    near = Up(tuple(true_up(24, 5).tolist()))
    rng = np.random.default_rng(0)
    nothing = [
        np.full((H, W), 0.5, np.float32),
        rng.random((H, W), np.float32),
        (0.5 + 0.3 * np.sin(7 * points[..., 1])).astype(np.float32),  # lines that are all level
    ]
    for picture in nothing:
        assert by_edges(picture, distance, near) is near


def test_it_turns_with_the_picture() -> None:
    distance, points = hits(20, 5, 30)
    near, columns = np.array(true_up(23, 7)), 37
    found = by_edges(painted(points), distance, Up(tuple(near.tolist())))
    assert off(found.direction, near) > 2
    turn = rotation_from_yaw_pitch_roll(columns / W * 2 * math.pi)
    picture, rolled = np.roll(painted(points), columns, 1), np.roll(distance, columns, 1)
    again = by_edges(picture, rolled, Up(tuple((turn @ near).tolist())))
    assert off(turn @ found.direction, again.direction) < 0.3

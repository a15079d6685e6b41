"""Lowered ceilings and partitions keep off the camera, the floor and what is above them."""

from __future__ import annotations

import numpy as np
import pytest

from panodepth.lab.worlds.closeup.lowered import LOWEST, lower_ceiling, partition
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.indoor.plans import Room
from panodepth.lab.worlds.parts.place import CEILING
from panodepth.lab.worlds.render.primitives import Scene, Solid
from panodepth.lab.worlds.render.shapes import BOX

CLEAR = 0.35
FLOOR = (Solid(BOX, (9.0, 0.1, 9.0)), np.array([0.0, -0.1, 0.0]))


def interior(seed, height=2.9, half=(3.0, 2.0), roof="flat"):
    """A bare room around (0, 0) with a floor."""
    (x, z), scene = half, Scene(indoor=True)
    scene.add(*FLOOR)
    corners = np.array([(-x, -z), (x, -z), (x, z), (-x, z)])
    return Interior(scene, Draws.of(3, seed), Room(corners, height, roof))


def added(here):
    """Lowest and highest corners (n, 3) [m] of what was put into a room."""
    _, centre, half, turned, _ = here.scene.stacked()
    reach = np.einsum("nij,nj->ni", np.abs(turned), half)
    return (centre - reach)[1:], (centre + reach)[1:]


@pytest.mark.parametrize("height", [2.25, 2.9, 4.5])
def test_a_lowered_ceiling_hangs_from_the_ceiling_above_heads(height):
    eye, found = np.array([0.5, 1.6, 0.3]), 0
    for seed in range(40):
        here = interior(seed, height)
        lower_ceiling(here, eye, CLEAR)
        assert all(label == CEILING for *_, label in here.scene.rows[1:])
        low, high = added(here)
        found += len(low)
        assert here.scene.clearance(eye) >= CLEAR
        assert (low[:, 1] >= LOWEST - 1e-9).all()
        assert (high[:, 1] <= height + 1e-9).all()
        assert (np.abs([low, high])[..., [0, 2]] <= np.array([3.8, 2.8])).all()
    assert found >= 40


def test_low_and_sloped_ceilings_stay_as_they_are():
    for seed in range(5):
        for here in (interior(seed, 2.1), interior(seed, 2.9, roof="gable")):
            lower_ceiling(here, np.array([0.0, 1.5, 0.0]), CLEAR)
            assert len(here.scene) == 1


def test_a_camera_close_under_the_ceiling_is_not_boxed_in():
    """What came too near is taken away, and what follows is judged by itself."""
    eye, kept = np.array([2.5, 2.5, 1.6]), 0
    for seed in range(40):
        here = interior(seed)
        lower_ceiling(here, eye, CLEAR)
        assert here.scene.clearance(eye) >= CLEAR
        kept += len(here.scene) > 1
    assert kept > 10


def test_partitions_reach_from_floor_to_ceiling_inside_the_room():
    eye, found = np.array([0.0, 1.5, 0.0]), 0
    for seed in range(60):
        here = interior(seed)
        partition(here, eye, CLEAR)
        low, high = added(here)
        if not len(low):
            continue
        found += 1
        assert here.scene.clearance(eye) >= CLEAR
        assert low[:, 1].min() == pytest.approx(0, abs=0.02)
        assert high[:, 1].max() == pytest.approx(2.9, abs=0.02)
        assert (np.abs([low, high])[..., [0, 2]] <= np.array([3.1, 2.1])).all()
    assert found >= 10

"""Lintels and beams hang from the ceiling, keep off the camera and its head, and hold no lamp."""

from __future__ import annotations

import numpy as np
import pytest

from panodepth.lab.worlds import Priors, make_scene
from panodepth.lab.worlds.closeup.headers import CLEARANCE, LOWEST, headers
from panodepth.lab.worlds.parts.place import WALL
from panodepth.lab.worlds.render.primitives import Light

from .test_lowered import added, interior

EYE = np.array([0.5, 1.6, 0.3])


def with_headers(seed, height=2.9, eye=EYE, lamps=(), **room):
    """A bare room with headers; the corners of what was added, and the room."""
    here = interior(seed, height, **room)
    here.scene.lights.extend(Light((x, height - 0.3, z), (1.0, 1.0, 1.0)) for x, z in lamps)
    headers(here, eye)
    return added(here), here


@pytest.mark.parametrize("height", [2.25, 2.9, 4.5])
def test_headers_run_from_wall_to_wall_under_the_ceiling(height):
    found = 0
    for seed in range(60):
        (low, high), here = with_headers(seed, height)
        assert here.scene.clearance(EYE) >= CLEARANCE
        assert all(label == WALL for *_, label in here.scene.rows[1:])
        assert np.allclose(high[:, 1], height)
        hangs = low[:, 1] > 1e-6
        assert (low[hangs, 1] >= LOWEST - 1e-9).all()
        wide = high[hangs] - low[hangs]
        across = np.isclose(wide[:, 0], 6.0) | np.isclose(wide[:, 2], 4.0)
        assert across.all()
        assert (np.abs([low, high])[..., [0, 2]] <= np.array([3.0, 2.0]) + 1e-9).all()
        found += int(hangs.sum())
    assert found >= 40


def test_the_camera_often_stands_under_one():
    under = stubs = 0
    for seed in range(200):
        (low, high), _ = with_headers(seed)
        inside = ((low <= EYE) & (high >= EYE))[:, [0, 2]].all(1)
        under += bool((inside & (low[:, 1] > EYE[1])).any())
        stubs += bool((low[:, 1] < 1e-6).any())
    assert 60 <= under <= 150
    assert 40 <= stubs <= 160


def test_what_stands_on_the_floor_takes_its_ground():
    """Furniture that is there already is not walled in: a stub that would is left out."""
    for seed in range(60):
        here = interior(seed)
        taken = here.room.sides[0].footprint(0.0, 1.0, 1.2)
        here.ground.take(taken)
        headers(here, EYE)
        low, high = added(here)
        x, z = np.array(taken.corners).T
        for a, b in zip(low, high, strict=True):
            apart = b[0] <= x.min() or a[0] >= x.max() or b[2] <= z.min() or a[2] >= z.max()
            assert a[1] > 1e-6 or apart


def test_a_lamp_is_never_inside_one():
    lamps = [(x, z) for x in (-1.5, 0.0, 1.5) for z in (-1.0, 0.0, 1.0)]
    found = 0
    for seed in range(100):
        (low, high), here = with_headers(seed, lamps=lamps)
        found += len(low)
        for light in here.scene.lights:
            at = np.array(light.position)
            assert not ((low < at) & (high > at)).all(1).any()
    assert found >= 10


def test_low_sloped_and_odd_rooms_have_none():
    corners = np.array([(-3, -2), (3, -2), (3, 2), (0, 2), (0, 1), (-3, 1)], float)
    for seed in range(10):
        for kind in ({"height": 2.05}, {"roof": "gable"}, {"eye": np.array([0.0, 2.8, 0.0])}):
            assert not len(with_headers(seed, **kind)[0][0])
        here = interior(seed)
        object.__setattr__(here.room, "corners", corners)
        headers(here, EYE)
        assert not len(added(here)[0])


def test_worlds_without_headers_are_what_they_were():
    """The chance 0, which is the default, draws no random number."""
    usual = Priors(version=2, new=1.0, halls=0.0)
    some = Priors(version=2, new=1.0, halls=0.0, headers=1.0)
    changed = 0
    for index in range(12):
        one, two = (make_scene(5, index, "indoor", p) for p in (usual, some))
        assert np.array_equal(one.camera, two.camera)
        changed += len(one) != len(two)
    assert changed >= 4

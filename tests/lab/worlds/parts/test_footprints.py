"""Footprints: overlap as points see it; ground is given away once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.lab.worlds.parts.footprints import Footprint, Ground

angle, size = st.floats(-7, 7), st.floats(0.1, 3)
place = st.floats(-5, 5)


def distance_outside(footprint: tuple, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Metres from points to a rectangle (x, z, yaw, half_x, half_z), 0 inside."""
    at_x, at_z, yaw, half_x, half_z = footprint
    dx, dz = x - at_x, z - at_z
    along, across = np.cos(yaw) * dx - np.sin(yaw) * dz, np.sin(yaw) * dx + np.cos(yaw) * dz
    return np.hypot(np.maximum(np.abs(along) - half_x, 0), np.maximum(np.abs(across) - half_z, 0))


@settings(max_examples=60, deadline=None)
@given(place, place, angle, angle, size, size)
def test_rectangles_overlap_exactly_when_points_do(x, z, a, b, wide, deep):
    first, second = (0.0, 0.0, a, 1.0, 2.0), (x, z, b, wide, deep)
    one, two = (Footprint.rectangle(r[:2], *r[2:]) for r in (first, second))
    assert one.overlaps(two) == two.overlaps(one)
    assert one.overlaps(one)
    assert one.overlaps(two, 20.0)
    u, v = (g.ravel() for g in np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41)))
    px = x + np.cos(b) * u * wide + np.sin(b) * v * deep
    pz = z - np.sin(b) * u * wide + np.cos(b) * v * deep
    gap = distance_outside(first, px, pz).min()
    if gap == 0:
        assert one.overlaps(two)
    elif one.overlaps(two):  # the sampled grid may miss a thin shared corner, no more
        assert gap < 0.15


@settings(max_examples=40, deadline=None)
@given(place, place, angle, size, size)
def test_a_rectangle_is_the_polygon_of_its_corners(x, z, yaw, wide, deep):
    one = Footprint.rectangle((x, z), yaw, wide, deep)
    polygon = Footprint(one.corners)
    triangle = Footprint([(0.0, 0.0), (1.5, 0.2), (0.3, 1.0)])
    assert one.overlaps(triangle) == polygon.overlaps(triangle)
    middle_x, middle_z, radius = one.circle
    np.testing.assert_allclose(
        (middle_x, middle_z, radius), (x, z, np.hypot(wide, deep)), atol=1e-9
    )
    assert one.overlaps(polygon)
    far = Footprint.rectangle((x + 2 * radius + 0.1, z), 0.0, 0.05, 0.05)
    assert not one.overlaps(far)


def test_ground_is_given_away_once():
    ground = Ground()
    square = Footprint.rectangle((0.0, 0.0), 0.0, 1.0, 1.0)
    beside = Footprint.rectangle((2.2, 0.0), 0.0, 1.0, 1.0)
    assert ground.claim(square)
    assert not ground.claim(square)
    assert not ground.claim(beside, slack=0.3)
    assert ground.claim(beside, slack=0.1)
    assert ground.taken == [square, beside]

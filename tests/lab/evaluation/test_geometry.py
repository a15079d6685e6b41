"""Seam, poles, normals, contours, clouds and turned cameras, against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.lab.evaluation.conftest import smooth

from panodepth.lab.evaluation.measures import boundary, geometry
from panodepth.lab.evaluation.measures.points import cloud_scores, spiral
from panodepth.lab.evaluation.measures.rotation import rotation_consistency

H, W = 32, 64
EVERYWHERE = np.ones((H, W), bool)
NOWHERE = np.zeros((H, W), bool)


def room(half=(2.0, 1.5, 3.0), height=H, width=W):
    """Distance to the walls of a box round the camera, and which of the six is hit."""
    from panodepth.geometry.grid import erp_rays

    rays = erp_rays(height, width)
    reach = np.array(half, np.float32) / np.maximum(np.abs(rays), 1e-9)
    return reach.min(-1).astype(np.float32), reach.argmin(-1)


def residual(prediction, truth, valid=EVERYWHERE):
    return geometry.log_residual(prediction, truth, valid)


def test_a_step_at_the_seam_alone():
    truth = smooth(0)
    prediction = truth * np.exp(np.linspace(0, 0.63, W, dtype=np.float32))  # 0.01 a column
    found = geometry.seam(residual(prediction, truth), EVERYWHERE)
    assert found["seam"] == pytest.approx(0.63, rel=1e-4)
    assert found["seam_ratio"] == pytest.approx(63, rel=1e-3)
    rolled = np.roll(residual(prediction, truth), 20, axis=1)
    inside = geometry.seam(rolled, EVERYWHERE)
    assert inside["seam"] == pytest.approx(0.01, rel=1e-3)


def test_seam_needs_both_sides():
    valid = EVERYWHERE.copy()
    valid[:, 0] = False
    assert geometry.seam(residual(smooth(1), smooth(0)), valid) == {
        "seam": None,
        "seam_ratio": None,
    }


def test_poles_see_the_caps_alone():
    truth = smooth(0)
    prediction = truth.copy()
    prediction[:4] *= 1.1  # 32 rows of 5.6°: four are the upper cap
    prediction[10:20] *= 3
    found = geometry.poles(prediction, truth, residual(prediction, truth), EVERYWHERE)
    assert found["pole"] == pytest.approx(0.05, rel=1e-4)
    assert found["pole_spread"] == pytest.approx(0, abs=1e-6)
    prediction[0, ::2] *= math.e
    spread = geometry.poles(prediction, truth, residual(prediction, truth), EVERYWHERE)
    assert spread["pole_spread"] == pytest.approx(0.5 / 2, rel=1e-4)


def test_normals_of_a_room_with_one_wall_tilted():
    truth, wall = room(height=64, width=128)
    valid = np.ones(truth.shape, bool)
    assert geometry.normals(truth, truth, valid) == {"normal": 0.0, "normal_11": 1.0}
    from panodepth.geometry.grid import erp_rays

    rays = erp_rays(64, 128)
    floor = (wall == 1) & (rays[..., 1] > 0)
    tilt = math.radians(20)
    normal = np.array([0, -math.cos(tilt), math.sin(tilt)], np.float32)
    tilted = truth.copy()
    tilted[floor] = (normal @ [0, 1.5, 0] / (rays[floor] @ normal)).astype(np.float32)
    assert (tilted > 0).all()
    inner = floor & geometry._neighbours_valid(floor)
    found = geometry.normals(tilted, truth, inner)
    assert found["normal"] == pytest.approx(20, abs=0.3)
    assert found["normal_11"] == 0.0


def test_a_normal_needs_the_neighbours_it_is_made_of():
    valid = EVERYWHERE.copy()
    valid[0, 0] = False
    good = geometry._neighbours_valid(valid)
    assert not good[1, 0]  # below the hole
    assert not good[0, W // 2]  # across the pole
    assert not good[0, W // 4]  # the step of the first row is W / 4
    assert good[1, 1]
    assert geometry.normals(smooth(0), smooth(0), NOWHERE) == {"normal": None, "normal_11": None}


def box(near=1.0, far=3.0, columns=slice(20, 40)):
    distance = np.full((H, W), far, np.float32)
    distance[8:24, columns] = near
    return distance


def test_contours_in_place_beside_and_missing():
    truth = box()
    assert boundary.boundary_f1(truth, truth, EVERYWHERE) == 1.0
    assert boundary.boundary_f1(np.ones_like(truth), truth, EVERYWHERE) == 0.0
    assert boundary.boundary_f1(np.ones_like(truth), np.ones_like(truth), EVERYWHERE) is None
    # The same box one column on: its upper and lower sides stay, but for one pixel each.
    moved = np.roll(truth, 1, axis=1)
    kept, all_of_one = 2 * 19, 2 * 20 + 2 * 16
    assert boundary.boundary_f1(moved, truth, EVERYWHERE) == pytest.approx(kept / all_of_one)


def test_the_direction_of_a_contour_counts():
    assert boundary.boundary_f1(box(3.0, 1.0), box(1.0, 3.0), EVERYWHERE) == 0.0


def test_contours_cross_the_seam():
    truth = box(columns=slice(0, 20))
    without = truth.copy()
    without[:, -1] = truth[:, 0]  # the contour at the seam moves one pixel
    found = boundary.boundary_f1(without, truth, EVERYWHERE)
    assert 0 < found < 1


def test_low_thresholds_see_what_high_ones_do_not():
    truth = box(1.0, 1.1)  # above 1.05, 1.072 and 1.094, below the other seven
    prediction = box(1.0, 1.08)
    thresholds = np.array(boundary.CONTOUR_RATIOS)
    both, either = thresholds < 1.08, thresholds < 1.1
    expected = thresholds[both].sum() / thresholds[either].sum()
    assert boundary.boundary_f1(prediction, truth, EVERYWHERE) == pytest.approx(expected)


def test_flying_pixels():
    truth = box(1.0, 4.0)
    assert boundary.flying_share(truth, truth, EVERYWHERE) == 0.0
    assert boundary.flying_share(truth * 1.3, truth, EVERYWHERE) == 0.0
    assert boundary.flying_share(np.roll(truth, 1, 1), truth, EVERYWHERE) == 0.0  # moved, but cut
    floating = truth.copy()
    floating[8:24, 19] = 2.0  # one column between the two
    share = boundary.flying_share(floating, truth, EVERYWHERE)
    rim = (2 * 2 + 16) * (2 * 2 + 20) - (16 - 4) * (20 - 4)  # within two pixels of the box's edge
    assert share == pytest.approx(16 / rim)
    flat = np.full_like(truth, 2.0)
    assert boundary.flying_share(flat, truth, EVERYWHERE) == 0.0
    ripple = flat * (1 + 0.02 * np.linspace(0, 1, W, dtype=np.float32))
    assert boundary.flying_share(ripple, truth, EVERYWHERE) == 0.0  # too little to float between
    assert boundary.flying_share(flat, flat, EVERYWHERE) is None


def test_the_spiral_is_even():
    points = spiral(10_000)
    assert np.linalg.norm(points, axis=1) == pytest.approx(1)
    assert np.abs(points.mean(axis=0)).max() < 1e-3
    assert np.mean(points[:, 1] > 0.5) == pytest.approx(0.25, abs=1e-3)


def test_clouds_of_two_spheres():
    pytest.importorskip("scipy")
    truth = np.full((H, W), 2.0, np.float32)
    perfect = cloud_scores(truth, truth, EVERYWHERE)
    assert perfect == {"f_score": 1.0, "chamfer": 0.0}
    close = cloud_scores(truth * 1.04, truth, EVERYWHERE)
    assert close["f_score"] == 1.0
    assert close["chamfer"] == pytest.approx(0.04, rel=1e-3)
    assert cloud_scores(truth * 1.06, truth, EVERYWHERE)["f_score"] == 0.0
    assert cloud_scores(truth, truth, NOWHERE) == {"f_score": None, "chamfer": None}


def test_a_predictor_that_knows_no_direction_is_consistent():
    image = np.random.default_rng(0).uniform(size=(H, W, 3)).astype(np.float32)

    def constant(picture):
        return np.full(picture.shape[:2], 2.0, np.float32)

    assert rotation_consistency(constant, image, constant(image)) == {
        "turn_yaw": 0.0,
        "turn_tilt": 0.0,
    }


def test_a_predictor_that_sees_colours_only_follows_a_turn_and_a_fixed_one_does_not():
    image = np.repeat((smooth(0) / 10)[..., None], 3, axis=2)

    def by_colour(picture):
        return picture[..., 0] + np.float32(0.5)

    found = rotation_consistency(by_colour, image, by_colour(image))
    assert found["turn_yaw"] < 1e-6
    assert found["turn_tilt"] < 0.02
    fixed = smooth(1)
    wrong = rotation_consistency(lambda picture: fixed, image, fixed)
    assert wrong["turn_yaw"] > 0.05
    assert wrong["turn_tilt"] > 0.05


def test_nothing_valid_gives_none():
    a, b = smooth(0), smooth(1)
    assert geometry.poles(a, b, residual(a, b, NOWHERE), NOWHERE) == {
        "pole": None,
        "pole_spread": None,
    }
    assert boundary.boundary_f1(a, b, NOWHERE) is None
    assert boundary.flying_share(a, b, NOWHERE) is None

"""Motion of a camera between two rendered panoramas, against the poses they were rendered at."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.worlds.panoramas import panorama_grid, render_scenes
from panodepth.lab.worlds.scenes import make_camera, make_scene
from panodepth.lab.worlds.views import moved
from panodepth.types import FloatArray
from panodepth.video.motion import Motion, motion_between, turn_between

WORLD = (1_000_000, 3)


def seen(pose: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """A rendered room from a pose in its first frame: grey (H, W), distances [m]."""
    scene, camera = make_scene(*WORLD), make_camera(*WORLD, faults=False)
    batch = render_scenes([moved(scene, pose)], panorama_grid(128, 256), [camera])
    return batch.image[0].mean(0).numpy(), batch.distance[0].numpy()


@cache
def start() -> tuple[FloatArray, FloatArray]:
    """From the first frame itself."""
    return seen(np.eye(4))


def at(angles_deg: tuple[float, float, float], place: tuple[float, float, float]) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = rotation_from_yaw_pitch_roll(*np.radians(angles_deg))
    pose[:3, 3] = place
    return pose


def degrees_apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(np.linalg.norm(cv2.Rodrigues(one.T @ other)[0])))


@pytest.mark.parametrize("angles", [(0.4, 0, 0), (3, 2, -1), (60, 5, 4), (-170, 0, 2)])
def test_a_turn_is_found(angles: tuple[float, float, float]) -> None:
    pose = at(angles, (0, 0, 0))
    found = turn_between(start()[0], seen(pose)[0])
    assert degrees_apart(found.turn, pose[:3, :3]) < 0.15
    assert found.alike > 0.85
    assert not found.step.any()


def test_a_camera_that_stands_still_does_not_turn_by_its_noise() -> None:
    grey, rng = start()[0], np.random.default_rng(0)
    noisy = [(grey + rng.normal(0, 3 / 255, grey.shape)).astype(np.float32) for _ in range(2)]
    assert turn_between(*noisy).none


def test_exposure_is_no_motion() -> None:
    grey = start()[0]
    assert turn_between(grey, 0.7 * grey + 0.05).none


@pytest.mark.parametrize(
    ("angles", "place"),
    [((0, 0, 0), (0.1, 0, 0.05)), ((2, 1, -1), (0.05, 0.02, -0.1)), ((5, 0, 0), (0, 0, 0.06))],
)
def test_a_step_is_found_in_the_unit_of_the_distances(
    angles: tuple[float, float, float], place: tuple[float, float, float]
) -> None:
    pose = at(angles, place)
    (before, _), (after, distance) = start(), seen(pose)
    found = motion_between(before, after, distance, turn_between(before, after))
    assert np.linalg.norm(found.step - place) < 0.1 * np.linalg.norm(place)
    assert degrees_apart(found.turn, pose[:3, :3]) < 0.15
    halves = motion_between(before, after, distance / 2, turn_between(before, after))
    np.testing.assert_allclose(halves.step, found.step / 2, atol=2e-3)


def test_where_no_step_explains_more_the_turn_stays() -> None:
    pose = at((3, 1, 0), (0, 0, 0))
    (before, _), (after, distance) = start(), seen(pose)
    turned = turn_between(before, after)
    assert motion_between(before, after, distance, turned) is turned


def test_pictures_of_two_places_are_not_alike() -> None:
    one = start()[0]
    other = make_scene(1_000_000, 4)
    grid = panorama_grid(128, 256)
    batch = render_scenes([other], grid, [make_camera(1_000_000, 4, faults=False)])
    assert turn_between(one, batch.image[0].mean(0).numpy()).alike < 0.15


def test_pictures_of_one_brightness_say_nothing() -> None:
    flat = np.full((64, 128), 0.5, np.float32)
    found = turn_between(flat, flat)
    assert found.none
    assert found.alike == 1.0


def test_motions_follow_one_another() -> None:
    poses = [at((10, 2, 1), (0.3, 0, 0.1)), at((-4, 1, 0), (0, 0.1, 0.2))]
    first, second = (Motion(pose[:3, :3], pose[:3, 3], 1.0) for pose in poses)
    both = second.after(first)
    whole = poses[0] @ poses[1]
    np.testing.assert_allclose(both.turn, whole[:3, :3], atol=1e-12)
    np.testing.assert_allclose(both.step, whole[:3, 3], atol=1e-12)

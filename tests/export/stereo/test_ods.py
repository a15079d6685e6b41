"""What two eyes see of rooms whose walls are known, against closed form and against Blender."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.drawn import drawn

from panodepth.errors import ConfigError, OutputError
from panodepth.export.stereo.ods import LEFT, RIGHT, StereoOptions, eye_picture, ods_pair
from panodepth.export.stereo.warp import eye_places, sharpened
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.types import Prediction

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
import ods_reference as blender

SIDES = (LEFT, RIGHT)


def test_both_eyes_see_the_marks_where_blender_s_do() -> None:
    kept = json.loads(Path(__file__).with_name("blender.json").read_text())
    off, apart = blender.compared(kept)
    assert np.abs(off).max() < 0.3  # px
    assert apart.max() > 20  # it says something


@pytest.mark.parametrize("side", SIDES)
def test_each_pixel_of_a_smooth_room_sees_the_point_on_its_ray(side: float) -> None:
    """A cylinder and a floor: the ray of the closed form ends on the surface at that place."""
    height, width = 128, 256
    rays = blender.rays_at(height, width)
    latitude = np.arcsin(rays[:, 0, 1])
    radius, floor, ipd = 1.5, 1.2, 0.064
    with np.errstate(divide="ignore"):
        wall = radius / np.hypot(rays[..., 0], rays[..., 2])
        distance = np.minimum(wall, np.where(rays[..., 1] > 0, floor / rays[..., 1], np.inf))
    circle = side * StereoOptions(ipd=ipd).radius(latitude)
    columns, rising = eye_places(distance, latitude, circle)
    # The ray by its own formula: from ± r (cos a, 0, -sin a) along (a, b), to wall or floor.
    ahead = np.cos(latitude)
    along = np.sqrt(radius**2 - circle**2) / ahead
    down = np.sin(latitude)
    along = np.minimum(along, np.where(down > 0, floor / np.maximum(down, 1e-9), np.inf))
    bend = np.arctan2(circle, along * ahead)  # of the point's longitude
    expected = np.remainder(np.arange(width) + bend[:, None] * width / (2 * np.pi), width)
    off = np.remainder(columns - expected + width / 2, width) - width / 2
    assert np.abs(off).max() < 0.02  # px
    sunk = np.arctan2(along * down, np.hypot(along * ahead, circle))
    np.testing.assert_allclose(rising, np.repeat(sunk[:, None], width, 1), atol=1e-3)


@drawn(15, seed=(0, 1 << 30), ipd=(0.0, 0.3), turn=(0, 63))
def test_it_turns_with_the_picture_and_no_pixel_is_left_empty(
    seed: int, ipd: float, turn: int
) -> None:
    rng = np.random.default_rng(seed)
    distance = np.exp(rng.normal(0, 0.7, (32, 8))).repeat(8, 1).astype(np.float32)
    image = rng.integers(1, 256, (32, 64, 3), dtype=np.uint8)
    room = Prediction(distance, distance > 0, image, {"unit": "m"})
    options = StereoOptions(ipd=ipd)
    rolled = replace(room, distance=np.roll(distance, turn, 1), image=np.roll(image, turn, 1))
    lat = (np.arange(32) + 0.5) / 32 * np.pi - np.pi / 2
    columns, rising = eye_places(distance.astype(np.float64), lat, options.radius(lat))
    assert np.isfinite(columns).all()
    assert np.isfinite(rising).all()
    for side in SIDES:
        here = np.roll(eye_picture(room, side, options), turn, 1).astype(int)
        assert (np.abs(here - eye_picture(rolled, side, options)) > 8).mean() < 0.01


def test_without_a_distance_between_the_eyes_both_see_the_picture_itself(
    make_room: Callable[..., Prediction], tmp_path: Path
) -> None:
    room = make_room(64, 128)
    for eye in ods_pair(room, StereoOptions(ipd=0)):
        np.testing.assert_array_equal(eye, room.image)
    (path,) = room.save(tmp_path, ["ods"], ipd=0.0)
    assert path.name == "room_360_TB.png"
    np.testing.assert_array_equal(Image.open(path), np.vstack([room.image, room.image]))


def test_the_poles_are_the_picture_itself_and_the_sky_does_not_move(
    make_room: Callable[..., Prediction],
) -> None:
    room = make_room(256, 512, masked=False)
    sky = np.zeros(room.mask.shape, bool)
    sky[:128] = True
    room = replace(room, mask=~sky, sky_mask=sky)
    left, right = ods_pair(room, StereoOptions(ipd=0.1))
    flat = slice(0, round(256 * 15 / 180) - 1)
    for eye in (left, right):
        np.testing.assert_array_equal(eye[:128], room.image[:128])
        np.testing.assert_array_equal(eye[::-1][flat], room.image[::-1][flat])
    assert (left[140:200] != right[140:200]).mean() > 0.5


def test_what_is_near_hides_what_is_far_and_leaves_background_beside_it() -> None:
    """A red post in front of a striped wall: no red but the post's, no stretched colour."""
    height, width = 64, 1024
    distance = np.full((height, width), 4.0, np.float32)
    image = np.zeros((height, width, 3), np.uint8)
    image[:, np.arange(width) % 8 < 4] = (0, 200, 200)
    post = slice(500, 524)
    distance[:, post], image[:, post] = 0.5, (250, 0, 0)
    pair = ods_pair(Prediction(distance, distance > 0, image, {"unit": "m"}))
    moved = math.asin(0.032 / 0.5) * width / (2 * math.pi)
    row = height // 2
    for eye, sign in zip(pair, (1, -1), strict=True):
        red = eye[row, :, 0] > 125
        assert np.flatnonzero(red).mean() == pytest.approx(511.5 + sign * moved, abs=0.6)
        assert red.sum() == pytest.approx(24, abs=1)
        green = eye[row, ~red, 1].astype(int)
        runs = np.diff(np.flatnonzero(np.diff((green > 100).astype(int))))
        assert runs.max() <= 9  # stripes of four pixels, one mirrored onto its neighbour at most


def test_the_ramp_of_a_soft_edge_becomes_a_step() -> None:
    ramp = np.concatenate([np.full(500, 1.0), np.linspace(1, 4, 4)[1:-1], np.full(522, 4.0)])
    rows = np.tile(ramp.astype(np.float32), (4, 1))
    found = sharpened(rows)
    assert set(np.unique(found[:, 400:600])) == {1.0, 4.0}
    slanted = 2 / np.cos(np.linspace(-1.3, 1.3, 1024)).astype(np.float32)[None]
    np.testing.assert_allclose(sharpened(slanted)[:, 5:-5], slanted[:, 5:-5], rtol=1e-6)


def test_a_tilted_picture_is_levelled_first(make_room: Callable[..., Prediction]) -> None:
    room = make_room(64, 128, masked=False)
    turn = np.asarray(rotation_from_yaw_pitch_roll(math.radians(90), 0.0, 0.0))
    smooth = np.linspace(0, 255, 128).astype(np.uint8)
    image = np.repeat(np.tile(np.minimum(smooth, smooth[::-1]), (64, 1))[..., None], 3, -1)
    tilted = replace(room, image=image, rotation=turn)
    left, _ = ods_pair(tilted, StereoOptions(ipd=0))
    np.testing.assert_allclose(left.astype(int), np.roll(image, 32, 1).astype(int), atol=3)


def test_what_cannot_be_is_said_in_one_line(room: Prediction, tmp_path: Path) -> None:
    relative = replace(room, meta={**room.meta, "unit": "relative"})
    with pytest.raises(OutputError, match=r"--camera-height, --scale learned") as caught:
        relative.save(tmp_path, ["ods"])
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="fade_from = 80 must not be above fade_to = 75"):
        room.save(tmp_path, ["ods"], fade_from=80.0)
    with pytest.raises(ConfigError, match="ipd"):
        room.save(tmp_path, ["ods"], ipd=-1.0)
    assert list(tmp_path.iterdir()) == []


def test_the_jpeg_shows_the_same(make_room: Callable[..., Prediction], tmp_path: Path) -> None:
    room = make_room(64, 128)
    smooth = np.linspace(0, 250, 64).astype(np.uint8)[:, None, None]
    room = replace(room, image=np.broadcast_to(smooth, room.image.shape).copy())
    files = room.save(tmp_path, ["ods", "ods-jpeg"], ipd=0.1)
    assert files[1].name == "room_360_TB.jpg"
    both = [np.asarray(Image.open(path)).astype(int) for path in files]
    np.testing.assert_allclose(*both, atol=6)


def test_what_is_filled_in_is_as_busy_as_the_background() -> None:
    """Speckles: a stretched border has none of their contrast from pixel to pixel, a mirror all."""
    height, width = 64, 1024
    distance = np.full((height, width), 5.0, np.float32)
    image = np.random.default_rng(2).integers(0, 2, (height, width, 3), dtype=np.uint8) * 255
    image[..., 0] = 0
    post = slice(480, 544)
    distance[:, post], image[:, post] = 0.4, (255, 128, 128)
    pair = ods_pair(Prediction(distance, distance > 0, image, {"unit": "m"}))
    gap = round((math.asin(0.032 / 0.4) - math.asin(0.032 / 5)) * width / (2 * math.pi))
    assert gap >= 12
    rows = slice(16, 48)  # of the whole disparity
    for eye, left in zip(pair, (True, False), strict=True):
        red = np.flatnonzero(eye[height // 2, :, 0] > 250)
        bare = slice(red[0] - gap + 1, red[0] - 1) if left else slice(red[-1] + 2, red[-1] + gap)
        contrast, usual = (
            np.abs(np.diff(eye[rows, columns, 1].astype(int), axis=1)).mean()
            for columns in (bare, slice(100, 300))
        )
        assert contrast > 0.7 * usual

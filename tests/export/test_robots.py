"""Scans and maps of a room whose walls are known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from panodepth.errors import ConfigError, OutputError
from panodepth.export.formats import IN_METRES
from panodepth.export.robots.ground import GroundOptions, camera_height
from panodepth.export.robots.maps import (
    FREE,
    OCCUPIED,
    UNKNOWN,
    MapOptions,
    free_polygon,
    height_map,
    occupancy_map,
)
from panodepth.export.robots.scan import ScanOptions, laser_scan
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.types import Prediction

# Walls of the room of conftest.py in ROS's frame: x forward = house z, y left = house -x.
FRONT, BACK, LEFT, RIGHT, FLOOR = 4.0, -3.0, 2.0, -2.5, 1.6
AREA = (FRONT - BACK) * (LEFT - RIGHT)


@pytest.fixture
def room(make_room: Callable[..., Prediction]) -> Prediction:
    return make_room(512, 1024, masked=False)


def wall(angle: float) -> float:
    """How far the wall is in a direction of the scan."""
    x, y = math.cos(angle), math.sin(angle)
    along = FRONT / x if x > 0 else BACK / x
    across = LEFT / y if y > 0 else RIGHT / y
    return min(along, across)


def test_a_scan_sees_the_walls_where_they_are(room: Prediction) -> None:
    scan = laser_scan(room, ScanOptions(beams=360))
    near = [min(wall(a + s * scan.angle_increment / 2) for s in (-1, 0, 1)) for a in scan.angles]
    far = [max(wall(a + s * scan.angle_increment / 2) for s in (-1, 0, 1)) for a in scan.angles]
    assert (scan.ranges > np.array(near) - 0.002).all()
    assert (scan.ranges < np.array(far) + 0.002).all()
    points = scan.ranges[:, None] * np.stack([np.cos(scan.angles), np.sin(scan.angles)], -1)
    np.testing.assert_allclose(points.max(0), [FRONT, LEFT], atol=0.002)
    np.testing.assert_allclose(points.min(0), [BACK, RIGHT], atol=0.002)


def test_what_is_above_or_below_the_band_is_not_in_the_way(room: Prediction) -> None:
    scan = laser_scan(room, ScanOptions(low=3.0, high=3.5))  # above the ceiling
    assert np.isinf(scan.ranges).all()
    assert all(s["range"] is None for s in scan.sectors(4))
    near = laser_scan(room, ScanOptions(range_max=2.6))
    assert np.isfinite(near.ranges).any()
    assert np.isinf(near.ranges).any()


def test_a_box_in_the_way_is_the_nearest_of_its_sector(room: Prediction) -> None:
    rows, columns = room.distance.shape
    distance = room.distance.copy()
    left = slice(columns // 4 - 5, columns // 4 + 5)  # looks to the left, a quarter turn
    distance[rows // 2 : rows // 2 + 60, left] = 1.0
    scan = laser_scan(replace(room, distance=distance), ScanOptions())
    (found,) = [s for s in scan.sectors(8) if s["sector_deg"] == 90.0]
    assert found["range"] < 1.0
    assert found["angle_deg"] == pytest.approx(90, abs=2)


def with_disc(room: Prediction, radius: float, height: float) -> Prediction:
    """The room with a disc under the camera, so far around it and over the floor [m]."""
    lat = axis_angles(*room.distance.shape)[1][:, None]
    top = np.full_like(lat, np.inf)
    np.divide(FLOOR - height, np.sin(lat), out=top, where=lat > 0.05)
    disc = np.where(top * np.cos(lat) < radius, top, np.inf).astype(np.float32)
    return replace(room, distance=np.minimum(room.distance, disc))


def behind_a_board(room: Prediction) -> Prediction:
    """The room with a wall at 0.2 m ahead, for 90°, that nothing is seen past."""
    lon, lat = axis_angles(*room.distance.shape)
    board = np.where(np.abs(lon) < math.pi / 4, 0.2, np.inf) / np.cos(lat)[:, None]
    return replace(room, distance=np.minimum(room.distance, board.astype(np.float32)))


@pytest.mark.parametrize("range_min", [0.05, 0.3])
def test_a_scan_goes_on_behind_the_cameras_own_stand(
    room: Prediction, rays: Callable[[int, int], np.ndarray], range_min: float
) -> None:
    """A table of 0.6 m under the camera, 0.8 m around it, begins nearer than any range_min."""
    lat = np.arcsin(rays(512, 1024)[..., 1])
    scan = laser_scan(
        with_disc(room, 0.8, 0.6), ScanOptions(range_min=range_min, camera_height=FLOOR)
    )
    assert (scan.ranges >= range_min).all()
    assert (scan.ranges < range_min + 0.02).all(), "not free, though the table begins nearer"
    body = replace(room, distance=np.where(lat > 0.9, np.float32(0.2), room.distance))
    plain, free = (
        laser_scan(x, ScanOptions(range_min=0.3, camera_height=FLOOR)) for x in (room, body)
    )
    np.testing.assert_array_equal(free.ranges, plain.ranges)


@pytest.mark.parametrize("range_min", [0.05, 0.3])
def test_a_wall_nearer_than_range_min_is_not_free(room: Prediction, range_min: float) -> None:
    scan = laser_scan(behind_a_board(room), ScanOptions(range_min=range_min, camera_height=FLOOR))
    ahead = np.abs(scan.angles) < math.radians(44)
    near = 0.2 if range_min < 0.2 else np.nan
    np.testing.assert_allclose(scan.ranges[ahead], near, atol=0.001)
    assert (scan.ranges[np.abs(scan.angles) > math.radians(46)] > 1.9).all()


def test_where_nothing_is_seen_nothing_is_said(room: Prediction, tmp_path: Path) -> None:
    """The left half is masked: not free, and not in the way."""
    mask = room.mask.copy()
    mask[:, : mask.shape[1] // 2] = False
    half = replace(room, mask=mask)
    scan = laser_scan(half, ScanOptions(camera_height=FLOOR, range_max=2.6))
    left = scan.angles > 0
    assert np.isnan(scan.ranges[left]).all()
    assert not np.isnan(scan.ranges[~left]).any()
    assert np.isinf(scan.ranges[~left]).any(), "floor is seen up to range_max"
    rows = {row["sector_deg"]: row for row in scan.sectors(4)}
    assert rows[90.0]["range"] is None
    assert [rows[d]["unseen"] for d in (90.0, -90.0, 0.0)] == [180, 0, 90]
    assert rows[-90.0]["range"] == pytest.approx(-RIGHT, abs=0.01)
    files = half.save(tmp_path, ["laserscan", "birdseye"], camera_height=FLOOR, sectors=4)
    told = json.loads(files[0].read_text())
    assert told["unseen"] == list(range(360, 720))
    assert all(told["ranges"][number] is None for number in told["unseen"])
    assert None not in told["ranges"][1:359]
    with np.load(files[1]) as stored:
        np.testing.assert_array_equal(stored["unseen"], [90, 180, 90, 0])
        assert stored["obstacles"].shape == (4, 3)


@pytest.mark.parametrize("sectors", [3, 16, 90])
def test_sectors_narrower_than_beams_are_not_free(room: Prediction, sectors: int) -> None:
    for row in laser_scan(room, ScanOptions(beams=8)).sectors(sectors):
        assert row["range"] is not None
        assert row["range"] < math.hypot(FRONT, RIGHT)


def test_turning_the_camera_turns_the_scan(room: Prediction) -> None:
    columns = room.distance.shape[1]
    quarter = replace(room, distance=np.roll(room.distance, columns // 4, 1))
    plain, turned = (laser_scan(x, ScanOptions(beams=64)).ranges for x in (room, quarter))
    np.testing.assert_allclose(np.roll(turned, 16), plain, atol=1e-3)


def test_a_tilted_camera_sees_the_same_room(
    room: Prediction, rays: Callable[[int, int], np.ndarray]
) -> None:
    turn = rotation_from_yaw_pitch_roll(0.0, math.radians(12), math.radians(-7))
    looking = rotate_vectors(turn, rays(512, 1024))
    low, high = np.array([-2.0, -1.1, -3.0]), np.array([2.5, 1.6, 4.0])
    with np.errstate(divide="ignore"):
        distance = np.where(looking > 0, high / looking, low / looking).min(-1)
    tilted = replace(room, distance=distance.astype(np.float32), rotation=np.asarray(turn))
    plain, other = (laser_scan(x, ScanOptions(beams=90)).ranges for x in (room, tilted))
    np.testing.assert_allclose(other, plain, rtol=0.02)


def read_as_map_server(path: Path, free_thresh: float) -> tuple[np.ndarray, dict[str, str]]:
    """-1 unknown, 0 free, 100 occupied, by map_server's rule for mode trinary."""
    about = dict(line.split(": ", 1) for line in path.read_text().splitlines())
    grey = cv2.imread(str(path.with_name(json.loads(about["image"]))), cv2.IMREAD_UNCHANGED)
    assert grey.ndim == 2
    occupied = (255 - grey.astype(float)) / 255
    cells = np.where(occupied > float(about["occupied_thresh"]), 100, -1)
    return np.where(occupied < free_thresh, 0, cells), about


@pytest.mark.parametrize("free_thresh", [0.196, 0.25])
def test_the_free_area_is_the_rooms_under_both_thresholds(
    room: Prediction, tmp_path: Path, free_thresh: float
) -> None:
    files = room.save(tmp_path, ["occupancy"])
    assert [f.name for f in files] == ["room_map.png", "room_map.png.yaml"]
    cells, about = read_as_map_server(files[1], free_thresh)
    resolution = float(about["resolution"])
    assert (cells == 0).sum() * resolution**2 == pytest.approx(AREA, rel=0.02)
    rows, columns = np.nonzero(cells == 100)
    x0, y0, yaw = json.loads(about["origin"])
    assert yaw == 0
    x = x0 + (columns + 0.5) * resolution
    y = y0 + (cells.shape[0] - rows - 0.5) * resolution
    assert (x.min(), x.max()) == pytest.approx((BACK, FRONT), abs=resolution)
    assert (y.min(), y.max()) == pytest.approx((RIGHT, LEFT), abs=resolution)


def test_a_maps_yaml_names_it_whatever_its_name(room: Prediction, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    for name in ("room🏠", 'küche: #1 "x"\\ \x7f', "図\u2028面"):
        meta = {**room.meta, "name": name}
        picture, about = replace(room, meta=meta).save(tmp_path, ["occupancy"])
        text = about.read_text(encoding="utf-8")
        assert text.isascii()
        assert yaml.safe_load(text)["image"] == picture.name


def test_what_lies_behind_something_is_unknown(room: Prediction) -> None:
    distance = room.distance.copy()
    distance[250:290, 500:524] = 1.5  # straight ahead
    found = occupancy_map(replace(room, distance=distance), MapOptions())
    rows = found.grid.shape[0]

    def at(x: float, y: float) -> int:
        column = int((x - found.grid.origin[0]) / found.grid.resolution)
        row = rows - 1 - int((y - found.grid.origin[1]) / found.grid.resolution)
        return int(found.grey[row, column])

    assert at(1.0, 0.0) == FREE
    assert at(3.0, 0.0) == UNKNOWN
    assert at(-2.0, 0.0) == FREE
    assert (found.grey == OCCUPIED).any()


@pytest.mark.parametrize("radius", [0.25, 0.8])
def test_a_bump_under_the_camera_is_floor(room: Prediction, radius: float) -> None:
    options = MapOptions(camera_height=FLOOR)
    plain, bumpy, table = (
        occupancy_map(x, options).grey
        for x in (room, with_disc(room, radius, 0.2), with_disc(room, radius, 0.3))
    )
    assert (bumpy == FREE).sum() > 0.95 * (plain == FREE).sum()
    assert (table == FREE).sum() < 0.02 * (plain == FREE).sum(), "what is higher is in the way"
    scan = ScanOptions(camera_height=FLOOR)
    ranges = (laser_scan(x, scan).ranges for x in (room, with_disc(room, radius, 0.2)))
    np.testing.assert_allclose(*ranges, rtol=0.01)


def test_what_is_masked_leaves_the_rest_of_a_small_picture_free(
    make_room: Callable[..., Prediction],
) -> None:
    """Of 256 columns, far fewer than a map's beams, the left half is masked."""
    room = make_room(128, 256, masked=False)
    seen = np.arange(256) >= 128
    found = occupancy_map(replace(room, mask=room.mask & seen), MapOptions(camera_height=FLOOR))
    free = (found.grey == FREE).sum() * found.grid.resolution**2
    assert free == pytest.approx((FRONT - BACK) * -RIGHT, rel=0.05)


def test_behind_a_wall_that_is_very_near_nothing_is_free(room: Prediction) -> None:
    found = occupancy_map(behind_a_board(room), MapOptions(camera_height=FLOOR))
    middles, free = found.grid.middles(), (found.grey == FREE).ravel()
    ahead = np.abs(np.arctan2(middles[:, 1], middles[:, 0])) < math.radians(42)
    assert np.hypot(*middles[free & ahead].T).max(initial=0) < 0.2
    assert (free & ~ahead).sum() > 0.6 * free.size


def test_from_above(room: Prediction, tmp_path: Path) -> None:
    found = height_map(room, MapOptions(resolution=0.1))
    inner = found.height[5:-5, 5:-5]
    np.testing.assert_allclose(inner[np.isfinite(inner)], 0, atol=0.01)  # the ceiling is left out
    corners = free_polygon(found)
    turned = np.roll(corners, -1, 0)
    area = (corners[:, 0] * turned[:, 1] - corners[:, 1] * turned[:, 0]).sum() / 2
    assert area == pytest.approx(AREA, rel=0.08)  # half a cell is missing all around
    (path,) = room.save(tmp_path, ["birdseye"])
    with np.load(path) as stored:
        assert stored["height"].shape == stored["free"].shape
        assert json.loads(str(stored["meta"]))["unit"] == "m"
        directions, ranges, _ = stored["obstacles"].T
        np.testing.assert_array_equal(directions, [0, 45, 90, 135, 180, -135, -90, -45])
        np.testing.assert_allclose(ranges[::2], [FRONT, LEFT, -BACK, -RIGHT], rtol=0.01)
    (path,) = room.save(tmp_path, ["birdseye"], low=3.0, high=3.5, sectors=2)
    with np.load(path) as stored:
        assert np.isnan(stored["obstacles"][:, 1:]).all()


def test_the_outline_is_of_the_space_that_the_camera_stands_in() -> None:
    """A round closet of 1 m with a gap of 1.8 degrees: more floor is seen behind it than in it."""
    lon, lat = axis_angles(256, 512)
    across = np.where(np.abs(lon) < math.radians(0.9), 25.0, 1.0) / np.cos(lat)[:, None]
    below = 1.2 / np.abs(np.sin(lat))[:, None]  # and the ceiling as far above
    distance = np.minimum(across, below).astype(np.float32)
    image = np.zeros((*distance.shape, 3), np.uint8)
    closet = Prediction(distance, np.ones(distance.shape, bool), image, {"unit": "m"})
    found = height_map(closet, MapOptions(camera_height=1.2))
    np.testing.assert_allclose(np.abs(free_polygon(found)).max(0), 1, atol=0.05)


@pytest.mark.parametrize("roll_deg", [20, 90, 180])
def test_the_floor_is_below_however_the_camera_is_held(
    make_room: Callable[..., Prediction], rays: Callable[[int, int], np.ndarray], roll_deg: float
) -> None:
    turn = rotation_from_yaw_pitch_roll(0, 0, math.radians(roll_deg))
    level = rotate_vectors(turn, rays(64, 128))
    walls = np.where(level > 0, [2.5, 1.6, 4.0] / level, [-2.0, -1.1, -3.0] / level)
    room = make_room(64, 128, masked=False)
    held = replace(room, distance=walls.min(-1).astype(np.float32), rotation=turn)
    height = camera_height(held, Path("x"), GroundOptions())
    assert height == pytest.approx(FLOOR, rel=0.01)


def test_the_files_fields_are_ros(room: Prediction, tmp_path: Path) -> None:
    (path,) = room.save(tmp_path, ["laserscan"], beams=8, sectors=4, range_max=3.5)
    told = json.loads(path.read_text())
    fields = "header angle_min angle_max angle_increment time_increment scan_time range_min"
    assert set(f"{fields} range_max ranges intensities".split()) <= set(told)
    assert told["angle_min"] == pytest.approx(-math.pi + math.pi / 8)
    assert told["angle_min"] + 7 * told["angle_increment"] == pytest.approx(told["angle_max"])
    assert len(told["ranges"]) == 8
    assert len(told["obstacles"]) == 4
    assert told["metadata"]["unit"] == "m"


@pytest.mark.parametrize("name", IN_METRES)
def test_without_metres_the_ways_to_them_are_named(
    room: Prediction, tmp_path: Path, name: str
) -> None:
    relative = replace(room, meta={**room.meta, "unit": "relative"})
    with pytest.raises(OutputError, match=r"--camera-height, --known-distance") as caught:
        relative.save(tmp_path, [name])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_options_that_cannot_be(room: Prediction, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="below high"):
        room.save(tmp_path, ["laserscan"], low=2.0, high=1.0)
    with pytest.raises(ConfigError, match=r"range_min = 3.0 must be below range_max = 2.0"):
        room.save(tmp_path, ["laserscan"], range_min=3.0, range_max=2.0)
    told = replace(room, meta={**room.meta, "camera_height_m": 1.6})
    for name in ("laserscan", "octomap", "birdseye"):
        with pytest.raises(OutputError, match=r"camera_height = 1.2, but .* with 1.6 m"):
            told.save(tmp_path, [name], camera_height=1.2)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="larger resolution"):
        occupancy_map(
            replace(room, distance=room.distance * 100),
            MapOptions(resolution=0.01, range_max=900.0),
        )
    with pytest.raises(ConfigError, match="beams"):
        room.save(tmp_path, ["laserscan"], beams=1)
    blind = replace(room, mask=np.zeros_like(room.mask) | (np.arange(512) < 200)[:, None])
    with pytest.raises(OutputError, match="camera_height"):
        laser_scan(blind)
    assert laser_scan(blind, ScanOptions(camera_height=1.6)).ranges.size == 720

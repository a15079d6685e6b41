"""Messages and bags of a room whose walls are known, read back by rosbags."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panodepth.errors import ConfigError, OutputError
from panodepth.export import formats
from panodepth.export.robots.messages.cloud import CloudMessageOptions, point_cloud
from panodepth.export.robots.messages.files import BagOptions
from panodepth.export.robots.messages.ros import Messages, typestore
from panodepth.export.robots.scan import ScanOptions, laser_scan
from panodepth.types import Prediction

# The walls of conftest.py's room in ROS's frame: x forward = house z, y left = house -x.
LOW, HIGH = np.array([-3.0, -2.5, -1.6]), np.array([4.0, 2.0, 1.1])
TOPICS = ["/panorama/image", "/panorama/points", "/panorama/scan", "/tf_static"]
STAMP = 1764370000.25


@pytest.fixture
def room(make_room: Callable[..., Prediction]) -> Prediction:
    return make_room(128, 256)


def xyz(message: Any) -> np.ndarray:
    points = np.frombuffer(message.data, "<f4").reshape(message.height, message.width, 4)
    return points[..., :3]


def read_bag(folder: Path) -> dict[str, tuple[int, Any]]:
    from rosbags.rosbag2 import Reader

    with Reader(folder) as bag:
        return {
            line.topic: (stamp, typestore().deserialize_cdr(raw, line.msgtype))
            for line, stamp, raw in bag.messages()
        }


def test_the_cloud_is_the_pictures_pixels(room: Prediction) -> None:
    cloud = point_cloud(room)
    points = np.stack([cloud.points[name] for name in "xyz"], -1)
    assert (np.isfinite(points).all(-1) == room.mask).all()
    assert not cloud.is_dense
    house = room.points[room.mask]
    np.testing.assert_array_equal(points[room.mask], house[:, [2, 0, 1]] * [1, -1, -1])
    colours = cloud.points["rgb"]
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1)
    np.testing.assert_array_equal(rgb, room.image)


def test_the_message_alone(room: Prediction, tmp_path: Path) -> None:
    whole = replace(room, mask=np.ones_like(room.mask))
    path, sidecar = whole.save(tmp_path, ["pointcloud2"], max_points=128 * 256 // 4, stamp=STAMP)
    message = typestore().deserialize_cdr(path.read_bytes(), "sensor_msgs/msg/PointCloud2")
    assert (message.height, message.width, message.is_dense) == (64, 128, True)
    assert message.header.frame_id == "panorama"
    assert message.header.stamp.nanosec == 250_000_000
    np.testing.assert_allclose(xyz(message).max((0, 1)), HIGH, atol=0.002)
    np.testing.assert_allclose(xyz(message).min((0, 1)), LOW, atol=0.002)
    assert json.loads(sidecar.read_text())["bytes"] == path.stat().st_size


@pytest.mark.parametrize("name", ["mcap", "rosbag2"])
def test_a_bag_holds_one_moment(room: Prediction, tmp_path: Path, name: str) -> None:
    file, *_ = room.save(tmp_path, [name], stamp=STAMP, beams=90)
    found = read_bag(file if name == "mcap" else file.parent)
    assert sorted(found) == TOPICS
    whole = round(STAMP * 4) * 250_000_000
    for stamp, message in found.values():
        head = message.transforms[0].header if hasattr(message, "transforms") else message.header
        assert stamp == head.stamp.sec * 10**9 + head.stamp.nanosec == whole
    image, cloud, scan = (found[topic][1] for topic in TOPICS[:3])
    np.testing.assert_array_equal(image.data.reshape(room.image.shape), room.image)
    assert np.nanmax(np.abs(xyz(cloud)[..., 0])) == pytest.approx(4.0, abs=0.01)
    np.testing.assert_array_equal(scan.ranges, laser_scan(room, ScanOptions(beams=90)).ranges)
    (place,) = found["/tf_static"][1].transforms
    assert (place.header.frame_id, place.child_frame_id) == ("map", "panorama")
    assert place.transform.translation.z == pytest.approx(1.6, abs=0.01)


@pytest.mark.parametrize("name", ["pointcloud2", "mcap", "rosbag2"])
def test_twice_the_same_bytes(room: Prediction, tmp_path: Path, name: str) -> None:
    first, second = (room.save(tmp_path / place, [name]) for place in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_stamps_keep_their_nanoseconds() -> None:
    assert Messages(STAMP).nanoseconds == 1_764_370_000_250_000_000
    assert Messages(0.0).nanoseconds == 0


@pytest.mark.parametrize("name", ["pointcloud2", "mcap"])
def test_frames_of_a_video_have_their_own_stamps(
    room: Prediction, tmp_path: Path, name: str
) -> None:
    later = replace(room, meta={**room.meta, "video": {"frame": 30, "time_s": 1.001}})
    file, *_ = later.save(tmp_path, [name], stamp=STAMP)
    if name == "mcap":
        message = read_bag(file)["/panorama/scan"][1]
    else:
        kind = "sensor_msgs/msg/PointCloud2"
        message = typestore().deserialize_cdr(file.read_bytes(), kind)
    stamp = message.header.stamp
    assert stamp.sec + stamp.nanosec / 1e9 - STAMP == pytest.approx(1.001, abs=1e-6)


def test_what_cannot_be_written(
    room: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="stamp"):
        room.save(tmp_path, ["mcap"], stamp=-1)
    nothing = replace(room, mask=np.zeros_like(room.mask))
    with pytest.raises(OutputError, match="no point"):
        point_cloud(nothing, CloudMessageOptions())
    monkeypatch.setitem(formats.NEEDS, "mcap", ("ros", "no_rosbags"))
    with pytest.raises(ConfigError, match=r'pip install "panodepth\[ros\]"'):
        formats.check_installed(["mcap"])
    assert list(tmp_path.iterdir()) == []
    assert BagOptions().beams == 720

"""The node of integrations/ros2, run with stand-ins for what only ROS has."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import panodepth
from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import erp_rays
from panodepth.types import Prediction

PACKAGE = Path(__file__).parents[2] / "integrations/ros2/panodepth_ros"
PARAMETERS = {"camera_height": 1.6, "beams": 90, "points": True}


class Publisher:
    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.sent: list[Any] = []

    def publish(self, message: Any) -> None:
        assert type(message) is self.kind
        self.sent.append(message)


class Node:
    """As much of rclpy's Node as is used."""

    given: dict[str, Any]

    def __init__(self, name: str) -> None:
        self.name, self.warnings, self.callbacks = name, [], {}
        self.publishers: dict[str, Publisher] = {}

    def declare_parameter(self, name: str, value: Any) -> SimpleNamespace:
        return SimpleNamespace(value=self.given.get(name, value))

    def create_publisher(self, kind: type, topic: str, depth: int) -> Publisher:
        return self.publishers.setdefault(topic, Publisher(kind))

    def create_subscription(self, kind: type, topic: str, call: Callable, quality: Any) -> None:
        self.callbacks[topic] = call

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(warning=self.warnings.append)

    def destroy_node(self) -> None: ...


def message(title: str, fields: dict[str, type]) -> type:
    """A message that, as those of ROS, takes only the fields that it has, of their types."""

    def check(self: Any, field: str, value: Any) -> None:
        assert field in {"header", *fields}, f"{title} has no {field}"
        if field in fields:
            assert type(value) is fields[field], (field, type(value))
        object.__setattr__(self, field, value)

    def make(self: Any, **given: Any) -> None:
        self.header = SimpleNamespace()
        for field, value in given.items():
            setattr(self, field, value)

    return type(title, (), {"__setattr__": check, "__init__": make})


@pytest.fixture
def room() -> Prediction:
    """Walls 4 m ahead and behind, 2 m to the sides, 1.6 m below and above."""
    rays = np.asarray(erp_rays(64, 128))
    distance = (np.array([2.0, 1.6, 4.0]) / np.abs(rays)).min(-1).astype(np.float32)
    image = np.zeros((64, 128, 3), np.uint8)
    return Prediction(distance, np.ones((64, 128), bool), image, {"unit": "m"})


@pytest.fixture
def node_module(monkeypatch: pytest.MonkeyPatch, room: Prediction) -> Iterator[types.ModuleType]:
    from array import array

    floats = "angle_min angle_max angle_increment time_increment scan_time range_min range_max"
    messages = {
        "LaserScan": dict.fromkeys(floats.split(), float) | {"ranges": array, "intensities": array},
        "PointCloud2": dict.fromkeys(("height", "width", "point_step", "row_step"), int)
        | {"fields": list, "is_bigendian": bool, "is_dense": bool, "data": array},
        "PointField": {"name": str, "offset": int, "datatype": int, "count": int},
        "Image": {},
    }
    qos = {
        "HistoryPolicy": SimpleNamespace(KEEP_LAST=1),
        "ReliabilityPolicy": SimpleNamespace(BEST_EFFORT=2),
        "QoSProfile": lambda **fields: SimpleNamespace(**fields),
    }
    stand_ins = {
        "rclpy": {"init": lambda: None},
        "rclpy.node": {"Node": Node},
        "rclpy.qos": qos,
        "sensor_msgs": {},
        "sensor_msgs.msg": {title: message(title, fields) for title, fields in messages.items()},
    }
    for name, values in stand_ins.items():
        module = types.ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(panodepth, "load", lambda model: Fixed(room), raising=False)
    monkeypatch.syspath_prepend(str(PACKAGE))
    import panodepth_ros.node as found

    yield found
    for name in ("panodepth_ros.node", "panodepth_ros"):
        del sys.modules[name]


class Fixed:
    """A predictor of one room, or of nothing that can be used for a black picture."""

    def __init__(self, room: Prediction) -> None:
        self.room = room

    def predict(self, image: np.ndarray, options: Any) -> Prediction:
        if not image.any():
            raise InputError("no floor found below the camera")
        assert image[0, 0].tolist() == [10, 20, 30]
        assert options.camera_height == 1.6
        return self.room


def picture(encoding: str = "rgb8", colour: tuple[int, ...] = (10, 20, 30)) -> SimpleNamespace:
    """64x32, its rows padded by 8 bytes."""
    rows = np.zeros((32, 64 * len(colour) + 8), np.uint8)
    rows[:, :-8] = np.tile(np.array(colour, np.uint8), 64)
    stamp = SimpleNamespace(sec=7, nanosec=9)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="camera"),
        height=32,
        width=64,
        step=rows.shape[1],
        encoding=encoding,
        data=rows.tobytes(),
    )


@pytest.mark.parametrize(
    ("encoding", "colour"),
    [
        ("rgb8", (10, 20, 30)),
        ("bgr8", (30, 20, 10)),
        ("rgba8", (10, 20, 30, 255)),
        ("bgra8", (30, 20, 10, 0)),
    ],
)
def test_a_picture_becomes_a_scan_and_a_cloud(
    node_module: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
    colour: tuple[int, ...],
) -> None:
    monkeypatch.setattr(Node, "given", PARAMETERS, raising=False)
    node = node_module.ScanNode()
    assert list(node.callbacks) == ["image"]
    node.callbacks["image"](picture(encoding, colour))
    (scan,), (cloud,) = node.publishers["scan"].sent, node.publishers["points"].sent
    assert scan.header.stamp is cloud.header.stamp
    assert (scan.header.stamp.sec, scan.header.frame_id) == (7, "panorama")
    assert len(scan.ranges) == 90
    assert scan.ranges[45] == pytest.approx(4.0, rel=0.01)  # straight ahead
    assert [f.name for f in cloud.fields] == ["x", "y", "z", "rgb"]
    assert len(cloud.data) == cloud.row_step * cloud.height


def test_what_cannot_be_used_is_a_warning(
    node_module: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Node, "given", {"camera_height": 1.6}, raising=False)
    node = node_module.ScanNode()
    node.callbacks["image"](picture("mono8"))
    node.callbacks["image"](picture(colour=(0, 0, 0)))
    cut, narrow = picture(), picture()
    cut.data, narrow.width = cut.data[:-1], 99
    for bad in (cut, narrow):
        node.callbacks["image"](bad)
    says = ("mono8", "no floor", "64x32 rgb8, but 6399 bytes in rows of 200", "99x32 rgb8")
    assert all(say in told for say, told in zip(says, node.warnings, strict=True))
    assert list(node.publishers) == ["scan"]
    assert node.publishers["scan"].sent == []


def test_without_a_height_it_says_so(
    node_module: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Node, "given", {}, raising=False)
    with pytest.raises(ConfigError, match="robots need metres"):
        node_module.ScanNode()


def test_the_package_is_whole() -> None:
    described = ElementTree.parse(PACKAGE / "package.xml").getroot()
    assert described.get("format") == "3"
    name = described.findtext("name")
    assert (PACKAGE / "resource" / str(name)).is_file()
    assert (PACKAGE / str(name) / "node.py").is_file()
    depends = {entry.text for entry in described.iter("exec_depend")}
    tree = ast.parse((PACKAGE / str(name) / "node.py").read_text(encoding="utf-8"))
    imported = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {"rclpy", "sensor_msgs"} <= imported & depends
    setup = (PACKAGE / "setup.py").read_text(encoding="utf-8")
    assert f'version="{described.findtext("version")}"' in setup
    assert "scan = {NAME}.node:main" in setup
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    assert "ros2 run panodepth_ros scan" in readme

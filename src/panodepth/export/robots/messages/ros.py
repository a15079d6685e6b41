"""Arrays and dataclasses as messages of ROS 2, by rosbags: no ROS on this machine is needed."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from panodepth.errors import require
from panodepth.export.robots.ground import FRAME_ID, MAP_FRAME
from panodepth.export.robots.messages.cloud import FLOAT32, PointCloud
from panodepth.export.robots.scan import LaserScan
from panodepth.types import ByteArray

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore


@cache
def typestore() -> Typestore:
    """The message definitions of ROS 2 Humble, which later ones share. Raises ConfigError."""
    require("a message of ROS", "ros", "rosbags")
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_HUMBLE)


class Messages:
    """Messages under one stamp [s since 1970]."""

    def __init__(self, stamp: float) -> None:
        whole = math.floor(stamp)  # a float has no room for nanoseconds since 1970
        self.nanoseconds = whole * 10**9 + round((stamp - whole) * 1e9)

    def scan(self, scan: LaserScan) -> Any:
        """sensor_msgs/LaserScan."""
        return _make("sensor_msgs/msg/LaserScan", header=self._header(), **scan.fields())

    def cloud(self, cloud: PointCloud) -> Any:
        """sensor_msgs/PointCloud2; its arrays are the cloud's."""
        fields = cloud.fields()
        fields["fields"] = [
            _make("sensor_msgs/msg/PointField", name=n, offset=at, datatype=FLOAT32, count=1)
            for n, at in fields["fields"]
        ]
        return _make("sensor_msgs/msg/PointCloud2", header=self._header(), **fields)

    def image(self, rgb: ByteArray) -> Any:
        """sensor_msgs/Image of (H, W, 3)."""
        height, width = rgb.shape[:2]
        return _make(
            "sensor_msgs/msg/Image",
            header=self._header(),
            height=height,
            width=width,
            encoding="rgb8",
            is_bigendian=0,
            step=3 * width,
            data=np.ascontiguousarray(rgb).reshape(-1),
        )

    def transform(self, height: float) -> Any:
        """tf2_msgs/TFMessage: the camera stands `height` [m] over the map's floor."""
        vector = _make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=height)
        turn = _make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
        stamped = _make(
            "geometry_msgs/msg/TransformStamped",
            header=self._header(MAP_FRAME),
            child_frame_id=FRAME_ID,
            transform=_make("geometry_msgs/msg/Transform", translation=vector, rotation=turn),
        )
        return _make("tf2_msgs/msg/TFMessage", transforms=[stamped])

    @staticmethod
    def serialised(message: Any) -> memoryview:
        """CDR, little-endian, with its 4 bytes of encapsulation."""
        return typestore().serialize_cdr(message, message.__msgtype__)

    def _header(self, frame: str = FRAME_ID) -> Any:
        second, nanosecond = divmod(self.nanoseconds, 10**9)
        stamp = _make("builtin_interfaces/msg/Time", sec=second, nanosec=nanosecond)
        return _make("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def _make(kind: str, **fields: Any) -> Any:
    return typestore().types[kind](**fields)

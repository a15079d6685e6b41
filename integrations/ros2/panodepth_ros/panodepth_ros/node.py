"""The node `scan`: pictures in, laser scans and point clouds out."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, LaserScan, PointCloud2, PointField

import panodepth
from panodepth.errors import InputError, PanodepthError
from panodepth.export.robots.messages.cloud import FLOAT32, point_cloud
from panodepth.predict.live.loop import predicted, scan_of
from panodepth.predict.live.options import LiveOptions

# The latest picture alone: those that come while one is at work are left out.
LATEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Where red, green and blue are; alpha is left out.
RGB, BGR = [0, 1, 2], [2, 1, 0]
COLOURS = {"rgb8": RGB, "bgr8": BGR, "rgba8": RGB, "bgra8": BGR}
SCAN = {"low": 0.1, "high": 1.8, "range_min": 0.3, "range_max": 30.0, "beams": 360}


class ScanNode(Node):
    """Subscribes to `image`, publishes `scan` and, if asked for, `points`."""

    def __init__(self) -> None:
        super().__init__("panodepth")
        told = {
            name: self.declare_parameter(name, value).value
            for name, value in {
                "camera_height": 0.0,
                "model": "default",
                "frame_id": "panorama",
                "points": False,
                **SCAN,
            }.items()
        }
        self.frame: str = told["frame_id"]
        self.options = LiveOptions(
            camera_height=told["camera_height"] or None, **{name: told[name] for name in SCAN}
        )
        self.predictor = panodepth.load(told["model"])
        self.scans = self.create_publisher(LaserScan, "scan", 10)
        self.clouds = self.create_publisher(PointCloud2, "points", 1) if told["points"] else None
        self.create_subscription(Image, "image", self.on_image, LATEST)

    def on_image(self, image: Any) -> None:
        """Publish what a picture shows, under its stamp."""
        try:
            found = predicted(self.predictor, pixels(image), self.options)
            scan = scan_of(found, self.options)
        except PanodepthError as error:
            self.get_logger().warning(str(error))
            return
        self.scans.publish(self._message(LaserScan, image, **scan.fields()))
        if self.clouds is not None:
            fields = point_cloud(found).fields()
            fields["fields"] = [
                PointField(name=name, offset=offset, datatype=FLOAT32, count=1)
                for name, offset in fields["fields"]
            ]
            self.clouds.publish(self._message(PointCloud2, image, **fields))

    def _message(self, kind: Any, image: Any, **fields: Any) -> Any:
        message = kind()
        message.header.stamp = image.header.stamp
        message.header.frame_id = self.frame
        for name, value in fields.items():
            setattr(message, name, packed(value) if isinstance(value, np.ndarray) else value)
        return message


def packed(values: np.ndarray) -> array[Any]:
    """What messages hold numbers in; other sequences are checked number by number."""
    return array("B" if values.dtype == np.uint8 else "f", values.tobytes())


def pixels(image: Any) -> np.ndarray:
    """(H, W, 3) uint8 of a sensor_msgs/Image. Raises InputError for one that cannot be used."""
    if image.encoding not in COLOURS:
        raise InputError(f"encoding {image.encoding!r}: send {', '.join(COLOURS)}")
    height, width, step, depth = image.height, image.width, image.step, len(image.encoding) - 1
    if len(image.data) != height * step or step < depth * width:
        told = f"{len(image.data)} bytes in rows of {step}"
        raise InputError(f"an image of {width}x{height} {image.encoding}, but {told}")
    rows = np.frombuffer(image.data, np.uint8).reshape(height, step)
    colours = rows[:, : depth * width].reshape(height, width, depth)
    return np.ascontiguousarray(colours[..., COLOURS[image.encoding]])


def main() -> None:
    """Run until the node is told to end."""
    rclpy.init()
    try:
        node = ScanNode()
    except PanodepthError as error:
        rclpy.shutdown()
        raise SystemExit(f"error: {error}") from None
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

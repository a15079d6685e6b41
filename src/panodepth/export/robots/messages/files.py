"""`pointcloud2`: one message. `mcap`, `rosbag2`: image, cloud and scan of one moment, for ros2 bag,
RViz and Foxglove.
"""

from __future__ import annotations

import errno
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from panodepth.errors import OutputError
from panodepth.export.mark import write_with_sidecar
from panodepth.export.metadata import GENERATOR, PLY_COMMENT, metadata, to_json
from panodepth.export.robots.ground import ROS_FRAME
from panodepth.export.robots.messages.cloud import CloudMessageOptions, point_cloud
from panodepth.export.robots.messages.ros import Messages, typestore
from panodepth.export.robots.obstacles import seen_around
from panodepth.export.robots.scan import ScanOptions, laser_scan
from panodepth.types import Prediction

VERSION: Literal[8] = (
    8  # of rosbag2's metadata; the oldest that rosbags writes, and Humble reads it
)
BAG = "bag"


@dataclass(frozen=True, kw_only=True)
class BagOptions(ScanOptions, CloudMessageOptions):
    """Of the scan, and of the cloud."""


def messages_of(
    prediction: Prediction, messages: Messages, options: BagOptions, path: Path
) -> dict[str, Any]:
    """The messages by topic. Raises OutputError."""
    seen = seen_around(prediction, path, options)
    return {
        "/tf_static": messages.transform(seen.height),
        "/panorama/image": messages.image(prediction.image),
        "/panorama/points": messages.cloud(point_cloud(prediction, options, path)),
        "/panorama/scan": messages.scan(laser_scan(prediction, options, path, seen)),
    }


def write_pointcloud2(
    prediction: Prediction, path: Path, options: CloudMessageOptions = CloudMessageOptions()
) -> list[Path]:
    """The message as ROS 2 sends it: CDR, little-endian, 4 bytes of encapsulation first.

    It has no room for metadata: they are in PATH.json.
    """
    cloud = point_cloud(prediction, options, path)
    messages = Messages(_stamp(prediction, options))
    content = bytes(messages.serialised(messages.cloud(cloud)))
    meta = metadata(prediction, "points", frame=ROS_FRAME, message="sensor_msgs/msg/PointCloud2")
    return write_with_sidecar(path, content, meta)


def write_mcap(
    prediction: Prediction, path: Path, options: BagOptions = BagOptions()
) -> list[Path]:
    """One MCAP file of the profile ros2, which says the messages' definitions itself. The metadata
    are in PATH.json too, for panodepth to know its file.
    """
    content, _ = _bag(prediction, options, path, "MCAP")
    return write_with_sidecar(path, content, _meta(prediction))


def write_rosbag2(
    prediction: Prediction, path: Path, options: BagOptions = BagOptions()
) -> list[Path]:
    """The folder that `ros2 bag` takes: path, an SQLite file, and metadata.yaml beside it."""
    content, about = _bag(prediction, options, path, "SQLITE3")
    meta = _meta(prediction)
    text = f"# {PLY_COMMENT} {to_json(meta)}\n" + about.replace(f"{BAG}.db3", path.name)
    return write_with_sidecar(path, content, meta, {path.with_name("metadata.yaml"): text})


def _stamp(prediction: Prediction, options: CloudMessageOptions) -> float:
    """Of the messages [s since 1970]: frames of a video are as far apart as they were taken."""
    return options.stamp + float(prediction.meta.get("video", {}).get("time_s", 0.0))


def _meta(prediction: Prediction) -> dict[str, Any]:
    return metadata(prediction, "image, points and scan", frame=ROS_FRAME)


def _bag(
    prediction: Prediction, options: BagOptions, path: Path, storage: str
) -> tuple[bytes, str]:
    """The bytes of the one file of a bag, and its metadata.yaml."""
    messages = Messages(_stamp(prediction, options))
    found = messages_of(prediction, messages, options, path)
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / BAG
            _write(place, storage, found, messages, to_json(_meta(prediction)))
            (file,) = place.glob(f"{BAG}.*")
            return file.read_bytes(), (place / "metadata.yaml").read_text("utf-8")
    except (OSError, sqlite3.Error) as error:
        cause = error if isinstance(error, OSError) else OSError(errno.EIO, str(error))
        raise OutputError(f"{path}: cannot be written ({cause.strerror})") from cause


def _write(place: Path, storage: str, found: dict[str, Any], messages: Messages, meta: str) -> None:
    """A bag of messages by topic as a new folder."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    with Writer(place, version=VERSION, storage_plugin=StoragePlugin[storage]) as writer:
        writer.set_custom_data(GENERATOR, meta)
        for topic, message in found.items():
            line = writer.add_connection(
                topic,
                message.__msgtype__,
                typestore=typestore(),
                offered_qos_profiles=[_kept()] if topic == "/tf_static" else [],
            )
            writer.write(line, messages.nanoseconds, messages.serialised(message))


def _kept() -> Any:
    """Quality of service of what those who come later are told too."""
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    ever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        ever,
        ever,
        QosLiveliness.AUTOMATIC,
        ever,
        False,
    )

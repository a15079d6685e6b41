"""The points of a prediction in the fields of ROS's PointCloud2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import OutputError
from panodepth.export.frames import FRAMES
from panodepth.export.reprojection import levelled_points
from panodepth.export.robots.ground import check_metres
from panodepth.export.thinning import every_nth
from panodepth.strict import Count, Range
from panodepth.types import Prediction

# Offsets 0, 4, 8 and 12 of 16 bytes: rgb is 0x00RRGGBB, whose bits ROS calls a float.
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")])
FLOAT32 = 7  # sensor_msgs/PointField
MOST_POINTS = 1024 * 512
LAST_SECOND = 2**31 - 1  # of ROS's time


@dataclass(frozen=True, kw_only=True)
class StampOptions:
    """stamp: of the messages, or of the moment 0 of a video [s since 1970]."""

    stamp: Annotated[float, Range(at_least=0, at_most=LAST_SECOND)] = 0.0


@dataclass(frozen=True, kw_only=True)
class CloudMessageOptions(StampOptions):
    """max_points: larger pictures keep every n-th row and column."""

    max_points: Count = MOST_POINTS


@dataclass(frozen=True)
class PointCloud:
    """points: (H, W) of POINT, as the picture's pixels lie: x forward, y left, z up from the camera
    [m], NaN where no surface is.
    """

    points: npt.NDArray[np.void]

    @property
    def is_dense(self) -> bool:
        """Whether a surface is at every pixel."""
        return bool(np.isfinite(self.points["x"]).all())

    def fields(self) -> dict[str, Any]:
        """Those of sensor_msgs/PointCloud2 but its header; `fields` as (name, offset) of each."""
        height, width = self.points.shape
        return {
            "height": height,
            "width": width,
            "fields": list(zip(("x", "y", "z", "rgb"), range(0, POINT.itemsize, 4), strict=True)),
            "is_bigendian": False,
            "point_step": POINT.itemsize,
            "row_step": POINT.itemsize * width,
            "data": np.ascontiguousarray(self.points).view(np.uint8).reshape(-1),
            "is_dense": self.is_dense,
        }


def point_cloud(
    prediction: Prediction,
    options: CloudMessageOptions = CloudMessageOptions(),
    path: Path = Path("cloud"),
) -> PointCloud:
    """The organised cloud of a prediction in metres, level. path: what errors name. OutputError."""
    check_metres(prediction, path)
    if not prediction.mask.any():
        raise OutputError(f"{path}: no pixel of the prediction is valid, so there is no point")
    height, width = prediction.distance.shape
    stride = 1
    while -(-height // stride) * -(-width // stride) > options.max_points:
        stride += 1
    kept = every_nth(height, stride), every_nth(width, stride)
    xyz = FRAMES["ros"].points(levelled_points(prediction)[kept])
    xyz[~prediction.mask[kept]] = np.nan
    points = np.empty(xyz.shape[:2], POINT)
    for axis, name in enumerate("xyz"):
        points[name] = xyz[..., axis]
    red, green, blue = np.moveaxis(prediction.image[kept].astype(np.uint32), -1, 0)
    points["rgb"] = red << 16 | green << 8 | blue
    return PointCloud(points)

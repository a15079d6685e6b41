"""Every n-th pixel of a prediction as points: what clouds and meshes are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from panodepth.errors import OutputError
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.lens import ERP
from panodepth.geometry.point_bands import point_bands
from panodepth.types import BoolArray, ByteArray, FloatArray, Prediction

BAND_PIXELS = 1 << 15  # turned into points at a time


@dataclass(frozen=True)
class Cloud:
    """The pixels that become points: every `stride`-th row and column, `count` of them valid.

    distance, mask: (h, w). image: (h, w, 3). lon: (w,), lat: (h,) [rad]. points: (h, w, 3), if not
    along those angles. up: the frame that `bands` are in.
    """

    distance: FloatArray
    mask: BoolArray
    image: ByteArray
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    stride: int
    count: int
    points: FloatArray | None = None
    up: str = "house"

    def bands(self) -> Iterator[tuple[Sequence[FloatArray], BoolArray, ByteArray]]:
        """x, y, z (3, n, w), overwritten by the next; mask (n, w); image (n, w, 3), by rows."""
        at_once = max(1, BAND_PIXELS // self.mask.shape[1])
        if self.points is None:
            found = point_bands(self.distance, self.lon, self.lat, at_once)
        else:
            found = iter([(slice(None), np.moveaxis(self.points, -1, 0))])
        for rows, planes in found:
            xyz: Sequence[FloatArray] = planes
            if self.up != "house":
                from panodepth.export.frames import FRAMES

                xyz = FRAMES[self.up].planes(planes)
            yield xyz, self.mask[rows], self.image[rows]


def thinned(prediction: Prediction, path: Path, max_points: int, up: str) -> Cloud:
    """The cloud of at most `max_points` before masking; OutputError when no pixel is valid."""
    height, width = prediction.distance.shape
    stride = 1
    while -(-height // stride) * -(-width // stride) > max_points:
        stride += 1
    rows, columns = every_nth(height, stride), every_nth(width, stride)
    lon, lat = axis_angles(height, width)
    mask = prediction.mask[rows, columns]
    count = int(np.count_nonzero(mask))
    if not count:
        raise OutputError(f"{path}: no pixel of the prediction is valid, so there is no point")
    distance, image = prediction.solid[rows, columns], prediction.image[rows, columns]
    cloud = Cloud(distance, mask, image, lon[columns], lat[rows], stride, count, up=up)
    if prediction.rotation is not None or not isinstance(prediction.lens, ERP):
        from panodepth.export.reprojection import levelled_points

        return replace(cloud, points=levelled_points(prediction)[rows, columns])
    return cloud


def every_nth(count: int, stride: int) -> slice:
    """Every `stride`-th of `count` rows or columns, starting in the middle of the first group."""
    return slice(min(stride // 2, count - 1), None, stride)

"""Pictures that each metered the light for itself, brought to one exposure by their overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panodepth.geometry.stitching import Camera, stitch
from panodepth.images import linear_to_srgb, srgb_to_linear
from panodepth.types import BoolArray, FloatArray

_ROWS = 96  # of the sphere on which overlaps are compared
_LEAST = 16  # of its pixels: fewer say nothing
_RANGE = (0.02, 0.97)  # sRGB-coded: neither drowned in noise nor clipped
_PULL = 0.002  # of an overlap's weight, towards no change: what nothing is known of stays


def matched(
    pictures: Sequence[FloatArray],
    cameras: Sequence[Camera],
    radius: float | None = None,
    valid: Sequence[BoolArray | None] | None = None,
) -> list[FloatArray]:
    """Pictures (3, h, w), sRGB-coded in [0, 1], each times one gain in linear light.

    The logs of the gains are the least-squares solution of "in each overlap both are as bright", by
    the median over what both show well, and 0 in the mean. cameras, radius, valid: see `stitch`.
    """
    gains = np.exp(log_gains(pictures, cameras, radius, valid))
    return [
        picture if abs(gain - 1) < 0.01 else _brighter(picture, float(gain))
        for picture, gain in zip(pictures, gains, strict=True)
    ]


def log_gains(
    pictures: Sequence[FloatArray],
    cameras: Sequence[Camera],
    radius: float | None = None,
    valid: Sequence[BoolArray | None] | None = None,
) -> FloatArray:
    """(n,) natural logs of what the linear light of each picture is to be multiplied by."""
    size = (_ROWS, 2 * _ROWS)
    logs, usable = [], []
    goods = [None] * len(cameras) if valid is None else valid
    for picture, camera, good in zip(pictures, cameras, goods, strict=True):
        coded, seen = stitch([_rough(picture, camera)], [camera], size, radius, [good])
        low, high = coded.min(axis=0), coded.max(axis=0)
        usable.append(seen & (low > _RANGE[0]) & (high < _RANGE[1]))
        logs.append(np.log(np.maximum(srgb_to_linear(coded).mean(axis=0), 1e-6)))
    count = len(logs)
    normal, aim = np.eye(count) * _PULL, np.zeros(count)
    for i in range(count):
        for j in range(i + 1, count):
            both = usable[i] & usable[j]
            if both.sum() < _LEAST:
                continue
            difference = float(np.median(logs[j][both] - logs[i][both]))
            weight = both.mean() * count
            normal[[i, j], [i, j]] += weight
            normal[[i, j], [j, i]] -= weight
            aim[i] += weight * difference
            aim[j] -= weight * difference
    gains = np.linalg.solve(normal, aim)
    return np.asarray(gains - gains.mean(), np.float32)


def _rough(picture: FloatArray, camera: Camera) -> FloatArray:
    """The picture blurred to about the pixels of the sphere, its size kept."""
    import cv2

    side = max(1, round(max(camera.view.size) / _ROWS))
    planes = [cv2.blur(np.ascontiguousarray(plane), (side, side)) for plane in picture]
    return np.stack(planes).astype(np.float32)


def _brighter(picture: FloatArray, gain: float) -> FloatArray:
    return np.clip(linear_to_srgb(srgb_to_linear(picture) * np.float32(gain)), 0, 1)

"""Distance as a picture: near is warm and bright, far is dark blue, no surface is grey.

The table is made here from a few control points in OKLCh (lightness, chroma, hue), the polar form
of Ottosson's OKLab: lightness falls in even steps from near to far, so the order survives in grey
print and for the colour-blind, and the hue walks from yellow through red and violet to blue.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.export.bands import row_bands
from panodepth.types import BoolArray, ByteArray

# position (0 = near, 1 = far), OKLab lightness, chroma, hue [deg]
CONTROL_POINTS = (
    (0.0, 0.95, 0.09, 100.0),
    (0.2, 0.812, 0.155, 72.0),
    (0.4, 0.674, 0.19, 38.0),
    (0.6, 0.536, 0.185, 5.0),
    (0.8, 0.398, 0.15, -48.0),
    (1.0, 0.26, 0.11, -94.0),
)
RANGE_PERCENTILES = (1.0, 99.0)  # of distance over the valid pixels; beyond them the ends' colours
NO_SURFACE = (120, 120, 120)  # RGB of masked pixels: a grey, which the table never is
_RANGE_SAMPLES = 200_000  # larger maps take their percentiles on a grid of about this many
_BLOCK_PIXELS = 1 << 15  # coloured at a time: what stays in the cache

# OKLab to linear sRGB (B. Ottosson, "A perceptual color space for image processing", 2020)
_LAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@cache
def distance_table() -> ByteArray:
    """(256, 3) uint8 sRGB: row 0 is the nearest, row 255 the farthest."""
    from panodepth.images.transfer import linear_to_srgb

    position, *polar = np.array(CONTROL_POINTS).T
    at = np.linspace(0, 1, 256)
    lightness, chroma, hue = (np.interp(at, position, values) for values in polar)
    a, b = chroma * np.cos(np.deg2rad(hue)), chroma * np.sin(np.deg2rad(hue))
    lms = (np.stack((lightness, a, b), axis=-1) @ _LAB_TO_LMS.T) ** 3
    table = np.rint(linear_to_srgb(np.clip(lms @ _LMS_TO_RGB.T, 0, 1)) * 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def distance_range(
    distance: npt.NDArray[Any], mask: BoolArray | None = None
) -> tuple[float, float]:
    """The (near, far) distances at the ends of `colourise`'s table; (1, 1) when none is valid.

    distance: (H, W), any unit; values that are not finite and positive do not count.
    mask: (H, W) bool, True = valid, or None.
    """
    coarse = max(1, int(np.ceil(np.sqrt(distance.size / _RANGE_SAMPLES))))
    for step in (coarse, 1):  # every pixel where the few valid ones fall between the samples
        sample = distance[::step, ::step]
        good = _visible(sample, None if mask is None else mask[::step, ::step])
        if good.any():
            near, far = np.percentile(sample[good], RANGE_PERCENTILES)
            return float(near), float(far)
    return 1.0, 1.0


def colourise(
    distance: npt.NDArray[Any],
    mask: BoolArray | None = None,
    *,
    limits: tuple[float, float] | None = None,
) -> ByteArray:
    """(H, W, 3) uint8 sRGB preview, on a logarithmic scale.

    distance: (H, W), any unit; values that are not finite and positive are shown as masked.
    mask: (H, W) bool, True = a surface is there; None = everywhere.
    limits: (near, far) of the scale in the distance's unit, to compare pictures; by default
        `distance_range`, that is 1 % and 99 % of the valid pixels.
    """
    near, far = limits or distance_range(distance, mask)
    low, span = np.log(near), np.log(far) - np.log(near)
    steps = np.float32(255 / span if span > 0 else 0)
    picture: ByteArray = np.empty((*distance.shape, 3), np.uint8)
    table = distance_table()[:, None, :]
    for rows in row_bands(distance.shape, _BLOCK_PIXELS):
        block = distance[rows].astype(np.float32)
        good = _visible(block, None if mask is None else mask[rows])
        all_good = bool(good.all())
        if not all_good:
            np.copyto(block, near, where=~good)
        np.log(block, out=block)
        block -= np.float32(low)
        block *= steps
        np.clip(np.rint(block, out=block), 0, 255, out=block)
        cv2.applyColorMap(block.astype(np.uint8), table, dst=picture[rows])
        if not all_good:
            grey = np.full((*block.shape, 3), NO_SURFACE, np.uint8)
            cv2.copyTo(grey, (~good).view(np.uint8), picture[rows])
    return picture


def _visible(distance: npt.NDArray[Any], mask: BoolArray | None) -> BoolArray:
    """(H, W) True where a distance can be shown: finite, positive and not masked."""
    good: BoolArray = distance > 0
    good &= distance < np.inf
    return good if mask is None else np.logical_and(good, mask, out=good)

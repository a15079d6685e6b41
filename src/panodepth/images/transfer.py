"""The sRGB curve, both ways, and which pixels are finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.types import BoolArray, FloatArray

NOTHING_VALID = "no valid pixel (alpha is 0 or values are NaN everywhere)"


def linear_to_srgb(linear: npt.ArrayLike) -> FloatArray:
    """Linear light (...) in [0, 1] to sRGB-coded values (...) in [0, 1] (IEC 61966-2-1)."""
    x = np.asarray(linear, np.float32)
    coded = np.float32(1.055) * np.power(np.maximum(x, 0), np.float32(1 / 2.4)) - np.float32(0.055)
    return np.where(x <= 0.0031308, x * np.float32(12.92), coded)


def srgb_to_linear(coded: npt.ArrayLike) -> FloatArray:
    """sRGB-coded values (...) in [0, 1] to linear light (...) in [0, 1] (IEC 61966-2-1)."""
    x = np.asarray(coded, np.float32)
    linear = np.power((np.maximum(x, 0) + np.float32(0.055)) / np.float32(1.055), np.float32(2.4))
    return np.where(x <= 0.04045, x / np.float32(12.92), linear)


def finite_pixels(planes: Sequence[npt.NDArray[Any]]) -> BoolArray | None:
    """(H, W) True where all the (H, W) planes are finite; None when they are everywhere."""
    finite = np.isfinite(planes[0])
    for plane in planes[1:]:
        finite &= np.isfinite(plane)
    return None if finite.all() else finite


def both(first: BoolArray | None, second: BoolArray | None) -> BoolArray | None:
    """(H, W) bool, the pixels valid in both masks; None stands for all."""
    if first is None or second is None:
        return second if first is None else first
    return first & second

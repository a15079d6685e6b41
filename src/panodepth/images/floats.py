"""Arrays of floats as pictures: finite, and in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.images.transfer import NOTHING_VALID, both, finite_pixels
from panodepth.types import BoolArray, FloatArray

FLOAT_SLACK = 1e-3  # resampling overshoots a little; beyond this a float image is not in [0, 1]


def checked_float(
    array: npt.NDArray[Any], valid: BoolArray | None, name: str
) -> tuple[FloatArray, BoolArray | None]:
    """(H, W, C) floats as float32 in [0, 1], and which (H, W) of them are finite and valid.

    NaN and Inf get the median colour. Raises InputError for values out of range.
    """
    finite = finite_pixels([array[..., i] for i in range(array.shape[2])])
    usable = both(valid, finite)
    kept = array if usable is None else array[usable]
    if not kept.size:
        raise InputError(f"{name}: {NOTHING_VALID}")
    low, high = float(kept.min()), float(kept.max())
    if low < -FLOAT_SLACK or high > 1 + FLOAT_SLACK:
        advice = "; divide by 255" if 1.5 < high <= 255 and low >= 0 else ""
        raise InputError(
            f"{name}: float values must lie in [0, 1], found {low:.4g} to {high:.4g}{advice}"
        )
    result: FloatArray = array.astype(np.float32, copy=False)
    if finite is not None:
        result = np.where(finite[..., None], result, np.median(kept, axis=0).astype(np.float32))
    if low < 0 or high > 1 or usable is not None:
        result = np.clip(result, 0, 1)
    return result, usable

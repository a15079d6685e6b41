"""Scale alignment of a scale-invariant prediction before it is measured; numpy only."""

from __future__ import annotations

import numpy as np

from panodepth.types import BoolArray, FloatArray


def median_scale(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> float:
    """The factor median(truth) / median(prediction) over the valid pixels.

    This is the field's alignment (DA² evaluation): a ratio of two medians, not the median of the
    ratio. prediction, truth, valid: (H, W). Raises ValueError when no pixel is valid.
    """
    if not valid.any():
        raise ValueError("no valid pixel to align on")
    return float(np.median(truth[valid]) / np.median(prediction[valid]))

"""Error measures of one aligned distance map against the truth; numpy only.

prediction, truth: (H, W) float > 0 in one unit; valid: (H, W) bool, True = counted. Every pixel
counts alike (the field's convention, no solid-angle weights). An empty mask gives NaN.
"""

from __future__ import annotations

import numpy as np

from panodepth.types import BoolArray, FloatArray


def abs_rel(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> float:
    """Mean of |prediction - truth| / truth."""
    p, t = prediction[valid].astype(np.float64), truth[valid].astype(np.float64)
    return float(np.mean(np.abs(p - t) / t)) if t.size else float("nan")


def delta(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, threshold: float = 1.25
) -> float:
    """Share of pixels with max(prediction / truth, truth / prediction) below `threshold`."""
    p, t = prediction[valid].astype(np.float64), truth[valid].astype(np.float64)
    return float(np.mean(np.maximum(p / t, t / p) < threshold)) if t.size else float("nan")

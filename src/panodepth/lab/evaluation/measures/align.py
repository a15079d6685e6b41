"""Alignment of a prediction to the truth before it is measured, in NumPy alone.

Throughout: prediction, truth: (H, W) > 0, each in a unit of its own; valid: (H, W) bool, True =
counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from panodepth.lab.evaluation.measures.median import median, weighted_median
from panodepth.lab.evaluation.protocol import FIT_SIDE, Alignment
from panodepth.types import BoolArray, FloatArray


class Fit(NamedTuple):
    """aligned = scale · prediction + shift; shift in the truth's unit."""

    scale: float
    shift: float = 0.0

    def apply(self, prediction: FloatArray) -> FloatArray:
        """The aligned prediction, (H, W) float32; with a shift it may be zero or negative.

        prediction: (H, W).
        """
        aligned: FloatArray = prediction.astype(np.float32) * np.float32(self.scale)
        return aligned + np.float32(self.shift) if self.shift else aligned


def median_scale(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, weights: FloatArray | None = None
) -> float:
    """The factor median(truth) / median(prediction) over the valid pixels.

    This is the field's alignment (DA² evaluation): a ratio of two medians, not the median of the
    ratio. prediction, truth: (H, W). valid: (H, W) bool. weights: broadcast to (H, W), > 0, for
    weighted medians. Raises ValueError when no pixel is valid.
    """
    if not valid.any():
        raise ValueError("no valid pixel to align on")
    if weights is None:
        return median(truth[valid]) / median(prediction[valid])
    chosen = np.broadcast_to(weights, valid.shape)[valid]
    return weighted_median(truth[valid], chosen) / weighted_median(prediction[valid], chosen)


def nearest_copy(array: npt.NDArray[Any], longest: int) -> npt.NDArray[Any]:
    """Pixels floor(i / f) for i < floor(H f) along each axis: no side is above `longest` [px].

    The factor f = longest / max(H, W) and the floor are the released evaluation's. array: (H, W);
    returned as it is when it is small enough.
    """
    height, width = array.shape
    factor = min(longest / height, longest / width)
    if factor >= 1:
        return array
    rows, columns = (
        np.minimum((np.arange(int(n * factor)) / factor).astype(np.int64), n - 1)
        for n in (height, width)
    )
    thinned: npt.NDArray[Any] = array[rows[:, None], columns]
    return thinned


def least_squares(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, longest: int = FIT_SIDE
) -> Fit:
    """Scale and shift that minimise Σ (scale · prediction + shift − truth)² over valid pixels.

    prediction, truth: (H, W). valid: (H, W) bool. longest: side [px] of the nearest-neighbour copy
    that is fitted on, as in the release. A constant prediction gets scale 0 and the truth's mean.
    Raises ValueError when no pixel of the copy is valid.
    """
    small = nearest_copy(valid, longest).astype(bool)
    if not small.any():
        raise ValueError("no valid pixel to align on")
    p = nearest_copy(prediction, longest)[small].astype(np.float64)
    t = nearest_copy(truth, longest)[small].astype(np.float64)
    # About the means, so that nothing cancels, and by NumPy's sums rather than by a matrix product:
    # those give the same bits on any number of threads.
    mean_p, mean_t = p.sum() / p.size, t.sum() / t.size
    p -= mean_p
    spread = (p * p).sum()
    # Below this all values are one value in float32, and the slope would be noise.
    flat = spread <= p.size * (1e-6 * abs(mean_p)) ** 2
    scale = 0.0 if flat else float((p * (t - mean_t)).sum() / spread)
    return Fit(scale, float(mean_t - scale * mean_p))


def fit(
    kind: Alignment,
    maps: tuple[FloatArray, FloatArray, BoolArray],
    weights: FloatArray | None = None,
    longest: int = FIT_SIDE,
) -> Fit:
    """The alignment that a protocol asks for.

    maps: prediction, truth, valid, (H, W) each. weights: broadcast to (H, W), for the median alone.
    longest: as in `least_squares`. Raises ValueError when no pixel is valid.
    """
    if kind == "none":
        return Fit(1.0)
    if kind == "affine":
        return least_squares(*maps, longest)
    return Fit(median_scale(*maps, weights))

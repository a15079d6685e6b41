"""Error measures of one aligned distance map against the truth, in NumPy alone.

Throughout: prediction, truth: (H, W) > 0 in one unit; valid: (H, W) bool, True = counted. By
default every pixel counts alike, which is the field's convention.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.types import BoolArray, FloatArray

_BLOCK = 1 << 14  # pixels at a time


def abs_rel(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> float:
    """Mean of |prediction - truth| / truth; NaN for an empty mask. All (H, W)."""
    p, t = prediction[valid].astype(np.float64), truth[valid].astype(np.float64)
    return float(np.mean(np.abs(p - t) / t)) if t.size else float("nan")


def ten_metrics(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, weights: FloatArray | None = None
) -> dict[str, float] | None:
    """The field's ten, with p = prediction, t = truth, g = ln p − ln t and weighted means:

    abs_rel |p − t| / t; sq_rel (p − t)² / t [unit]; rmse √(p − t)² [unit]; rmse_log √g²;
    log10 |g| / ln 10; delta_k share of max(p / t, t / p) < 1.25^k; irmse √(1 / p − 1 / t)²
    [1 / unit]; silog 100 √(g² − mean(g)²).

    prediction, truth: (H, W) > 0. valid: (H, W) bool. weights: broadcast to (H, W), > 0; None =
    every pixel alike. Returns None when no pixel is valid.
    """
    p, t = prediction[valid], truth[valid]
    if not t.size:
        return None
    w = None if weights is None else np.broadcast_to(weights, valid.shape)[valid]
    # In float64, block after block: what a block needs stays in the processor's cache, and sums in
    # one fixed order give the same bits on any number of threads.
    blocks = [
        _sums(p[i : i + _BLOCK], t[i : i + _BLOCK], None if w is None else w[i : i + _BLOCK])
        for i in range(0, t.size, _BLOCK)
    ]
    total, logs = (np.array([sums[key] for sums in blocks]) for key in ("weight", "log"))
    n = float(total.sum())
    table = np.array([list(sums.values()) for sums in blocks])
    mean = dict(zip(blocks[0], (table.sum(axis=0) / n).tolist(), strict=True))
    # The variance of g from each block's own, about its own mean: nothing cancels.
    between = total * (logs / total - mean["log"]) ** 2
    variance = mean["log_centred"] + float(between.sum()) / n
    return {
        "abs_rel": mean["relative"],
        "sq_rel": mean["square_relative"],
        "rmse": mean["square"] ** 0.5,
        "rmse_log": mean["square_log"] ** 0.5,
        "log10": mean["abs_log"] / float(np.log(10.0)),
        "delta1": mean["within1"],
        "delta2": mean["within2"],
        "delta3": mean["within3"],
        "irmse": mean["square_inverse"] ** 0.5,
        "silog": 100 * variance**0.5,
    }


def _sums(
    prediction: FloatArray, truth: FloatArray, weights: FloatArray | None
) -> dict[str, float]:
    """The weighted sums over one block of pixels that the means are made of, and the weight's.

    prediction, truth: (N,) > 0. weights: (N,), or None = ones.
    """
    p, t = prediction.astype(np.float64), truth.astype(np.float64)
    w = None if weights is None else weights.astype(np.float64)

    def add(values: npt.NDArray[Any]) -> float:  # (N,)
        return float(values.sum() if w is None else (values * w).sum())

    ratio = p / t
    log_ratio = np.log(ratio)
    difference = p - t
    relative = difference / t
    # max(p / t, t / p) < 1.25^k, strictly, as the field counts δ
    worse = np.maximum(ratio, 1 / ratio)
    total = float(t.size) if w is None else float(w.sum())
    log_sum = add(log_ratio)
    return {
        "weight": total,
        "log": log_sum,
        "log_centred": add((log_ratio - log_sum / total) ** 2),
        "relative": add(np.abs(relative)),
        "square_relative": add(difference * relative),
        "square": add(difference * difference),
        "square_log": add(log_ratio * log_ratio),
        "abs_log": add(np.abs(log_ratio)),
        **{f"within{k}": add(worse < 1.25**k) for k in (1, 2, 3)},
        "square_inverse": add((relative / p) ** 2),  # 1 / t - 1 / p = (p - t) / (p t)
    }

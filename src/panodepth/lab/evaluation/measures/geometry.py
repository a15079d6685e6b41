"""What the ten metrics do not see: the seam, the poles and the directions of surfaces.

Throughout: prediction: (H, W) > 0, aligned, not clipped; truth: (H, W) in the same unit; valid:
(H, W) bool. Pixels weigh by their solid angle. A measure without a pixel is None, never NaN.
"""

from __future__ import annotations

import numpy as np

from panodepth.geometry.bands import row_bands
from panodepth.geometry.grid import axis_angles
from panodepth.types import BoolArray, FloatArray

POLE_CAP_DEG = 20.0  # the caps within this angle of the two poles
NORMAL_LIMIT_DEG = 11.25  # the field's usual threshold


def row_weights(height: int) -> FloatArray:
    """(H, 1) float32, proportional to the solid angle of a pixel, 1 at the equator."""
    weights: FloatArray = np.cos(axis_angles(height, 1)[1]).astype(np.float32)[:, None]
    return weights


def log_residual(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> FloatArray:
    """ln prediction − ln truth where valid, 0 elsewhere, (H, W) float32; all are (H, W)."""
    # one logarithm of the ratio instead of two
    ratio = np.ones(truth.shape, np.float32)
    np.divide(prediction, truth, out=ratio, where=valid)
    residual: FloatArray = np.log(ratio)
    return residual


def seam(residual: FloatArray, valid: BoolArray) -> dict[str, float | None]:
    """How far the predicted step across the left-right seam is from the true one.

    With e = ln p − ln t, the step from a column to its right neighbour is wrong by |Δe|:
    `seam` is its mean over the rows of the seam, `seam_ratio` that mean divided by the mean over
    all other neighbouring columns (1: the seam is like any place).

    residual: (H, W), e. valid: (H, W) bool.
    """
    weights = row_weights(len(residual))
    wrong = np.abs(np.roll(residual, -1, axis=1) - residual)
    both = valid & np.roll(valid, -1, axis=1)
    at_seam = _mean(wrong[:, -1:], both[:, -1:], weights)
    inside = _mean(wrong[:, :-1], both[:, :-1], weights)
    ratio = at_seam / inside if at_seam is not None and inside else None
    return {"seam": at_seam, "seam_ratio": ratio}


def poles(
    prediction: FloatArray, truth: FloatArray, residual: FloatArray, valid: BoolArray
) -> dict[str, float | None]:
    """How good the prediction is round the poles.

    `pole`: mean |p − t| / t within 20° of them. `pole_spread`: all pixels of the first row look
    nearly the same way, and so do those of the last; the standard deviation of e = ln p − ln t
    along these rows, mean of the two.

    prediction, truth: (H, W). residual: (H, W), e. valid: (H, W) bool.
    """
    height = len(truth)
    rows = max(1, round(height * POLE_CAP_DEG / 180))
    cap = np.r_[0:rows, height - rows : height]
    p, t, good = prediction[cap], truth[cap], valid[cap]
    relative = np.zeros(t.shape, np.float32)
    np.divide(np.abs(p - t), t, out=relative, where=good)
    ends = [residual[row][valid[row]].astype(np.float64) for row in (0, height - 1)]
    spreads = [float(np.sqrt(np.mean((e - e.mean()) ** 2))) for e in ends if e.size > 1]
    return {
        "pole": _mean(relative, good, row_weights(height)[cap]),
        "pole_spread": sum(spreads) / len(spreads) if spreads else None,
    }


def normals(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> dict[str, float | None]:
    """Angle between the normals of the predicted and the true surface.

    `normal`: mean angle [deg]. `normal_11`: share of pixels below 11.25°. Only pixels whose
    neighbours, those that normals are made of, have a true distance too.

    prediction, truth: (H, W). valid: (H, W) bool.
    """
    import torch

    from panodepth.geometry.points import distance_to_normals

    usable = _neighbours_valid(valid)
    if not usable.any():
        return {"normal": None, "normal_11": None}
    filled = [np.where(valid, m, np.float32(1)).astype(np.float32) for m in (prediction, truth)]
    with torch.no_grad():
        a, b = (distance_to_normals(torch.from_numpy(m)) for m in filled)
        # Half the chord: exact for small angles, where the cosine is not.
        half = ((a - b).square().sum(-1).sqrt() / 2).clamp_(max=1)
        angle = (2 * half.asin()).rad2deg_().numpy()
    weights = row_weights(len(truth))
    below = (angle < NORMAL_LIMIT_DEG).astype(np.float32)
    return {"normal": _mean(angle, usable, weights), "normal_11": _mean(below, usable, weights)}


def _neighbours_valid(valid: BoolArray) -> BoolArray:
    """(H, W): the pixel and the four that its normal is made of are valid.

    Toward the poles the horizontal neighbours are farther off, as in `points_to_normals` of
    `geometry/points.py`: a power of two near 1 / cos lat, at most W / 4.
    """
    height, width = valid.shape
    # over a pole one comes down on the other side, half a turn away
    turned = np.roll(valid, width // 2, axis=1)
    above = np.concatenate((turned[:1], valid[:-1]))
    below = np.concatenate((valid[1:], turned[-1:]))
    good = valid & above & below
    for start, stop, step in row_bands(height, width, height):
        band = valid[start:stop]
        good[start:stop] &= np.roll(band, step, axis=1) & np.roll(band, -step, axis=1)
    result: BoolArray = good
    return result


def _mean(values: FloatArray, where: BoolArray, weights: FloatArray) -> float | None:
    """The weighted mean over `where`, in float64; None of nothing.

    values: (H, W). where: (H, W) bool. weights: (H, 1).
    """
    # a weight is that of a whole row, so rows are summed first, in one fixed order
    per_row = np.where(where, values, np.float32(0)).sum(axis=1, dtype=np.float64)
    column = weights[:, 0].astype(np.float64)
    total = float((where.sum(axis=1) * column).sum())
    return float((per_row * column).sum()) / total if total > 0 else None

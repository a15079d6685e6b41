"""Occluding contours: are they where they should be, and are they cut clean?

prediction: aligned distance (H, W) > 0; truth: (H, W); valid: (H, W) bool. Pixels count alike:
contours are lines of pixels. Left and right edge are neighbours. None of nothing, never NaN.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from panodepth.types import BoolArray, FloatArray

# Ratios of neighbouring distances that make a contour, as in Depth Pro (arXiv 2410.02073, section
# on evaluation): ten from 1.05 to 1.25. Each F1 weighs by its threshold there; so here.
CONTOUR_RATIOS = tuple(float(r) for r in np.linspace(1.05, 1.25, 10))
EDGE_RATIO = 1.25  # far / near within the window that makes a place an edge
STEP_RATIO = 1.05  # below this the prediction is flat, and nothing floats
WINDOW = 5  # [px]
MIDDLE = (0.25, 0.75)  # of the way from near to far, in log distance


def boundary_f1(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> float | None:
    """F1 of the contours between neighbouring pixels, right and down, both ways; 0 to 1.

    For each threshold r there is a contour from i to its neighbour j when d(j) / d(i) > r.
    Precision and recall compare the predicted with the true contours pixel by pixel; the F1 values
    are averaged with weights r. A threshold at which neither has a contour does not count.

    prediction, truth: (H, W) > 0. valid: (H, W) bool.
    """
    log_p = np.log(np.where(valid, prediction, np.float32(1)))
    log_t = np.log(np.where(valid, truth, np.float32(1)))
    limits = np.log(CONTOUR_RATIOS).astype(np.float32)
    counts = np.zeros((3, len(limits)), np.int64)  # predicted, true, both
    for axis in (1, 0):
        pairs = _pairs(valid, axis)
        counts += _contours(_steps(log_p, axis), _steps(log_t, axis), pairs, limits)
    predicted, true, both = counts
    here = (predicted + true) > 0
    if not here.any():
        return None
    weights = np.asarray(CONTOUR_RATIOS)[here]
    f1 = 2 * both[here] / (predicted[here] + true[here])
    return float((f1 * weights).sum() / weights.sum())


def flying_share(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> float | None:
    """Share of the pixels at true depth edges that float between the near and the far surface.

    An edge pixel has truth with far / near > 1.25 in its 5 × 5 window and lies itself on one of the
    two sides (outside the middle half of the window's log range). It flies when the prediction puts
    it into the middle half of the prediction's own log range in that window.

    prediction, truth: (H, W) > 0. valid: (H, W) bool.
    """
    good = np.where(valid, np.float32(1), np.float32(0))
    whole = _window(good, "min") > 0
    true_place, true_range = _place(truth, valid)
    low, high = MIDDLE
    sided = (true_place < low) | (true_place > high)
    edges = whole & (true_range > np.log(EDGE_RATIO)) & sided
    total = int(np.count_nonzero(edges))
    if total == 0:
        return None
    place, spread = _place(prediction, valid)
    floats = (place >= low) & (place <= high) & (spread > np.log(STEP_RATIO))
    return int(np.count_nonzero(edges & floats)) / total


def _steps(log: FloatArray, axis: int) -> FloatArray:
    """The log of the right (wrapping) or lower neighbour minus the pixel's own.

    log: (H, W). Returns (H, W) for axis 1, (H - 1, W) for axis 0.
    """
    if axis == 0:
        return log[1:] - log[:-1]
    steps: FloatArray = np.roll(log, -1, axis=1) - log
    return steps


def _pairs(valid: BoolArray, axis: int) -> BoolArray:
    """Which of the `_steps` are between valid pixels: (H, W) or (H - 1, W) bool."""
    return valid[1:] & valid[:-1] if axis == 0 else valid & np.roll(valid, -1, axis=1)


def _contours(
    steps_p: FloatArray, steps_t: FloatArray, pairs: BoolArray, limits: FloatArray
) -> npt.NDArray[np.int64]:
    """Numbers of contours of the prediction, of the truth, and of both with one direction.

    steps_p, steps_t: log ratios, (H, W) or (H - 1, W). pairs: of the same shape, bool. limits: (T,)
    log thresholds, rising. Returns (3, T).
    """
    large = pairs & ((np.abs(steps_p) > limits[0]) | (np.abs(steps_t) > limits[0]))
    p, t = steps_p[large], steps_t[large]
    levels = len(limits)
    level_p, level_t = (np.searchsorted(limits, np.abs(s), side="left") for s in (p, t))
    same = np.where((p > 0) == (t > 0), np.minimum(level_p, level_t), 0)
    found = [np.bincount(level, minlength=levels + 1) for level in (level_p, level_t, same)]
    # A step of level k is above the first k thresholds.
    return np.stack([np.cumsum(f[::-1])[::-1][1:] for f in found])


def _place(distance: FloatArray, valid: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Where a pixel stands in its window's log range, 0 near, 1 far, and that range: (H, W) each.

    distance: (H, W). valid: (H, W) bool.
    """
    log = np.log(np.where(valid, distance, np.float32(1))).astype(np.float32)
    near = _window(log, "min")
    spread = _window(log, "max") - near
    place = np.zeros_like(log)
    np.divide(log - near, spread, out=place, where=spread > 0)
    return place, spread


def _window(values: FloatArray, which: str) -> FloatArray:
    """The least ("min") or greatest value in the 5 × 5 window, across the seam, not the poles.

    values: (H, W). Returns (H, W).
    """
    import cv2

    reach = WINDOW // 2
    wide = np.concatenate((values[:, -reach:], values, values[:, :reach]), axis=1)
    kernel = np.ones((WINDOW, WINDOW), np.uint8)
    operation = cv2.erode if which == "min" else cv2.dilate
    out = operation(wide, kernel, borderType=cv2.BORDER_REPLICATE)[:, reach:-reach]
    return out.astype(np.float32, copy=False)

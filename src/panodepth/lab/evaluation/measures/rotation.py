"""Does a predictor say the same when the camera is turned? Needs the predictor, not the truth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from panodepth.lab.evaluation.measures.geometry import row_weights
from panodepth.lab.evaluation.measures.median import weighted_median
from panodepth.types import FloatArray

YAW = 3 / 8  # of a full turn: no multiple of any patch grid's symmetry
TILT_DEG = (20.0, 10.0)  # pitch and roll, as a hand-held camera has them

PredictImage = Callable[[FloatArray], FloatArray]
"""(H, W, 3) sRGB in [0, 1] to distance (H, W) > 0."""


def rotation_consistency(
    predict: PredictImage, image: FloatArray, distance: FloatArray
) -> dict[str, float | None]:
    """How far the predictions of the turned picture are from the turned prediction.

    Mean |ln a − ln b| by solid angle after alignment by the weighted median of ln a − ln b (scale
    is free): `turn_yaw` for a turn about the vertical axis by 3/8 of a circle, which moves whole
    columns and resamples nothing; `turn_tilt` for a pitch of 20° and a roll of 10°, by resampling.

    image: (H, W, 3) sRGB in [0, 1]; distance: (H, W) > 0, the prediction for `image`.
    """
    import torch

    from panodepth.geometry.resampling import rotate_erp
    from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll

    # whole columns: what differs then is the network alone, not resampling
    shift = round(distance.shape[1] * YAW)
    turned = np.ascontiguousarray(np.roll(image, shift, axis=1))
    yaw = _difference(predict(turned), np.roll(distance, shift, axis=1))

    pitch, roll = (torch.tensor(math.radians(angle)) for angle in TILT_DEG)
    rotation = rotation_from_yaw_pitch_roll(0.0, pitch, roll)
    planes = torch.from_numpy(image.transpose(2, 0, 1).copy())
    seen = rotate_erp(planes, rotation).clamp_(0, 1).permute(1, 2, 0).contiguous().numpy()
    expected = rotate_erp(torch.from_numpy(distance)[None], rotation, mode="nearest")[0].numpy()
    return {"turn_yaw": yaw, "turn_tilt": _difference(predict(seen), expected)}


def _difference(a: FloatArray, b: FloatArray) -> float | None:
    """Mean |ln a − ln b| by solid angle, after their weighted median; a, b: (H, W)."""
    good = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    if not good.any():
        return None
    ratio = (a[good] / b[good]).astype(np.float32)
    weights = np.broadcast_to(row_weights(len(a)), a.shape)[good]
    off = np.abs(np.log(ratio.astype(np.float64) / weighted_median(ratio, weights)))
    return float((off * weights).sum() / weights.sum(dtype=np.float64))

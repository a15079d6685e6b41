"""The picture as a protocol gives it to the predictor, and the prediction brought back."""

from __future__ import annotations

import numpy as np

from panodepth.geometry.resizing import resize_erp
from panodepth.types import FloatArray


def given_picture(image: FloatArray, long_side: int | None) -> FloatArray:
    """(H, W, 3) in [0, 1] resized to a long side [px], as the released evaluation does.

    Bilinear, antialiased, with a border at the seam; rounded to 8 bits; sides rounded down.
    long_side None: the picture as it is.
    """
    height, width = image.shape[:2]
    if long_side is None:
        return image
    factor = min(long_side / width, long_side / height)
    size = (int(height * factor + 1e-9), int(width * factor + 1e-9))
    import torch
    from torch.nn import functional

    stored = torch.from_numpy(np.rint(image * np.float32(255))).permute(2, 0, 1)[None]
    if size != (height, width):
        stored = functional.interpolate(
            stored, size, mode="bilinear", align_corners=False, antialias=True
        )
    levels = stored[0].permute(1, 2, 0).round().clamp(0, 255)
    picture: FloatArray = (levels / 255).contiguous().numpy()
    return picture


def to_size(distance: FloatArray, size: tuple[int, ...], closed: bool) -> FloatArray:
    """(h, w) distance at (H, W); bilinear, antialiased when shrinking.

    closed: across the seam and the poles. Where a value is missing (not finite, or 0 and below)
    the nearest pixel is taken instead everywhere: nothing is mixed with what is not there.
    """
    if distance.shape == tuple(size):
        return distance.astype(np.float32, copy=False)
    target = (int(size[0]), int(size[1]))
    plane = np.asarray(distance, np.float32)
    if not (np.isfinite(plane) & (plane > 0)).all():
        return resize_erp(plane, target, mode="nearest")
    return resize_erp(plane, target, edges="sphere" if closed else "cut")

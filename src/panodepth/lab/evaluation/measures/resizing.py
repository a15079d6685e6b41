"""The picture as a protocol gives it to the predictor, and the prediction brought back."""

from __future__ import annotations

import numpy as np

from panodepth.geometry.resizing import resize_erp
from panodepth.types import FloatArray


def given_picture(image: FloatArray, long_side: int | None) -> FloatArray:
    """The picture resized as the released evaluation does, bilinear and antialiased.

    image: (H, W, 3) in [0, 1]. long_side: [px]; None = the picture as it is. Returns (h, w, 3) in
    whole 255ths.
    """
    height, width = image.shape[:2]
    if long_side is None:
        return image
    factor = min(long_side / width, long_side / height)
    # sides are rounded down; what the last bit of the factor takes is given back before
    size = (int(height * factor + 1e-9), int(width * factor + 1e-9))
    import torch
    from torch.nn import functional

    stored = torch.from_numpy(np.rint(image * np.float32(255))).permute(2, 0, 1)[None]
    if size != (height, width):
        stored = functional.interpolate(
            stored, size, mode="bilinear", align_corners=False, antialias=True
        )
    # back to 8 bits: the released steps resize pictures, not tensors
    levels = stored[0].permute(1, 2, 0).round().clamp(0, 255)
    picture: FloatArray = (levels / 255).contiguous().numpy()
    return picture


def to_size(distance: FloatArray, size: tuple[int, ...], closed: bool) -> FloatArray:
    """A distance map at another size; bilinear, antialiased when shrinking.

    distance: (h, w). size: (H, W). closed: across the seam and the poles. Returns (H, W) float32.
    """
    if distance.shape == tuple(size):
        return distance.astype(np.float32, copy=False)
    target = (int(size[0]), int(size[1]))
    plane = np.asarray(distance, np.float32)
    if not (np.isfinite(plane) & (plane > 0)).all():  # nothing is mixed with what is missing
        return resize_erp(plane, target, mode="nearest")
    return resize_erp(plane, target, edges="sphere" if closed else "cut")

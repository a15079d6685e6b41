"""Mask files: white is valid."""

from __future__ import annotations

import os

import numpy as np

from panodepth.errors import InputError
from panodepth.images.files import read_stored
from panodepth.images.transfer import both
from panodepth.types import BoolArray


def read_mask(path: str | os.PathLike[str]) -> BoolArray:
    """Read a mask file: (H, W) bool, True = valid.

    White is valid: above 127 in 8 bits, above half of the range in 16 bits or float (colours by the
    mean of their channels). Alpha 0 and NaN are not valid. Raises InputError as `read_image`, and
    when no pixel is valid.
    """
    decoded = read_stored(path)
    pixels, valid = decoded.pixels, decoded.valid
    whole = np.issubdtype(pixels.dtype, np.integer)
    half = np.iinfo(pixels.dtype).max / 2 if whole else 0.5
    if pixels.ndim == 3:
        if pixels.shape[2] == 4:
            valid = both(valid, pixels[..., 3] != 0)
        pixels = pixels[..., :3].mean(axis=2, dtype=np.float32)
    mask = pixels > half if valid is None else (pixels > half) & valid
    if not mask.any():
        raise InputError(
            f"{path}: no pixel of the mask is valid: white (above {half:g}) means valid, "
            f"the brightest value is {float(pixels.max()):g}"
        )
    return mask

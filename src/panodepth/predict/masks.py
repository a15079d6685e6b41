"""A user's mask: checked, and brought to the network's size."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np

from panodepth.errors import InputError
from panodepth.images import read_mask
from panodepth.images.distances import plane
from panodepth.size import Size
from panodepth.types import BoolArray


def checked_mask(mask: Any, shape: Size, *others: Size) -> BoolArray:
    """A mask as (H, W) bool, True = valid: an array or tensor of this type, or read from the path
    of a file.

    shape: (H, W) of the picture; others: what else will do. Raises InputError when the mask is of
    another type or size.
    """
    name = ""
    if isinstance(mask, str | os.PathLike):
        name = f": {os.fspath(mask)}"
        mask = read_mask(mask)
    if hasattr(mask, "detach"):  # a torch tensor, on any device
        mask = mask.detach().cpu().numpy()
    array = plane(np.asarray(np.ma.filled(mask, False)))  # what a masked array masks is not valid
    if array.dtype != np.bool_:
        raise InputError(f"mask must be bool (True = valid), not {array.dtype}{name}")
    if array.shape not in (shape, *others):
        raise InputError(f"mask {array.shape} does not match image {shape}{name}")
    return array


def shrink_mask(valid: BoolArray, size: Size) -> BoolArray:
    """(H, W) bool, not all False, to (h, w) bool: valid where half of the area is.

    Where that is nowhere, any part of it will do; all, if what is valid fell between the pixels.
    """
    shrinks = valid.shape[0] >= size[0] and valid.shape[1] >= size[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST_EXACT
    share = cv2.resize(valid.astype(np.float32), (size[1], size[0]), interpolation=mode)
    half = np.asarray(share > 0.5 - 1e-4)
    found = half if half.any() else np.asarray(share > 0)
    return found if found.any() else np.ones_like(found)

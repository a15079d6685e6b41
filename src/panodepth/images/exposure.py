"""Linear pictures (EXR, HDR, float TIFF) exposed by their median, as a camera would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.images.formats.pillow import Decoded
from panodepth.images.transfer import NOTHING_VALID, both, finite_pixels, linear_to_srgb
from panodepth.types import BoolArray, FloatArray

# The linear value that the median luminance gets: photography's grey card, 0.461 in sRGB.
MID_GREY = 0.18
LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709, linear R, G, B
MAX_GAIN = 1e30  # keeps black black (0 × inf is not a number)
SAMPLES = 4_000_000  # larger pictures are metered on a grid of about this many pixels
_BLOCK_PIXELS = 1 << 19  # pixels coded at a time: bounds the working memory


def exposed(
    decoded: Decoded, name: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint16], BoolArray | None]:
    """A linear picture's light (H, W, 3), and its (H, W, 3) pixels and mask, see `expose`.

    light: in the type and the scale of the file, nothing copied; 0 where it is not valid.
    """
    stored, valid = decoded.pixels, decoded.valid
    if stored.ndim == 2:
        stored = np.broadcast_to(stored[..., None], (*stored.shape, 3))
    if stored.shape[2] == 4:
        valid = both(valid, stored[..., 3] != 0)
    planes = [stored[..., i] for i in range(3)]
    valid = both(valid, finite_pixels(planes))
    pixels = expose(planes, valid, name)
    if valid is not None:
        decoded.pixels[~valid] = 0
    return stored[..., :3], pixels, valid


def expose(
    planes: Sequence[npt.NDArray[Any]], valid: BoolArray | None, name: str
) -> npt.NDArray[np.uint16]:
    """Code a linear picture for display: (H, W, 3) uint16, sRGB-coded, 65535 = white.

    The median luminance over the valid pixels (over the positive ones where that is 0) becomes
    MID_GREY; what is brighter than white is clipped. Invalid pixels get the median colour.
    planes: R, G, B as three (H, W) float arrays of any positive scale. valid: (H, W) bool or None.
    Raises InputError when no pixel is valid.
    """
    height, width = planes[0].shape
    if valid is not None and not valid.any():
        raise InputError(f"{name}: {NOTHING_VALID}")
    sample = _metered(planes, valid)
    luminance = sample @ np.array(LUMINANCE_WEIGHTS, np.float32)
    median = float(np.median(luminance))
    if median <= 0 and (luminance > 0).any():
        median = float(np.median(luminance[luminance > 0]))
    gain = np.float32(min(MID_GREY / median, MAX_GAIN)) if median > 0 else np.float32(1)
    fill = np.median(sample, axis=0)

    coded = np.empty((height, width, 3), np.uint16)
    rows = max(1, _BLOCK_PIXELS // width)
    for top in range(0, height, rows):
        block = np.stack([p[top : top + rows] for p in planes], axis=-1).astype(np.float32)
        if valid is not None:
            block[~valid[top : top + rows]] = fill
        with np.errstate(over="ignore"):  # brighter than any number is white
            block *= gain
        block = linear_to_srgb(np.clip(block, 0, 1))
        coded[top : top + rows] = np.rint(block * 65535)
    return coded


def _metered(planes: Sequence[npt.NDArray[Any]], valid: BoolArray | None) -> FloatArray:
    """(N, 3) float32 >= 0: the valid pixels, or those of them on a coarse grid."""
    height, width = planes[0].shape
    coarse = max(1, int(np.ceil(np.sqrt(height * width / SAMPLES))))
    for step in (coarse, 1):  # every pixel where the few valid ones fall between the samples
        sample = np.stack([p[::step, ::step] for p in planes], axis=-1).astype(np.float32)
        sample = sample.reshape(-1, 3) if valid is None else sample[valid[::step, ::step]]
        if sample.size:
            break
    return np.maximum(sample, 0)

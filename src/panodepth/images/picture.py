"""One picture in memory, `ImageData`, and how an array becomes one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.images.transfer import NOTHING_VALID, both
from panodepth.size import Size
from panodepth.types import BoolArray, ByteArray, FloatArray


@dataclass(frozen=True)
class ImageData:
    """One sRGB-coded picture, kept in the depth it came in: a 16K JPEG takes 0.4 GB, not 1.6.

    pixels: (H, W, 3) uint8 (255 = white), uint16 (65535 = white; linear sources are coded so too)
        or float32 in [0, 1]. Finite everywhere; do not write into it, it may be the caller's.
    valid: (H, W) bool, True = valid; None = all are. At least one is.
    name: the file's name without its ending, "" for arrays. source: the path as given, or "".
    notes: choices that the reader made, a line each. origin: what was laid on this panorama, for
        who turns a result back; None = the picture was one. pano: `gpano.Pano` of its tags.
    light: (H, W, 3) float16 or float32, what a linear file holds, in its own scale; else None.
    """

    pixels: npt.NDArray[Any]
    valid: BoolArray | None = None
    name: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    origin: Any = None
    pano: Any = None
    light: npt.NDArray[Any] | None = None

    @property
    def size(self) -> Size:
        """(height, width) [px]."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    @property
    def white(self) -> float:
        """What a channel is at its brightest: 255, 65535 or 1."""
        return 1.0 if self.pixels.dtype == np.float32 else float(np.iinfo(self.pixels.dtype).max)

    @property
    def image(self) -> FloatArray:
        """(H, W, 3) float32 in [0, 1]; made anew at each call (12 bytes a pixel), not kept."""
        if self.pixels.dtype == np.float32:
            return self.pixels
        return np.asarray(np.divide(self.pixels, np.float32(self.white), dtype=np.float32))

    @property
    def may_be_padded(self) -> bool:
        """Whether corners above or below are black, or all alike, or the name is of no panorama."""
        corners = self.pixels[:: self.size[0] - 1, :: self.size[1] - 1]
        least = min(corners.max(axis=(1, 2)).min(), np.ptp(corners, axis=(0, 1)).max())
        return bool(least < self.white / 10) or self.source.lower().endswith(".insp")

    def to_uint8(self) -> ByteArray:
        """(H, W, 3) uint8, rounded to nearest; the very same array for 8-bit sources."""
        if self.pixels.dtype == np.uint8:
            return self.pixels
        out, factor = np.empty(self.pixels.shape, np.uint8), np.float32(255 / self.white)
        # In blocks of rows: a float copy of a whole 16K panorama would take 1.6 GB.
        for top in range(0, len(out), 256):
            out[top : top + 256] = np.rint(self.pixels[top : top + 256] * factor)
        return out

    def shrunk(self, min_height: int, min_width: int) -> ImageData:
        """Averaged over whole k × k boxes while both sides stay at or above the minima [px].

        For pictures many times larger than the network: what follows then costs a fraction of the
        memory. k divides both sides, so the grid stays exact; k = 1 returns self. A box is valid
        only when all its pixels are.
        """
        height, width = self.size
        largest = min(height // min_height, width // min_width)
        k = max((k for k in range(1, largest + 1) if height % k == width % k == 0), default=1)
        if k == 1:
            return self
        import cv2

        small = cv2.resize(self.pixels, (width // k, height // k), interpolation=cv2.INTER_AREA)
        valid = self.valid
        if valid is not None:
            valid = np.all(valid.reshape(height // k, k, width // k, k), axis=(1, 3))
        return replace(self, pixels=small, valid=valid, light=None)


def from_array(array: npt.NDArray[Any], valid: BoolArray | None, name: str) -> ImageData:
    """An array as a picture; the array itself where nothing has to change.

    array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, uint16 or float in [0, 1]; a fourth
        channel is alpha: 0 = not valid.
    valid: (H, W) bool, True = valid, or None. name: for error messages.
    Raises InputError for another type, floats out of range, or when no pixel is valid.
    """
    is_float = np.issubdtype(array.dtype, np.floating)
    if not is_float and (array.dtype.kind != "u" or array.dtype.itemsize > 2):
        raise InputError(
            f"{name} has dtype {array.dtype}; expected uint8, uint16 or float in [0, 1]"
        )
    if array.ndim == 2:
        array = array[..., None]
    if array.shape[2] == 4:
        valid = both(valid, array[..., 3] != 0)
        array = array[..., :3]
    if is_float:
        from panodepth.images.floats import checked_float

        array, valid = checked_float(array, valid, name)
    if valid is not None:
        if not valid.any():
            raise InputError(f"{name}: {NOTHING_VALID}")
        if valid.all():
            valid = None
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return ImageData(np.ascontiguousarray(array), valid)

"""One picture in memory: `ImageData`, and everything `predict` accepts turned into it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from panodepth.errors import InputError
from panodepth.images.limits import MAX_PIXELS, check_aspect, check_size
from panodepth.images.transfer import NOTHING_VALID, finite_pixels

__all__ = ["ImageData", "check_aspect", "from_array", "from_pillow", "oriented", "to_image_data"]

BoolArray = npt.NDArray[np.bool_]
FLOAT_SLACK = 1e-3  # resampling overshoots a little; beyond this a float image is not in [0, 1]
_STRIP_PIXELS = 1 << 20  # pixels copied out of a PIL image at a time


@dataclass(frozen=True)
class ImageData:
    """One sRGB-coded picture, kept in the depth it came in: a 16K JPEG takes 0.4 GB, not 1.6.

    pixels: (H, W, 3) uint8 (255 = white), uint16 (65535 = white; linear sources are coded so too)
        or float32 in [0, 1]. Finite everywhere; do not write into it, it may be the caller's.
    valid: (H, W) bool, True = valid; None = all are. At least one is.
    name: the file's name without its ending, "" for arrays. source: the path as given, or "".
    """

    pixels: npt.NDArray[Any]
    valid: BoolArray | None = None
    name: str = ""
    source: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) [px]."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    @property
    def image(self) -> npt.NDArray[np.float32]:
        """(H, W, 3) float32 in [0, 1]; made anew at each call (12 bytes a pixel), not kept."""
        if self.pixels.dtype == np.float32:
            return self.pixels
        white = np.float32(np.iinfo(self.pixels.dtype).max)
        image: npt.NDArray[np.float32] = np.divide(self.pixels, white, dtype=np.float32)
        return image

    def to_uint8(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8, rounded to nearest; the very same array for 8-bit sources."""
        if self.pixels.dtype == np.uint8:
            return self.pixels
        white = 1.0 if self.pixels.dtype == np.float32 else 65535.0
        out = np.empty(self.pixels.shape, np.uint8)
        for top in range(0, len(out), 256):
            block = self.pixels[top : top + 256] * np.float32(255 / white)
            out[top : top + 256] = np.rint(block)
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
        return ImageData(small, valid, self.name, self.source)


def to_image_data(source: Any, *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Anything `predict` accepts as ImageData.

    source: a path; a PIL image (its EXIF orientation is applied); an (H, W), (H, W, 1), (H, W, 3)
        or (H, W, 4) array, sRGB-coded: uint8, uint16, or float in [0, 1] with NaN or Inf = invalid
        (the fourth channel is alpha: 0 = invalid); or ImageData, returned as it is.
    Raises InputError for anything else, with what was found.
    """
    if isinstance(source, ImageData):
        return source
    if isinstance(source, str | os.PathLike):
        from panodepth.images.files import read_image

        return read_image(source, max_pixels=max_pixels)
    if isinstance(source, Image.Image):
        check_size(*source.size, "PIL image", max_pixels)
        pixels, valid = from_pillow(source)
        orientation = source.getexif().get(0x0112, 1)
        return from_array(oriented(pixels, orientation), oriented(valid, orientation), "PIL image")
    if isinstance(source, np.ndarray) or hasattr(source, "__array__"):
        array = np.asarray(source)
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
            raise InputError(
                f"image array has shape {array.shape}; expected (H, W), (H, W, 3) or (H, W, 4)"
            )
        check_size(array.shape[1], array.shape[0], "image array", max_pixels)
        return from_array(array, None, "image array")
    raise InputError(
        f"an image can be a path, a PIL image or an array, not {type(source).__name__}"
    )


def from_array(array: npt.NDArray[Any], valid: BoolArray | None, name: str) -> ImageData:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8, uint16 or float in [0, 1] as ImageData."""
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
        array, valid = _checked_float(array, valid, name)
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


def both(first: BoolArray | None, second: BoolArray | None) -> BoolArray | None:
    """The pixels valid in both masks; None stands for all."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _checked_float(
    array: npt.NDArray[Any], valid: BoolArray | None, name: str
) -> tuple[npt.NDArray[np.float32], BoolArray | None]:
    """Float pixels in [0, 1] as float32, NaN and Inf filled with the median colour and invalid."""
    finite = finite_pixels([array[..., i] for i in range(array.shape[2])])
    usable = both(valid, finite)
    kept = array if usable is None else array[usable]
    if not kept.size:
        raise InputError(f"{name}: {NOTHING_VALID}")
    low, high = float(kept.min()), float(kept.max())
    if low < -FLOAT_SLACK or high > 1 + FLOAT_SLACK:
        advice = "; divide by 255" if 1.5 < high <= 255 and low >= 0 else ""
        raise InputError(
            f"{name}: float values must lie in [0, 1], found {low:.4g} to {high:.4g}{advice}"
        )
    result: npt.NDArray[np.float32] = array.astype(np.float32, copy=False)
    if finite is not None:
        result = np.where(finite[..., None], result, np.median(kept, axis=0).astype(np.float32))
    if low < 0 or high > 1 or usable is not None:
        result = np.clip(result, 0, 1)
    return result, usable


def from_pillow(image: Image.Image) -> tuple[npt.NDArray[Any], BoolArray | None]:
    """Pixels (H, W, 3) uint8, or (H, W) uint16 or float32, and valid (H, W) or None, as stored."""
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise InputError(f"integer image has values {deep.min()} to {deep.max()}, not 16-bit")
        return deep.astype(np.uint16), None
    if image.mode == "F":
        return np.array(image, np.float32), None
    alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    mode = "RGBA" if alpha else "RGB"
    image.load()
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    valid = np.empty(pixels.shape[:2], np.bool_) if alpha else None
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        # Strip by strip: a whole-image conversion would hold two more copies of a huge picture.
        bottom = min(top + rows, image.height)
        strip = image.crop((0, top, image.width, bottom))
        block = np.asarray(strip if strip.mode == mode else strip.convert(mode))
        pixels[top:bottom] = block[..., :3]
        if valid is not None:
            valid[top:bottom] = block[..., 3] != 0
    return pixels, valid


def oriented(array: Any, orientation: int) -> Any:
    """An (H, W, ...) array turned upright by its EXIF orientation (1 to 8); None stays None."""
    if array is None or orientation not in range(2, 9):
        return array
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)

"""Pictures that Pillow decodes: JPEG, WebP, and PNG and TIFF files of 8 bits; PIL images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.Image import Image
from PIL.ImageFile import ImageFile

from panodepth.errors import InputError
from panodepth.size import Size
from panodepth.types import BoolArray

ORIENTATION = 0x0112  # EXIF and TIFF tag
_STRIP_PIXELS = 1 << 20  # pixels copied out of a PIL image at a time


@dataclass(frozen=True)
class Decoded:
    """What a decoder returns, upright: pixels (H, W) or (H, W, 3 or 4), R first; valid (H, W).

    linear: the values are light of any scale, not sRGB-coded ones.
    """

    pixels: npt.NDArray[Any]
    valid: BoolArray | None = None
    linear: bool = False


@dataclass(frozen=True)
class Opened:
    """A file whose header is read. size: (height, width) [px], upright; decode reads the rest."""

    size: Size
    decode: Callable[[], Decoded]


def open_pillow(path: Path, file: BinaryIO) -> Opened:
    """A JPEG, WebP, 8-bit PNG or 8-bit TIFF file."""
    # The plugins themselves, not Image.open: its limit on pixels is a global of the process.
    start = file.read(4)
    file.seek(0)
    plugin: Callable[[BinaryIO], ImageFile] = {
        b"\xff\xd8": JpegImagePlugin.JpegImageFile,
        b"\x89P": PngImagePlugin.PngImageFile,
        b"RI": WebPImagePlugin.WebPImageFile,
    }.get(start[:2], TiffImagePlugin.TiffImageFile)
    image = plugin(file)
    # Pillow turns TIFF upright itself; a PNG's EXIF behind its pixels is not worth decoding twice.
    by_exif = isinstance(image, JpegImagePlugin.JpegImageFile) or "exif" in image.info
    orientation = image.getexif().get(ORIENTATION, 1) if by_exif else 1
    size = upright((image.height, image.width), orientation)
    return Opened(size, lambda: from_pillow(image, orientation))


def from_pillow(image: Image, orientation: int) -> Decoded:
    """The pixels of a PIL image: 8 bits as RGB, 16 bits and float grey as they are.

    orientation: EXIF's number, 1 to 8. Raises InputError for whole numbers beyond 16 bits.
    """
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise InputError(f"integer image has values {deep.min()} to {deep.max()}, not 16-bit")
        return Decoded(oriented(deep.astype(np.uint16), orientation))
    if image.mode == "F":
        return Decoded(oriented(np.array(image, np.float32), orientation))
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
    return Decoded(
        oriented(pixels, orientation), None if valid is None else oriented(valid, orientation)
    )


def oriented(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """An (H, W, ...) array turned upright by its EXIF orientation, 1 to 8; others change nothing.

    EXIF 2.32, tag 0x0112: which side of the scene the stored rows and columns begin at.
    """
    if orientation not in range(2, 9):
        return array
    if orientation in (5, 6, 7, 8):  # stored rows are the scene's columns
        array = np.swapaxes(array, 0, 1)
    if orientation in (2, 3, 6, 7):  # columns run from the right
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):  # rows run from the bottom
        array = array[::-1]
    return np.ascontiguousarray(array)


def upright(size: Size, orientation: int) -> Size:
    """(height, width) after the EXIF orientation is applied."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size

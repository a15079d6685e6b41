"""Pictures that Pillow decodes: JPEG, WebP, and PNG and TIFF files of 8 bits; PIL images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from panodepth.images.modes import ODD, plainer
from panodepth.size import Size
from panodepth.types import BoolArray

_COLOURED = ("RGB", "RGBA", "P", "PA")  # modes whose colours a profile of RGB is of
_STRIP_PIXELS = 1 << 20  # pixels copied out of a PIL image at a time


@dataclass(frozen=True)
class Decoded:
    """What a decoder returns, upright: pixels (H, W) or (H, W, 3 or 4), R first; valid (H, W).

    linear: the values are light of any scale, not sRGB-coded ones. notes: choices that were made,
    a line each. texts: what the file says about itself, by PNG's keyword or TIFF's tag. pano: a
    `gpano.Pano` where tags tell of one. profile: ICC, of RGB's colours; b"" = sRGB. turned: grey of
    16 bits was turned round, as the file's 0 is white.
    """

    pixels: npt.NDArray[Any]
    valid: BoolArray | None = None
    linear: bool = False
    notes: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    pano: Any = None
    profile: bytes = b""
    turned: bool = False


@dataclass(frozen=True)
class Opened:
    """A file whose header is read. size: (height, width) [px], upright; decode reads the rest.

    xmp: its XMP packet, b"" = none.
    """

    size: Size
    decode: Callable[[], Decoded]
    xmp: bytes = b""


def from_pillow(image: Image, orientation: int) -> Decoded:
    """The pixels of a PIL image of 8 bits as RGB. orientation: EXIF's number, 1 to 8."""
    image, notes = plainer(image) if image.mode in ODD else (image, ())
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
    if orientation > 1:
        from panodepth.images.formats.orientation import oriented

        pixels = oriented(pixels, orientation)
        valid = None if valid is None else oriented(valid, orientation)
    profile = image.info.get("icc_profile") if image.mode in _COLOURED else None
    return Decoded(pixels, valid, notes=notes, profile=profile or b"")


def upright(size: Size, orientation: int) -> Size:
    """(height, width) after the EXIF orientation is applied."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size

"""WebP files, through Pillow."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from PIL import WebPImagePlugin

from panodepth.images.formats.orientation import stated_orientation
from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright


def open_webp(name: str, file: BinaryIO) -> Opened:
    """A WebP file; of an animation the first frame. Takes about 16 bytes a pixel while decoded."""
    image = WebPImagePlugin.WebPImageFile(file)
    xmp = bytes(image.info.get("xmp") or b"")
    orientation = stated_orientation(image.info.get("exif") or b"", xmp)
    frames = getattr(image, "n_frames", 1)
    notes = (f"an animation: the first of its {frames} frames is read",) if frames > 1 else ()

    def decode() -> Decoded:
        return replace(from_pillow(image, orientation), notes=notes)

    return Opened(upright((image.height, image.width), orientation), decode, xmp)

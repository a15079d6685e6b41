"""Radiance .hdr files: linear light, through OpenCV."""

from __future__ import annotations

import re
from typing import BinaryIO

import cv2
import numpy as np

from panodepth.errors import InputError
from panodepth.images.formats.opencv import opencv_pixels
from panodepth.images.formats.pillow import Decoded, Opened
from panodepth.images.limits import check_bytes

_HEADER = 1 << 16  # bytes in which a Radiance file's header must end
# CIE XYZ of white D65 to linear sRGB, IEC 61966-2-1.
XYZ_TO_RGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]], np.float32
)


def open_hdr(name: str, file: BinaryIO) -> Opened:
    """A Radiance .hdr file, RGBE or XYZE, in the usual order of rows and columns."""
    header = file.read(_HEADER)
    found = re.search(rb"\r?\n\r?\n-Y +(\d+) +\+X +(\d+)\r?\n", header)
    if found is None:
        raise InputError(f"{name}: not a Radiance file with rows from the top (-Y height +X width)")
    size = int(found[1]), int(found[2])
    stated = re.search(rb"\nFORMAT=([^\r\n]*)", header[: found.end()])
    kind = stated[1].strip() if stated else b"32-bit_rle_rgbe"
    if kind not in (b"32-bit_rle_rgbe", b"32-bit_rle_xyze"):
        text = kind[:40].decode("latin-1")
        raise InputError(f"{name}: Radiance format {text!r} is not read; save it as RGBE")

    def decode() -> Decoded:
        check_bytes(size[0] * size[1] * 12, name)
        file.seek(found.end())
        # A header of our own: OpenCV knows neither XYZE nor lines behind FORMAT.
        start = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % size
        pixels = opencv_pixels(start + file.read())
        if kind == b"32-bit_rle_xyze":
            cv2.transform(pixels, XYZ_TO_RGB, dst=pixels)
        return Decoded(pixels, linear=True)

    return Opened(size, decode)

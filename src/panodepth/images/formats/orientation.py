"""Which way up a picture is, as its EXIF block or XMP packet states, and how it is turned."""

from __future__ import annotations

import io
import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.images.formats.tags import ORIENTATION, Tags

MAX_XMP = 1 << 20  # bytes that are looked at


def stated_orientation(exif: bytes, xmp: bytes) -> int:
    """EXIF's orientation, 1 to 8; else the one in XMP; else 1."""
    if (stated := _in_exif(exif)) is not None:
        return stated
    field = rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])"""
    found = re.search(field, xmp[:MAX_XMP].replace(b"\0", b""))
    return int(found[1]) if found else 1


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


def _in_exif(block: bytes) -> int | None:
    try:
        tags = Tags(io.BytesIO(block.removeprefix(b"Exif\0\0")))
        value = tags.directory(tags.first)[0].number(ORIENTATION, 0)
    except (ValueError, struct.error):  # a damaged block says nothing
        return None
    return value if 1 <= value <= 8 else None

"""Which way up a picture is, as its EXIF block or XMP packet states."""

from __future__ import annotations

import io
import re
import struct

from panodepth.images.formats.tags import ORIENTATION, Tags

MAX_XMP = 1 << 20  # bytes that are looked at


def stated_orientation(exif: bytes, xmp: bytes) -> int:
    """EXIF's orientation, 1 to 8; else the one in XMP; else 1."""
    if (stated := _in_exif(exif)) is not None:
        return stated
    found = re.search(rb'tiff:Orientation(?:="|>)([1-8])', xmp[:MAX_XMP])
    return int(found[1]) if found else 1


def _in_exif(block: bytes) -> int | None:
    try:
        tags = Tags(io.BytesIO(block.removeprefix(b"Exif\0\0")))
        value = tags.directory(tags.first)[0].number(ORIENTATION, 0)
    except (ValueError, struct.error):  # a damaged block says nothing
        return None
    return value if 1 <= value <= 8 else None

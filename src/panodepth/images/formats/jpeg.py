"""JPEG files: their segments are read here, so that Pillow sees only what makes the picture.

Metadata that cameras write wrongly then cannot make it warn, and what the file says about itself
(size, kind of coding, orientation, XMP) is known before anything is decoded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import JpegImagePlugin

from panodepth.errors import InputError
from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright
from panodepth.images.formats.splice import Part, size_of_file, spliced
from panodepth.images.formats.tags import exif_orientation
from panodepth.images.xmp import xmp_orientation

_END, _SCAN, _TABLES = 0xD9, 0xDA, (0xC4, 0xCC, 0xDB, 0xDC, 0xDD)
_JFIF, _EXIF, _ADOBE = 0xE0, 0xE1, 0xEE
_ALONE = (0x01, *range(0xD0, 0xD8))  # markers without a length
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
# ITU-T T.81, table B.1: frames by their marker.
_FRAMES = {0xC0: "", 0xC1: "", 0xC2: "", 0xC9: "", 0xCA: ""}
_FRAMES |= {0xC3: "lossless", 0xC7: "lossless", 0xCB: "lossless", 0xCF: "lossless"}
_FRAMES |= {0xC5: "hierarchical", 0xC6: "hierarchical", 0xCD: "hierarchical", 0xCE: "hierarchical"}


@dataclass
class _Segments:
    """What stands before the first scan. kept: what a decoder needs. scan: where that one begins.

    size: (height, width). blocks: of 8 × 8 pixels, in all components. marker: of the frame.
    """

    kept: list[Part] = field(default_factory=list)
    scan: int = 0
    size: tuple[int, int] = (0, 0)
    blocks: int = 0
    marker: int = 0
    exif: bytes = b""
    xmp: bytes = b""


def open_jpeg(name: str, file: BinaryIO) -> Opened:
    """A JPEG file. Raises InputError for kinds that are not read, ValueError for damaged ones."""
    found = _read_segments(name, file)
    image = JpegImagePlugin.JpegImageFile(
        spliced(file, [b"\xff\xd8", *found.kept, (found.scan, size_of_file(file))])
    )
    orientation = exif_orientation(found.exif) or xmp_orientation(found.xmp)
    size = upright((image.height, image.width), orientation)

    def decode() -> Decoded:
        _check_length(found, size_of_file(file) - found.scan)
        return from_pillow(image, orientation)

    return Opened(size, decode, found.xmp)


def _check_length(found: _Segments, length: int) -> None:
    """Raise ValueError when so many bytes cannot hold the picture: the decoder would fill it up."""
    # A code word has at least one bit. A block has one of them in its first scan; where the other
    # coefficients come in the same scan, two; arithmetic coding packs tighter.
    least = {0xC0: 2, 0xC1: 2, 0xC2: 1}.get(found.marker, 0) * found.blocks
    if 8 * length < least:
        height, width = found.size
        raise ValueError(f"it is cut short: {length} bytes of data for {width}x{height} pixels")


def _read_segments(name: str, file: BinaryIO) -> _Segments:
    found, at, end = _Segments(), 2, size_of_file(file)
    while True:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            raise ValueError(f"it is cut short before its pixels, at byte {end}")
        if head[0] != 0xFF:
            raise ValueError(f"no marker at byte {at}")
        marker, (length,) = head[1], struct.unpack(">H", head[2:])
        if marker == 0xFF or marker in _ALONE:  # filling
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            found.scan = at
            if not found.marker:
                raise ValueError("its size is missing")
            return found
        if marker == _END or length < 2:
            raise ValueError(f"it ends before its pixels, at byte {at}")
        body = file.read(length - 2)
        if len(body) < length - 2:
            raise ValueError(f"it is cut short before its pixels, at byte {end}")
        _take(name, found, marker, head, body)
        at += 2 + length


def _take(name: str, found: _Segments, marker: int, head: bytes, body: bytes) -> None:
    """Note what a segment says, and keep it if a decoder needs it."""
    if marker in _FRAMES:
        if len(body) < 6 or len(body) < 6 + 3 * body[5]:
            raise ValueError("its frame is damaged")
        depth, height, width, count = struct.unpack(">BHHB", body[:6])
        kind = _FRAMES[marker] or (f"{depth}-bit" if depth != 8 else "")
        if kind or count not in (1, 3, 4):
            kind = kind or f"{count}-channel"
            raise InputError(f"{name}: {kind} JPEG is not read; save it as an ordinary JPEG or PNG")
        found.marker, found.size = marker, (height, width)
        factors = [(body[7 + 3 * i] >> 4, body[7 + 3 * i] & 15) for i in range(count)]
        widest, highest = (max(axis, default=0) for axis in zip(*factors, strict=True))
        for right, down in factors if widest and highest else []:
            columns = -(-width * right // (8 * widest))
            found.blocks += columns * -(-height * down // (8 * highest))
    elif marker == _EXIF:
        if body.startswith(b"Exif\0\0") and not found.exif:
            found.exif = body
        elif body.startswith(_XMP) and not found.xmp:
            found.xmp = body[len(_XMP) :]
        return
    if marker in _FRAMES or marker in (*_TABLES, _JFIF, _ADOBE):
        found.kept.append(head + body)

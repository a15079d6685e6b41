"""WebP files: still ones through OpenCV, the first frame of others through Pillow.

Pillow keeps every picture four times as RGBA, 2.1 GB at 16383 × 8192; OpenCV keeps 0.8 GB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy.typing as npt

from panodepth.errors import DamageError
from panodepth.images.formats.orientation import oriented, stated_orientation
from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright
from panodepth.images.formats.splice import chunk_name, size_of_file
from panodepth.images.limits import check_bytes
from panodepth.size import Size

_MAX_TEXT = 1 << 22  # bytes of EXIF or XMP that are looked at
_MAX_CHUNKS = 100_000
_PILLOW_BYTES = 16  # a pixel, while Pillow decodes


@dataclass
class _Header:
    """What comes before and behind the pixels. size: (height, width) [px]. frames: 0 = still."""

    size: Size | None = None
    frames: int = 0
    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""


def open_webp(name: str, file: BinaryIO) -> Opened:
    """A WebP file; of an animation the first frame."""
    header = _read_header(file)
    size = header.size
    if size is None:
        raise DamageError("it has no size")
    orientation = stated_orientation(header.exif, header.xmp)
    count = header.frames
    notes = (f"an animation: the first of its {count} frames is read",) if count > 1 else ()

    def decode() -> Decoded:
        if header.frames:
            check_bytes(size[0] * size[1] * _PILLOW_BYTES, name)
            from PIL import WebPImagePlugin

            file.seek(0)
            frame = from_pillow(WebPImagePlugin.WebPImageFile(file), orientation)
            return replace(frame, notes=notes)
        pixels = oriented(_still_pixels(file, size), orientation)
        return Decoded(pixels, profile=header.profile)

    return Opened(upright(size, orientation), decode, header.xmp)


def _still_pixels(file: BinaryIO, size: Size) -> npt.NDArray[Any]:
    """(H, W, 3 or 4) uint8."""
    from panodepth.images.formats.opencv import opencv_pixels

    file.seek(0)
    pixels = opencv_pixels(file.read())
    if pixels.shape[:2] != size:
        raise DamageError(f"its header says {size[1]}x{size[0]} pixels")
    return pixels


def _read_header(file: BinaryIO) -> _Header:
    """Raises ValueError saying where the file is cut short."""
    header = _Header()
    for kind, start, length in _chunks(file):
        file.seek(start)
        if kind in (b"VP8X", b"VP8 ", b"VP8L"):
            header.size = header.size or _size(kind, file.read(10))
        elif kind == b"ANMF":
            header.frames += 1
        elif kind == b"ICCP":
            header.profile = header.profile or file.read(min(length, _MAX_TEXT))
        elif kind == b"EXIF":
            header.exif = header.exif or file.read(min(length, _MAX_TEXT))
        elif kind == b"XMP ":
            header.xmp = header.xmp or file.read(min(length, _MAX_TEXT))
    return header


def _size(kind: bytes, body: bytes) -> Size:
    """(height, width) in the first bytes of a chunk (RFC 9649, sections 2.5 to 2.7)."""
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack("<2H", body[6:10]))
    return height, width


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its body starts, its length [bytes]) of each chunk; what follows is ignored."""
    at, length_of_file = 12, size_of_file(file)
    file.seek(4)
    end = min(length_of_file, 8 + int.from_bytes(file.read(4), "little"))
    for _ in range(_MAX_CHUNKS):
        if at + 8 > end:
            return
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        if not kind.isascii() or not kind.strip().isalnum():
            raise DamageError(f"no chunk begins at byte {at}")
        if at + 8 + length > end:
            raise DamageError(f"it is cut short inside {chunk_name(kind)}, at byte {at}")
        yield kind, at + 8, length
        at += 8 + length + length % 2
    raise DamageError(f"it has more than {_MAX_CHUNKS:,} chunks")

"""Saying in an MP4 file that its frames are whole panoramas, so that players show them all around.

Both of Google's versions are written; see `boxes`, which reads them.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from panodepth.export.metadata import GENERATOR
from panodepth.video.boxes import V1, boxes

INSIDE = (b"trak", b"mdia", b"minf", b"stbl")  # boxes that hold what is changed
OFFSETS = {b"stco": ">u4", b"co64": ">u8"}  # tables of places in the file
BLOCK = 1 << 20  # [bytes] moved at a time
MOST = 1 << 31  # [bytes] of a file whose places fit `stco` wherever its index is
SPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/"'
)
FACTS = {
    "Spherical": "true",
    "Stitched": "true",
    "StitchingSoftware": GENERATOR,
    "ProjectionType": "equirectangular",
}


def tag_panorama(path: Path) -> None:
    """Tag the one track of an MP4 whose index comes last; then its index comes first."""
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        found = {box.kind: box for box in boxes(file, 0, end)}
        start, index = found[b"ftyp"].end, found[b"moov"]
        first = index.start - index.head
        file.seek(index.start)
        content = file.read(index.end - index.start)
        whole = _box(b"moov", _tagged(content, 0))
        if end < MOST:
            whole = _box(b"moov", _tagged(content, len(whole)))
        else:
            start = first
        _put(file, whole, start, first)


def _tagged(content: bytes, shift: int) -> bytes:
    """The boxes in one, tagged, where all that they point to lies `shift` bytes later."""
    out = []
    place = 0
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        inner = content[place + 8 : place + size]
        if kind in INSIDE:
            inner = _tagged(inner, shift)
            inner += _box(b"uuid", V1, _xml()) if kind == b"trak" else b""
        elif kind == b"stsd":
            inner = inner[:8] + _box(inner[12:16], inner[16:], _sphere())
        elif kind in OFFSETS:
            inner = inner[:8] + _shifted(inner[8:], OFFSETS[kind], shift)
        out.append(_box(kind, inner))
        place += size
    return b"".join(out)


def _shifted(table: bytes, kind: str, shift: int) -> bytes:
    return (np.frombuffer(table, kind) + np.uint64(shift)).astype(kind).tobytes()


def _put(file: BinaryIO, content: bytes, start: int, end: int) -> None:
    """Put bytes before what lies between two places, and end the file after that."""
    read, written, kept = start, start, content
    while kept:
        file.seek(read)
        block = file.read(min(max(BLOCK, len(content)), end - read))
        read += len(block)
        file.seek(written)
        file.write(kept)
        written += len(kept)
        kept = block
    file.truncate()


def _sphere() -> bytes:
    """`sv3d` of a whole panorama that is level."""
    projection = _box(b"proj", _box(b"prhd", bytes(4 + 12)), _box(b"equi", bytes(4 + 16)))
    return _box(b"sv3d", _box(b"svhd", bytes(4), GENERATOR.encode(), b"\0"), projection)


def _xml() -> bytes:
    inside = "".join(f"<GSpherical:{key}>{fact}</GSpherical:{key}>" for key, fact in FACTS.items())
    text = f'<?xml version="1.0"?><rdf:SphericalVideo {SPACES}>{inside}</rdf:SphericalVideo>'
    return text.encode()


def _box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I4s", 8 + len(whole), kind) + whole

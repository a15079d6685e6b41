"""Boxes of MP4 and MOV files (ISO/IEC 14496-12): what they say of a sphere, and adding that.

Sources: github.com/google/spatial-media, spherical-video-rfc (V1, a `uuid` box of XML in `trak`),
spherical-video-v2-rfc (`st3d` and `sv3d` in the sample entry).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

V1 = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
MOST_BOXES = 4096  # side by side: more are no file of a camera
MOST_XML = 1 << 16  # [bytes]
ENTRY = 78  # bytes of a VisualSampleEntry before its boxes
TO_ENTRY = (b"mdia", b"minf", b"stbl", b"stsd")


class Box(NamedTuple):
    """One box. start, end: of its content in the file. head: bytes before the content."""

    kind: bytes
    start: int
    end: int
    head: int = 8


class Said(NamedTuple):
    """What boxes of a track say that FFmpeg does not tell.

    xml: of V1, b"" = there is none. stereo: mode of `st3d`. projection: kind of the box in `proj`.
    """

    xml: bytes = b""
    stereo: int | None = None
    projection: bytes = b""


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Those that lie between two places of a file; none from where they make no sense."""
    for _ in range(MOST_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        head = file.read(16)
        size, kind, count = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, count = int.from_bytes(head[8:], "big"), 16
        size = size or end - start
        if size < count or start + size > end:
            return
        yield Box(kind, start + count, start + size, count)
        start += size


def said(path: Path, track: int) -> Said:
    """Of the track of that number; nothing where a file has no such boxes."""
    with path.open("rb") as file:
        whole = Box(b"", 0, file.seek(0, 2))
        for moov in _inside(file, whole, b"moov"):
            for trak in _inside(file, moov, b"trak"):
                if _number(file, trak) == track:
                    return _of_track(file, trak)
    return Said()


def _of_track(file: BinaryIO, trak: Box) -> Said:
    xml, stereo, projection = b"", None, b""
    for box in _inside(file, trak, b"uuid"):
        content = _read(file, box, MOST_XML)
        xml = content[16:] if content[:16] == V1 else xml
    entry = _entry(file, trak)
    for box in () if entry is None else boxes(file, entry.start + ENTRY, entry.end):
        if box.kind == b"st3d":
            stereo = (_read(file, box, 5) + bytes(5))[4]
        elif box.kind == b"sv3d":
            for proj in _inside(file, box, b"proj"):
                kinds = [each.kind for each in boxes(file, proj.start, proj.end)]
                projection = next((kind for kind in kinds if kind != b"prhd"), b"")
    return Said(xml, stereo, projection)


def _inside(file: BinaryIO, box: Box, kind: bytes) -> Iterator[Box]:
    """The boxes of one kind in a box."""
    return (each for each in boxes(file, box.start, box.end) if each.kind == kind)


def _entry(file: BinaryIO, trak: Box) -> Box | None:
    """The first sample entry of a track."""
    box: Box | None = trak
    for kind in TO_ENTRY:
        box = None if box is None else next(_inside(file, box, kind), None)
    return None if box is None else next(boxes(file, box.start + 8, box.end), None)


def _number(file: BinaryIO, trak: Box) -> int:
    """Of a track; 0 is none."""
    for box in _inside(file, trak, b"tkhd"):
        head = _read(file, box, 24)
        place = 20 if head[:1] == b"\1" else 12
        return int.from_bytes(head[place : place + 4], "big")
    return 0


def _read(file: BinaryIO, box: Box, most: int) -> bytes:
    file.seek(box.start)
    return file.read(min(box.end - box.start, most))

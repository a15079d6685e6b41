"""What a JPEG's segments say: kinds that are not read, long XMP, other pictures, missing scans."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from panodepth.errors import DamageError, InputError
from panodepth.images.formats.orientation import stated_orientation
from panodepth.images.formats.splice import size_of_file
from panodepth.images.formats.tags import Tags

# ITU-T T.81, table B.1: what frames hold, by their marker.
_KINDS = dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless")
_KINDS |= dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "hierarchical") | {0xF7: "lossless (JPEG-LS)"}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the others are tables
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_SCAN, _END, _RESTARTS = 0xDA, 0xD9, 0xDD
_ARITHMETIC = (0xC9, 0xCA)
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_ONES = b"\xff\0"  # eight bits of a scan's data
_RUN_BYTES = 130  # libjpeg keeps no more than 1,000 bits behind a run's mark
_ENDS_SCAN = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
_PIECE = 1 << 16
_MAX_SEGMENTS, _MAX_JUNK = 10_000, 4096  # of a header; bytes between two of them
_MAX_EXIF = 100  # segments; one is usual
_MAX_SCANS = 500  # each takes as long as the whole picture
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"  # XMP specification, part 3, 1.1.3.1
_GUID = re.compile(rb"""xmpNote:HasExtendedXMP\s*(?:=\s*["']|>)\s*([0-9A-Fa-f]{32})""")
_DATA = re.compile(rb"[A-Za-z0-9+/=\s]{1000,}")  # of other pictures, in base64
# CIPA DC-007, tables 3 and 4: the entries of a file's pictures, and one view of several as a type.
_ENTRIES, _ENTRY_BYTES, _VIEW = 0xB002, 16, 0x02


def check_header(file: BinaryIO) -> None:
    """Raise DamageError where Pillow would need minutes: it looks for segments byte by byte, and
    copies all EXIF so far for each further segment of it.
    """
    at, exif = 2, 0
    for _ in range(_MAX_SEGMENTS):
        file.seek(at)
        head = file.read(4)
        exif += head[1:2] == b"\xe1" and file.read(6) == b"Exif\0\0"
        if exif > _MAX_EXIF:
            raise DamageError(f"its header has more than {_MAX_EXIF} EXIF blocks")
        file.seek(at + 4)
        if len(head) < 4 or head[:2] == b"\xff\xda":
            return
        if head[0] != 0xFF or head[1] in (0, 0xFF):
            junk = 1 + (head[1:] + file.read(_MAX_JUNK)).find(b"\xff")
            if not junk:
                raise DamageError(f"its header ends in nothing, at byte {at}")
            at += junk
        else:
            at += 2 if head[1] in (*_ALONE, _END) else 2 + int.from_bytes(head[2:], "big")
    raise DamageError(f"its header has more than {_MAX_SEGMENTS:,} segments")


def explained(name: str, file: BinaryIO, error: Exception) -> Exception:
    """What a decoder's error means: a kind that is not read, data that end early, or itself."""
    if "truncated" in str(error):
        return DamageError("its data end early")
    for marker, body, _ in _segments(file):
        if marker == _SCAN:
            break
        if marker not in (*_FRAMES, 0xF7) or len(body) < 6:
            continue
        kind = _KINDS.get(marker, "")
        depth, channels = body[0], body[5]
        kind = kind or (f"{depth}-bit" if depth != 8 else "")
        kind = kind or (f"{channels}-channel" if channels not in (1, 3, 4) else "")
        kind = kind or ("" if any(body[1:3]) else "a height behind its pixels (DNL):")
        if not kind:
            break
        return InputError(f"{name}: {kind} JPEG is not read; save it as an ordinary JPEG or PNG")
    return error


def stated(image: JpegImageFile) -> tuple[bytes, int, str]:
    """XMP packets with what goes on behind them, EXIF orientation, and a note, or ""."""
    xmp = b" ".join(body[len(_XMP) :] for _, body in image.applist if body.startswith(_XMP))
    if b"HasExtendedXMP" in xmp:
        xmp += extended_gpano(image.applist, xmp)
    note = views_note(image.info["mp"]) if "mp" in image.info else ""
    return xmp, stated_orientation(image.info.get("exif", b""), xmp), note


def extended_gpano(segments: Iterable[tuple[str, bytes]], xmp: bytes) -> bytes:
    """What the segments that go on with an XMP packet say, whatever their order.

    segments: names and contents. Megabytes of other pictures in them are left out.
    """
    named = _GUID.search(xmp)
    if named is None:
        return b""
    parts: dict[int, bytes] = {}
    for _, body in segments:
        guid, rest = body[len(_EXTENSION) :][:32], body[len(_EXTENSION) + 32 :]
        if body.startswith(_EXTENSION) and guid.upper() == named[1].upper() and len(rest) > 8:
            parts[int.from_bytes(rest[4:8], "big")] = rest[8:]  # behind the whole length
    return _DATA.sub(b"", b"".join(parts[offset] for offset in sorted(parts)))


def views_note(index: bytes) -> str:
    """A note where the file holds several views of a scene, of which the first is read.

    index: of a multi-picture file. Gain maps and previews are no views; "" where it is damaged.
    """
    try:
        tags = Tags(io.BytesIO(index))
        entries = tags.directory(tags.first)[0].content(_ENTRIES)
        starts = range(0, len(entries) - _ENTRY_BYTES + 1, _ENTRY_BYTES)
        kinds = [struct.unpack_from(f"{tags.order}I", entries, start)[0] >> 16 for start in starts]
    except (ValueError, struct.error):
        return ""
    views = sum(kind & 0xFF == _VIEW for kind in kinds)
    return f"the first of its {len(kinds)} pictures is read" if views else ""


def load_scans(image: JpegImageFile, file: BinaryIO) -> None:
    """Load the pixels of a file of several scans, each of which adds to the picture.

    Raises ValueError where scans are missing or the last one's data end early: libjpeg would leave
    a picture that is less exact, without a word.
    """
    _check_length(image, size_of_file(file))
    missing = set[tuple[int, int]]()
    frame, interval, header, start, scans = 0, 0, b"", 0, 0
    for marker, body, at in _segments(file):
        if marker in _FRAMES:
            frame = marker
            missing = {(name, k) for name in body[6::3] for k in range(64)}
        elif marker == _RESTARTS and len(body) == 2:
            interval = int.from_bytes(body, "big")
        elif marker == _SCAN:
            header, start, scans = body, at, scans + 1
            if scans > _MAX_SCANS:
                raise DamageError(f"it has more than {_MAX_SCANS} scans")
            if len(body) < 6:
                break  # cut in its header
            if not body[-1] & 15:  # with the last bit of its coefficients
                first, last = body[-3:-1]
                missing -= {(name, k) for name in body[1:-3:2] for k in range(first, last + 1)}
    if missing:
        raise DamageError("its data end early: scans are missing")
    end = _next_marker(file, start)
    file.seek(start)
    restarts = len(_RESTART.findall(file.read(end - start))) if interval else 0
    if interval and restarts < -(-_units(image, header) // interval) - 1:
        raise DamageError("its data end early: parts of the last scan are missing")
    if frame not in _ARITHMETIC:  # whose decoder cannot wait for more
        file.seek(0)
        _load(image, file.read(end))


def _load(image: JpegImageFile, content: bytes) -> None:
    """Load the pixels of a file cut at the end of its last scan's data, if these are all there.

    A decoder that has all its blocks skips whatever comes before the next mark; one that waits for
    bits takes bytes by whole blocks. Of ones alone, which are no code word, a block takes three
    bytes or more; blocks that only refine, a run of them, may take less. Not told is a cut in the
    last 20 bytes or so: the decoder looks ahead by eight, in which a few blocks may find room.
    """
    image.load_prepare()
    kind, extents, _, arguments = image.tile[0]
    decoder = Image._getdecoder(image.mode, kind, arguments, image.decoderconfig)
    try:
        decoder.setimage(image.im, extents)
        given = content + 8 * _ONES  # as long as libjpeg looks ahead
        for _ in range(_RUN_BYTES):
            if 0 <= decoder.decode(given)[0] < len(given):
                raise DamageError("its data end early: in the last scan")
            given = _ONES
        if decoder.decode(b"\xff\xd9")[1] < 0:
            raise OSError("its data cannot be decoded")
    finally:
        decoder.cleanup()
    image.tile = []


def _units(image: JpegImageFile, header: bytes) -> int:
    """How many units a scan has between which restarts are counted (T.81, A.2)."""
    widest, highest = (max(layer[i] for layer in image.layer) for i in (1, 2))
    right, down = widest, highest
    if header[0] == 1:  # of one channel: blocks without those that only fill up others' units
        right, down = next(layer[1:3] for layer in image.layer if layer[0] == header[1])
        columns, rows = (-(-image.width * right // widest), -(-image.height * down // highest))
        return -(-columns // 8) * -(-rows // 8)
    return -(-image.width // (8 * right)) * -(-image.height // (8 * down))


def _check_length(image: JpegImageFile, length: int) -> None:
    """Raise ValueError when so few bytes cannot hold its pixels: libjpeg would make them up.

    A code word has at least one bit. A block of 8 × 8 pixels has one of them in its first scan.
    """
    widest, highest = (max(layer[i] for layer in image.layer) for i in (1, 2))
    blocks = sum(
        -(-image.width * right // (8 * widest)) * -(-image.height * down // (8 * highest))
        for _, right, down, _ in image.layer
    )
    if 8 * length < blocks:
        size = f"{image.width}x{image.height}"
        raise DamageError(f"its data end early: {length} bytes cannot hold {size}")


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """(marker, body, where it ends) of each segment before the end mark."""
    at = 2
    while True:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or head[:2] == bytes([0xFF, _END]):
            return
        if head[0] != 0xFF:
            at = _next_marker(file, at)
        elif head[1] == 0xFF or head[1] in _ALONE:
            at += 1 if head[1] == 0xFF else 2
        else:
            length = max(2, struct.unpack(">H", head[2:])[0])
            yield head[1], file.read(length - 2), at + 2 + length
            at += 2 + length
            at = _next_marker(file, at) if head[1] == _SCAN else at


def _next_marker(file: BinaryIO, at: int) -> int:
    """Where the data of a scan end that go on at `at`."""
    file.seek(at)
    last = b""
    while piece := file.read(_PIECE):
        found = _ENDS_SCAN.search(last + piece)
        if found:
            return at - len(last) + found.start()
        at, last = at + len(piece), piece[-1:]
    return at

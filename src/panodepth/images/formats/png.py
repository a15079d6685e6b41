"""PNG files: their chunks are read here, so that decoders see only what makes the picture.

Text of any length and damaged extras are left out; nothing of them is unpacked but XMP and the
colour profile, up to a limit.
"""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
from PIL import PngImagePlugin

from panodepth.errors import DamageError, InputError
from panodepth.images.curves import PNG_CURVES, png_curve_notes, png_profile
from panodepth.images.formats.orientation import oriented, stated_orientation
from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright
from panodepth.images.formats.quiet import without_library_lines
from panodepth.images.formats.splice import Part, chunk_name, size_of_file, spliced

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 1 << 20  # bytes of a text chunk that are looked at
MAX_TEXTS, MAX_KEYWORDS = 1 << 22, 1000  # bytes, unpacked, and number of all of them
MAX_RATIO = 1032  # of deflate: bytes out of one byte in (zlib's technical details)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_MAX_CHUNKS = 1 << 18  # of 8 KiB, as usual, in the largest file
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_END = b"\0\0\0\0IEND\xaeB`\x82"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_PROFILES = tuple(f"Raw profile type {kind}".encode() for kind in ("xmp", "exif", "APP1"))
_BEHIND = re.compile(rb"(?s)....(iTXt|tEXt|zTXt|eXIf)")  # chunks that may come behind the pixels
_TAIL, _MOST_BEHIND = 1 << 18, 64  # bytes at a file's end; places in them that are looked at
# Adam7: first column and row, steps between columns and rows of each pass (PNG 1.2, section 8.2).
_PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
_PASSES += [(0, 1, 1, 2)]
_PIECE = 1 << 20


@dataclass
class _Chunks:
    """The chunks that count. kept: the parts of a file for decoders. data: those of IDAT.

    size: (height, width). depth: bits of a channel. colour: its type. texts: keyword to text, of
    what is no longer than MAX_TEXT, the first ones up to MAX_TEXTS in sum. text_bytes: that sum.
    """

    size: tuple[int, int] = (0, 0)
    depth: int = 0
    colour: int = 0
    interlaced: bool = False
    kept: list[Part] = field(default_factory=list)
    data: list[tuple[int, int]] = field(default_factory=list)
    animated: bool = False
    exif: bytes = b""
    palette: bool = False
    transparent: bytes = b""  # what tRNS says
    curve: dict[bytes, bytes] = field(default_factory=dict)  # what states how values are coded
    texts: dict[str, str] = field(default_factory=dict)
    text_bytes: int = 0


def open_png(name: str, file: BinaryIO) -> Opened:
    """A PNG file: of 8 bits through Pillow, of 16 bits through OpenCV."""
    file.seek(len(SIGNATURE) + 4)
    if file.read(4) == b"CgBI":
        raise InputError(f"{name}: PNG of Apple's apps (CgBI) is not read; save it as ordinary PNG")
    before = _read_chunks(file, until=b"IDAT")
    _read_behind(file, before)
    xmp = before.texts.get(_XMP_KEYWORD, "").encode()
    orientation = stated_orientation(before.exif, xmp)
    coloured = before.colour not in (0, 4)
    notes = png_curve_notes(before.curve, coloured)
    profile = png_profile(before.curve) if coloured else b""
    if before.animated:
        notes += ("an animation: its first picture is read",)

    def decode() -> Decoded:
        found = _read_chunks(file)
        if not found.data:
            raise DamageError("it has no pixels")
        if found.colour == 3 and not found.palette:
            raise DamageError("it has no palette")
        whole = spliced(file, [SIGNATURE, *found.kept, _END])
        _check_length(found)
        if found.depth < 16:
            with PngImagePlugin.PngImageFile(whole) as image:
                if found.colour == 0 and found.depth in (2, 4) and "transparency" in image.info:
                    image.info["transparency"] *= 255 // (2**found.depth - 1)  # as Pillow's greys
                decoded = replace(from_pillow(image, orientation), profile=profile)
                last = image.crop((0, image.height - 1, *image.size)).tobytes()
            if not any(last):  # black, or filled up by Pillow
                _check_pixels(file, found)
            return replace(decoded, notes=notes)
        from panodepth.images.formats.opencv import opencv_pixels

        for part in found.kept:
            _check_sums(file, part)
        try:
            with without_library_lines():  # libpng reports damage on standard error
                pixels = opencv_pixels(whole.read())
        except ValueError:
            _check_pixels(file, found)  # says where, if it can
            raise
        pixels = oriented(pixels, orientation)
        valid = None
        if found.colour == 0 and len(found.transparent) == 2:  # OpenCV sees to that of colours
            valid = np.asarray(pixels != int.from_bytes(found.transparent, "big"))
        return Decoded(pixels, valid, texts=found.texts, notes=notes, profile=profile)

    return Opened(upright(before.size, orientation), decode, xmp=xmp)


def read_texts(file: BinaryIO) -> dict[str, str]:
    """Keyword to text of the chunks before the pixels, up to MAX_TEXT each and MAX_TEXTS in all."""
    return _read_chunks(file, until=b"IDAT").texts


def _read_chunks(file: BinaryIO, until: bytes = b"IEND") -> _Chunks:
    """The chunks before the first of a type. Raises ValueError saying where the file is damaged."""
    found, at, end = _Chunks(), len(SIGNATURE), size_of_file(file)
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            if found.data and until == b"IEND" and not head:
                return found  # only the end mark is missing
            raise DamageError(f"it is cut short at byte {end}")
        (length,), kind = struct.unpack(">I", head[:4]), head[4:]
        stop = at + 12 + length
        if not kind.isalpha():
            if found.data and until == b"IEND":
                return found  # the picture may be whole
            raise DamageError(f"no chunk begins at byte {at}")
        if not found.kept and (kind != b"IHDR" or length != 13):
            raise DamageError("it does not begin with its header")
        if kind == until:
            return found
        if stop > end:
            if found.data and kind not in _KEPT:
                return found  # the picture is whole
            raise DamageError(f"it is cut short inside {chunk_name(kind)}, at byte {at}")
        if kind in _KEPT:
            _keep(file, found, kind, at, stop)
        elif length <= MAX_TEXT:
            _read_extra(file, found, kind, length)
        at = stop
    raise DamageError(f"it has more than {_MAX_CHUNKS:,} chunks")


def _keep(file: BinaryIO, found: _Chunks, kind: bytes, at: int, stop: int) -> None:
    """Take the chunk at [at, stop), of which the first 8 bytes are read."""
    if kind == b"IHDR":
        body = file.read(13)
        width, height, found.depth, found.colour, _, _, lace = struct.unpack(">2I5B", body)
        if found.colour not in _CHANNELS:
            raise DamageError(f"colour type {found.colour} does not exist")
        found.size, found.interlaced = (height, width), bool(lace)
    found.palette |= kind == b"PLTE"
    if kind == b"tRNS" and stop - at < _PIECE:
        found.transparent = file.read(stop - at - 12)
    if kind == b"IDAT":
        found.data.append((at + 8, stop - 4))
    last = found.kept[-1] if found.kept else b""
    if isinstance(last, tuple) and last[1] == at:  # its neighbour: one part
        found.kept[-1] = (last[0], stop)
    else:
        found.kept.append((at, stop))


def _read_behind(file: BinaryIO, found: _Chunks) -> None:
    """Note XMP and the EXIF block behind the pixels, where ExifTool writes them, by their sums.

    Only the end of the file is read: each chunk of pixels may lie on another part of a slow disk.
    """
    start = max(0, size_of_file(file) - _TAIL)
    file.seek(start)
    tail = file.read()
    for place in itertools.islice(_BEHIND.finditer(tail), _MOST_BEHIND):
        length = int.from_bytes(place[0][:4], "big")
        stop = place.end() + length
        chunk, crc = tail[place.end() - 4 : stop], tail[stop : stop + 4]
        if length <= MAX_TEXT and zlib.crc32(chunk).to_bytes(4, "big") == crc:
            file.seek(start + place.end())
            _read_extra(file, found, place[1], length)


def _read_extra(file: BinaryIO, found: _Chunks, kind: bytes, length: int) -> None:
    """Note a text or the EXIF block; what is damaged in them says nothing."""
    if kind == b"eXIf":
        found.exif = found.exif or file.read(length)
    elif kind == b"acTL":
        found.animated = True
    elif kind in PNG_CURVES:
        found.curve[kind] = file.read(length)
    elif kind in (b"tEXt", b"iTXt", b"zTXt"):
        body = file.read(length)
        if body.startswith(_PROFILES):
            _read_profile(found, kind, body)
        elif kind != b"zTXt":
            _read_text(found, kind, body)


def _read_profile(found: _Chunks, kind: bytes, body: bytes) -> None:
    """XMP or EXIF as ImageMagick writes it: a name, a length and hexadecimal digits."""
    packed = body.partition(b"\0")[2]
    text = _unpacked(packed[1:], MAX_TEXT) if kind == b"zTXt" else packed
    try:
        content = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return
    if content.startswith((b"Exif\0\0", b"II", b"MM")):
        found.exif = found.exif or content
    else:
        found.texts.setdefault(_XMP_KEYWORD, content.decode("utf-8", "replace"))


def _read_text(found: _Chunks, kind: bytes, body: bytes) -> None:
    """Keep a text, if its keyword is new and all texts have room for it."""
    word, _, rest = body.partition(b"\0")
    keyword, left = word.decode("latin-1"), min(MAX_TEXT, MAX_TEXTS - found.text_bytes)
    if keyword in found.texts or len(found.texts) >= MAX_KEYWORDS or left <= 0:
        return
    text, code = rest, "latin-1"
    if kind == b"iTXt":
        fields = rest[2:].split(b"\0", 2)  # language, translated keyword, text
        if len(fields) < 3:
            return
        text, code = _unpacked(fields[2], left) if rest[:1] == b"\1" else fields[2], "utf-8"
    found.texts[keyword] = text[:left].decode(code, "replace")
    found.text_bytes += len(text)


def _unpacked(packed: bytes, most: int) -> bytes:
    """The first bytes of a compressed text, `most` > 0 of them; b"" when it is damaged."""
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        return b""


def _check_length(found: _Chunks) -> None:
    """Raise ValueError when so few bytes cannot hold the rows: Pillow would fill them up."""
    length = sum(stop - start for start, stop in found.data)
    if length * MAX_RATIO < sum(count * row for count, row in _rows(found)):
        height, width = found.size
        raise DamageError(f"it is cut short: {length} bytes of data for {width}x{height} pixels")


def _check_pixels(file: BinaryIO, found: _Chunks) -> None:
    """Raise ValueError unless length and filters of all rows are as they should be."""
    rows = list(_rows(found))
    expected = sum(count * length for count, length in rows)
    done = 0
    for piece in _inflated(file, found):
        if len(rows) == 1:  # each row begins with the number of its filter, 0 to 4
            length = rows[0][1]
            filters = np.frombuffer(piece, np.uint8)[-done % length :: length]
            if filters.size and filters.max() > 4:
                raise DamageError(f"its data are wrong in row {done // length} or below")
        done += len(piece)
        if done >= expected:
            return
    height, width = found.size
    raise DamageError(
        f"it is cut short: its data end after {done / expected:.0%} of {width}x{height} pixels"
    )


def _check_sums(file: BinaryIO, part: Part) -> None:
    """Compare the checksums of the chunks in a part of the file."""
    assert not isinstance(part, bytes)
    at, stop = part
    while at < stop:
        file.seek(at)
        head = file.read(8)
        (length,) = struct.unpack(">I", head[:4])
        crc, left = zlib.crc32(head[4:]), length
        while left:
            block = file.read(min(left, _PIECE))
            crc, left = zlib.crc32(block, crc), left - len(block)
        if struct.unpack(">I", file.read(4))[0] != crc:
            raise DamageError(f"the checksum of {chunk_name(head[4:])} at byte {at} is wrong")
        at += 12 + length


def _rows(found: _Chunks) -> Iterator[tuple[int, int]]:
    """How many rows there are of how many bytes, the filter's included, in each pass."""
    height, width = found.size
    bits = found.depth * _CHANNELS[found.colour]
    for left, top, right, down in _PASSES if found.interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            yield rows, 1 + -(-columns * bits // 8)


def _inflated(file: BinaryIO, found: _Chunks) -> Iterator[bytes]:
    """What the data chunks unpack to, in pieces of at most _PIECE bytes."""
    stream = _decompressor()
    for start, stop in found.data:
        file.seek(start)
        left = stop - start
        while left and not stream.eof:
            block = file.read(min(left, _PIECE))
            left -= len(block)
            while block:
                yield stream.decompress(block, _PIECE)
                block = stream.unconsumed_tail


def _decompressor() -> Any:
    """ISA-L's where it is installed: two to three times as fast as zlib's."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj()
    return isal_zlib.decompressobj()

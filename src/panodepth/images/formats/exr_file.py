"""The structure of OpenEXR files, checked before the library reads one.

The library reports damage on standard output and error, and takes what a header says at its word.
So the headers are read here (openexr.com, "OpenEXR File Layout"), and of flat scan-line and tiled
parts with one level each chunk is looked for.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import BinaryIO

from panodepth.errors import DamageError, InputError
from panodepth.images.formats.splice import size_of_file

MAGIC = b"\x76\x2f\x31\x01"
MAX_HEADERS = 1 << 26  # bytes of the attributes of all parts
MAX_PARTS = 256
MAX_ATTRIBUTES = 20_000  # of all parts
MAX_CHANNELS = 10_000  # of all parts
MAX_CHUNKS = 1 << 20  # of all parts: twice the tiles of 16 × 16 in the largest picture
_DEEP, _MULTIPART = 0x800, 0x1000
# Rows in a chunk by the number of the compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A,
# DWAA, DWAB, HTJ2K256, HTJ2K32.
_CHUNK_ROWS = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32)
_VALUE_BYTES = (4, 2, 4)  # uint, half, float


@dataclass(frozen=True)
class Channel:
    """kind: 0 uint, 1 half, 2 float. step: (across, down), 1 = every pixel."""

    name: str
    kind: int
    step: tuple[int, int]


@dataclass(frozen=True)
class Part:
    """One picture of the file. Windows: left, top, right, bottom [px], the last two outside.

    attributes: name to (type, bytes).
    """

    attributes: dict[str, tuple[str, bytes]]
    channels: list[Channel]
    data: tuple[int, int, int, int]
    display: tuple[int, int, int, int]

    def text(self, name: str) -> str:
        """A text attribute; "" when it is missing."""
        kind, content = self.attributes.get(name, ("", b""))
        return content.decode("utf-8", "replace") if kind == "string" else ""

    @property
    def bytes_decoded(self) -> int:
        """What all its channels take in memory."""
        left, top, right, bottom = self.data
        pixels = (right - left) * (bottom - top)
        return sum(_VALUE_BYTES[channel.kind] * pixels for channel in self.channels)


@dataclass(frozen=True)
class Parts:
    """The parts of a file. tables: where the places of their chunks are listed."""

    parts: list[Part]
    tables: int
    several: bool

    @property
    def bytes_decoded(self) -> int:
        """What all channels of all parts take in memory."""
        return sum(part.bytes_decoded for part in self.parts)

    def check_chunks(self, file: BinaryIO) -> None:
        """Raise ValueError unless each chunk lies in the file."""
        start, all_chunks = self.tables, 0
        for part in self.parts:
            count = _chunk_count(part)
            if count is None:
                return  # and so the place of the next table is not known
            all_chunks += max(0, count)
            if all_chunks > MAX_CHUNKS:
                raise DamageError(f"it has more than {MAX_CHUNKS:,} chunks")
            _check_chunks(file, part, start, count, 4 if self.several else 0)
            start += 8 * count


def read_parts(name: str, file: BinaryIO) -> Parts:
    """The parts of a file. Raises InputError for kinds that are not read, ValueError for damage."""
    file.seek(4)
    (version,) = struct.unpack("<I", _exactly(file, 4))
    if version & 0xFF != 2:
        raise InputError(f"{name}: OpenEXR version {version & 0xFF} is not read")
    parts = list[Part]()
    while True:
        attributes = _attributes(file, sum(len(part.attributes) for part in parts))
        if not attributes:
            break
        parts.append(_part(name, attributes, deep=bool(version & _DEEP)))
        if not version & _MULTIPART:
            break
        if len(parts) > MAX_PARTS:
            raise DamageError("too many parts")
        if sum(len(part.channels) for part in parts) > MAX_CHANNELS:
            raise DamageError(f"it has more than {MAX_CHANNELS:,} channels")
    if not parts:
        raise DamageError("no image in it")
    return Parts(parts, file.tell(), bool(version & _MULTIPART))


def _exactly(file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise DamageError(f"it is cut short inside its header, at byte {file.tell()}")
    return content


def _text(file: BinaryIO) -> str:
    found = bytearray()
    while (byte := _exactly(file, 1)) != b"\0":
        found += byte
        if len(found) > 255:
            raise DamageError("its header cannot be understood")
    return found.decode("utf-8", "replace")


def _attributes(file: BinaryIO, before: int) -> dict[str, tuple[str, bytes]]:
    """Those of the next part. before: how many those of the parts before it have."""
    attributes = {}
    for number in itertools.count(before + 1):
        if not (name := _text(file)):
            break
        kind = _text(file)
        (length,) = struct.unpack("<I", _exactly(file, 4))
        if file.tell() + length > MAX_HEADERS:
            raise DamageError("its header cannot be understood")
        if number > MAX_ATTRIBUTES:
            raise DamageError(f"its header has more than {MAX_ATTRIBUTES:,} attributes")
        attributes[name] = kind, _exactly(file, length)
    return attributes


def _part(name: str, attributes: dict[str, tuple[str, bytes]], *, deep: bool) -> Part:
    for needed in ("channels", "compression", "dataWindow", "displayWindow"):
        if needed not in attributes:
            raise DamageError(f"its header has no {needed}")
    kind = attributes.get("type", ("", b""))[1]
    if deep or kind.startswith(b"deep"):
        raise InputError(f"{name}: deep EXR is not read; flatten it first")
    if attributes.get("envmap", ("", b"\0"))[1][:1] == b"\1":
        raise InputError(f"{name}: its envmap attribute says cube map; convert it to lat-long")
    if (number := attributes["compression"][1][0]) >= len(_CHUNK_ROWS):
        raise InputError(f"{name}: EXR compression {number} is not read; save it with ZIP")
    windows = []
    for window in ("dataWindow", "displayWindow"):
        left, top, right, bottom = struct.unpack("<4i", attributes[window][1][:16])
        if right < left or bottom < top:
            raise DamageError(f"its {window} is empty")
        windows.append((left, top, right + 1, bottom + 1))
    return Part(attributes, _channels(attributes["channels"][1]), *windows)


def _channels(content: bytes) -> list[Channel]:
    found, at = list[Channel](), 0
    while at < len(content) and content[at]:
        if len(found) >= MAX_CHANNELS:
            raise DamageError(f"it has more than {MAX_CHANNELS:,} channels")
        end = content.index(0, at)
        kind, _, across, down = struct.unpack_from("<iIii", content, end + 1)
        if kind not in (0, 1, 2) or across < 1 or down < 1:
            raise DamageError("its list of channels cannot be understood")
        found.append(Channel(content[at:end].decode("utf-8", "replace"), kind, (across, down)))
        at = end + 17
    return found


def _chunk_count(part: Part) -> int | None:
    """How many chunks a part has; None for tiles in several levels that do not say."""
    left, top, right, bottom = part.data
    if "chunkCount" in part.attributes:
        return int.from_bytes(part.attributes["chunkCount"][1][:4], "little", signed=True)
    if "tiles" not in part.attributes:
        return -(-(bottom - top) // _CHUNK_ROWS[part.attributes["compression"][1][0]])
    across, down, mode = struct.unpack("<IIB", part.attributes["tiles"][1][:9])
    if mode & 15 or not across or not down:
        return None
    rows: int = -(-(bottom - top) // down)
    return rows * -(-(right - left) // int(across))


def _check_chunks(file: BinaryIO, part: Part, start: int, count: int, head: int) -> None:
    """Raise ValueError unless each chunk of a part lies in the file.

    start: of the table of `count` offsets. head: bytes before a chunk's coordinates.
    """
    length = size_of_file(file)
    if count < 0 or start + 8 * count > length:
        raise DamageError("it is cut short inside its table of chunks")
    file.seek(start)
    offsets = struct.unpack(f"<{count}Q", file.read(8 * count))
    head += 16 if "tiles" in part.attributes else 4
    for chunk, offset in enumerate(offsets, 1):
        file.seek(min(offset, length))
        said = file.read(head + 4)
        size = struct.unpack("<i", said[head:])[0] if len(said) == head + 4 else -1
        if not offset or size < 0 or offset + head + 4 + size > length:
            raise DamageError(f"chunk {chunk} of {count} is not in it")

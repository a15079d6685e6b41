"""The directories of tags that TIFF files and EXIF blocks consist of (TIFF 6.0, BigTIFF).

Read here and not by Pillow, whose reader warns through Python about what cameras write wrongly.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from panodepth.errors import DamageError
from panodepth.images.formats.splice import size_of_file

ORIENTATION, DESCRIPTION = 0x0112, 0x010E  # EXIF and TIFF tags
MAX_PAGES = 256  # directories that are looked at in one file
MAX_ENTRIES = 4096  # tags in one directory
MAX_ALL_ENTRIES = 1 << 14  # in all directories: they may lie on top of each other
MAX_VALUES = 1 << 20  # of one tag: twice the tiles of 16 × 16 in the largest picture
MAX_CONTENT = 1 << 24  # bytes of one tag
VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
VALUE_BYTES |= {16: 8, 17: 8, 18: 8}  # BigTIFF
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}


@dataclass(frozen=True)
class Entry:
    """One tag: `count` values of a type, at `start` of the file. raw: the entry's own bytes."""

    kind: int
    count: int
    start: int
    raw: bytes


@dataclass(frozen=True)
class Directory:
    """The tags of one page. offset: where its directory begins."""

    tags: Tags
    offset: int
    entries: Mapping[int, Entry]

    def numbers(self, tag: int, most: int = MAX_VALUES + 1) -> tuple[int, ...]:
        """Its first `most` whole numbers; () when it is missing or of another type.

        Raises ValueError, without `most` also when there are more than MAX_VALUES.
        """
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _CODES:
            return ()
        count = min(entry.count, most)
        if count > MAX_VALUES:
            raise DamageError(f"tag {tag} has more than {MAX_VALUES:,} values")
        content = self.content(tag, count * VALUE_BYTES[entry.kind])
        return struct.unpack(f"{self.tags.order}{count}{_CODES[entry.kind]}", content)

    def number(self, tag: int, default: int) -> int:
        """The first of its whole numbers."""
        found = self.numbers(tag, 1)
        return found[0] if found else default

    def content(self, tag: int, most: int = MAX_CONTENT) -> bytes:
        """Its first `most` bytes; b"" when it is missing.

        Raises ValueError when they lie outside the file.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return b""
        length = entry.count * VALUE_BYTES[entry.kind]
        if entry.start + length > self.tags.length:
            raise DamageError(f"tag {tag} lies behind the end of the file: it is cut short")
        self.tags.file.seek(entry.start)
        return self.tags.file.read(min(length, most))


class Tags:
    """A TIFF file or EXIF block. Attributes: order ("<" or ">"), big (BigTIFF), length [bytes]."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises ValueError when it does not begin as one."""
        self.file, self.length = file, size_of_file(file)
        self._read = 0  # tags of all directories so far
        file.seek(0)
        start = file.read(16)
        self.order = {b"II": "<", b"MM": ">"}.get(start[:2], "")
        version = struct.unpack(f"{self.order or '<'}H", start[2:4])[0] if len(start) >= 8 else 0
        if not self.order or version not in (42, 43):
            raise DamageError("no TIFF header")
        self.big = version == 43
        code, at = ("Q", 8) if self.big else ("I", 4)
        if len(start) < at + struct.calcsize(code):
            raise DamageError("the file is cut short inside its header")
        (self.first,) = struct.unpack_from(f"{self.order}{code}", start, at)

    def directories(self) -> list[Directory]:
        """All in a row, at least one. A damaged later one ends the list; raises ValueError."""
        found: list[Directory] = []
        offset, seen = self.first, set[int]()
        while offset and offset not in seen and len(found) < MAX_PAGES:
            seen.add(offset)
            try:
                directory, offset = self.directory(offset)
            except ValueError:
                if not found:
                    raise
                break
            found.append(directory)
        if not found:
            raise DamageError("no page in it")
        return found

    def directory(self, offset: int) -> tuple[Directory, int]:
        """The directory there and the place of the next one, 0 = none. Raises ValueError."""
        count_code, entry_code, size = ("Q", "HHQ", 20) if self.big else ("H", "HHI", 12)
        (count,) = self._unpack(count_code, offset)
        offset_of_first = offset + struct.calcsize(count_code)
        self._read += count
        if count > MAX_ENTRIES or self._read > MAX_ALL_ENTRIES:
            raise DamageError(f"a directory of {count} tags")
        entries: dict[int, Entry] = {}
        for number in range(count):
            at = offset_of_first + number * size
            tag, kind, values = self._unpack(entry_code, at)
            if kind not in VALUE_BYTES:
                continue
            start = at + struct.calcsize(f"<{entry_code}")
            if values * VALUE_BYTES[kind] > size - (start - at):
                (start,) = self._unpack("Q" if self.big else "I", start)
            self.file.seek(at)
            entries.setdefault(tag, Entry(kind, values, start, self.file.read(size)))
        end = offset_of_first + count * size
        try:
            (following,) = self._unpack("Q" if self.big else "I", end)
        except ValueError:  # EXIF blocks are often cut there
            following = 0
        return Directory(self, offset, entries), following

    def _unpack(self, code: str, offset: int) -> tuple[int, ...]:
        length = struct.calcsize(f"<{code}")
        if offset + length > self.length:
            raise DamageError(f"a directory lies behind the end of the file, at byte {offset}")
        self.file.seek(offset)
        return struct.unpack(f"{self.order}{code}", self.file.read(length))

"""A file of which a decoder sees only parts: what would make it warn or fail is left out."""

from __future__ import annotations

import bisect
import io
from collections.abc import Sequence
from typing import Any, BinaryIO

Part = bytes | tuple[int, int]  # bytes of its own, or [start, stop) of the file


class _Parts(io.RawIOBase):
    """The parts one after the other."""

    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        self._file = file
        self._parts = [part for part in parts if _length(part)]
        self._starts = [0]
        for part in self._parts:
            self._starts.append(self._starts[-1] + _length(part))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readall(self) -> bytes:
        """All that is left, part by part: the usual way takes 8 KB at a time."""
        blocks = []
        while self._at < self._starts[-1]:
            number = bisect.bisect_right(self._starts, self._at) - 1
            block = bytearray(self._starts[number + 1] - self._at)
            count = self.readinto(block)
            if not count:  # the file is shorter than it was
                break
            blocks.append(bytes(block[:count]) if count < len(block) else block)
        return b"".join(blocks)

    def readinto(self, buffer: Any) -> int:
        """Fill as much as the part at hand gives."""
        if self._at >= self._starts[-1]:
            return 0
        number = bisect.bisect_right(self._starts, self._at) - 1
        part, skip = self._parts[number], self._at - self._starts[number]
        view = memoryview(buffer)
        count = min(len(view), self._starts[number + 1] - self._at)
        if isinstance(part, bytes):
            content = part[skip : skip + count]
        else:
            self._file.seek(part[0] + skip)
            content = self._file.read(count)
        view[: len(content)] = content
        self._at += len(content)
        return len(content)


def spliced(file: BinaryIO, parts: Sequence[Part]) -> BinaryIO:
    """A readable file made of `parts` of `file`, which must stay open."""
    return io.BufferedReader(_Parts(file, parts), buffer_size=1 << 16)


def _length(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]


def size_of_file(file: BinaryIO) -> int:
    """Its length [bytes]."""
    return file.seek(0, io.SEEK_END)


def chunk_name(kind: bytes) -> str:
    """A chunk of a PNG or WebP file in an error; where its four letters are none, without them."""
    told = kind.decode("latin-1").strip()
    return f"chunk {told}" if told.isascii() and told.isalnum() else "a chunk"

"""GUIDs of an E57 file that follow from what is in it: the same points give the same bytes.

The library draws them at random. A file (ASTM E2807) is pages of 1024 bytes, each of which ends
with a checksum; the text that holds the GUIDs is its last part, and stands from a place that the
header names to the end.
"""

from __future__ import annotations

import hashlib
import re
import struct
import uuid
from functools import cache
from itertools import count
from pathlib import Path

CHECKSUM = 4  # bytes of a page
_GUID = re.compile(rb"(?<=<guid type=\"String\"><!\[CDATA\[\{)[0-9a-f-]{36}(?=\}\]\]></guid>)")
_READ = 1 << 20


def settle_names(path: Path) -> None:
    """Replace the GUIDs of a file, in place."""
    with path.open("r+b") as file:
        place, _, size = struct.unpack_from("<QQQ", file.read(48), 24)
        first = place // size * size
        file.seek(0)
        digest = hashlib.sha256()
        for at in range(0, first, _READ):
            digest.update(file.read(min(_READ, first - at)))
        pages = file.read()
        kept = size - CHECKSUM
        text = b"".join(pages[at : at + kept] for at in range(0, len(pages), size))
        digest.update(_GUID.sub(b"", text))
        number = count()

        def named(_: re.Match[bytes]) -> bytes:
            made = hashlib.sha256(digest.digest() + b"%d" % next(number)).digest()
            return str(uuid.UUID(bytes=made[:16], version=5)).encode()

        changed = _GUID.sub(named, text)
        file.seek(first)
        for at in range(0, len(changed), kept):
            page = changed[at : at + kept]
            old = pages[(start := at // kept * size) : start + size]
            file.write(old if old[:kept] == page else page + struct.pack(">I", crc32c(page)))


def crc32c(content: bytes) -> int:
    """Castagnoli's checksum, as RFC 3720 has it."""
    table, value = _table(), 0xFFFFFFFF
    for byte in content:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    values = list(range(256))
    for _ in range(8):
        values = [(value >> 1) ^ (0x82F63B78 if value & 1 else 0) for value in values]
    return tuple(values)

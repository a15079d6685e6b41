"""What a JPEG's segments say: kinds that no decoder at hand reads, long XMP, other pictures."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable
from typing import BinaryIO

from panodepth.errors import InputError
from panodepth.images.formats.tags import Tags

# ITU-T T.81, table B.1: what frames hold, by their marker.
_KINDS = dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless")
_KINDS |= dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "hierarchical")
_KINDS |= dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC9, 0xCA), "")
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_SCAN = 0xDA
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"  # XMP specification, part 3, 1.1.3.1
_GUID = re.compile(rb"""xmpNote:HasExtendedXMP\s*(?:=\s*["']|>)\s*([0-9A-Fa-f]{32})""")
_GPANO = re.compile(rb"""GPano:\w+\s*(?:=\s*["']|>)[^"'<]{,200}["'<]""")
# CIPA DC-007, tables 3 and 4: the entries of a file's pictures, and one view of several as a type.
_ENTRIES, _ENTRY_BYTES, _VIEW = 0xB002, 16, 0x02


def refusal(name: str, file: BinaryIO) -> InputError | None:
    """Why a JPEG file is not read; None when its kind is no reason."""
    at = 2
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or head[0] != 0xFF or head[1] == _SCAN:
            return None
        marker = head[1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _KINDS:
            kind = _KINDS[marker]  # then: length, depth, height, width, channels
            kind = kind or (f"{head[4]}-bit" if head[4] != 8 else "")
            kind = kind or (f"{head[9]}-channel" if head[9] not in (1, 3, 4) else "")
            if not kind:
                return None
            return InputError(
                f"{name}: {kind} JPEG is not read; save it as an ordinary JPEG or PNG"
            )
        at += 2 + struct.unpack(">H", head[2:4])[0]


def extended_gpano(segments: Iterable[tuple[str, bytes]], xmp: bytes) -> bytes:
    """The GPano tags in the segments that go on with an XMP packet, whatever their order.

    segments: names and contents. What else is there may be megabytes of other pictures, left out.
    """
    named = _GUID.search(xmp)
    if named is None:
        return b""
    parts: dict[int, bytes] = {}
    for _, body in segments:
        guid, rest = body[len(_EXTENSION) :][:32], body[len(_EXTENSION) + 32 :]
        if body.startswith(_EXTENSION) and guid.upper() == named[1].upper() and len(rest) > 8:
            parts[int.from_bytes(rest[4:8], "big")] = rest[8:]  # behind the whole length
    return b" ".join(_GPANO.findall(b"".join(parts[offset] for offset in sorted(parts))))


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

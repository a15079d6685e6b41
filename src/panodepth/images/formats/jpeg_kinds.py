"""Kinds of JPEG that no decoder at hand reads, told by the marker of their frame."""

from __future__ import annotations

import struct
from typing import BinaryIO

from panodepth.errors import InputError

# ITU-T T.81, table B.1: what frames hold, by their marker.
_KINDS = dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "lossless")
_KINDS |= dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "hierarchical")
_KINDS |= dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC9, 0xCA), "")
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_SCAN = 0xDA


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

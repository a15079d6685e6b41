"""Kinds of picture that are not read, by how they begin: a refusal names them."""

from __future__ import annotations

import re

_KINDS = (
    (rb"(?s)....ftyp", "a video"),
    (rb"GIF8", "GIF"),
    (rb"BM", "BMP"),
    (rb"8BPS", "Photoshop"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ", "JPEG 2000"),
    (rb"%PDF", "PDF"),
    (rb"FUJIFILM|IIRO|IIU\0", "a raw photograph"),
)


def foreign_kind(start: bytes) -> str:
    """The kind of a file that begins so; "" when it is not known."""
    return next((kind for mark, kind in _KINDS if re.match(mark, start)), "")

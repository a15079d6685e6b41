"""How a file says its values are coded, where that is not sRGB's curve: a note tells it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

# ITU-T H.273, table 3: curves of pictures made for brighter screens, and of linear light.
_CODES = {8: "linear", 16: "PQ", 18: "HLG"}
_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # table 2
MOST_PROFILE = 1 << 22  # bytes; those of printers have half as many
PNG_CURVES = (b"cICP", b"gAMA", b"iCCP", b"sRGB")  # chunks; of several the first here counts
_SRGB_GAMMA, _ALIKE = 0.45455, 0.15  # as PNG's chunk states it; a share of it that changes little


def code_notes(code: int | None, primaries: int | None = None) -> tuple[str, ...]:
    """code, primaries: transfer characteristic and colours by H.273's numbers, None = not stated.

    One note at most: what has a curve of its own has its own colours, too.
    """
    if code in _CODES:
        return (f"its {_CODES[code]} curve is taken for sRGB's",)
    told = _PRIMARIES.get(primaries or 0)
    return (f"its colours are {told}'s and taken for sRGB's",) if told else ()


def png_curve_notes(chunks: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """chunks: contents of those of PNG_CURVES that a file has."""
    if len(stated := chunks.get(b"cICP", b"")) == 4:
        return code_notes(stated[1], stated[0])
    if len(chunks.get(b"gAMA", b"")) != 4 or b"sRGB" in chunks or b"iCCP" in chunks:
        return ()
    gamma = int.from_bytes(chunks[b"gAMA"], "big") / 100_000
    if abs(gamma / _SRGB_GAMMA - 1) <= _ALIKE:
        return ()
    return (f"its gamma of {gamma:g} is taken for sRGB's, about {_SRGB_GAMMA:.2f}",)


def avif_curve_notes(start: bytes) -> tuple[str, ...]:
    """start: of the file, with its boxes (ISO/IEC 23008-12: colr of type nclx)."""
    found = re.search(rb"(?s)colrnclx(..)(..)", start)
    if found is None:
        return ()
    primaries, code = (int.from_bytes(part, "big") for part in found.groups())
    profiled = b"colrprof" in start or b"colrrICC" in start  # says the colours itself
    return code_notes(code, None if profiled else primaries)


def png_profile(chunks: Mapping[bytes, bytes]) -> bytes:
    """The ICC profile in a PNG's chunks, b"" = none; cICP and sRGB come before it."""
    stated = chunks.get(b"iCCP", b"")
    if not stated or b"cICP" in chunks or b"sRGB" in chunks:
        return b""
    packed = stated.partition(b"\0")[2][1:]  # behind its name and the method
    try:
        return zlib.decompressobj().decompress(packed, MOST_PROFILE)
    except zlib.error:
        return b"?"  # damaged: a note says so

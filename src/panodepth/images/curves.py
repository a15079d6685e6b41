"""How a file says its values are coded, where that is not sRGB's curve: a note tells it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

# ITU-T H.273, table 3: curves of pictures made for brighter screens, and of linear light.
_CODES = {8: "linear", 16: "PQ", 18: "HLG"}
_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # table 2
MOST_PROFILE = 1 << 22  # bytes; those of printers have half as many
PNG_CURVES = (b"cICP", b"cHRM", b"gAMA", b"iCCP", b"sRGB")  # chunks; cHRM and gAMA count last
_SRGB_GAMMA, _ALIKE = 0.45455, 0.15  # as PNG's chunk states it; a share of it that changes little

# x and y of red, green and blue, as a file states its colours: sRGB's, and others by their names.
_SRGB_PRIMARIES = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_STATED_PRIMARIES = {
    "ACES AP0": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077),
    "ACES AP1 (ACEScg)": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044),
    "Adobe RGB": (0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
    "BT.2020": (0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    "P3": (0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_PRIMARY_SLACK = 0.01  # Radiance's own are within it of sRGB's


def primaries_note(stated: Sequence[float] | npt.NDArray[np.floating]) -> str:
    """What is said of colours that are not sRGB's, or "". stated: x, y of red, green and blue."""
    if np.allclose(stated, _SRGB_PRIMARIES, atol=_PRIMARY_SLACK):
        return ""
    found = (
        name
        for name, primaries in _STATED_PRIMARIES.items()
        if np.allclose(stated, primaries, atol=_PRIMARY_SLACK)
    )
    return f"its colours are {next(found, 'of other primaries')} and taken for sRGB's"


def code_notes(code: int | None, primaries: int | None = None) -> tuple[str, ...]:
    """code, primaries: transfer characteristic and colours by H.273's numbers, None = not stated.

    One note at most: what has a curve of its own has its own colours, too.
    """
    if code in _CODES:
        return (f"its {_CODES[code]} curve is taken for sRGB's",)
    told = _PRIMARIES.get(primaries or 0)
    return (f"its colours are {told}'s and taken for sRGB's",) if told else ()


def png_curve_notes(chunks: Mapping[bytes, bytes], coloured: bool) -> tuple[str, ...]:
    """chunks: contents of those of PNG_CURVES that a file has. coloured: it is not grey."""
    if len(stated := chunks.get(b"cICP", b"")) == 4:
        return code_notes(stated[1], stated[0])
    if b"sRGB" in chunks or b"iCCP" in chunks:
        return ()
    if len(stated := chunks.get(b"gAMA", b"")) == 4:
        gamma = int.from_bytes(stated, "big") / 100_000
        if abs(gamma / _SRGB_GAMMA - 1) > _ALIKE:
            return (f"its gamma of {gamma:g} is taken for sRGB's, about {_SRGB_GAMMA:.2f}",)
    if not coloured or len(stated := chunks.get(b"cHRM", b"")) != 32:
        return ()
    note = primaries_note(np.frombuffer(stated, ">i4")[2:] / 100_000)  # behind its white
    return (note,) if note else ()


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

"""Radiance .hdr files: linear light, through OpenCV."""

from __future__ import annotations

import re
from typing import BinaryIO

import cv2
import numpy as np

from panodepth.errors import InputError
from panodepth.images.curves import primaries_note
from panodepth.images.formats.opencv import opencv_pixels
from panodepth.images.formats.pillow import Decoded, Opened
from panodepth.images.limits import check_bytes

_HEADER = 1 << 16  # bytes in which a Radiance file's header must end
# How far apart pixels lie in the file: lines first, each from one side to the other.
_RESOLUTION = re.compile(rb"\r?\n\r?\n([-+][XY]) +(\d+) +([-+][XY]) +(\d+) *\r?\n")
_PRIMARIES = re.compile(rb"\nPRIMARIES=([^\r\n]*)")
# CIE XYZ of white D65 to linear sRGB, IEC 61966-2-1.
XYZ_TO_RGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]], np.float32
)


def open_hdr(name: str, file: BinaryIO) -> Opened:
    """A Radiance .hdr file, RGBE or XYZE, rows or columns in any order."""
    header = file.read(_HEADER)
    found = _RESOLUTION.search(header)
    if found is None:
        raise InputError(
            f"{name}: no line such as -Y height +X width in its first {_HEADER >> 10} KiB, as a "
            "Radiance file has; save it anew"
        )
    first, lines, second, each = found[1], int(found[2]), found[3], int(found[4])
    by_column = first[1:] == b"X"
    if first[1:] == second[1:]:
        raise InputError(f"{name}: its rows and columns both run along {first[1:].decode()}")
    stated = re.search(rb"\nFORMAT=([^\r\n]*)", header[: found.end()])
    colours = _PRIMARIES.findall(header, 0, found.end())
    kind = stated[1].strip() if stated else b"32-bit_rle_rgbe"
    if kind not in (b"32-bit_rle_rgbe", b"32-bit_rle_xyze"):
        text = kind[:40].decode("latin-1")
        raise InputError(f"{name}: Radiance format {text!r} is not read; save it as RGBE")
    told = "" if kind.endswith(b"xyze") or not colours else _colours_note(colours[-1])
    notes = (told,) if told else ()

    def decode() -> Decoded:
        check_bytes(lines * each * 12, name)
        file.seek(found.end())
        data = file.read()
        if data[:2] != b"\2\2":  # not of the newer coding, in which each line begins so
            data = _without_repeats(data, lines * each)
        # A header of our own: OpenCV knows neither XYZE nor lines behind FORMAT.
        start = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (lines, each)
        pixels = opencv_pixels(start + data)
        if kind == b"32-bit_rle_xyze":
            cv2.transform(pixels, XYZ_TO_RGB, dst=pixels)
        if by_column:
            pixels = np.swapaxes(pixels, 0, 1)
        flipped = tuple(axis for axis, sign in ((0, b"+Y"), (1, b"-X")) if sign in (first, second))
        return Decoded(np.ascontiguousarray(np.flip(pixels, flipped)), linear=True, notes=notes)

    return Opened((each, lines) if by_column else (lines, each), decode)


def _colours_note(stated: bytes) -> str:
    """What is said of colours that are not sRGB's, or "". stated: x, y of red, ..., white."""
    try:
        numbers = [float(word) for word in stated.split()]
    except ValueError:
        return ""
    return primaries_note(numbers[:6]) if len(numbers) == 8 else ""


def _without_repeats(data: bytes, count: int) -> bytes:
    """`count` pixels of 4 bytes, of the older coding: R, G, B of 1 mean that the last one repeats.

    As often as the fourth byte says; of several in a row the later ones count 256 times as much.
    """
    codes = np.frombuffer(data, np.uint8, 4 * min(count, len(data) // 4)).reshape(-1, 4)
    repeats = (codes[:, :3] == 1).all(axis=1)
    if not repeats.any() or repeats[0]:
        return data
    place = np.arange(len(codes))
    last = np.maximum.accumulate(np.where(repeats, 0, place))  # the pixel that is meant
    weights = np.minimum(8 * (place - last - 1), 32)
    times = np.where(repeats, codes[:, 3].astype(np.int64) << np.maximum(weights, 0), 1)
    enough = int(np.searchsorted(np.cumsum(np.minimum(times, count)), count)) + 1
    times = np.minimum(times[:enough], count)
    return np.repeat(codes[last[:enough]], times, axis=0)[:count].tobytes()

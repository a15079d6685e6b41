"""Colour profiles of three colourants and three curves, for pictures of 16 bits.

LittleCMS in Pillow knows 8 bits alone. Source: ICC.1:2022, 7.2, 10.6, 10.18, 10.31.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from panodepth.images.transfer import linear_to_srgb
from panodepth.types import FloatArray

CODES = 65535
MAX_TAGS = 1000
# XYZ under D50 to linear sRGB: the inverse of its colourants (IEC 61966-2-1, by Bradford).
XYZ_TO_RGB = np.linalg.inv(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
_PARAMETERS = (1, 3, 4, 5, 7)  # of a parametric curve, by its type


@dataclass(frozen=True)
class Matrix:
    """curves: (3, 65536), the light of each code. to_rgb: (3, 3), that to linear sRGB."""

    curves: FloatArray
    to_rgb: FloatArray

    def turned(self, pixels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """(h, w, 3) codes of the profile as those of sRGB."""
        light = np.stack([self.curves[i][pixels[..., i]] for i in range(3)], axis=-1)
        coded = linear_to_srgb(np.clip(light @ self.to_rgb.T, 0, 1))
        return np.rint(coded * CODES).astype(np.uint16)


def read_matrix(content: bytes) -> Matrix | None:
    """What a profile says, None where it is of another kind. Raises ValueError for damage."""
    if content[16:24] != b"RGB XYZ ":
        return None
    try:
        tags = _tags(content)
        if any(name in tags for name in (b"A2B0", b"A2B1")):  # tables, which come before
            return None
        colourants = [
            struct.unpack(">3i", tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")
        ]
        curves = np.stack([_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")])
    except (KeyError, struct.error) as error:
        raise ValueError("a part of the profile is missing") from error
    to_rgb = XYZ_TO_RGB @ np.transpose(colourants) / 65536
    if not (np.isfinite(curves).all() and np.isfinite(to_rgb).all()):
        raise ValueError("a curve is no number")
    return Matrix(curves.astype(np.float32), to_rgb.astype(np.float32))


def _tags(content: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", content, 128)
    if count > MAX_TAGS:
        raise ValueError("too many tags")
    entries = (struct.unpack_from(">4s2I", content, 132 + 12 * n) for n in range(count))
    return {name: content[start : start + length] for name, start, length in entries}


def _curve(tag: bytes) -> npt.NDArray[np.float64]:
    """(65536,) the light of each code, 1 = white."""
    x = np.linspace(0, 1, CODES + 1)
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        if kind >= len(_PARAMETERS):
            raise ValueError("a curve of an unknown type")
        numbers = struct.unpack_from(f">{_PARAMETERS[kind]}i", tag, 12)
        return _parametric(kind, [number / 65536 for number in numbers], x)
    if tag[:4] != b"curv":
        raise ValueError("a curve of an unknown type")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return x
    if count > CODES + 1:
        raise ValueError("a curve of too many values")
    values = np.array(struct.unpack_from(f">{count}H", tag, 12))
    if count == 1:
        return np.asarray(x ** (values[0] / 256), np.float64)
    return np.interp(x, np.linspace(0, 1, count), values / CODES)


def _parametric(
    kind: int, numbers: list[float], x: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(65536,) a curve at x (65536,). numbers: its g, a, b, c, d, e, f, as many as its type has."""
    g, a, b, c, d, e, f = [*numbers, *[0.0] * (7 - len(numbers))]
    if kind == 0:
        return np.asarray(x**g, np.float64)
    if kind < 3:  # c is added, and the power begins where it is 0
        if a == 0:
            raise ValueError("a curve that never begins")
        c, d, e, f = 0.0, -b / a, c, c
    power = np.maximum(a * x + b, 0) ** g + e
    return np.asarray(np.where(x >= d, power, c * x + f), np.float64)

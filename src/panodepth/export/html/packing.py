"""Distances as text in a page: 16-bit codes in equal steps of the logarithm, packed by zlib.

web/viewer/room.ts unpacks them.
"""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from panodepth.types import BoolArray, FloatArray

NOTHING, NEAREST, FARTHEST, SKY = 0, 1, 65534, 65535  # codes


@dataclass(frozen=True)
class Packed:
    """near, far: the distances of the codes NEAREST and FARTHEST. text: base64 of a zlib stream."""

    near: float
    far: float
    text: str


def pack(distance: FloatArray, mask: BoolArray, sky: BoolArray) -> Packed:
    """(H, W) distances, off by half a step at most: far / near to the power 1 / 131066.

    mask: where there is a surface. sky: where there is none because of the sky.
    """
    known = distance[mask]
    near, far = (float(known.min()), float(known.max())) if known.size else (1.0, 1.0)
    far = max(far, near * 1.001)
    steps = (FARTHEST - NEAREST) / math.log(far / near)
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.rint(np.log(distance.astype(np.float64) / near) * steps) + NEAREST
    codes = np.where(sky & ~mask, SKY, NOTHING).astype(np.uint16)
    codes[mask] = np.clip(levels[mask], NEAREST, FARTHEST)
    return Packed(near, far, as_text(_deflated(_planes(codes))))


def _deflated(content: bytes) -> bytes:
    """A zlib stream; level 9 takes 15 to 20 times as long and saves 6 %."""
    stream = zlib.compressobj(6, strategy=zlib.Z_FILTERED)
    return stream.compress(content) + stream.flush()


def as_text(content: bytes) -> str:
    """base64, which no HTML needs to escape."""
    return base64.b64encode(content).decode("ascii")


def _planes(codes: npt.NDArray[np.uint16]) -> bytes:
    """All low bytes, then all high bytes, of each code less left plus above less both (mod 2^16).

    On a smooth surface the differences are small, and the high bytes hardly vary.
    """
    across = np.diff(codes, axis=1, prepend=np.uint16(0))
    rest = np.diff(across, axis=0, prepend=np.uint16(0)).astype("<u2")
    planes = rest[..., None].view(np.uint8).reshape(-1, 2).T
    return np.ascontiguousarray(planes).tobytes()

"""Colour profiles (ICC): colours of another space become sRGB's, through LittleCMS in Pillow.

Pictures of 16 bits through `matrices`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from panodepth.images.formats.pillow import Decoded
from panodepth.images.matrices import read_matrix
from panodepth.images.modes import UNUSABLE, transform, turned_note
from panodepth.types import ByteArray

PROBES = 9  # values of each channel on which a profile is tried
ALIKE = 2  # codes that a profile of sRGB's own may change
STRIP_PIXELS = 1 << 20


def as_srgb(decoded: Decoded) -> Decoded:
    """RGB, (H, W, 3 or 4), in sRGB, where a profile says that it is in another space.

    Written in place; a note tells it. Pictures whose profile cannot be used are left as they are,
    and so are those of 16 bits where it is one of tables; a note says so. Grey is left without one.
    """
    if decoded.pixels.ndim < 3 or decoded.pixels.shape[2] < 3:
        return decoded
    try:
        if _is_srgb(decoded.profile):
            return decoded
        turn, name = transform(decoded.profile)
        deep = read_matrix(decoded.profile) if decoded.pixels.dtype == np.uint16 else None
    except Exception:  # LittleCMS's and Pillow's own, by kind of damage
        return _noted(decoded, UNUSABLE)
    if decoded.pixels.dtype != np.uint8 and deep is None:
        return _noted(decoded, f"its colours are in {name} and taken for sRGB: 16 bits stay so")
    pixels = decoded.pixels if decoded.pixels.flags.writeable else np.array(decoded.pixels)
    rows = max(1, STRIP_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), rows):  # in place: a huge picture is not held twice
        strip = pixels[top : top + rows, :, :3]
        strip[...] = _turned(turn, strip) if deep is None else deep.turned(strip)
    return _noted(replace(decoded, pixels=pixels), turned_note(name))


@lru_cache(maxsize=16)
def _is_srgb(content: bytes) -> bool:
    """Whether a profile changes nothing to speak of, on a grid of colours."""
    values = np.linspace(0, 255, PROBES).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(values, values, values), -1).reshape(PROBES, -1, 3)
    changed = _turned(transform(content)[0], grid)
    return int(np.abs(changed.astype(int) - grid).max()) <= ALIKE


def _turned(turn: Any, pixels: ByteArray) -> ByteArray:
    """(h, w, 3) RGB through the transform."""
    return np.asarray(turn.apply(Image.fromarray(np.ascontiguousarray(pixels))))


def _noted(decoded: Decoded, note: str) -> Decoded:
    return replace(decoded, notes=(*decoded.notes, note))

"""Colour profiles (ICC): colours of another space become sRGB's, through LittleCMS in Pillow."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from panodepth.errors import printable
from panodepth.images.curves import MOST_PROFILE
from panodepth.images.formats.pillow import Decoded
from panodepth.types import ByteArray

PROBES = 9  # values of each channel on which a profile is tried
ALIKE = 2  # codes that a profile of sRGB's own may change
STRIP_PIXELS = 1 << 20
MOST_NAME = 60  # characters


def as_srgb(decoded: Decoded) -> Decoded:
    """RGB of 8 bits, (H, W, 3 or 4), in sRGB, where a profile says that it is in another space.

    Written in place; a note tells it. Deeper pictures are left as they are, and so are those whose
    profile cannot be used; a note says so. Grey is left without one.
    """
    if decoded.pixels.ndim < 3 or decoded.pixels.shape[2] < 3:
        return decoded
    try:
        if _is_srgb(decoded.profile):
            return decoded
        turn, said = _transform(decoded.profile)
    except Exception:  # LittleCMS's and Pillow's own, by kind of damage
        return _noted(decoded, "its colour profile cannot be used: colours are taken for sRGB")
    name = printable(said[:MOST_NAME]) or "no name"
    if decoded.pixels.dtype != np.uint8:
        return _noted(decoded, f"its colours are in {name} and taken for sRGB: 16 bits stay so")
    pixels = decoded.pixels if decoded.pixels.flags.writeable else np.array(decoded.pixels)
    rows = max(1, STRIP_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), rows):  # in place: a huge picture is not held twice
        strip = pixels[top : top + rows, :, :3]
        strip[...] = _turned(turn, strip)
    return _noted(replace(decoded, pixels=pixels), f"its colours were turned from {name} to sRGB")


def _transform(content: bytes) -> tuple[Any, str]:
    """From a profile to sRGB, for RGB of 8 bits, and the profile's name."""
    from PIL import ImageCms

    if len(content) > MOST_PROFILE:
        raise ValueError("larger than any")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    turn = ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        *("RGB", "RGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return turn, ImageCms.getProfileDescription(profile).strip()


@lru_cache(maxsize=16)
def _is_srgb(content: bytes) -> bool:
    """Whether a profile changes nothing to speak of, on a grid of colours."""
    values = np.linspace(0, 255, PROBES).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(values, values, values), -1).reshape(PROBES, -1, 3)
    changed = _turned(_transform(content)[0], grid)
    return int(np.abs(changed.astype(int) - grid).max()) <= ALIKE


def _turned(turn: Any, pixels: ByteArray) -> ByteArray:
    """(h, w, 3) RGB through the transform."""
    return np.asarray(turn.apply(Image.fromarray(np.ascontiguousarray(pixels))))


def _noted(decoded: Decoded, note: str) -> Decoded:
    return replace(decoded, notes=(*decoded.notes, note))

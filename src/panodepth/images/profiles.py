"""Colour profiles (ICC): colours of another space become sRGB's, through LittleCMS in Pillow."""

from __future__ import annotations

import io
from dataclasses import replace
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
        from PIL import ImageCms

        if len(decoded.profile) > MOST_PROFILE:
            raise ValueError("larger than any")
        profile = ImageCms.ImageCmsProfile(io.BytesIO(decoded.profile))
        said = ImageCms.getProfileDescription(profile).strip()
        turn = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            *("RGB", "RGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if _is_srgb(turn):
            return decoded
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


def _turned(turn: Any, pixels: ByteArray) -> ByteArray:
    """(h, w, 3) RGB through the transform."""
    return np.asarray(turn.apply(Image.fromarray(np.ascontiguousarray(pixels))))


def _is_srgb(turn: Any) -> bool:
    """Whether the transform changes nothing to speak of, on a grid of colours."""
    values = np.linspace(0, 255, PROBES).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(values, values, values), -1).reshape(PROBES, -1, 3)
    return int(np.abs(_turned(turn, grid).astype(int) - grid).max()) <= ALIKE


def _noted(decoded: Decoded, note: str) -> Decoded:
    return replace(decoded, notes=(*decoded.notes, note))

"""Tells photographs of 360 cameras that were not stitched: two fisheye circles side by side."""

from __future__ import annotations

import os

import numpy as np

from panodepth.errors import InputError
from panodepth.images.picture import ImageData

UNSTITCHED = (
    "is not stitched: it shows two fisheye circles, not a panorama; use --projection dual-fisheye, "
    "or better, export it as an equirectangular picture with the camera's own program"
)
_ENDINGS = (".insp", ".insv")  # Insta360's own; their files end with this mark, whatever the name:
_MARK = b"8db42d694ccc418790edff439fe026bf"
_SIDE = 96  # samples along each half
_DARK = 24 / 255  # JPEG noise around black
_RADII = (1.0, 0.9, 0.8)  # of circles, in halves of a side
_OUTSIDE, _RIM = 0.12, (0.75, 0.92)  # beyond a radius: the corners; shares of it: just inside


def check_stitched(data: ImageData) -> None:
    """Raise InputError when a 2:1 picture holds two fisheye circles, by its file or its pixels.

    Both halves have black corners with a round border: dark outside of a circle that touches the
    sides or nearly, not dark just inside of it, in all directions. A panorama with black poles is
    dark inside, too, above and below.
    """
    height, width = data.size
    rows = (np.arange(_SIDE) * height) // _SIDE
    columns = (np.arange(2 * _SIDE) * width) // (2 * _SIDE)
    sample = data.pixels[rows[:, None], columns].max(axis=2).astype(np.float32)
    bright = sample > _DARK * data.white
    circles = all(_is_circle(half) for half in (bright[:, :_SIDE], bright[:, _SIDE:]))
    if circles or _says_so(data.source):
        raise InputError(f"{data.source or 'image'}: {UNSTITCHED} (or use --allow-any-aspect)")


def _says_so(source: str) -> bool:
    """Whether a file's ending or its last bytes are those of an unstitched photograph."""
    if not source or source.lower().endswith(_ENDINGS):
        return bool(source)
    try:
        with open(source, "rb") as file:
            file.seek(-len(_MARK), os.SEEK_END)
            return file.read() == _MARK
    except OSError:  # gone since, or shorter
        return False


def _is_circle(bright: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> bool:
    """Whether (n, n) samples, True = not black, are a disc in a black square."""
    place = (np.arange(_SIDE) + 0.5) * (2 / _SIDE) - 1
    distance = np.hypot(place[:, None], place)
    angle = np.arctan2(place[:, None], place)
    sector = ((angle + np.pi) / (2 * np.pi) * 12).astype(int) % 12
    for radius in _RADII:
        if bright[distance > radius + _OUTSIDE].mean() > 0.02:
            continue
        inside = (distance > radius * _RIM[0]) & (distance < radius * _RIM[1])
        shares = [bright[inside & (sector == number)].mean() for number in range(12)]
        if min(shares) > 0.5 and float(np.mean(shares)) > 0.8:
            return True
    return False

"""Tells photographs of 360 cameras that were not stitched: two fisheye circles side by side."""

from __future__ import annotations

import os
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.images.picture import ImageData
from panodepth.types import FloatArray

UNSTITCHED = (
    "is not stitched: it shows two fisheye circles, not a panorama; use --projection dual-fisheye, "
    "or better, export it as an equirectangular picture with the camera's own program"
)
_ENDINGS = (".insp", ".insv")  # Insta360's own; their files end with this mark, whatever the name:
_MARK = b"8db42d694ccc418790edff439fe026bf"
_SIDE = 96  # samples along each half
_ALIKE, _LEAST_ALIKE = 24 / 255, 6 / 255  # of what is around: JPEG noise; where there is none
_OUTSIDE, _RIM = 0.12, (0.75, 0.92)  # beyond a radius: the corners; shares of it: just inside
# Of circles, in halves of a side. Those that the sides cut leave little of the corners.
_RADII = {1.2: 0.06, 1.1: 0.1, 1.0: _OUTSIDE, 0.9: _OUTSIDE, 0.8: _OUTSIDE}

Flags = npt.NDArray[np.bool_]


def check_stitched(data: ImageData) -> None:
    """Raise InputError when a 2:1 picture holds two fisheye circles, by its file or its pixels.

    Both halves have corners of one colour, mostly black, with a round border: that colour outside
    of a circle that touches the sides or nearly, others just inside of it, in all directions. A
    panorama with black poles is dark inside, too, above and below.
    """
    height, width = data.size
    rows = (np.arange(_SIDE) * height) // _SIDE
    columns = (np.arange(2 * _SIDE) * width) // (2 * _SIDE)
    sample = data.pixels[rows[:, None], columns].astype(np.float32) / np.float32(data.white)
    if _has_circles(sample) or _says_so(data.source):
        raise InputError(f"{data.source or 'image'}: {UNSTITCHED} (or use --allow-any-aspect)")


def _has_circles(sample: FloatArray) -> bool:
    """Whether both halves of (n, 2n, 3) samples in [0, 1] are discs on the colour around them."""
    corners = sample[[0, 0, -1, -1]][:, [0, _SIDE - 1, _SIDE, -1]].reshape(-1, 3)
    off = np.abs(sample - np.median(corners, axis=0)).max(axis=2)
    # A dark scene differs little from black: the corners' own noise says what is a difference.
    noise = float(np.quantile(off[_place(1.3)], 0.9))
    return any(
        all(_is_circle(half) for half in (other[:, :_SIDE], other[:, _SIDE:]))
        for other in (off > limit for limit in (_ALIKE, max(_LEAST_ALIKE, 3 * noise)))
    )


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


def _is_circle(inside: Flags) -> bool:
    """Whether (n, n) samples, True = of another colour than the corners, are a disc."""
    centres = [(0.0, 0.0, radius, margin) for radius, margin in _RADII.items()]
    rows, columns = (np.flatnonzero(inside.mean(axis=axis) > 0.03) for axis in (1, 0))
    if rows.size and columns.size:  # smaller, or beside the middle
        (y, down), (x, right) = (
            ((n[0] + n[-1] + 1) / _SIDE - 1, (n[-1] - n[0] + 1) / _SIDE) for n in (rows, columns)
        )
        if abs(down - right) < 0.2:
            centres.append((x, y, max(down, right), _OUTSIDE))
    return any(r > 0.5 and _is_disc(inside, x, y, r, margin) for x, y, r, margin in centres)


def _is_disc(inside: Flags, x: float, y: float, radius: float, margin: float) -> bool:
    """Whether it is one around (x, y), halves of a side from the middle; all else is outside."""
    outside, sectors = _areas(x, y, radius, margin)
    if inside[outside].mean() > 0.02:
        return False
    areas = sectors.sum(1)
    if not areas.all():  # a part of the rim would lie beyond the picture
        return False
    shares = (sectors @ inside.ravel()) / areas
    return bool(shares.min() > 0.5 and shares.mean() > 0.8)


@lru_cache(maxsize=16)
def _areas(x: float, y: float, radius: float, margin: float) -> tuple[Flags, FloatArray]:
    """(n, n) what lies outside; (12, n²) 1 in twelve parts of the rim, just inside."""
    place = (np.arange(_SIDE) + 0.5) * (2 / _SIDE) - 1
    distance = np.hypot(place[:, None] - y, place - x)
    angle = np.arctan2(place[:, None] - y, place - x)
    sector = ((angle + np.pi) / (2 * np.pi) * 12).astype(int) % 12
    rim = (distance > radius * _RIM[0]) & (distance < radius * _RIM[1])
    sectors = (rim & (sector == np.arange(12)[:, None, None])).reshape(12, -1)
    return distance > radius + margin, sectors.astype(np.float32)


@cache
def _place(radius: float) -> Flags:
    """(n, 2n): beyond a radius in both halves."""
    place = (np.arange(_SIDE) + 0.5) * (2 / _SIDE) - 1
    return np.tile(np.hypot(place[:, None], place) > radius, 2)

"""`geometry.resize_erp` in NumPy: the same triangle filter, as sums of taps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Index = npt.NDArray[np.int64]
Edges = Literal["sphere", "cut"]

BAND_PIXELS = 1 << 16


def resize_erp(
    image: Array, size: tuple[int, int], *, antialias: bool = True, edges: Edges = "sphere"
) -> Array:
    """A panorama (..., H, W), float32 or float64, at another size (h, w), in its dtype.

    antialias: when shrinking, a triangle filter as wide as the ratio. edges: what the filter finds
    beyond the border: "sphere", the other side of the seam and of the pole; "cut", nothing, as in
    torch's `interpolate(align_corners=False)`. Raises ValueError for a size below 1×1.
    """
    height, width = image.shape[-2:]
    commutes = width % 2 == size[1] % 2 == 0  # half a turn is whole before and after
    if min(size) < 1:
        raise ValueError(f"cannot resize a panorama to {size[0]}×{size[1]}")
    if size[0] < height or not commutes:  # the fewer pixels, the less the columns cost
        return _columns(_rows(image, size[0], antialias, edges), size[1], antialias, edges)
    return _rows(_columns(image, size[1], antialias, edges), size[0], antialias, edges)


def _taps(length: int, count: int, antialias: bool, edges: Edges) -> tuple[Index, Array]:
    """For each of `count` output pixels its source pixels, which may lie outside, and weights.

    Both (taps, count), float64. Output pixel i is centred on the source coordinate (i + 0.5) n / m;
    the triangle reaches one source pixel to both sides, or n / m of them when antialiasing a
    reduction.
    """
    scale = length / count
    support = max(scale, 1.0) if antialias else 1.0
    centre = (np.arange(count) + 0.5) * scale
    first = np.floor(centre - support + 0.5).astype(np.int64)
    index = first + np.arange(math.ceil(2 * support))[:, None]
    weights = np.maximum(0, 1 - np.abs(index + 0.5 - centre) / support)
    if edges == "cut":
        weights[(index < 0) | (index >= length)] = 0
    return index, weights / weights.sum(0)


def _columns(image: Array, count: int, antialias: bool, edges: Edges) -> Array:
    length = image.shape[-1]
    if length == count:
        return image
    index, weights = _taps(length, count, antialias, edges)
    index %= length  # where edges are cut, what comes in here weighs nothing
    out = np.empty((*image.shape[:-1], count), image.dtype)
    for rows in _bands(image.shape[-2], max(length, count)):
        taps = (image[..., rows, :].take(columns, -1) for columns in index)
        _sum_into(out[..., rows, :], taps, weights.astype(image.dtype))
    return out


def _rows(image: Array, count: int, antialias: bool, edges: Edges) -> Array:
    """Row -1 is row 0 seen half a turn away, and so on round the great circle of 2 H rows."""
    length, width = image.shape[-2:]
    if length == count:
        return image
    index, weights = _taps(length, count, antialias, edges)
    index %= 2 * length
    beyond = index >= length
    index[beyond] = 2 * length - 1 - index[beyond]

    def pick(sources: Index, turned: npt.NDArray[np.bool_]) -> Array:
        rows = image.take(sources, -2)
        if turned.any():
            rows[..., turned, :] = half_turn(rows[..., turned, :])
        return rows

    out = np.empty((*image.shape[:-2], count, width), image.dtype)
    for rows in _bands(count, width):
        taps = (pick(index[tap, rows], beyond[tap, rows]) for tap in range(len(index)))
        _sum_into(out[..., rows, :], taps, weights[:, rows, None].astype(image.dtype))
    return out


def half_turn(image: Array) -> Array:
    """(..., W) seen half a turn away; with odd W the mean of the two nearest columns."""
    width = image.shape[-1]
    turned = np.asarray(np.roll(image, width // 2, -1))
    if width % 2:
        turned += np.roll(image, width // 2 + 1, -1)
        turned *= turned.dtype.type(0.5)
    return turned


def _bands(rows: int, width: int) -> list[slice]:
    """Rows in bands that stay in the cache, so that a large panorama needs little memory beside."""
    step = max(1, BAND_PIXELS // width)
    return [slice(top, min(top + step, rows)) for top in range(0, rows, step)]


def _sum_into(out: Array, taps: Iterator[Array], weights: Array) -> None:
    """out = Σ weight · tap; the taps are ours to overwrite."""
    for number, (tap, weight) in enumerate(zip(taps, weights, strict=True)):
        if number:
            tap *= weight
            out += tap
        else:
            np.multiply(tap, weight, out=out)

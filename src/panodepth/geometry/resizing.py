"""Resize a panorama without opening its seam or its poles."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from panodepth.geometry.arrays import (
    Array,
    ArrayT,
    exact_indices,
    is_floating,
    is_numpy,
    library,
    like,
    to_dtype,
)
from panodepth.geometry.seam import row_window

Edges = Literal["sphere", "cut"]

BAND_PIXELS = 1 << 16  # NumPy works on so many at a time: what they need stays in a core's cache


def resize_erp(
    image: ArrayT,
    size: tuple[int, int],
    *,
    antialias: bool = True,
    mode: Literal["bilinear", "nearest"] = "bilinear",
    edges: Edges = "sphere",
) -> ArrayT:
    """A panorama at another size, closed over the seam and the poles.

    image: (..., H, W); any dtype for "nearest", floating for "bilinear". size: (h, w).
    antialias: when shrinking, a triangle filter as wide as the ratio (bilinear only). edges: what
    the filter finds beyond the border: "sphere", the other side of the seam and of the pole; "cut",
    nothing, as in torch's `interpolate(align_corners=False)`.
    Returns (..., h, w) in the image's dtype. Raises ValueError for a size below 1×1.
    """
    height, width = image.shape[-2:]
    if min(size) < 1:
        raise ValueError(f"cannot resize a panorama to {size[0]}×{size[1]}")
    if size == (height, width):
        return image
    if mode == "nearest":
        xp, device = library(image), like(image)["device"]
        for axis, count in ((-2, size[0]), (-1, size[1])):
            # The pixel under the centre of each new one, in integers: floor((i + ½) n / m).
            doubled = 2 * xp.arange(count, device=device) + 1
            image = xp.take(image, doubled * image.shape[axis] // (2 * count), axis=axis)
        return image
    if mode != "bilinear" or not is_floating(image):
        raise ValueError(f"cannot resize {image.dtype} with {mode!r}: use bilinear or nearest")
    x = to_dtype(image, like(image)["dtype"])
    commutes = width % 2 == size[1] % 2 == 0  # half a turn is whole before and after
    # What leaves fewer pixels comes first, unless the order would show in the result.
    for axis in (-2, -1) if size[0] < height or not commutes else (-1, -2):
        if x.shape[axis] != size[axis]:
            taps = _taps(x, axis, size[axis], antialias, edges)
            x = _banded(x, axis, taps) if is_numpy(x) else _sum_taps(x, axis, taps)
    return to_dtype(x, image.dtype)


def with_whole(large: ArrayT, small: ArrayT) -> ArrayT:
    """A map (..., H, W) plus what it lacks, shrunk, to be the small one (..., h, w)."""
    lacks = small - resize_erp(large, (small.shape[-2], small.shape[-1]))
    return large + resize_erp(lacks, (large.shape[-2], large.shape[-1]), antialias=False)


class _Taps(NamedTuple):
    """Source pixels and weights, (taps, n), of n output pixels; start .. stop hold them all.

    Rows may lie beyond the poles; columns are wrapped.
    """

    index: Array
    weights: Array
    start: int
    stop: int


def _taps(x: ArrayT, axis: int, count: int, antialias: bool, edges: Edges) -> _Taps:
    """The triangle filter for `count` output pixels along an axis of x (..., H, W), in its library.

    Output pixel i is centred on the source coordinate (i + 0.5) n / m; the triangle reaches one
    source pixel to both sides, or n / m of them when antialiasing a reduction.
    """
    xp, options, length = library(x), like(x), x.shape[axis]
    scale = length / count
    support = max(scale, 1.0) if antialias else 1.0
    centre = (exact_indices(count, **options) + 0.5) * scale
    first = xp.astype(xp.floor(centre - support + 0.5), xp.int64)
    index = first + xp.arange(math.ceil(2 * support), device=options["device"])[:, None]
    weights = xp.clip(1 - xp.abs(index + 0.5 - centre) / support, min=0)
    if edges == "cut":
        weights = weights * ((index >= 0) & (index < length))
    # Told without looking at the arrays, which may lie on a device that is still busy.
    reach = math.ceil(support - 0.5 * scale) + 1
    weights = to_dtype(weights / weights.sum(0), x.dtype)
    return _Taps(index if axis == -2 else index % length, weights, -reach, length + reach)


def _sum_taps(x: ArrayT, axis: int, taps: _Taps, out: Array = None) -> ArrayT:
    """Σ weight · source pixel over the taps: rows (axis -2) or columns (axis -1) of (..., H, W).

    out: where a NumPy array takes the result.
    """
    xp = library(x)
    sources, weights = taps.index, taps.weights[..., None] if axis == -2 else taps.weights
    if axis == -2 and not 0 <= taps.start < taps.stop <= x.shape[-2]:
        x, sources = row_window(x, taps.start, taps.stop), sources - taps.start
    # The first product starts the sum, so `out` need not be cleared.
    total = xp.multiply(xp.take(x, sources[0], axis=axis), weights[0], out=out)
    for source, weight in zip(sources[1:], weights[1:], strict=True):
        tap = xp.take(x, source, axis=axis)
        tap *= weight  # ours to overwrite: fresh memory would cost as much as the arithmetic
        total += tap
    return total


def _banded(x: Array, axis: int, taps: _Taps) -> Array:
    """`_sum_taps` of an array (..., H, W) in bands of rows: a large one needs little memory."""
    x = np.ascontiguousarray(x)  # once: `take` would copy it for every tap
    shape = list(x.shape)
    shape[axis] = taps.index.shape[1]
    out = np.empty(shape, x.dtype)
    at_once = max(1, BAND_PIXELS // max(shape[-1], x.shape[-1]))
    for top in range(0, shape[-2], at_once):
        rows = slice(top, min(top + at_once, shape[-2]))
        if axis == -1:
            _sum_taps(np.ascontiguousarray(x[..., rows, :]), -1, taps, out[..., rows, :])
        else:
            index = taps.index[:, rows]
            part = _Taps(index, taps.weights[:, rows], index[0, 0], index[-1, -1] + 1)
            _sum_taps(x, -2, part, out[..., rows, :])
    return out

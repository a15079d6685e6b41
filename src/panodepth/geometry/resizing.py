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
from panodepth.geometry.sampling import row_window

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
    wide = to_dtype(image, like(image)["dtype"])
    resize = _resize_numpy if is_numpy(image) else _resize_torch
    return to_dtype(resize(wide, size, antialias, edges), image.dtype)


def resize_erp_by_taps(x: ArrayT, size: tuple[int, int], *, antialias: bool = True) -> ArrayT:
    """What `resize_erp` means: every output pixel is a weighted sum of the pixels round it.

    x: (..., H, W) float32 or float64. The fast routes below are compared with these sums.
    """
    for axis, count in ((-2, size[0]), (-1, size[1])):
        x = _resize_axis(x, axis, count, (0, count), antialias)
    return x


class _Taps(NamedTuple):
    """Source pixels and weights, (taps, n), of n output pixels; start .. stop hold them all.

    Rows may lie beyond the poles; columns are wrapped.
    """

    index: Array
    weights: Array
    start: int
    stop: int


def _taps(
    x: ArrayT, axis: int, count: int, span: tuple[int, int], antialias: bool, edges: Edges
) -> _Taps:
    """The triangle filter for the output pixels span[0] .. span[1] of `count`, in x's library.

    Output pixel i is centred on the source coordinate (i + 0.5) n / m; the triangle reaches one
    source pixel to both sides, or n / m of them when antialiasing a reduction.
    """
    xp, options = library(x), like(x)
    scale = x.shape[axis] / count
    support = max(scale, 1.0) if antialias else 1.0
    # Told without looking at the arrays, which may lie on a device that is still busy.
    start = math.floor((span[0] + 0.5) * scale - support)
    stop = math.ceil((span[1] - 0.5) * scale + support) + 1
    centre = (exact_indices(span[1] - span[0], **options) + (span[0] + 0.5)) * scale
    first = xp.astype(xp.floor(centre - support + 0.5), xp.int64)
    taps = xp.arange(math.ceil(2 * support), device=options["device"])
    index = first + taps[:, None]
    weights = xp.clip(1 - xp.abs(index + 0.5 - centre) / support, min=0)
    if edges == "cut":
        weights = weights * ((index >= 0) & (index < x.shape[axis]))
    weights = to_dtype(weights / weights.sum(0), x.dtype)
    return _Taps(index if axis == -2 else index % x.shape[-1], weights, start, stop)


def _sum_taps(x: ArrayT, axis: int, taps: _Taps, out: Array = None) -> ArrayT:
    """Σ weight · source pixel over the taps: rows (axis -2) or columns (axis -1) of (..., H, W).

    out: where a NumPy array takes the result.
    """
    xp = library(x)
    sources, weights = taps.index, taps.weights[..., None] if axis == -2 else taps.weights
    if axis == -2 and not 0 <= taps.start < taps.stop <= x.shape[-2]:
        x, sources = row_window(x, taps.start, taps.stop), sources - taps.start
    total = xp.multiply(xp.take(x, sources[0], axis=axis), weights[0], out=out)
    for source, weight in zip(sources[1:], weights[1:], strict=True):
        tap = xp.take(x, source, axis=axis)
        tap *= weight  # ours to overwrite: fresh memory would cost as much as the arithmetic
        total += tap
    return total


def _resize_axis(
    x: ArrayT, axis: int, count: int, span: tuple[int, int], antialias: bool
) -> ArrayT:
    """Rows (axis -2) or columns (axis -1) span[0] .. span[1] of `count`, by the triangle filter."""
    if x.shape[axis] == count:
        return x[..., span[0] : span[1], :] if axis == -2 else x[..., span[0] : span[1]]
    return _sum_taps(x, axis, _taps(x, axis, count, span, antialias, "sphere"))


def _resize_torch(x: Array, size: tuple[int, int], antialias: bool, edges: Edges) -> Array:
    """torch's kernel inside, sums of taps in the border that it would clamp."""
    from panodepth.geometry.torch_kernels import interpolate

    if edges == "cut":
        return interpolate(x, size, antialias)
    xp = library(x)
    height, width = size
    rows, columns = (_border(*counts) for counts in zip(x.shape[-2:], size, strict=True))
    if 2 * rows >= height or 2 * columns >= width:
        return resize_erp_by_taps(x, size, antialias=antialias)

    def ends(axis: int, count: int, border: int) -> list[Array]:
        spans = ((0, border), (count - border, count))
        return [_resize_axis(x, axis, count, span, antialias) for span in spans]

    inner = interpolate(x, size, antialias)[..., rows : height - rows, columns : width - columns]
    if columns:
        inside = (rows, height - rows)
        left, right = (
            _resize_axis(strip, -2, height, inside, antialias) for strip in ends(-1, width, columns)
        )
        inner = xp.concat((left, inner, right), axis=-1)
    if rows:
        top, bottom = (
            _resize_axis(strip, -1, width, (0, width), antialias)
            for strip in ends(-2, height, rows)
        )
        inner = xp.concat((top, inner, bottom), axis=-2)
    return inner


def _border(count: int, out_count: int) -> int:
    """How many output pixels at each end take something from beyond the end."""
    return 0 if count == out_count else math.ceil(max(1.0, out_count / count) / 2)


def _resize_numpy(x: Array, size: tuple[int, int], antialias: bool, edges: Edges) -> Array:
    """The sums of taps in bands of rows, so that a large panorama needs little memory beside."""
    commutes = x.shape[-1] % 2 == size[1] % 2 == 0  # half a turn is whole before and after
    # What leaves fewer pixels comes first, unless the order would show in the result.
    rows_first = size[0] < x.shape[-2] or not commutes
    for axis in (-2, -1) if rows_first else (-1, -2):
        count, shape = size[axis], list(x.shape)
        if shape[axis] == count:
            continue
        at_once = max(1, BAND_PIXELS // max(shape[-1], size[1] if axis == -1 else 1))
        shape[axis] = count
        out = np.empty(shape, x.dtype)
        whole = _taps(x, axis, count, (0, count), antialias, edges)
        for top in range(0, shape[-2], at_once):
            stop = min(top + at_once, shape[-2])
            band = out[..., top:stop, :]
            if axis == -1:
                # Contiguous once: `take` would copy it for every tap.
                _sum_taps(np.ascontiguousarray(x[..., top:stop, :]), -1, whole, band)
            else:
                index, weights = (part[:, top:stop] for part in whole[:2])
                _sum_taps(x, -2, _Taps(index, weights, index[0, 0], index[-1, -1] + 1), band)
        x = out
    return x

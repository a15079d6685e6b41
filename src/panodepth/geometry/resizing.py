"""Resize a panorama without opening its seam or its poles."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from panodepth.geometry.grid import exact_dtype
from panodepth.geometry.sampling import column_window, row_window


def resize_erp(
    image: Tensor,
    size: tuple[int, int],
    *,
    antialias: bool = True,
    mode: Literal["bilinear", "nearest"] = "bilinear",
) -> Tensor:
    """A panorama at another size, closed over the seam and the poles.

    image: (..., H, W); any dtype for "nearest", floating for "bilinear". size: (h, w).
    antialias: when shrinking, a triangle filter as wide as the ratio (bilinear only).
    Away from the border equal to torch's `interpolate(align_corners=False, antialias=...)`.
    Returns (..., h, w) in the image's dtype.
    """
    height, width = image.shape[-2:]
    if min(size) < 1:
        raise ValueError(f"cannot resize a panorama to {size[0]}×{size[1]}")
    if size == (height, width):
        return image
    if mode == "nearest":
        rows = _nearest_index(height, size[0], image.device)
        columns = _nearest_index(width, size[1], image.device)
        return image.index_select(-2, rows).index_select(-1, columns)
    if mode != "bilinear" or not image.is_floating_point():
        raise ValueError(f"cannot resize {image.dtype} with {mode!r}: use bilinear or nearest")
    wide = image.to(torch.promote_types(image.dtype, torch.float32))
    return _resize_bilinear(wide, size, antialias).to(image.dtype)


def _resize_bilinear(x: Tensor, size: tuple[int, int], antialias: bool) -> Tensor:
    """torch's kernel inside, sums of taps in the border that it would clamp."""
    height, width = x.shape[-2:]
    rows, columns = _border(height, size[0]), _border(width, size[1])
    if 2 * rows >= size[0] or 2 * columns >= size[1]:
        return resize_erp_by_taps(x, size, antialias=antialias)
    inner = functional.interpolate(
        x.reshape(1, -1, height, width),
        size,
        mode="bilinear",
        align_corners=False,
        antialias=antialias and (size[0] < height or size[1] < width),
    ).reshape(*x.shape[:-2], *size)
    inside = (rows, size[0] - rows)
    inner = inner[..., inside[0] : inside[1], columns : size[1] - columns]
    if columns:
        ends = ((0, columns), (size[1] - columns, size[1]))
        strips = [_resize_axis(x, -1, size[1], end, antialias) for end in ends]
        left, right = (_resize_axis(strip, -2, size[0], inside, antialias) for strip in strips)
        inner = torch.cat((left, inner, right), dim=-1)
    if rows:
        ends = ((0, rows), (size[0] - rows, size[0]))
        strips = [_resize_axis(x, -2, size[0], end, antialias) for end in ends]
        top, bottom = (_resize_axis(s, -1, size[1], (0, size[1]), antialias) for s in strips)
        inner = torch.cat((top, inner, bottom), dim=-2)
    return inner


def _nearest_index(count: int, out_count: int, device: torch.device) -> Tensor:
    """The source pixel under the centre of each output pixel, in integers: floor((i + ½) n / m)."""
    doubled = 2 * torch.arange(out_count, device=device) + 1
    return torch.div(doubled * count, 2 * out_count, rounding_mode="floor")


def _border(count: int, out_count: int) -> int:
    """How many output pixels at each end take something from beyond the end."""
    return 0 if count == out_count else math.ceil(max(1.0, out_count / count) / 2)


def resize_erp_by_taps(x: Tensor, size: tuple[int, int], *, antialias: bool = True) -> Tensor:
    """What `resize_erp` means: every output pixel is a weighted sum of the pixels round it.

    x: (..., H, W) float32 or float64. `resize_erp` leaves the interior to torch's faster kernel
    and uses these sums for its border.
    """
    x = _resize_axis(x, -2, size[0], (0, size[0]), antialias)
    return _resize_axis(x, -1, size[1], (0, size[1]), antialias)


def _resize_axis(
    x: Tensor, dim: int, out_count: int, span: tuple[int, int], antialias: bool
) -> Tensor:
    """Rows (dim -2) or columns (dim -1) span[0] .. span[1] of `out_count`, by a triangle filter.

    Output pixel i is centred on the source coordinate (i + 0.5) n / m; the triangle reaches one
    source pixel to both sides, or n / m of them when antialiasing a reduction.
    """
    count = x.shape[dim]
    if count == out_count:
        return x.narrow(dim, span[0], span[1] - span[0])
    scale = count / out_count
    support = max(scale, 1.0) if antialias else 1.0
    taps = math.ceil(2 * support)
    start = math.floor((span[0] + 0.5) * scale - support)
    stop = math.ceil((span[1] - 0.5) * scale + support) + 1
    window = (row_window if dim == -2 else column_window)(x, start, stop)

    output = torch.arange(*span, device=x.device, dtype=exact_dtype(x.device))
    centre = (output + 0.5) * scale
    first = (centre - support + 0.5).floor()
    index = torch.arange(taps, device=x.device)[:, None] + (first.long() - start)
    weights = (1 - (index + (start + 0.5) - centre).abs() / support).clamp_min(0)
    weights = (weights / weights.sum(0)).to(x.dtype)
    weights = weights[..., None] if dim == -2 else weights

    total = window.index_select(dim, index[0]) * weights[0]
    for tap in range(1, taps):
        total = torch.addcmul(total, window.index_select(dim, index[tap]), weights[tap])
    return total

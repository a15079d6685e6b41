"""Read a panorama anywhere on the sphere: no left or right edge, and no edge at the poles.

A row beyond a pole is the mirrored row half a turn away: with rows counted from the pole, row -1
is row 0 rolled by W / 2. With odd W half a turn falls between two columns and their mean is taken
(the left one for integer and boolean maps, which cannot be averaged).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from panodepth.sphere.grid import exact_dtype, rays_to_pixels

SampleMode = Literal["bilinear", "nearest", "bicubic"]

TAPS_BEYOND_EDGE = {"nearest": 0, "bilinear": 1, "bicubic": 2}
_MAX_PADDING = 0.25  # of the side: beyond it, resizing by explicit taps is cheaper than padding


def _half_turn(x: Tensor) -> Tensor:
    """(..., H, W) seen half a turn away."""
    width = x.shape[-1]
    turned = x.roll(width // 2, -1)
    if width % 2 and x.is_floating_point():
        return (turned + x.roll(width // 2 + 1, -1)) / 2
    return turned


def _pad_rows(x: Tensor, pad: int) -> Tensor:
    height = x.shape[-2]
    if pad <= height:
        above = _half_turn(x[..., :pad, :]).flip(-2)
        below = _half_turn(x[..., height - pad :, :]).flip(-2)
        return torch.cat((above, x, below), dim=-2)
    great_circle = torch.cat((x, _half_turn(x).flip(-2)), dim=-2)
    index = torch.arange(-pad, height + pad, device=x.device).remainder(2 * height)
    return great_circle.index_select(-2, index)


def _pad_columns(x: Tensor, pad: int) -> Tensor:
    width = x.shape[-1]
    if pad <= width:
        return torch.cat((x[..., width - pad :], x, x[..., :pad]), dim=-1)
    index = torch.arange(-pad, width + pad, device=x.device).remainder(width)
    return x.index_select(-1, index)


def pad_erp(x: Tensor, pad: int | tuple[int, int]) -> Tensor:
    """(..., H, W) to (..., H + 2·rows, W + 2·columns): wraps in longitude and crosses the poles.

    x: any dtype. pad: pixels on every side, or (rows, columns). Vector maps keep their vectors:
    in Cartesian components nothing changes when the pole is crossed.
    """
    rows, columns = (pad, pad) if isinstance(pad, int) else pad
    if rows < 0 or columns < 0:
        raise ValueError(f"padding must not be negative: {pad}")
    x = _pad_rows(x, rows) if rows else x
    return _pad_columns(x, columns) if columns else x


def sample_erp(image: Tensor, rays: Tensor, mode: SampleMode = "bilinear") -> Tensor:
    """Values of a panorama along rays: (..., C, h, w).

    image: (..., C, H, W); any dtype for "nearest", floating for the rest.
    rays: (..., h, w, 3) of any length, finite; leading axes of both broadcast.
    """
    height, width = image.shape[-2:]
    uv = rays_to_pixels(rays, height, width)
    if mode == "nearest":
        u, v = uv.unbind(-1)
        return sample_image(image, torch.stack((u.remainder(width), v), dim=-1), mode)
    check_interpolation(image, mode)
    pad = TAPS_BEYOND_EDGE[mode]
    return sample_image(pad_erp(image, pad), uv + pad, mode)


def sample_image(image: Tensor, uv: Tensor, mode: SampleMode = "bilinear") -> Tensor:
    """Values of a plain image at continuous coordinates; outside, the nearest border pixel.

    image: (..., C, H, W); any dtype for "nearest", floating for the rest (half types are
    interpolated in float32). uv: (..., h, w, 2), pixel centres at + 0.5; leading axes broadcast.
    Returns (..., C, h, w) in the image's dtype.
    """
    check_interpolation(image, mode)
    if mode == "nearest":
        return _sample_nearest(image, uv)
    wide = image.to(torch.promote_types(image.dtype, torch.float32))
    sample = _sample_bilinear if mode == "bilinear" else _sample_bicubic
    return sample(wide, uv).to(image.dtype)


def _broadcast_lead(image: Tensor, uv: Tensor) -> tuple[int, ...]:
    shapes = (image.shape[:-3], uv.shape[:-3])
    return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]


def _sample_nearest(image: Tensor, uv: Tensor) -> Tensor:
    channels, height, width = image.shape[-3:]
    lead, out_size = _broadcast_lead(image, uv), uv.shape[-3:-1]
    u, v = uv.floor().long().unbind(-1)
    index = v.clamp(0, height - 1) * width + u.clamp(0, width - 1)
    index = index.flatten(-2).unsqueeze(-2).expand(*lead, channels, -1)
    flat = image.flatten(-2).expand(*lead, channels, height * width)
    return flat.gather(-1, index).reshape(*lead, channels, *out_size)


def _sample_bilinear(image: Tensor, uv: Tensor) -> Tensor:
    channels, height, width = image.shape[-3:]
    lead, out_size = _broadcast_lead(image, uv), uv.shape[-3:-1]
    u, v = uv.unbind(-1)
    grid = torch.stack((u * (2 / width) - 1, v * (2 / height) - 1), dim=-1).to(image.dtype)
    grid = grid.expand(*lead, *out_size, 2)
    one_image = math.prod(image.shape[:-3]) == 1
    if one_image:  # all its views become rows of one view, so that the image is not repeated
        source, grid = image, grid.reshape(1, -1, out_size[1], 2)
    else:
        source, grid = image.expand(*lead, -1, -1, -1), grid.reshape(-1, *out_size, 2)
    source = source.reshape(-1, channels, height, width)
    sampled = functional.grid_sample(
        source, grid, "bilinear", padding_mode="border", align_corners=False
    )
    if one_image:
        return sampled.reshape(channels, *lead, *out_size).movedim(0, -3)
    return sampled.reshape(*lead, channels, *out_size)


def _sample_bicubic(image: Tensor, uv: Tensor) -> Tensor:
    """Catmull-Rom, the cubic that is exact on linear and quadratic images.

    (torch's own kernel has the parameter -0.75 instead of -0.5 and moves a ramp by up to 0.1 px.)
    """
    first = (uv - 0.5).floor()
    u, v = first.unbind(-1)
    t = (uv - 0.5 - first).to(image.dtype)
    tables = (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    total = image.new_zeros(())
    for row, vertical in enumerate(tables):
        for column, horizontal in enumerate(tables):
            tap = torch.stack((u + (column - 0.5), v + (row - 0.5)), dim=-1)
            weight = horizontal[..., 0] * vertical[..., 1]
            total = total + weight.unsqueeze(-3) * _sample_nearest(image, tap)
    return total


def check_interpolation(image: Tensor, mode: str) -> None:
    """Raise ValueError unless `mode` is known and can interpolate this dtype."""
    if mode not in TAPS_BEYOND_EDGE:
        raise ValueError(f"unknown sampling mode {mode!r}: use bilinear, nearest or bicubic")
    if mode != "nearest" and not image.is_floating_point():
        raise ValueError(f"{mode} sampling needs a floating image, not {image.dtype}: use nearest")


def resize_erp(
    image: Tensor,
    size: tuple[int, int],
    *,
    antialias: bool = True,
    mode: Literal["bilinear", "nearest"] = "bilinear",
) -> Tensor:
    """Resize a panorama without opening its seam or its poles.

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
    pads = (_exact_pads(height, size[0], antialias), _exact_pads(width, size[1], antialias))
    if pads[0][0] <= _MAX_PADDING * height and pads[1][0] <= _MAX_PADDING * width:
        return _resize_padded(wide, size, pads, antialias).to(image.dtype)
    return resize_erp_by_taps(wide, size, antialias=antialias).to(image.dtype)


def _nearest_index(count: int, out_count: int, device: torch.device) -> Tensor:
    """The source pixel under the centre of each output pixel, in integers: floor((i + ½) n / m)."""
    doubled = 2 * torch.arange(out_count, device=device) + 1
    return torch.div(doubled * count, 2 * out_count, rounding_mode="floor")


def _exact_pads(count: int, out_count: int, antialias: bool) -> tuple[int, int]:
    """Equal padding counted in source and in output pixels, wide enough for the filter."""
    if count == out_count:
        return 0, 0
    reach = max(1.0, count / out_count) if antialias else 1.0
    common = math.gcd(count, out_count)
    times = math.ceil((reach / 2 + 1) * common / count)
    return times * (count // common), times * (out_count // common)


def _resize_padded(
    x: Tensor, size: tuple[int, int], pads: tuple[tuple[int, int], tuple[int, int]], antialias: bool
) -> Tensor:
    """Pad by whole pixels of both grids, resize with torch, crop: (..., H, W) to (..., h, w)."""
    (top, out_top), (left, out_left) = pads
    padded = pad_erp(x, (top, left))
    shrinks = size[0] < x.shape[-2] or size[1] < x.shape[-1]
    resized = functional.interpolate(
        padded.reshape(1, -1, *padded.shape[-2:]),
        (size[0] + 2 * out_top, size[1] + 2 * out_left),
        mode="bilinear",
        align_corners=False,
        antialias=antialias and shrinks,
    )
    cropped = resized[..., out_top : out_top + size[0], out_left : out_left + size[1]]
    return cropped.reshape(*x.shape[:-2], *size)


def resize_erp_by_taps(x: Tensor, size: tuple[int, int], *, antialias: bool = True) -> Tensor:
    """The definition of `resize_erp` for any ratio: every output pixel sums its weighted taps.

    x: (..., H, W) float32 or float64. Slower than torch's kernel for small paddings, and the only
    way when the two grids share no short period (1024 -> 546 rows).
    """
    height, width = x.shape[-2:]
    if size[0] != height:
        pad = math.ceil(height / size[0]) + 1
        first, weights = _tap_table(height, size[0], antialias, x)
        index = [first + (pad + k) for k in range(len(weights))]
        x = _sum_taps(_pad_rows(x, pad), -2, index, weights)
    if size[1] != width:
        first, weights = _tap_table(width, size[1], antialias, x)
        index = [(first + k).remainder(width) for k in range(len(weights))]
        x = _sum_taps(x, -1, index, weights)
    return x


def _tap_table(count: int, out_count: int, antialias: bool, like: Tensor) -> tuple[Tensor, Tensor]:
    """Per output pixel the first source index (out,) and the triangle's weights (taps, out)."""
    scale = count / out_count
    support = max(scale, 1.0) if antialias else 1.0
    work = exact_dtype(like.device)
    centre = (torch.arange(out_count, device=like.device, dtype=work) + 0.5) * scale
    first = (centre - support + 0.5).floor()
    tap = torch.arange(math.ceil(2 * support), device=like.device, dtype=work)[:, None]
    weights = (1 - (first + tap + 0.5 - centre).abs() / support).clamp_min(0)
    weights = weights / weights.sum(0)
    return first.long(), weights.to(like.dtype)


def _sum_taps(x: Tensor, dim: int, index: list[Tensor], weights: Tensor) -> Tensor:
    total: Tensor | None = None
    for taps, weight in zip(index, weights.unbind(0), strict=True):
        term = x.index_select(dim, taps) * (weight[:, None] if dim == -2 else weight)
        total = term if total is None else total + term
    assert total is not None
    return total

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

from panodepth.geometry.grid import rays_to_pixels

SampleMode = Literal["bilinear", "nearest", "bicubic"]

TAPS_BEYOND_EDGE = {"nearest": 0, "bilinear": 1, "bicubic": 2}


def _half_turn(x: Tensor) -> Tensor:
    """(..., H, W) seen half a turn away."""
    width = x.shape[-1]
    turned = x.roll(width // 2, -1)
    if width % 2 and x.is_floating_point():
        return (turned + x.roll(width // 2 + 1, -1)) / 2
    return turned


def row_window(x: Tensor, start: int, stop: int) -> Tensor:
    """Rows start .. stop of (..., H, W) continued over both poles; start < H, stop > 0."""
    height = x.shape[-2]
    if start < -height or stop > 2 * height:
        great_circle = torch.cat((x, _half_turn(x).flip(-2)), dim=-2)
        index = torch.arange(start, stop, device=x.device).remainder(2 * height)
        return great_circle.index_select(-2, index)
    parts = [x[..., max(start, 0) : min(stop, height), :]]
    if start < 0:
        parts.insert(0, _half_turn(x[..., :-start, :]).flip(-2))
    if stop > height:
        parts.append(_half_turn(x[..., 2 * height - stop :, :]).flip(-2))
    return torch.cat(parts, dim=-2)


def column_window(x: Tensor, start: int, stop: int) -> Tensor:
    """Columns start .. stop of (..., W) repeated round the sphere: start < W, stop > 0."""
    width = x.shape[-1]
    if start < -width or stop > 2 * width:
        index = torch.arange(start, stop, device=x.device).remainder(width)
        return x.index_select(-1, index)
    parts = [x[..., max(start, 0) : min(stop, width)]]
    if start < 0:
        parts.insert(0, x[..., start:])
    if stop > width:
        parts.append(x[..., : stop - width])
    return torch.cat(parts, dim=-1)


def pad_erp(x: Tensor, pad: int | tuple[int, int]) -> Tensor:
    """(..., H, W) to (..., H + 2·rows, W + 2·columns): wraps in longitude and crosses the poles.

    x: any dtype. pad: pixels on every side, or (rows, columns). Vector maps keep their vectors:
    in Cartesian components nothing changes when the pole is crossed.
    """
    rows, columns = (pad, pad) if isinstance(pad, int) else pad
    if rows < 0 or columns < 0:
        raise ValueError(f"padding must not be negative: {pad}")
    x = row_window(x, -rows, x.shape[-2] + rows) if rows else x
    return column_window(x, -columns, x.shape[-1] + columns) if columns else x


def sample_erp(image: Tensor, rays: Tensor, mode: SampleMode = "bilinear") -> Tensor:
    """Values of a panorama along rays: (..., C, h, w).

    image: (..., C, H, W); any dtype for "nearest", floating for the rest.
    rays: (..., h, w, 3) of any length, finite; leading axes of both broadcast.
    """
    height, width = image.shape[-2:]
    uv = rays_to_pixels(rays, height, width)
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

"""`sampling` of tensors by torch's own kernels; importing this loads torch."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def sample(image: Any, uv: Any, mode: str) -> Any:
    """`sampling.sample_image` of tensors: (..., C, H, W) at (..., h, w, 2) to (..., C, h, w)."""
    if mode == "nearest":
        return _nearest(image, uv)
    wide = image.to(torch.promote_types(image.dtype, torch.float32))
    return (_bilinear if mode == "bilinear" else _bicubic)(wide, uv).to(image.dtype)


def _broadcast_lead(image: Tensor, uv: Tensor) -> tuple[int, ...]:
    """The common leading axes of (..., C, H, W) and (..., h, w, 2)."""
    shapes = (image.shape[:-3], uv.shape[:-3])
    return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]


def _nearest(image: Tensor, uv: Tensor) -> Tensor:
    """The pixels under (..., h, w, 2), the border's outside, of (..., C, H, W) of any dtype."""
    channels, height, width = image.shape[-3:]
    lead, out_size = _broadcast_lead(image, uv), uv.shape[-3:-1]
    u, v = uv.floor().long().unbind(-1)
    # gather over flattened pixels: advanced indexing would broadcast the lead axes in memory.
    index = v.clamp(0, height - 1) * width + u.clamp(0, width - 1)
    index = index.flatten(-2).unsqueeze(-2).expand(*lead, channels, -1)
    flat = image.flatten(-2).expand(*lead, channels, height * width)
    return flat.gather(-1, index).reshape(*lead, channels, *out_size)


def _bilinear(image: Tensor, uv: Tensor) -> Tensor:
    """(..., C, H, W) floats at (..., h, w, 2), by grid_sample."""
    channels, height, width = image.shape[-3:]
    lead, out_size = _broadcast_lead(image, uv), uv.shape[-3:-1]
    u, v = uv.unbind(-1)
    # grid_sample's own coordinates: -1 and 1 are the outer edges of the border pixels.
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


def _bicubic(image: Tensor, uv: Tensor) -> Tensor:
    """Catmull-Rom, the cubic that is exact on linear and quadratic images; takes (..., C, H, W).

    (torch's own kernel has the parameter -0.75 instead of -0.5 and moves a ramp by up to 0.1 px.)
    """
    first = (uv - 0.5).floor()
    u, v = first.unbind(-1)
    t = (uv - 0.5 - first).to(image.dtype)
    tables = (  # weights of the taps at -1, 0, 1 and 2 from the pixel before, by t in [0, 1)
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
            total = total + weight.unsqueeze(-3) * _nearest(image, tap)
    return total

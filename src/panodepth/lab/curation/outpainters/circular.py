"""Circular in longitude: convolutions of a VAE, and strips of tokens for a transformer."""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WRAP = 4  # token columns that a strip repeats on either side


def make_circular(vae: nn.Module) -> None:
    """Let every convolution of a diffusers VAE pad round the panorama; rows stay as they were.

    Then encoding and decoding a panorama that is rolled by a multiple of the latent grid gives the
    rolled result (attention and normalisation see no positions). Works in place, once or often.
    Strided convolutions get one column more on the right, so that the grid stays where it was.
    """
    for module in vae.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.forward = functools.partial(_conv, module)  # type: ignore[method-assign]
        elif type(module).__name__ == "Downsample2D" and _pads_itself(module):
            module.forward = functools.partial(_downsample, module)


def _pads_itself(module: Any) -> bool:
    """Whether a diffusers Downsample2D adds a row and a column of zeros before its convolution."""
    return bool(module.use_conv) and module.padding == 0


def _conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """As the convolution's own forward on (B, C, h, w), but round the seam."""
    assert not isinstance(conv.padding, str)
    down, right = conv.padding
    # Round the seam across; zeros beyond the poles, as the weights were trained.
    x = F.pad(x, (right, right, 0, 0), mode="circular")
    x = F.pad(x, (0, 0, down, down))
    return F.conv2d(x, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups)


def _downsample(module: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    """As the module's own forward, (B, C, h, w) to half the size, but round the seam."""
    if module.norm is not None:  # over channels, which it wants last
        x = module.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    x = F.pad(x, (0, 1, 0, 0), mode="circular")
    result: Tensor = module.conv(F.pad(x, (0, 0, 0, 1)))
    return result


def wrap_width(columns: int) -> int:
    """How many of a panorama's token columns a strip repeats on either side."""
    return min(WRAP, columns // 2)


def unroll(tokens: Tensor, wrap: int) -> Tensor:
    """(B, C, h, w) to the strip (B, C, h, wrap + w + wrap), which repeats itself at its ends."""
    if wrap == 0:
        return tokens
    return torch.cat((tokens[..., -wrap:], tokens, tokens[..., :wrap]), dim=-1)


def reroll(strip: Tensor, wrap: int) -> Tensor:
    """(B, C, h, wrap + w + wrap) back to (B, C, h, w): what is there twice is cross-faded.

    The weights of a column's two places rise and fall linearly over 2 wrap columns and add up to
    one, so what lies round the seam is as much from the strip's left end as from its right.
    """
    if wrap == 0:
        return strip
    width = strip.shape[-1] - 2 * wrap
    # Never 0 or 1: each end of the strip has a say in every column that is there twice.
    ramp = torch.arange(1, 2 * wrap + 1, device=strip.device, dtype=strip.dtype) / (2 * wrap + 1)
    plain = torch.ones(width - 2 * wrap, device=strip.device, dtype=strip.dtype)
    weighted = strip * torch.cat((ramp, plain, ramp.flip(0)))
    middle = weighted[..., wrap : wrap + width].clone()
    middle[..., -wrap:] += weighted[..., :wrap]
    middle[..., :wrap] += weighted[..., wrap + width :]
    return middle

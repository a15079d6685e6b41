"""A small pyramid of convolutions, trained from scratch: the backbone of the bundled network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.model.backbones.base import Backbone, BackboneOptions
from panodepth.model.layers import ChannelNorm, SphereConv2d, resize_bilinear

CELL = 16  # pixels per token and axis that the pyramid works at, so that it can halve


class ConvBlock(nn.Module):
    """x + gamma · W₁ GELU(W₃ LN(x)): a residual 3×3 and 1×1 convolution."""

    recompute = True  # its activations may be made again for the backward pass

    def __init__(self, width: int, border: str, gamma: float) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.conv = SphereConv2d(width, width, 3, border=border)
        self.mix = nn.Conv2d(width, width, 1)
        self.gamma = nn.Parameter(torch.full((width, 1, 1), gamma))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, width, h, w); same shape out."""
        out: Tensor = x + self.gamma.to(x.dtype) * self.mix(F.gelu(self.conv(self.norm(x))))
        return out


class ConvBackbone(Backbone):
    """Levels at 8×, 4×, 2× and 1× the token grid.

    The picture is first resized from 14 to 16 pixels per token, so that every level halves exactly
    and rolling the picture by one token rolls every level by whole pixels.
    """

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__()
        self.wrap = options.wrap
        border = "wrap" if self.wrap else "zeros"
        self.side_widths = widths = options.widths
        self.entry = SphereConv2d(3, widths[0], 4, stride=2, border=border)
        self.levels = nn.ModuleList(
            nn.Sequential(*(ConvBlock(width, border, options.layer_scale) for _ in range(count)))
            for width, count in zip(widths, options.blocks, strict=True)
        )
        steps = zip(widths, (*widths[1:], options.dim), strict=True)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in steps)

    @classmethod
    def rule(cls, options: BackboneOptions) -> str:
        """Three levels, each with a width and a number of blocks."""
        right = len(options.widths) == len(options.blocks) == 3 and min(options.widths) > 0
        return "" if right else "stem_widths and stem_blocks must be three numbers each"

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """image: (B, 3, H, W); returns tokens (B, N, dim) and features at 8×, 4×, 2× the grid."""
        rows, cols = image.shape[-2] // self.STRIDE, image.shape[-1] // self.STRIDE
        # Pixels' channels side by side: LayerNorm and 1×1 convolutions then read memory in order.
        x = image.contiguous(memory_format=torch.channels_last)
        x = resize_bilinear(x, (rows * CELL, cols * CELL), wrap=self.wrap)
        x = self.entry(x)
        sides = []
        for level, down in zip(self.levels, self.downs, strict=True):
            x = level(x)
            sides.append(x)
            x = down(x)
        return x.flatten(2).transpose(1, 2), sides

"""The network's blocks with what follows each linear layer inside it; their plain twins' numbers.

A block is changed in place: its layers become fused ones and its class one of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.model.backbones.conv import ConvBlock
from panodepth.model.fast.attention import attend
from panodepth.model.fast.packed import FusedLinear, scaled
from panodepth.model.layers import SLOPE, ResidualUnit
from panodepth.model.spherevit import Block, CrossBlock, Head, HeadOutput, KeysValues

BAND_ELEMENTS = 2**22  # of the head's input at full size that exist at a time: 16 MB

# weight (out, in), bias (out,) or None -> the layer
Fuse = Callable[[Tensor, Tensor | None], FusedLinear]


def fused(layer: nn.Module, fuse: Fuse, scale: Tensor | None = None) -> FusedLinear:
    """A plain linear layer as a fused one; scale: (out,), what its result is multiplied by."""
    plain = cast(nn.Linear, layer)
    weight, bias = plain.weight, None if plain.bias is None else plain.bias.detach()
    if scale is None:
        return fuse(weight, bias)
    exact = scale.float()
    return fuse(scaled(weight, exact[:, None]), None if bias is None else scaled(bias, exact))


class FusedBlock(Block):
    """`Block` with LayerScale moved into the layers before it."""

    attention = staticmethod(attend)
    out: FusedLinear
    mlp_in: FusedLinear
    mlp_out: FusedLinear

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """As `Block.forward`. x: (B, N, dim); bias: (1, heads, N, N) or None."""
        # GELU and the residual sum run inside the products: no pass over memory of their own.
        x = self.out.plus(self.attend(x, bias), x)
        return self.mlp_out.plus(self.mlp_in.gelu(self.norm_mlp(x)), x)


class FusedCrossBlock(CrossBlock):
    """`CrossBlock`, likewise."""

    attention = staticmethod(attend)
    out: FusedLinear
    mlp_in: FusedLinear
    mlp_out: FusedLinear

    def forward(self, x: Tensor, sphere: KeysValues | None, bias: Tensor | None) -> Tensor:
        """As `CrossBlock.forward`. x: (B, N, hidden); bias: (1, heads, N, M) or None."""
        if sphere is not None:
            x = self.out.plus(self.attend(x, sphere, bias), x)
        return self.mlp_out.plus(self.mlp_in.gelu(self.norm_mlp(x)), x)


def fuse_block(block: Block | CrossBlock, fuse: Fuse) -> None:
    """Change a block in place, layer by layer, so that both forms never exist as a whole."""
    scales = {}
    if isinstance(block, Block):
        scales = {"out": block.scale_attention, "mlp_out": block.scale_mlp}
    for name in ("qkv", "q", "out", "mlp_in", "mlp_out"):
        if hasattr(block, name):
            setattr(block, name, fused(getattr(block, name), fuse, scales.get(name)))
    block.__class__ = FusedBlock if isinstance(block, Block) else FusedCrossBlock


class FoldedUnit(ResidualUnit):
    """`ResidualUnit` whose factor is in its second convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """As `ResidualUnit.forward`: (B, C, h, w) in and out."""
        return x + self.inner(x)


class FusedConvBlock(ConvBlock):
    """`ConvBlock` with its factor in the 1×1 convolution, which is a linear layer that adds x."""

    mix: FusedLinear  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """As `ConvBlock.forward`: (B, C, h, w) in and out, in channels_last memory."""
        inner = F.gelu(self.conv(self.norm(x))).permute(0, 2, 3, 1)
        return self.mix.plus(inner, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def fold_unit(unit: ResidualUnit | ConvBlock, fuse: Fuse) -> None:
    """Move gamma into the convolution before it, in place and for good."""
    factor = unit.gamma.detach().flatten().float()
    last = unit.mix if isinstance(unit, ConvBlock) else unit.conv2
    weight, bias = (scaled(t, factor.view(-1, *[1] * (t.ndim - 1))) for t in last.parameters())
    del unit.gamma
    if isinstance(unit, ConvBlock):
        unit.mix, unit.__class__ = fuse(weight.flatten(1), bias), FusedConvBlock  # type: ignore[assignment]
    else:
        for tensor, folded in zip(last.parameters(), (weight, bias), strict=True):
            tensor.copy_(folded)
        unit.__class__ = FoldedUnit


class BandedHead(Head):
    """`Head` whose full size exists by bands of rows only: that saves memory, and copies.

    For predictions on a CPU by a network that is cut at the seam; else it does as its plain twin.
    """

    def forward(self, x: Tensor, size: tuple[int, int]) -> HeadOutput:
        """As `Head.forward`. x: (B, C, h, w)."""
        elsewhere = self.wrap or x.device.type != "cpu" or torch.compiler.is_compiling()
        if elsewhere or torch.is_grad_enabled() or min(x.shape[-2:]) == 1:
            return super().forward(x, size)
        with torch.autocast(x.device.type, enabled=False):
            return self.named(self._in_bands(x, size))

    def _in_bands(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, outputs, H, W): what `forward` computes, some rows after the others."""
        height, width = size
        shape = (len(x), self.out.out_channels, height, width)
        out = x.new_empty(shape, dtype=self.out.weight.dtype)
        step = max(1, BAND_ELEMENTS // (len(x) * x.shape[1] * width))
        for top in range(0, height, step):
            end = min(top + step, height)
            # The 3×3 convolution needs one more row on either side, mirrored beyond the poles,
            rows = torch.arange(top - 1, end + 1).abs()
            rows = torch.where(rows < height, rows, 2 * (height - 1) - rows)
            band = _stretched_rows(x, rows, height).to(out.dtype)
            band = F.interpolate(band, size=(len(rows), width), mode="bilinear", align_corners=True)
            # and one more column, mirrored at the edges.
            band = torch.cat([band[..., 1:2], band, band[..., -2:-1]], dim=-1)
            band = F.conv2d(band, self.conv.weight, self.conv.bias)
            out[:, :, top:end] = self.out(F.leaky_relu(band, SLOPE, inplace=True))
        return out


def _stretched_rows(x: Tensor, rows: Tensor, height: int) -> Tensor:
    """Some rows of x stretched linearly to `height`, the end rows kept.

    x: (B, C, h, w). rows: (n,) of them, 0 to height - 1.
    Returns (B, C, n, w) in channels_last memory; at least float32.
    """
    place = rows.to(torch.float32) * ((x.shape[-2] - 1) / (height - 1))
    above = place.long().clamp(max=x.shape[-2] - 2)
    share = (place - above).view(-1, 1, 1)
    lines = x.permute(0, 2, 3, 1)
    exact = torch.promote_types(x.dtype, share.dtype)
    a, b = (lines[:, index].to(exact) for index in (above, above + 1))
    return torch.lerp(a, b, share.to(exact)).permute(0, 3, 1, 2)

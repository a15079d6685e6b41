"""Building blocks that know that a panorama has no left or right edge.

Images inside the network are (B, C, h, w), in channels_last memory where it matters for speed.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.01  # of LeakyReLU in the decoder


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(q kᵀ / √d + bias) v, heads side by side.

    q: (B, heads, N, d). k, v: (B, heads, M, d). bias: (1, heads, N, M) or None.
    Returns (B, N, heads·d).
    """
    mask = None if bias is None else bias.to(q.dtype)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(1, 2).flatten(2)


def wrap_columns(x: Tensor, left: int, right: int) -> Tensor:
    """(..., w) to (..., left + w + right): each side continues with the columns of the other side.

    0 ≤ left, right ≤ w.
    """
    if x.requires_grad and torch.is_grad_enabled():
        out: Tensor = _WrapColumns.apply(x, left, right)  # type: ignore[no-untyped-call]
        return out
    return torch.cat([x[..., x.shape[-1] - left :], x, x[..., :right]], dim=-1)


class _WrapColumns(torch.autograd.Function):
    """`wrap_columns` with a gradient that adds at the borders alone, not three full copies."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, left: int, right: int) -> Tensor:
        """(..., w) to (..., left + w + right)."""
        ctx.left, ctx.right = left, right
        return torch.cat([x[..., x.shape[-1] - left :], x, x[..., :right]], dim=-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """(..., left + w + right) to (..., w)."""
        grad, left = grads[0], ctx.left
        width = grad.shape[-1] - left - ctx.right
        # Columns that were also shown on the other side get what came back from there too.
        inner = grad[..., left : left + width].clone()
        inner[..., width - left :] += grad[..., :left]
        inner[..., : ctx.right] += grad[..., left + width :]
        return inner, None, None


def resize_bilinear(x: Tensor, size: tuple[int, int], *, wrap: bool) -> Tensor:
    """Bilinear resize of (B, C, h, w) to `size` with pixel centres at (i + 0.5), no antialias.

    wrap: the last column is a neighbour of the first, so that rolling x by a whole number of
    columns that is also whole in the result rolls the result; rows beyond a pole repeat the last.
    """
    height, width = size
    if (x.shape[-2], x.shape[-1]) == size:
        return x
    if not wrap:
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    # The pattern of input against output columns repeats `period` times around: one such piece
    # of the other side on either side is seen, resized and cut off again, all in whole columns.
    period = math.gcd(x.shape[-1], width)
    pad, crop = x.shape[-1] // period, width // period
    padded = wrap_columns(x, pad, pad)
    wide = (height, width + 2 * crop)
    out = F.interpolate(padded, size=wide, mode="bilinear", align_corners=False)
    return out[..., crop : crop + width]


class SphereConv2d(nn.Conv2d):
    """A convolution whose result has ⌈n / stride⌉ of n pixels per side: TensorFlow's "same".

    For that p = (⌈n / stride⌉ - 1) · stride + kernel - n pixels are missing, ⌊p / 2⌋ of them before
    the first one: where p is odd, as with a 3×3 kernel and stride 2, one more lies behind the last.
    border: what is seen there: "zeros"; "reflect" on all sides; or "wrap": the other side in
    longitude and zeros above and below, so that the poles can be told.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        border: str,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=stride, groups=groups)
        self.border = border

    def _missing(self, pixels: int) -> tuple[int, int]:
        stride, kernel = self.stride[0], self.kernel_size[0]
        missing = max((-(-pixels // stride) - 1) * stride + kernel - pixels, 0)
        return missing // 2, missing - missing // 2

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in, h, w); returns (B, out, ⌈h / stride⌉, ⌈w / stride⌉)."""
        rows, cols = self._missing(x.shape[-2]), self._missing(x.shape[-1])
        if self.border == "reflect":
            x = F.pad(x, (*cols, *rows), mode="reflect")
            rows = cols = (0, 0)
        elif self.border == "wrap" and any(cols):
            x = wrap_columns(x, *cols)
            cols = (0, 0)
        if rows[0] != rows[1] or cols[0] != cols[1]:  # the convolution itself pads evenly alone
            x = F.pad(x, (*cols, *rows))
            rows = cols = (0, 0)
        padding = (rows[0], cols[0])
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel of (B, C, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, h, w); same shape out, in channels_last memory."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Float32Module(nn.Module):
    """A module whose parameters never leave float32 (float64 is kept), whatever is asked of `to`.

    `model.to(torch.bfloat16)`, `.half()` and the like move such a module to the device asked for
    but leave its precision alone; its forward has to switch autocast off.
    """

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        def keep_precision(tensor: Tensor) -> Tensor:
            moved: Tensor = fn(tensor)
            if moved.is_floating_point() and moved.element_size() < tensor.element_size():
                return tensor.to(moved.device)
            return moved

        return super()._apply(keep_precision, recurse)  # type: ignore[no-untyped-call]


class Lift(nn.ConvTranspose2d):
    """Transposed convolution with kernel = stride: each token becomes its own k×k patch."""

    def __init__(self, in_channels: int, out_channels: int, factor: int) -> None:
        super().__init__(in_channels, out_channels, factor, stride=factor)
        self.factor = factor

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        """tokens: (B, rows, cols, in); returns (B, out, rows·factor, cols·factor)."""
        batch, rows, cols, _ = tokens.shape
        assert self.bias is not None
        k, out = self.factor, self.out_channels
        by_place = self.weight.permute(2, 3, 1, 0).reshape(k * k * out, -1)
        patches = F.linear(tokens, by_place, self.bias.repeat(k * k))
        patches = patches.reshape(batch, rows, cols, k, k, out).permute(0, 1, 3, 2, 4, 5)
        return patches.reshape(batch, rows * k, cols * k, out).permute(0, 3, 1, 2)


class ResidualUnit(nn.Module):
    """x + gamma · conv(act(conv(act(x)))), 3×3."""

    def __init__(self, width: int, border: str) -> None:
        super().__init__()
        self.conv1 = SphereConv2d(width, width, 3, border=border)
        self.conv2 = SphereConv2d(width, width, 3, border=border)
        self.gamma = nn.Parameter(torch.full((1, width, 1, 1), 0.1))

    def inner(self, x: Tensor) -> Tensor:
        """The branch before its factor. x: (B, width, h, w); same shape out."""
        first: Tensor = self.conv1(F.leaky_relu(x, SLOPE))
        out: Tensor = self.conv2(F.leaky_relu(first, SLOPE, inplace=True))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, width, h, w); same shape out."""
        inner = self.inner(x)
        return x + self.gamma.to(inner.dtype) * inner


class Level(nn.Module):
    """Residual units, a 1×1 convolution to the next width, bilinear doubling."""

    def __init__(self, width: int, next_width: int, units: int, *, wrap: bool) -> None:
        super().__init__()
        self.wrap = wrap
        border = "wrap" if wrap else "zeros"
        self.units = nn.ModuleList(ResidualUnit(width, border) for _ in range(units))
        self.reduce = nn.Conv2d(width, next_width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, width, h, w); returns (B, next_width, 2h, 2w)."""
        for unit in self.units:
            x = unit(x)
        x = self.reduce(x)
        return resize_bilinear(x, (2 * x.shape[-2], 2 * x.shape[-1]), wrap=self.wrap)

"""From four conditioned feature maps to one number per pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.model.config import ModelConfig
from panodepth.model.layers import Float32Module, SphereConv2d, resize_bilinear

SLOPE = 0.01  # of LeakyReLU
BAND_ELEMENTS = 2**22  # of the head's input at full size that exist at a time, on a CPU: 16 MB
DOUBLINGS = 3  # the decoder ends at 2³ times the token grid


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
        self.gamma: nn.Parameter | None = nn.Parameter(torch.full((1, width, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, width, h, w); same shape out."""
        inner: Tensor = self.conv1(F.leaky_relu(x, SLOPE))
        inner = self.conv2(F.leaky_relu(inner, SLOPE, inplace=True))
        out: Tensor = x + (inner if self.gamma is None else self.gamma.to(inner.dtype) * inner)
        return out

    def absorb_gamma(self) -> None:
        """Move gamma into the second convolution, for good; for inference alone."""
        if self.gamma is None:
            return
        factor = self.gamma.detach().flatten().float()
        for tensor in (self.conv2.weight, self.conv2.bias):
            assert tensor is not None
            exact = tensor.detach().float() * factor.view(-1, *[1] * (tensor.ndim - 1))
            tensor.copy_(exact.to(tensor.dtype))
        self.gamma = None


class Level(nn.Module):
    """Residual units, a 1×1 convolution to the next width, bilinear doubling."""

    def __init__(self, width: int, next_width: int, config: ModelConfig) -> None:
        super().__init__()
        self.wrap = config.wrap_padding
        border = "wrap" if self.wrap else "zeros"
        self.units = nn.ModuleList(ResidualUnit(width, border) for _ in range(config.decoder_units))
        self.reduce = nn.Conv2d(width, next_width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, width, h, w); returns (B, next_width, 2h, 2w)."""
        for unit in self.units:
            x = unit(x)
        x = self.reduce(x)
        return resize_bilinear(x, (2 * x.shape[-2], 2 * x.shape[-1]), wrap=self.wrap)


class Decoder(nn.Module):
    """Fuses the feature maps, coarse to fine, with the backbone's side features if there are."""

    def __init__(self, config: ModelConfig, side_widths: Sequence[int] = ()) -> None:
        """side_widths: channels of the side features, finest first."""
        super().__init__()
        widths, hidden = config.decoder, config.hidden
        self.latents: nn.Module = nn.Linear(hidden, widths[0])
        self.lifts = nn.ModuleList(Lift(hidden, widths[i], max(1, 2 * i)) for i in range(DOUBLINGS))
        self.levels = nn.ModuleList(
            Level(widths[i], widths[i + 1], config) for i in range(DOUBLINGS)
        )
        self.sides = nn.ModuleList(  # finest first, as the backbone gives them
            nn.Conv2d(side, width, 1)
            for side, width in zip(side_widths, widths[:0:-1], strict=False)
        )
        self.norm = nn.LayerNorm(widths[-1])
        self.linear = nn.Linear(widths[-1], widths[-1])
        border = "wrap" if config.wrap_padding else "reflect"
        self.low = SphereConv2d(widths[-1], config.head[0], 3, border=border)

    def forward(self, maps: list[Tensor], sides: list[Tensor]) -> Tensor:
        """maps: four (B, rows, cols, hidden); sides: the backbone's, at 8×, 4×, 2× the grid, or [].

        Returns (B, head[0], 8·rows, 8·cols).
        """
        x = self.latents(maps[0]).permute(0, 3, 1, 2)
        for i, (level, lift) in enumerate(zip(self.levels, self.lifts, strict=True)):
            x = x + lift(maps[i + 1])
            x = level(x)
            if sides:  # x is now at 2^(i+1) times the grid
                place = len(sides) - 1 - i
                x = x + self.sides[place](sides[place])
        x = self.linear(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        out: Tensor = self.low(x)
        return out


class Head(Float32Module):
    """The last two convolutions, always in float32: rounding here would tilt flat walls."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.wrap = config.wrap_padding
        border = "wrap" if self.wrap else "reflect"
        self.conv = SphereConv2d(config.head[0], config.head[1], 3, border=border)
        self.out = nn.Conv2d(config.head[1], 2 if config.sky_head else 1, 1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """x: (B, head[0], h, w) of any precision; size: H, W of the image.

        Returns the raw log-distance o and the sky logit (or None), (B, H, W) float32 each.
        """
        if self._takes_bands(x):
            with torch.autocast(x.device.type, enabled=False):
                distance, *sky = self._in_bands(x, size).unbind(1)
            return distance, sky[0] if sky else None
        return self.whole(x, size)

    def whole(self, x: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """`forward` at full size at once: the clear twin of the bands."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.out.weight.dtype)
            if self.wrap:
                x = resize_bilinear(x, size, wrap=True)
            else:
                x = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
            x = F.leaky_relu(self.conv(x), SLOPE, inplace=True)
            distance, *sky = self.out(x).unbind(1)
            return distance, sky[0] if sky else None

    def _takes_bands(self, x: Tensor) -> bool:
        """Whether full size is to exist by bands of rows only: it saves memory, and copies."""
        if self.wrap or x.device.type != "cpu" or torch.compiler.is_compiling():
            return False
        return not torch.is_grad_enabled() and min(x.shape[-2:]) > 1

    def _in_bands(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, outputs, H, W): what `forward` computes, some rows after the others."""
        height, width = size
        out = x.new_empty(
            (len(x), self.out.out_channels, height, width), dtype=self.out.weight.dtype
        )
        step = max(1, BAND_ELEMENTS // (len(x) * x.shape[1] * width))
        for top in range(0, height, step):
            end = min(top + step, height)
            rows = torch.arange(top - 1, end + 1).abs()  # mirrored beyond the poles,
            rows = torch.where(rows < height, rows, 2 * (height - 1) - rows)
            band = _stretched_rows(x, rows, height).to(out.dtype)
            band = F.interpolate(band, size=(len(rows), width), mode="bilinear", align_corners=True)
            band = torch.cat([band[..., 1:2], band, band[..., -2:-1]], dim=-1)  # and the edges
            band = F.conv2d(band, self.conv.weight, self.conv.bias)
            out[:, :, top:end] = self.out(F.leaky_relu(band, SLOPE, inplace=True))
        return out


def _stretched_rows(x: Tensor, rows: Tensor, height: int) -> Tensor:
    """The `rows` (n,) of x (B, C, h, w) stretched linearly to `height`, the end rows kept.

    Returns (B, C, n, w) in channels_last memory; at least float32.
    """
    place = rows.to(torch.float32) * ((x.shape[-2] - 1) / (height - 1))
    above = place.long().clamp(max=x.shape[-2] - 2)
    share = (place - above).view(-1, 1, 1)
    lines = x.permute(0, 2, 3, 1)
    a, b = (
        lines[:, index].to(torch.promote_types(x.dtype, share.dtype))
        for index in (above, above + 1)
    )
    return torch.lerp(a, b, share.to(a.dtype)).permute(0, 3, 1, 2)

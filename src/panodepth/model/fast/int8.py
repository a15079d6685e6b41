"""Linear layers with weights and inputs of 8 bits: faster and less exact; for inference alone.

Weights are rounded once, symmetrically with a scale for each output (127 = its largest); inputs
anew at every call, with a scale and a zero point for every few hundred rows of one image, so that
one odd token spoils its neighbours' precision alone, and no picture depends on the others of its
batch. Sums are whole numbers of 32 bits; what comes out has the input's precision.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from panodepth.model.fast.packed import FusedLinear, multiplies_rightly

ROWS = 512  # of an image that share a scale; also what the matrix kernel is made ready for
LEVELS = 254.0  # steps between the smallest and the largest input; the zero point may round up
FEW = 64  # outputs whose weights are rounded at a time
MIDDLE = 128  # of the unsigned 8 bits: kernels multiply unsigned inputs by signed weights


class Int8Linear(FusedLinear):
    """x Wᵀ + b with W and x rounded to 8 bits; on a CPU."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """weight: (out, in), of any float precision; bias: (out,) or None."""
        super().__init__()
        scales = torch.empty(len(weight))
        rounded = torch.empty(weight.shape, dtype=torch.int8)
        for first in range(0, len(weight), FEW):  # large copies would leave holes in the memory
            here = slice(first, first + FEW)
            exact = weight.detach()[here].float()
            scales[here] = (exact.abs().amax(1) / 127).clamp(min=1e-12)
            rounded[here] = (exact / scales[here, None]).round_()
        self._pack(rounded, scales, None if bias is None else bias.detach().float())

    def _pack(self, rounded: Tensor, scales: Tensor, bias: Tensor | None) -> None:
        """rounded: (out, in) int8; scales: (out,), what one step of it is; bias: (out,) or None."""
        self.packed = torch.ops.onednn.qlinear_prepack(rounded, [ROWS, rounded.shape[1]])
        self.zeros = torch.zeros(len(rounded), dtype=torch.int32)
        self.scales, self.bias, self.outputs = scales, bias, len(rounded)

    def __reduce__(self) -> tuple[Any, ...]:
        """To copy or pickle it: the rounded weight, which is packed anew."""
        rounded = self.packed.to_dense().t().contiguous()
        return _from_rounded, (rounded, self.scales, self.bias)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        out = other.clone(memory_format=torch.contiguous_format)
        for chunk, place in _chunks(x, out):
            place += self._product(chunk, "none")
        return out

    def run(self, x: Tensor, following: str) -> Tensor:
        out = x.new_empty(*x.shape[:-1], self.outputs)
        for chunk, place in _chunks(x, out):
            place.copy_(self._product(chunk, following))
        return out

    def _product(self, x: Tensor, following: str) -> Tensor:
        """x: (n, in), at most ROWS rows; returns (n, out)."""
        levels, scale, zero = quantise(x)
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            *(levels, scale, zero, self.packed, self.scales, self.zeros, self.bias, 1.0, 0),
            *(x.dtype, following, [], "none" if following == "gelu" else ""),
        )
        return out


def _from_rounded(rounded: Tensor, scales: Tensor, bias: Tensor | None) -> Int8Linear:
    layer = Int8Linear.__new__(Int8Linear)
    FusedLinear.__init__(layer)
    layer._pack(rounded, scales, bias)
    return layer


def quantise(x: Tensor) -> tuple[Tensor, float, int]:
    """(n, m) floats as 8 bits: (levels uint8, scale, zero), x ≈ scale · (levels - zero).

    The scale is NaN, and so is what is made of it, where x holds anything that is not finite.
    """
    low, high = (float(value) for value in torch.aminmax(x))
    if not math.isfinite(high - low):
        return torch.zeros(x.shape, dtype=torch.uint8), math.nan, 0
    low, high = min(low, 0.0), max(high, 0.0)  # so that nought is a level
    scale = (high - low) / LEVELS or 1.0
    zero = round(-low / scale)
    # Floats become signed bytes 8 times as fast as unsigned ones; flipping the top bit adds 128.
    levels = x.to(torch.float32, copy=True).mul_(1 / scale).add_(zero - MIDDLE).round_()
    signed = levels.to(torch.int8)
    return signed.view(torch.uint8).bitwise_xor_(MIDDLE), scale, zero


def _chunks(x: Tensor, out: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Matching (n, in) and (n, out) rows of each image: views, of x and of contiguous out."""
    if x.ndim == 2:
        x, out = x[None], out[None]
    for image, result in zip(x, out, strict=True):
        rows = image.reshape(-1, x.shape[-1]).split(ROWS)
        yield from zip(rows, result.view(-1, out.shape[-1]).split(ROWS), strict=True)


@functools.cache
def int8_works() -> bool:
    """Whether this build of torch on this machine multiplies 8-bit integers rightly."""
    return multiplies_rightly(Int8Linear, torch.float32, atol=0.1) and _sums_rightly()


def _sums_rightly() -> bool:
    """False where two products are added in 16 bits, which clips them: with AVX2 alone."""
    x = torch.linspace(0, 1, 15 * 32).view(15, 32)
    with torch.inference_mode():
        found = Int8Linear(torch.ones(16, 32), None)(x)
    return torch.allclose(found, x.sum(1, keepdim=True).expand_as(found), rtol=0.01, atol=0.05)

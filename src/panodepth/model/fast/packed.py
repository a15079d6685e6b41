"""Linear layers whose weights lie as the CPU's matrix kernels want them; for inference alone.

A plain `nn.Linear` in bfloat16 makes oneDNN reorder its weight at every call, in float32 it runs by
MKL, which leaves half of some processors' vector width unused; GELU and the residual sum are passes
of their own. Here oneDNN runs both precisions, the weight is reordered once (the plain one is let
go) and what follows runs inside the product. `prepare` swaps them in; the plain modules are the
clear twin.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PACKED_LIMITS = {torch.bfloat16: 4.0, torch.float32: 1e-3}  # of the error of numbers up to 900


class FusedLinear(nn.Module, ABC):
    """x Wᵀ + b with what follows it inside. Has no parameters: it can do nothing but predict."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in); returns (..., out)."""
        return self.run(x, "none")

    def gelu(self, x: Tensor) -> Tensor:
        """GELU(x Wᵀ + b), exact (erf). x: (..., in); returns (..., out)."""
        return self.run(x, "gelu")

    @abstractmethod
    def run(self, x: Tensor, following: str) -> Tensor:
        """The product and what follows it, "none" or "gelu". x: (..., in); returns (..., out)."""

    @abstractmethod
    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """other + x Wᵀ + b. x: (..., in); other: (..., out), which is also the result's shape."""


class PackedLinear(FusedLinear):
    """W reordered for oneDNN; bfloat16 or float32 on a CPU."""

    def __init__(self, weight: Tensor, bias: Tensor | None, tokens: int) -> None:
        """weight: (out, in); bias: (out,) or None; tokens: rows of a typical input."""
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), tokens)
        self.bias = None if bias is None else bias.detach()
        self.tokens = tokens

    def __reduce__(self) -> tuple[Any, ...]:
        """To copy or pickle it: the weight as it was given, which is packed anew."""
        return PackedLinear, (self.packed.to_dense(), self.bias, self.tokens)

    def run(self, x: Tensor, following: str) -> Tensor:
        how = "none" if following == "gelu" else ""  # exact, not by tanh
        out: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.packed, self.bias, following, [], how
        )
        return out

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            x, other, self.packed, self.bias, "add"
        )
        return out


def scaled(weight: Tensor, factor: Tensor | float) -> Tensor:
    """weight · factor, rounded once. weight: (out, in) or (out,); factor: broadcast against it."""
    return (weight.detach().float() * factor).to(weight.dtype)


@functools.cache
def packing_works(dtype: torch.dtype = torch.bfloat16) -> bool:
    """Whether this build of torch on this machine packs such weights and multiplies rightly."""
    if dtype not in PACKED_LIMITS:
        return False
    fuse = partial(PackedLinear, tokens=15)
    return multiplies_rightly(fuse, dtype, atol=PACKED_LIMITS[dtype])


def multiplies_rightly(
    fuse: Callable[[Tensor, Tensor], FusedLinear], dtype: torch.dtype, *, atol: float
) -> bool:
    """Whether a fused layer can be made here, and computes what it should.

    fuse: makes the layer of a weight (out, in) = (16, 32) and a bias (16,).
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        with torch.inference_mode():
            layer = fuse(2 * torch.eye(32, dtype=dtype)[:16], torch.ones(16, dtype=dtype))
            # 255 steps of 1: the 8-bit levels of these numbers are they themselves.
            x = torch.arange(-27, 228, dtype=dtype).repeat(2)[: 15 * 32].view(15, 32)
            expected = 2 * x[:, :16] + 1
            found = torch.stack([layer(x), layer.plus(x, expected), layer.gelu(x)])
            right = torch.stack([expected, 2 * expected, F.gelu(expected)])
            return torch.allclose(found, right, atol=atol, rtol=0)
    except (RuntimeError, NotImplementedError, AttributeError):  # names and support vary by version
        return False

"""The routes of self-attention alone, in the shape of a network's transformer blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.bench.ceilings import tokens_of
from panodepth.lab.bench.clock import Effort
from panodepth.lab.bench.rows import Row, Run, measure_rows
from panodepth.model import ModelConfig
from panodepth.model.fast.attention import blocked

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
MODES = ("eager", "compile", "none")  # "compile" also times what torch.compile makes


@dataclass(frozen=True, kw_only=True)
class AttentionRow(Row):
    """One layer's attention for one image.

    shape: heads, tokens, width of a head. difference: from the fused kernel in float32, mean |Δ|
    over mean |result|. optional: the route may well not be there.
    """

    shape: tuple[int, int, int]
    optional: bool


def time_attention(
    config: ModelConfig,
    precisions: tuple[str, ...],
    device: torch.device,
    effort: Effort,
    *,
    compiled: bool,
) -> list[AttentionRow]:
    """Rows for one network's shape. compiled: with what torch.compile makes, too (slow)."""
    heads, tokens, width = config.heads, tokens_of(config), config.dim // config.heads
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, heads, tokens, width, generator=generator).to(device).unbind(0)
    exact = _fused(q, k, v)

    def difference(result: Tensor) -> float:
        return float((result.float() - exact).abs().mean() / exact.abs().mean())

    def run(make: Callable[[], Attention], dtype: torch.dtype) -> Run:
        return partial(make(), q.to(dtype), k.to(dtype), v.to(dtype))

    ways = [
        (
            AttentionRow(
                preset=config.name,
                route=name,
                precision=precision,
                flops=4 * heads * tokens * tokens * width,
                shape=(heads, tokens, width),
                optional=name.startswith("compile"),
            ),
            partial(run, make, getattr(torch, precision)),
        )
        for precision in precisions
        for name, make in _routes(device, compiled=compiled).items()
    ]
    return measure_rows(ways, difference, device, effort)[0]


def _routes(device: torch.device, *, compiled: bool) -> dict[str, Callable[[], Attention]]:
    """What makes the function of q, k, v, (1, heads, N, d) each; it returns (1, N, heads·d)."""
    routes: dict[str, Callable[[], Attention]] = {"sdpa": lambda: _fused}
    if device.type == "cpu":
        routes["blocked"] = lambda: blocked
    if compiled:
        routes["compile of sdpa"] = lambda: torch.compile(_fused, dynamic=False)
        routes["compile of flex"] = lambda: torch.compile(_flex(), dynamic=False)
    return routes


def _fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q, k, v: (1, heads, N, d). Returns (1, N, heads · d)."""
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _flex() -> Attention:
    from torch.nn.attention.flex_attention import flex_attention

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Tensor = flex_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)

    return run

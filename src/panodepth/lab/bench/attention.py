"""The routes of self-attention alone, in the shape of a network's backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.bench.ceilings import tokens_of
from panodepth.lab.bench.clock import Effort, Timing, take_turns
from panodepth.model import ModelConfig
from panodepth.model.fast.attention import blocked

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
MODES = ("eager", "compile", "none")  # "compile" also times what torch.compile makes
REASON_LENGTH = 100


@dataclass(frozen=True)
class AttentionRow:
    """One layer's attention for one image.

    difference: from the fused kernel in float32, mean |Δ| over mean |result|. reason: why there are
    no times; an `optional` route may well not be there.
    """

    preset: str
    shape: tuple[int, int, int]  # heads, tokens, width of a head
    route: str
    precision: str
    optional: bool
    flops: int
    seconds_best: float | None = None
    seconds_median: float | None = None
    difference: float | None = None
    reason: str | None = None

    @property
    def flops_per_second(self) -> float | None:
        """By the best time."""
        return None if self.seconds_best is None else self.flops / self.seconds_best


def time_attention(
    config: ModelConfig,
    precisions: tuple[str, ...],
    device: torch.device,
    effort: Effort,
    *,
    compiled: bool,
) -> list[AttentionRow]:
    """Rows for one network's shape, whose calls take turns. compiled: torch.compile too (slow)."""
    heads, tokens, width = config.heads, tokens_of(config), config.dim // config.heads
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, heads, tokens, width, generator=generator).to(device).unbind(0)
    calls: dict[str, Callable[[], Tensor]] = {}
    rows: dict[str, AttentionRow] = {}
    for precision in precisions:
        dtype = getattr(torch, precision)
        for name, attention, optional in _routes(device, compiled=compiled):
            key = f"{name}, {precision}"
            rows[key] = AttentionRow(
                config.name,
                (heads, tokens, width),
                name,
                precision,
                optional,
                4 * heads * tokens * tokens * width,
            )
            calls[key] = _call(attention, q.to(dtype), k.to(dtype), v.to(dtype))
    with torch.inference_mode():
        exact = _sdpa(q, k, v)
        times = take_turns(calls, device, effort)
        return [_filled(rows[key], times[key], calls[key], exact) for key in calls]


def _routes(device: torch.device, *, compiled: bool) -> list[tuple[str, Attention, bool]]:
    """(name, function of q, k, v, optional)."""
    routes: list[tuple[str, Attention, bool]] = [("sdpa", _sdpa, False)]
    if device.type == "cpu":
        routes.append(("blocked", blocked, False))
    if compiled:
        routes.append(("compile of sdpa", _compiled(lambda: _sdpa), True))
        routes.append(("compile of flex", _compiled(_flex), True))
    return routes


def _call(attention: Attention, q: Tensor, k: Tensor, v: Tensor) -> Callable[[], Tensor]:
    return lambda: attention(q, k, v)


def _sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _flex() -> Attention:
    from torch.nn.attention.flex_attention import flex_attention

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Tensor = flex_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)

    return run


def _compiled(make: Callable[[], Attention]) -> Attention:
    """`make()` compiled at its first call, so that what is missing is found out there."""
    ready: list[Attention] = []

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if not ready:
            ready.append(torch.compile(make(), dynamic=False))
        return ready[0](q, k, v)

    return run


def _filled(
    row: AttentionRow, timing: Timing | Exception, call: Callable[[], Tensor], exact: Tensor
) -> AttentionRow:
    if isinstance(timing, Exception):
        return replace(row, reason=reason_of(timing))
    difference = (call().float() - exact).abs().mean() / exact.abs().mean()
    return replace(
        row,
        seconds_best=timing.best,
        seconds_median=timing.median,
        difference=float(difference),
    )


def reason_of(error: Exception) -> str:
    """The first line of an error, not too long for a table."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    line = line.replace("|", "/")
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "…"

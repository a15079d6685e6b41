"""The whole network by every route: time, arithmetic, error and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from panodepth.lab.bench.attention import reason_of
from panodepth.lab.bench.clock import Effort, Timing, take_turns
from panodepth.lab.bench.flops import network_flops
from panodepth.lab.bench.memory import Memory, MemoryJob, measure_memory
from panodepth.lab.bench.routes import PLAIN, Network, Route, find_routes
from panodepth.lab.bench.weights import sample_picture
from panodepth.model import ModelConfig


@dataclass(frozen=True)
class Subject:
    """The network that is measured: its checkpoint, and where. weights: "bundled" or "random"."""

    config: ModelConfig
    checkpoint: Path
    weights: str
    device: torch.device


@dataclass(frozen=True)
class NetworkRow:
    """One preset × precision × batch × route.

    flops: of the whole batch, by `network_flops`. ceiling: FLOP/s of the best product of this
    network in this precision. seconds: of the whole batch. difference: from the plain float32 path,
    mean |d / (s·d₀) - 1| with s as in `relative_difference`. ratio: times as fast as the plain path
    in this precision.
    error, memory_error: why the row is empty, in one line.
    """

    preset: str
    size: tuple[int, int]
    weights: str
    precision: str
    batch: int
    route: str
    is_default: bool
    flops: int
    ceiling: float
    seconds_best: float | None = None
    seconds_median: float | None = None
    rounds: int = 0
    ratio: float | None = None
    difference: float | None = None
    memory: Memory | None = None
    error: str | None = None
    memory_error: str | None = None

    @property
    def flops_per_second(self) -> float | None:
        """By the best time."""
        return None if self.seconds_best is None else self.flops / self.seconds_best

    @property
    def share(self) -> float | None:
        """Of the ceiling; 1 / floors."""
        rate = self.flops_per_second
        return None if rate is None else rate / self.ceiling


@dataclass(frozen=True)
class Comparison:
    """Routes of one precision and batch, whose calls take turns. ceiling: FLOP/s."""

    precision: str
    batch: int
    ceiling: float
    routes: Sequence[Route]
    effort: Effort


def reference_of(subject: Subject) -> Tensor:
    """(H, W) log-distance of the picture by the plain path in float32, brought to the CPU.

    cuDNN would round what goes into convolutions to TF32 if it might.
    """
    network = find_routes(())[0].build(subject.checkpoint, subject.device, "float32")
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        picture = sample_picture(subject.config.size).to(subject.device)
        return network(picture).log_distance[0].cpu()


def relative_difference(log_distance: Tensor, reference: Tensor) -> float:
    """mean |d / (s·d₀) - 1|, where s is the geometric mean of d / d₀; both (H, W), natural logs."""
    delta = log_distance.double() - reference.double()
    return float(((delta - delta.mean()).exp() - 1).abs().mean())


def compare(subject: Subject, comparison: Comparison, reference: Tensor) -> list[NetworkRow]:
    """A row per route, in their order, without memory; a route that fails says so in its row."""
    picture = sample_picture(subject.config.size, comparison.batch).to(subject.device)
    rows: dict[str, NetworkRow] = {}
    calls: dict[str, Callable[[], None]] = {}
    results: dict[str, Tensor] = {}

    def add(name: str, network: Network) -> None:
        def call() -> None:
            results[name] = network(picture).log_distance

        calls[name] = call

    for route in comparison.routes:
        rows[route.name] = _empty_row(subject, comparison, route)
        try:
            add(route.name, route.build(subject.checkpoint, subject.device, comparison.precision))
        except Exception as error:  # out of memory, a precision it has not: told in the table
            rows[route.name] = replace(rows[route.name], error=reason_of(error))
    with torch.inference_mode():
        times = take_turns(calls, subject.device, comparison.effort)
        for name, timing in times.items():
            rows[name] = _with_times(rows[name], timing)
            if rows[name].error is None:
                difference = relative_difference(results[name][0].cpu(), reference)
                rows[name] = replace(rows[name], difference=difference)
    if subject.device.type == "cuda":
        torch.cuda.empty_cache()  # the processes that measure memory come next
    plain = rows[PLAIN].seconds_best
    return [_with_ratio(row, plain) for row in rows.values()]


def with_memory(row: NetworkRow, subject: Subject) -> NetworkRow:
    """The row with the peak memory of its route in a process of its own."""
    if row.error is not None:
        return row
    job = MemoryJob(
        checkpoint=subject.checkpoint,
        route=row.route,
        precision=row.precision,
        device=subject.device,
        batch=row.batch,
        size=row.size,
    )
    try:
        return replace(row, memory=measure_memory(job))
    except RuntimeError as error:
        return replace(row, memory_error=reason_of(error))


def _empty_row(subject: Subject, comparison: Comparison, route: Route) -> NetworkRow:
    default = route.is_default(subject.device, comparison.precision)
    return NetworkRow(
        preset=subject.config.name,
        size=subject.config.size,
        weights=subject.weights,
        precision=comparison.precision,
        batch=comparison.batch,
        route=route.name,
        is_default=default and comparison.batch == 1,
        flops=comparison.batch * network_flops(subject.config),
        ceiling=comparison.ceiling,
    )


def _with_times(row: NetworkRow, timing: Timing | Exception) -> NetworkRow:
    if isinstance(timing, Exception):
        return replace(row, error=reason_of(timing))
    rounds = len(timing.seconds)
    return replace(row, seconds_best=timing.best, seconds_median=timing.median, rounds=rounds)


def _with_ratio(row: NetworkRow, plain: float | None) -> NetworkRow:
    if row.seconds_best is None or plain is None:
        return row
    return replace(row, ratio=plain / row.seconds_best)

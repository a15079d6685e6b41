"""The whole network by every route: time, arithmetic, error and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from panodepth.lab.bench.ceilings import Ceiling
from panodepth.lab.bench.clock import Effort
from panodepth.lab.bench.flops import network_flops
from panodepth.lab.bench.memory import Memory, MemoryJob, measure_memory
from panodepth.lab.bench.routes import PLAIN, Route, find_routes
from panodepth.lab.bench.rows import Row, Run, measure_rows, reason_of
from panodepth.lab.bench.runtimes import RUNTIMES
from panodepth.lab.bench.subject import Subject, sample_picture


@dataclass(frozen=True, kw_only=True)
class NetworkRow(Row):
    """One preset × precision × batch × route.

    flops, seconds: of the whole batch. ceiling: FLOP/s of the best product of this network in this
    precision. difference: from the plain float32 path, by `relative_difference`. ratio: times as
    fast as the plain path in this precision. memory_error: why there is no memory, in one line.
    """

    size: tuple[int, int]
    weights: str
    batch: int
    is_default: bool
    ceiling: float
    ratio: float | None = None
    memory: Memory | None = None
    memory_error: str | None = None

    @property
    def share(self) -> float | None:
        """Of the ceiling; 1 / floors."""
        rate = self.flops_per_second
        return None if rate is None else rate / self.ceiling


@dataclass(frozen=True)
class Comparison:
    """Routes on one device in one precision, and batch, under one ceiling."""

    device: torch.device
    precision: str
    batch: int
    ceiling: Ceiling
    routes: Sequence[Route]
    effort: Effort


def reference_of(subject: Subject, device: torch.device) -> Tensor | None:
    """(H, W) log distance of the picture by the plain route in float32, on the CPU.

    None for an ONNX file. Without TF32: cuDNN would round the inputs of convolutions to 10 bits.
    """
    if subject.file is None:
        return None
    network = find_routes(())[0].build(subject.file, device, "float32")
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        picture = sample_picture(subject.config.size).to(device)
        return network(picture).log_distance[0].cpu()


def relative_difference(log_distance: Tensor, reference: Tensor) -> float:
    """mean |d / (s·d₀) - 1|, where s is the geometric mean of d / d₀; both (H, W), natural logs."""
    delta = log_distance.double() - reference.double()
    return float(((delta - delta.mean()).exp() - 1).abs().mean())


def compare(
    subject: Subject, comparison: Comparison, reference: Tensor | None
) -> tuple[list[NetworkRow], Ceiling]:
    """A row per route, in their order, without memory; a route that fails says so in its row.

    reference: (H, W) exact log distance, None = differences are not known. The ceiling is measured
    again in turn with the routes, for what a machine gives may change; the higher one is returned.
    """
    device, precision = comparison.device, comparison.precision
    picture = sample_picture(subject.config.size, comparison.batch).to(device)

    def build(route: Route) -> Run:
        network = route.build(_file(subject, route.name), device, precision)
        return lambda: network(picture).log_distance

    def difference(result: Tensor) -> float | None:
        return None if reference is None else relative_difference(result[0].cpu(), reference)

    ways = [(_empty_row(subject, comparison, r), partial(build, r)) for r in comparison.routes]
    call, flops = comparison.ceiling.beside(device)
    rows, seconds = measure_rows(ways, difference, device, comparison.effort, call)
    ceiling = comparison.ceiling.raised(flops / seconds) if seconds else comparison.ceiling
    if device.type == "cuda":
        torch.cuda.empty_cache()  # for the processes that measure memory next
    plain = next((row.seconds_best for row in rows if row.route == PLAIN), None)
    rows = [
        replace(row, ratio=plain / row.seconds_best) if plain and row.seconds_best else row
        for row in rows
    ]
    return rows, ceiling


def _file(subject: Subject, route: str) -> Path:
    """The file that a route loads."""
    file = subject.onnx if route in RUNTIMES else subject.file
    assert file is not None  # made by `with_files`
    return file


def _empty_row(subject: Subject, comparison: Comparison, route: Route) -> NetworkRow:
    default = route.is_default(comparison.device, comparison.precision)
    return NetworkRow(
        preset=subject.config.name,
        size=subject.config.size,
        weights=subject.weights,
        precision=comparison.precision,
        batch=comparison.batch,
        route=route.name,
        is_default=default and comparison.batch == 1,
        flops=comparison.batch * network_flops(subject.config),
        ceiling=comparison.ceiling.best,
    )


def with_memory(row: NetworkRow, subject: Subject, device: torch.device) -> NetworkRow:
    """The row with the peak memory of its route in a process of its own."""
    if row.error is not None:
        return row
    file = str(_file(subject, row.route))
    job = MemoryJob(file, row.route, row.precision, str(device), row.batch, row.size)
    try:
        return replace(row, memory=measure_memory(job))
    except RuntimeError as error:
        return replace(row, memory_error=reason_of(error))

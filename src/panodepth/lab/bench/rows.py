"""Rows of measurements, and how rows that are compared are measured together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

import torch
from torch import Tensor

from panodepth.errors import first_line
from panodepth.lab.bench.clock import Effort, time_alternating

BESIDE = "beside"  # name of a call that is no row
REASON_LENGTH = 100  # characters of an error in a table
Run = Callable[[], Tensor]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One implementation in one precision.

    flops, seconds: of one call. difference: of its result from the exact one. error: why there are
    no times, in one line.
    """

    preset: str
    route: str
    precision: str
    flops: int
    seconds_best: float | None = None
    seconds_median: float | None = None
    rounds: int = 0
    difference: float | None = None
    error: str | None = None

    @property
    def flops_per_second(self) -> float | None:
        """By the best time."""
        return None if self.seconds_best is None else self.flops / self.seconds_best


AnyRow = TypeVar("AnyRow", bound=Row)


def measure_rows(
    ways: Iterable[tuple[AnyRow, Callable[[], Run]]],
    difference: Callable[[Tensor], float | None],
    device: torch.device,
    effort: Effort,
    beside: Callable[[], None] | None = None,
) -> tuple[list[AnyRow], float | None]:
    """The rows with times and differences, in their order; their calls alternate.

    ways: each a row without times, and what builds its call. Where building or calling fails, the
    row gets an `error`. difference: of a call's result (...) from the exact one, None without one.
    """
    rows: dict[str, AnyRow] = {}
    calls: dict[str, Callable[[], None]] = {}
    results: dict[str, Tensor] = {}

    def add(name: str, run: Run) -> None:
        def call() -> None:
            results[name] = run()

        calls[name] = call

    for number, (row, build) in enumerate(ways):
        rows[name := str(number)] = row
        try:
            add(name, build())
        except Exception as error:  # out of memory, an unsupported precision: shown in the table
            rows[name] = replace(row, error=reason_of(error))
    if beside is not None:
        calls[BESIDE] = beside
    least = None
    with torch.inference_mode():
        for name, seconds in time_alternating(calls, device, effort).items():
            if name == BESIDE:
                least = None if isinstance(seconds, Exception) else min(seconds)
            elif isinstance(seconds, Exception):
                rows[name] = replace(rows[name], error=reason_of(seconds))
            else:
                rows[name] = replace(
                    rows[name],
                    seconds_best=min(seconds),
                    seconds_median=median(seconds),
                    rounds=len(seconds),
                    difference=difference(results[name]),
                )
    return list(rows.values()), least


def reason_of(error: Exception) -> str:
    """The first line of an error, short enough for a table."""
    line = first_line(error).replace("|", "/")
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "…"

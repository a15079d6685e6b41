"""Time calls on any device; calls that are compared alternate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Call = Callable[[], object]

SHORT = 0.25  # seconds; longer calls spend a negligible part of theirs on filling the caches


@dataclass(frozen=True)
class Effort:
    """How long to measure. seconds: of one comparison, about; least, most: rounds of it."""

    seconds: float
    least: int
    most: int


QUICK = Effort(seconds=0.5, least=2, most=20)
FULL = Effort(seconds=10.0, least=3, most=100)


def timed(call: Call, device: torch.device) -> float:
    """Seconds of one call, alone on the device: by events on CUDA, else by the host's clock."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.synchronize()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            start.record()
            call()
            end.record()
            end.synchronize()
            milliseconds: float = start.elapsed_time(end)
            return milliseconds / 1000
    _wait(device)
    started = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - started


def time_alternating(
    calls: Mapping[str, Call], device: torch.device, effort: Effort
) -> dict[str, list[float] | Exception]:
    """Seconds of each call, round after round: a slow moment of the machine slows all of them.

    One round or more to warm up is not counted. Before each timed run, a call shorter than SHORT
    runs once untimed, which brings its weights back into the caches, as in a folder of pictures.
    A call that raises gets its exception in place of its times and is not called again.
    """
    failed: dict[str, Exception] = {}

    def rounds(seconds: float, least: int, most: int) -> dict[str, list[float]]:
        taken: dict[str, list[float]] = {name: [] for name in calls}
        started = time.perf_counter()
        for done in range(most):
            if done >= least and time.perf_counter() - started >= seconds:
                break
            for name, call in calls.items():
                try:
                    if name not in failed:
                        if taken[name] and taken[name][-1] < SHORT:
                            call()
                        taken[name].append(timed(call, device))
                except Exception as error:  # out of memory, no kernel: shown in the table
                    failed[name] = error.with_traceback(None)  # which would hold tensors
        return taken

    # Three on a GPU: a network may be recorded at its second call.
    rounds(effort.seconds / 10, 3 if device.type == "cuda" else 1, 5)
    taken = rounds(effort.seconds, effort.least, effort.most)
    return {name: failed.get(name, taken[name]) for name in calls}


def best_seconds(call: Call, device: torch.device, effort: Effort) -> float:
    """Seconds of one call when many follow each other without waiting; the best of several runs.

    Short calls are repeated within a run until it lasts 10 ms, so that neither the clock nor the
    launch of work on a GPU counts.
    """
    timed(call, device)
    once = max(timed(call, device), 1e-7)
    count = max(1, math.ceil(0.01 / once))

    def run() -> None:
        for _ in range(count):
            call()

    share = effort.seconds / 30  # a ceiling is many such measurements
    runs = max(effort.least, min(effort.most, math.ceil(share / (once * count))))
    return min(timed(run, device) for _ in range(runs)) / count


def _wait(device: torch.device) -> None:
    if device.type == "mps":
        torch.mps.synchronize()

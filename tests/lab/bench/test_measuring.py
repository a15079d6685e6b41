"""The clock and the memory gauge against what is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from panodepth.lab.bench import clock
from panodepth.lab.bench.clock import Effort, best_seconds, time_alternating, timed
from panodepth.lab.bench.memory import MemoryJob, measure_memory
from panodepth.lab.bench.subject import random_network
from panodepth.model import PRESETS, save_model

CPU = torch.device("cpu")
MB = 2**20


class Clock:
    """Stands for `time`; moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def nap(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "time", found)
    return found


def test_a_nap_takes_what_it_takes(time: Clock) -> None:
    assert timed(lambda: time.nap(0.02), CPU) == pytest.approx(0.02)
    short = best_seconds(lambda: time.nap(0.002), CPU, Effort(0.0, 1, 1))
    assert short == pytest.approx(0.002)


def test_calls_time_alternating_and_failures_leave() -> None:
    order: list[str] = []

    def fail() -> None:
        order.append("c")
        if order.count("c") == 3:
            raise MemoryError("full")

    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b"), "c": fail}
    found = time_alternating(calls, CPU, Effort(seconds=0.0, least=4, most=4))
    # One round to warm up and four that count; from the second on a call that does not, before it.
    assert order == [*"abc", *"abc", *"aabbc", *"aabb", *"aabb"]
    assert isinstance(found["c"], MemoryError)
    for name in "ab":
        seconds = found[name]
        assert isinstance(seconds, list)
        assert len(seconds) == 4


def test_rounds_end_with_the_effort(time: Clock) -> None:
    second = 2.0**-10
    calls = {"nap": lambda: time.nap(second)}
    found = time_alternating(calls, CPU, Effort(seconds=60.0, least=2, most=7))["nap"]
    assert isinstance(found, list)
    assert len(found) == 7
    found = time_alternating(calls, CPU, Effort(seconds=51 * second, least=2, most=99))["nap"]
    assert isinstance(found, list)
    assert len(found) == 26  # all but the first with another nap before, which is not timed


def test_peak_memory_grows_by_what_is_allocated() -> None:
    """And stays when it is let go: the highest counts."""
    code = (
        "from panodepth.lab.bench.memory import resident_peak\n"
        "before = resident_peak()\n"
        f"block = bytearray(300 * {MB})\n"
        "del block\n"
        "print(resident_peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # What was free below the mark before is not seen.
    assert 280 * MB < int(done.stdout) < 310 * MB


def test_loading_takes_what_the_weights_take(tmp_path: Path) -> None:
    network = random_network(PRESETS["small"])
    path = save_model(network, tmp_path / "small.safetensors")
    weights = 4 * network.parameter_count
    memory = measure_memory(MemoryJob(str(path), "plain", "float32", "cpu", 1, (112, 224)))
    assert 0.9 * weights < memory.loaded - memory.start < weights + 40 * MB
    assert memory.loaded <= memory.peak < memory.loaded + 200 * MB


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    job = MemoryJob(str(tmp_path / "gone.safetensors"), "plain", "float32", "cpu", 1, (112, 224))
    with pytest.raises(RuntimeError, match="no such weights file") as caught:
        measure_memory(job)
    assert "\n" not in str(caught.value)

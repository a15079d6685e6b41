"""The host with workers that live in this process: any order of answers, any deaths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.errors import PanodepthError
from panodepth.jobs.job import Message, Session, WorkerDiedError
from panodepth.jobs.runner import _Host

GIVE_UP = 2
LENGTH = 3


class Job:
    """Yields (item, position); instead of a position at which workers died twice, "given up"."""

    threads = 1
    prefers_gpu = False

    @contextmanager
    def open(self) -> Iterator[None]:
        yield

    def work(self, state: None, item: int, deaths: Sequence[int]) -> Iterator[tuple[int, Any]]:
        for position in range(LENGTH):
            yield item, "given up" if deaths.count(position) >= GIVE_UP else position


@dataclass
class FakePool:
    """Workers answer in a random order. kills: how often a worker dies at an item's position."""

    random: Random
    kills: dict[tuple[int, int], int]
    started: int = 0
    stopped: list[Any] = field(default_factory=list)

    def start(self) -> FakeWorker:
        self.started += 1
        return FakeWorker(self)

    def wait(self, workers: Sequence[FakeWorker]) -> FakeWorker:
        return self.random.choice(list(workers))


@dataclass(eq=False)
class FakeWorker:
    pool: FakePool
    session: Session = field(default_factory=lambda: Session(Job()))
    item: int = -1
    position: int = 0

    def ask(self, *start: Any) -> None:
        if start:
            self.item, self.position = start[0], 0
            self.answer = self.session.step(*start)
        else:
            self.answer = self.session.step()

    def receive(self) -> Message:
        place = (self.item, self.position)
        if self.answer[0] == "result" and self.pool.kills.get(place, 0) > 0:
            self.pool.kills[place] -= 1
            raise WorkerDiedError("killed")
        self.position += 1
        return self.answer

    def stop(self) -> None:
        self.pool.stopped.append(self)


@given(
    items=st.integers(1, 9),
    workers=st.integers(1, 4),
    kills=st.dictionaries(
        st.tuples(st.integers(0, 8), st.integers(0, LENGTH - 1)), st.integers(1, 2), max_size=2
    ),
    seed=st.integers(0, 1000),
)
def test_every_result_comes_once_and_in_order(
    items: int, workers: int, kills: dict[tuple[int, int], int], seed: int
) -> None:
    pool = FakePool(Random(seed), dict(kills))
    found: list[tuple[int, Any]] = []
    _Host(pool, range(items), lambda item, result: found.append(result), workers).run()
    for item in range(items):
        expected = ["given up" if kills.get((item, p)) == GIVE_UP else p for p in range(LENGTH)]
        assert [result for i, result in found if i == item] == expected
    deaths = sum(count for (item, _), count in kills.items() if item < items)
    assert pool.started == min(workers, items) + deaths
    assert len(pool.stopped) == pool.started


def test_deaths_without_a_result_between_them_end_the_run() -> None:
    kills = {(item, 0): 10**9 for item in range(99)}
    pool = FakePool(Random(0), kills)
    with pytest.raises(PanodepthError, match=r"11 worker processes died .* fewer than 3 workers"):
        _Host(pool, range(99), lambda item, result: None, 3).run()
    assert len(pool.stopped) == pool.started

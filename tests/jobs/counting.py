"""A job to test the runner with: what it does to an item, the item itself says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from panodepth.errors import InputError

GIVE_UP = 2


@dataclass(frozen=True)
class Counting:
    """Yields (item, 0), (item, 1), ... and notes in `folder` what happens to its workers.

    folder: gets an empty file per worker. length: results per item. deadly: item -> the position
    at which the worker that gets there dies; survivable: how often.
    """

    folder: Path
    length: int = 3
    deadly: tuple[tuple[int, int], ...] = ()
    survivable: int = 10**6

    threads = 1
    prefers_gpu = False

    @contextmanager
    def open(self) -> Iterator[list[int]]:
        (self.folder / f"worker-{os.getpid()}").touch()
        yield []

    def work(
        self, state: list[int], item: int, deaths: Sequence[int]
    ) -> Iterator[tuple[int, int | str]]:
        state.append(item)
        for position in range(self.length):
            if deaths.count(position) >= GIVE_UP:
                yield item, "given up"
                continue
            if (item, position) in self.deadly and len(deaths) < self.survivable:
                os._exit(9)
            yield item, position


@dataclass(frozen=True)
class Raising:
    """Raises an error of ours, or another, at item 2."""

    ours: bool

    threads = 1
    prefers_gpu = False

    @contextmanager
    def open(self) -> Iterator[None]:
        yield

    def work(self, state: None, item: int, deaths: Sequence[int]) -> Iterator[int]:
        if item == 2:
            raise InputError("picture 2 is damaged") if self.ours else ZeroDivisionError("by\n0")
        yield item


def plain(length: int, items: int) -> list[tuple[int, int]]:
    """What `Counting` yields where nothing dies."""
    return [(item, position) for item in range(items) for position in range(length)]

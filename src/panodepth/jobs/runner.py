"""`run_jobs`: gives items to workers, replaces workers that die, hands on results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from panodepth.errors import PanodepthError
from panodepth.jobs.job import Job, Pool, Worker, WorkerDiedError, Workers

# Deaths without a result between them that end a run: so many, and so many more per worker.
MAX_DEATHS, MAX_DEATHS_PER_WORKER = 4, 2

Item = TypeVar("Item")
State = TypeVar("State")
Result = TypeVar("Result")


def run_jobs(
    job: Job[Item, State, Result],
    items: Sequence[Item],
    on_result: Callable[[Item, Result], object],
    workers: Workers | None = None,
) -> None:
    """Work on all items; on_result(item, result) is called in this process, as results come.

    Results of one item come in their order, each once, even when a worker dies and another one
    begins the item again. One local worker is this process itself: it is not replaced. Raises what
    the job or the callback raises (errors that are not ours, from another process, as
    RuntimeError), ConfigError when Ray cannot start, and PanodepthError when workers die again and
    again.
    """
    workers = workers or Workers()
    if not items:
        return
    if workers.engine == "ray":
        from panodepth.jobs.cluster import ray_pool

        with ray_pool(job, workers) as (pool, count):
            _Host(pool, items, on_result, count).run()
    elif workers.count in (None, 1):
        with job.open() as state:
            for item in items:
                for result in job.work(state, item, ()):
                    on_result(item, result)
    else:
        from panodepth.jobs.local import LocalPool

        _Host(LocalPool(job), items, on_result, workers.count).run()


@dataclass
class _Progress:
    """An item at work. results: how many were handed on; position: of the attempt at hand.

    deaths: positions of the attempts whose workers died.
    """

    item: Any
    results: int = 0
    position: int = 0
    deaths: list[int] = field(default_factory=list)


class _Host:
    """The process that started the run: who works on what, and what was heard of it."""

    def __init__(
        self,
        pool: Pool,
        items: Sequence[Any],
        on_result: Callable[[Any, Any], object],
        workers: int,
    ) -> None:
        self._pool, self._on_result = pool, on_result
        self._count = min(workers, len(items))
        self._waiting = deque(items)
        self._busy: dict[Worker, _Progress] = {}
        self._fruitless = 0  # deaths since the last result of something that killed no worker

    def run(self) -> None:
        try:
            for _ in range(self._count):
                self._assign(self._pool.start(), _Progress(self._waiting.popleft()))
            while self._busy:
                self._hear(self._pool.wait(list(self._busy)))
        finally:
            for worker in self._busy:
                worker.stop()

    def _assign(self, worker: Worker, progress: _Progress) -> None:
        self._busy[worker] = progress
        worker.ask(progress.item, tuple(progress.deaths))

    def _hear(self, worker: Worker) -> None:
        progress = self._busy[worker]
        try:
            kind, value = worker.receive()
        except WorkerDiedError as error:
            self._replace(worker, error)
            return
        if kind == "error":
            raise value
        if kind == "result":
            worker.ask()  # it goes on while the callback runs
            self._take(progress, value)
        elif self._waiting:
            self._assign(worker, _Progress(self._waiting.popleft()))
        else:
            del self._busy[worker]
            worker.stop()

    def _take(self, progress: _Progress, result: Any) -> None:
        if progress.position == progress.results:  # else an attempt that died had given it
            progress.results += 1
            if progress.position not in progress.deaths:
                self._fruitless = 0
            self._on_result(progress.item, result)
        progress.position += 1

    def _replace(self, worker: Worker, error: WorkerDiedError) -> None:
        """Start another worker in place of a dead one, with the same item."""
        progress = self._busy.pop(worker)
        worker.stop()
        self._fruitless += 1
        if self._fruitless > MAX_DEATHS + MAX_DEATHS_PER_WORKER * self._count:
            advice = f"use fewer than {self._count} workers; " if self._count > 1 else ""
            raise PanodepthError(
                f"{self._fruitless} worker processes died one after the other ({error}); {advice}"
                "the same command goes on where it stopped"
            )
        progress.deaths.append(progress.position)
        progress.position = 0
        self._assign(self._pool.start(), progress)

"""The runner's work on a Ray cluster: for folders that outgrow one machine.

Each worker is an actor that makes its own predictor; samples are sent as numbers, rows come back
and this process writes them. Data, weights and predictor files must lie at the same paths on every
node, as on a shared disk. A worker that dies is started again and its samples are tried again.
"""

from __future__ import annotations

import importlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.run.runner import Run, Task, score_task

IN_FLIGHT = 2  # samples a worker has at a time: the next one waits while one is measured
RETRIES = 2  # of a sample whose worker died
STORE_BYTES = 100_000_000  # of a Ray that is started here: only small rows travel


def import_ray() -> Any:
    """The ray package. Raises ConfigError that says how to install it."""
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ConfigError(
            '--engine ray needs ray, which is not installed: pip install "panodepth[eval]"'
        ) from None


def ray_results(
    run: Run, pending: Sequence[Task], workers: int, gpus: float = 0.0
) -> Iterator[tuple[Task, Row]]:
    """Each pending task with its row, as they are done, by at most `workers` actors.

    The cluster is the one that RAY_ADDRESS names; without it one is started on this machine and
    ended again. gpus: of each worker; without any, predictors run on the CPU.
    Raises ConfigError when Ray or the predictor cannot start, PanodepthError when a worker keeps
    dying; rows given until then stand.
    """
    if not pending:
        return
    ray = import_ray()
    mine = not ray.is_initialized()
    if mine:
        _start(ray, workers * run.threads)
    crew = None
    try:
        room = _room(ray.nodes(), run.threads, gpus)  # one more would wait for ever
        crew = _Crew(ray, run, gpus)
        yield from crew.results(pending, min(workers, len(pending), room))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, PanodepthError):
            raise error.cause from None
        raise
    finally:
        if crew is not None:
            crew.dismiss()
        if mine:
            ray.shutdown()


class _Worker:
    """One process of the cluster; its predictor is made with the first sample."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: dict[str, Any] = {}

    def work(self, task: Task) -> Row:
        return score_task(self._run, self._kept, task)


def _start(ray: Any, cpus: int) -> None:
    """Join the cluster of RAY_ADDRESS, or start one here. Raises ConfigError."""
    import os

    quiet = {"log_to_driver": False, "configure_logging": True, "logging_level": "error"}
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(**quiet)
        else:
            ray.init(
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                **quiet,
            )
    except Exception as error:  # Ray raises many kinds, plain RuntimeError and ValueError too
        raise ConfigError(f"Ray cannot start ({_line(error)}); is RAY_ADDRESS right?") from error


class _Crew:
    """The workers of a run, each kept busy, and who has which sample."""

    def __init__(self, ray: Any, run: Run, gpus: float) -> None:
        self._ray = ray
        self._make = ray.remote(num_cpus=run.threads, num_gpus=gpus)(_Worker)
        self._run = ray.put(run)
        self._actors: list[Any] = []
        self._running: dict[Any, tuple[Any, Task]] = {}
        self._waiting: deque[Task] = deque()
        self._deaths: Counter[Task] = Counter()

    def results(self, pending: Sequence[Task], workers: int) -> Iterator[tuple[Task, Row]]:
        """Every task with its row; no more is sent than is worked on, the rest is held here."""
        self._waiting.extend(pending)
        for _ in range(workers):
            self._hire()
        while self._running:
            (done,), _ = self._ray.wait(list(self._running), num_returns=1)
            actor, task = self._running.pop(done)
            try:
                row = self._ray.get(done)
            except self._ray.exceptions.RayActorError as error:
                self._bury(actor, task, error)
                continue
            self._send(actor)
            yield task, row

    def dismiss(self) -> None:
        """End all workers."""
        for actor in self._actors:
            self._ray.kill(actor)

    def _hire(self) -> None:
        actor = self._make.remote(self._run)
        self._actors.append(actor)
        for _ in range(IN_FLIGHT):
            self._send(actor)

    def _send(self, actor: Any) -> None:
        if self._waiting:
            task = self._waiting.popleft()
            self._running[actor.work.remote(task)] = (actor, task)

    def _bury(self, actor: Any, task: Task, error: BaseException) -> None:
        """A worker died with this sample: another one takes its place, and tries it again."""
        self._deaths[task] += 1
        if self._deaths[task] > RETRIES:
            raise PanodepthError(
                f"Ray: a worker was lost again and again ({_line(error)}); out of memory? The same "
                "command goes on where it stopped"
            ) from error
        self._waiting.appendleft(task)
        if actor in self._actors:  # the first of its samples to come back
            self._actors.remove(actor)
            self._hire()


def _room(nodes: Sequence[Mapping[str, Any]], cpus: int, gpus: float) -> int:
    """How many workers the nodes hold. Raises ConfigError when it is none."""
    count = 0
    for node in nodes:
        has = node["Resources"] if node["Alive"] else {}
        here = int(has.get("CPU", 0) // cpus)
        count += min(here, int(has.get("GPU", 0) // gpus)) if gpus else here
    if not count:
        raise ConfigError(f"Ray: no node has {cpus} CPUs and {gpus:g} GPUs for a worker")
    return count


def _line(error: BaseException) -> str:
    """The first line of what Ray says, which may be a whole traceback."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__

"""Datasets through a predictor and a protocol, in this process or in many, resumable.

Every sample is predicted and measured by itself, on a fixed number of threads: the numbers do not
depend on how many workers there are, nor on who measured what.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.evaluation.protocol import Protocol
from panodepth.lab.evaluation.run.datasets import Dataset
from panodepth.lab.evaluation.run.journal import Row, open_journal, read_rows
from panodepth.lab.evaluation.run.predictors import Predicted, Predictor
from panodepth.lab.evaluation.scoring import Extras, evaluate
from panodepth.types import Panorama

Task = tuple[int, int]  # number of the dataset, number of the sample in it


@dataclass(frozen=True)
class Run:
    """What is measured and how; goes to worker processes, so all of it can be pickled.

    make_predictor: called once in each process. threads: of each process.
    """

    datasets: tuple[Dataset, ...]
    make_predictor: Callable[[], Predictor]
    protocol: Protocol
    extras: Extras = field(default_factory=Extras)
    threads: int = 1


@dataclass(frozen=True)
class Place:
    """Where rows are kept and which are wanted.

    folder: of the journals. header: says which run they belong to. part: (i, n): only every n-th
    sample from the i-th, 1 <= i <= n, so that n machines that share the folder do one run.
    """

    folder: Path
    header: Mapping[str, Any]
    part: tuple[int, int] | None = None


Engine = Callable[[Run, Sequence[Task], int], Iterator[tuple[Task, Row]]]
"""Run, tasks, number of workers: each task with its row, as they are done."""


def run_all(
    run: Run,
    place: Place,
    workers: int = 1,
    on_row: Callable[[Row], None] | None = None,
    *,
    engine: Engine | None = None,
) -> list[Row]:
    """Measure what is not measured yet; returns all rows in the order of the datasets.

    on_row: told of every row, those of earlier runs first. engine: who does the work; default:
    processes of this machine. The numbers are the same bits with any.
    Raises ConfigError, ModelError or OutputError when nothing can start or go on; what was
    measured until then is kept.
    """
    known = read_rows(place.folder, place.header)
    rows: dict[Task, Row] = {}
    pending: list[Task] = []
    for task in tasks(run.datasets, place.part):
        dataset = run.datasets[task[0]]
        row = known.get((dataset.name, task[1], dataset.sample_name(task[1])))
        if row is None:
            pending.append(task)
        else:
            rows[task] = row
            if on_row:
                on_row(row)
    with open_journal(place.folder, place.header, place.part) as journal:
        for task, row in (engine or local_results)(run, pending, workers):
            journal.add(row)
            rows[task] = row
            if on_row:
                on_row(row)
    return [rows[task] for task in sorted(rows)]


def tasks(datasets: Sequence[Dataset], part: tuple[int, int] | None = None) -> list[Task]:
    """Every sample, or part i of n: numbers i - 1, i - 1 + n, ... of the list."""
    all_tasks = [(d, i) for d, dataset in enumerate(datasets) for i in range(len(dataset.source))]
    return all_tasks if part is None else all_tasks[part[0] - 1 :: part[1]]


def local_results(run: Run, pending: Sequence[Task], workers: int) -> Iterator[tuple[Task, Row]]:
    """Each pending task with its row, as they are done, in this process or in `workers` others."""
    if not pending:
        return
    if workers <= 1:
        with _threads(run.threads):
            predictor = run.make_predictor()
            for task in pending:
                yield task, score_sample(run, predictor, task)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    count = min(workers, len(pending))
    # Processes are started afresh: a fork of one that has used torch or a GPU may hang.
    pool = ProcessPoolExecutor(count, get_context("spawn"), _start_worker, (run,))
    try:
        futures = {pool.submit(_work, task): task for task in pending}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise PanodepthError(
            f"a worker process was killed (out of memory?); use fewer than {count} workers, "
            "the same command goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_worker: dict[str, Any] = {}  # of a worker process: its run, and its predictor once it is made


def _start_worker(run: Run) -> None:
    _worker["run"] = run


def _work(task: Task) -> Row:
    return score_task(_worker["run"], _worker, task)


def score_task(run: Run, kept: dict[str, Any], task: Task) -> Row:
    """`score_sample` in a worker process; kept: holds the predictor from one call to the next."""
    if "predictor" not in kept:  # here and not at the start, so that its error gets back
        _set_threads(run.threads)
        kept["predictor"] = run.make_predictor()
    return score_sample(run, kept["predictor"], task)


def score_sample(run: Run, predictor: Predictor, task: Task) -> Row:
    """One sample's row; what goes wrong with it, other people's code included, is its reason."""
    dataset = run.datasets[task[0]]
    name = dataset.sample_name(task[1])
    started = time.perf_counter()
    timed = _Timed(predictor)
    try:
        panorama = sample(dataset, task[1])
        values = evaluate(panorama, timed, run.protocol, run.extras, fit_side=dataset.fit_side)
    except ConfigError:
        raise
    except Exception as error:
        if os.environ.get("PANODEPTH_DEBUG") == "1" and not isinstance(error, PanodepthError):
            raise
        return Row(dataset.name, task[1], name, reason=_reason(error))
    total = time.perf_counter() - started
    seconds = {"predict": timed.first, "rest": total - timed.total}
    return Row(dataset.name, task[1], name, values, seconds=seconds)


def sample(dataset: Dataset, index: int) -> Panorama:
    """A panorama that knows its dataset. Raises InputError."""
    panorama = dataset.source[index]
    return replace(panorama, meta={**panorama.meta, "dataset": dataset.name})


class _Timed:
    """A predictor that knows how long its first call and all its calls took [s]."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.first = self.total = 0.0

    def __call__(self, panorama: Panorama) -> Predicted:
        started = time.perf_counter()
        predicted = self._predictor(panorama)
        passed = time.perf_counter() - started
        self.first = self.first or passed
        self.total += passed
        return predicted


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, PanodepthError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _set_threads(count: int) -> int:
    """Threads of torch and OpenCV in this process; returns how many torch had."""
    import cv2
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    return before


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = _set_threads(count)
    try:
        yield
    finally:
        _set_threads(before)

"""Datasets through a predictor and a protocol, by any number of workers, resumable.

Every sample is predicted and measured by itself, on a fixed number of threads: the numbers do not
depend on how many workers there are, nor on which of them measured what.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError, PanodepthError, one_line
from panodepth.jobs import Workers, limited_threads, run_jobs
from panodepth.lab.evaluation.protocol import Extras, Protocol
from panodepth.lab.evaluation.run.datasets import Dataset
from panodepth.lab.evaluation.run.journal import Row, open_journal, read_rows
from panodepth.lab.evaluation.run.predictors import Predicted, Predictor
from panodepth.lab.evaluation.scoring import NO_METRES, evaluate
from panodepth.types import Panorama

FIRST = 3  # predictions without a unit, and none with one, that end a run in metres
MAX_DEATHS = 2  # of workers on one sample, before it is skipped
Task = tuple[int, int]  # number of the dataset, number of the sample in it


@dataclass(frozen=True)
class Run:
    """What is measured and how: a job of `panodepth.jobs`, which yields one row per sample.

    make_predictor: called once in each process. threads: of each process.
    """

    datasets: tuple[Dataset, ...]
    make_predictor: Callable[[], Predictor]
    protocol: Protocol
    extras: Extras = field(default_factory=Extras)
    threads: int = 1

    prefers_gpu = False  # workers get GPUs only when asked for

    @contextmanager
    def open(self) -> Iterator[Predictor]:
        with limited_threads(self.threads, self.threads):
            yield self.make_predictor()

    def work(self, predictor: Predictor, task: Task, deaths: Sequence[int]) -> Iterator[Row]:
        if len(deaths) < MAX_DEATHS:
            yield score_sample(self, predictor, task)
        else:
            dataset = self.datasets[task[0]]
            reason = "its worker process died twice (out of memory?)"
            yield Row(dataset.name, task[1], dataset.sample_name(task[1]), reason=reason)


@dataclass(frozen=True)
class Place:
    """Where rows are kept and which are wanted.

    folder: of the journals. header: says which run they belong to. part: (i, n): only every n-th
    sample from the i-th, 1 <= i <= n, so that n machines that share the folder do one run.
    """

    folder: Path
    header: Mapping[str, Any]
    part: tuple[int, int] | None = None


def run_all(
    run: Run,
    place: Place,
    workers: Workers | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Measure what is not measured yet; returns all rows in the order of the datasets.

    on_row: called with every row, those of earlier runs first. The numbers are the same bits
    whoever the workers are.
    Raises ConfigError, ModelError or OutputError when nothing can start or go on; what was
    measured until then is kept.
    """
    known = read_rows(place.folder, place.header)
    rows: dict[Task, Row] = {}
    pending: list[Task] = []
    for task in tasks(run.datasets, place.part):
        dataset = run.datasets[task[0]]
        row = known.get((dataset.name, task[1], dataset.sample_name(task[1])))
        if row is None or row.files not in ("", dataset.stamp(task[1])):  # other files by now
            pending.append(task)
        else:
            rows[task] = row
            if on_row:
                on_row(row)
    with open_journal(place.folder, place.header, place.part) as journal:

        def keep(task: Task, row: Row) -> None:
            _check_metres([*rows.values(), row], len(pending))
            journal.add(row)
            rows[task] = row
            if on_row:
                on_row(row)

        run_jobs(run, pending, keep, workers)
    return [rows[task] for task in sorted(rows)]


def _check_metres(rows: Sequence[Row], count: int) -> None:
    """Raise ConfigError when the first predictions all have no unit and metres are compared."""
    if len(rows) == min(FIRST, count) and all(NO_METRES in (row.reason or "") for row in rows):
        raise ConfigError(
            f"the predictor gives no metres ({rows[0].reason}): take --protocol da2-fixed, or "
            "uncapped, which find the scale; or give our models --option camera_height=1.6"
        )


def tasks(datasets: Sequence[Dataset], part: tuple[int, int] | None = None) -> list[Task]:
    """Every sample, or part i of n: numbers i - 1, i - 1 + n, ... of the list."""
    all_tasks = [(d, i) for d, dataset in enumerate(datasets) for i in range(len(dataset.source))]
    return all_tasks if part is None else all_tasks[part[0] - 1 :: part[1]]


def score_sample(run: Run, predictor: Predictor, task: Task) -> Row:
    """One sample's row. Whatever goes wrong with it, in other people's code too, is its reason.

    ConfigError alone is raised: with such settings no sample can be measured.
    """
    dataset = run.datasets[task[0]]
    name = dataset.sample_name(task[1])
    started = time.perf_counter()
    timed = _Timed(predictor)
    try:
        files = dataset.stamp(task[1])  # before: what is written meanwhile is measured again
        panorama = sample(dataset, task[1])
        values = evaluate(panorama, timed, run.protocol, run.extras, fit_side=dataset.fit_side)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        if os.environ.get("PANODEPTH_DEBUG") == "1" and not isinstance(error, PanodepthError):
            raise
        ours = isinstance(error, PanodepthError)
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        return Row(dataset.name, task[1], name, reason=one_line(text).rstrip(": "))
    total = time.perf_counter() - started
    seconds = {"predict": timed.first, "rest": total - timed.total}
    return Row(dataset.name, task[1], name, values, seconds=seconds, files=files)


def sample(dataset: Dataset, index: int) -> Panorama:
    """A sample with its dataset's name in its meta. Raises InputError."""
    panorama = dataset.source[index]
    return replace(panorama, meta={**panorama.meta, "dataset": dataset.name})


class _Timed:
    """A predictor and how long its first call, and all its calls, took [s]."""

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

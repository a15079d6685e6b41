"""The network's part of a run over many pictures: batches in order, and smaller ones on failure.

An asynchronous device (CUDA) has one batch queued while the next is made ready.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from panodepth.errors import ModelError, is_out_of_memory
from panodepth.predict.folder.jobs import Job
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput, Request, answers
from panodepth.types import FloatArray

Result = TypeVar("Result")
Pending = Callable[[], list[RawOutput]]


class NetworkStage:
    """Runs in one thread. Attribute: batch_size, how many pictures to give at once."""

    def __init__(self, predictor: Predictor, batch_size: int) -> None:
        self._predictor = predictor
        self.batch_size = batch_size
        self._running: deque[tuple[list[Job], Pending | None]] = deque()

    def __len__(self) -> int:
        """Batches begun and not finished."""
        return len(self._running)

    def start(self, jobs: list[Job]) -> None:
        """Begin a batch; those that could not be read pass through."""
        self._running.append((jobs, self._try(_read(jobs), self._predictor.start)))

    def finish(self) -> list[Job]:
        """Wait for the oldest batch; returns its pictures, each with its output or its error."""
        jobs, pending = self._running.popleft()
        if pending is not None:
            _set_outputs(_read(jobs), self._try(_read(jobs), lambda pictures: pending()))
        return jobs

    def _try(self, jobs: list[Job], step: Callable[[list[FloatArray]], Result]) -> Result | None:
        """A step of the network on a batch. On failure None, and each half is run by itself.

        step: of what the network is to see of them, (3, h, w) each. That goes on down to single
        pictures, which keep their error. When memory was not enough, later batches are smaller too.
        Raises ModelError.
        """
        if not jobs:
            return None
        result, failure = None, None
        started = time.perf_counter()
        try:
            result = step([picture for r in _requests(jobs) for picture in r.pictures])
        except ModelError:
            raise  # no other picture will fare better
        except Exception as error:
            failure = error
            traceback.clear_frames(error.__traceback__)  # they hold memory the next try needs
        seconds = (time.perf_counter() - started) / len(jobs)
        for job in jobs:
            job.seconds["network"] = job.seconds.get("network", 0.0) + seconds
        if failure is None:
            return result
        middle = len(jobs) // 2
        if is_out_of_memory(failure):
            self.batch_size = max(1, min(self.batch_size, middle))
        if not middle:
            jobs[0].error = failure
            return None
        for half in (jobs[:middle], jobs[middle:]):
            _set_outputs(half, self._try(half, self._predictor.run))
        return None


def _read(jobs: list[Job]) -> list[Job]:
    """Those that could be read."""
    return [job for job in jobs if job.request is not None]


def _set_outputs(jobs: list[Job], outputs: list[RawOutput] | None) -> None:
    if outputs is not None:
        for job, output in zip(jobs, answers(_requests(jobs), outputs), strict=True):
            job.output = output


def _requests(jobs: list[Job]) -> list[Request]:
    return [job.request for job in jobs if job.request is not None]

"""The network's part of a run over many pictures: batches in order, and smaller ones on failure.

An asynchronous device (CUDA) has one batch queued while the next is made ready.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from panodepth.errors import is_out_of_memory
from panodepth.predict.folder.jobs import Job
from panodepth.predict.predictor import Predictor, RawOutput
from panodepth.types import FloatArray


@dataclass
class _Batch:
    """Pictures given to the network together. result: waits for their outputs; None = failed."""

    jobs: list[Job]
    result: Callable[[], list[RawOutput]] | None = None

    @property
    def ready(self) -> list[Job]:
        """Those that could be read."""
        return [job for job in self.jobs if job.request is not None]


class NetworkStage:
    """Runs in one thread. Attribute: batch_size, how many pictures to give at once."""

    def __init__(self, predictor: Predictor, batch_size: int) -> None:
        self._predictor = predictor
        self.batch_size = batch_size
        self._running: deque[_Batch] = deque()

    def __len__(self) -> int:
        """Batches begun and not finished."""
        return len(self._running)

    def start(self, jobs: list[Job]) -> None:
        """Begin a batch; if it cannot begin, try it again at once in smaller parts."""
        batch = _Batch(jobs)
        self._running.append(batch)

        def begin(pictures: list[FloatArray]) -> None:
            batch.result = self._predictor.start(pictures)

        self._try(batch.ready, begin)

    def finish(self) -> list[Job]:
        """Wait for the oldest batch; returns its pictures, each with its output or its error."""
        batch = self._running.popleft()
        result = batch.result
        if result is not None:
            self._try(batch.ready, lambda pictures: _set_outputs(batch.ready, result()))
        return batch.jobs

    def _try(self, jobs: list[Job], step: Callable[[list[FloatArray]], None]) -> None:
        """Run a step of the network on a batch; on failure run both halves, down to one picture.

        When memory was not enough, later batches are smaller too.
        """
        if not jobs:
            return
        failure: Exception | None = None
        started = time.perf_counter()
        try:
            step([job.request.pixels for job in jobs if job.request])
        except Exception as error:
            failure = error
            traceback.clear_frames(error.__traceback__)  # they hold memory the next try needs
        seconds = (time.perf_counter() - started) / len(jobs)
        for job in jobs:
            job.seconds["network"] = job.seconds.get("network", 0.0) + seconds
        if failure is None:
            return
        if is_out_of_memory(failure):
            self.batch_size = max(1, min(self.batch_size, len(jobs) // 2))
        if len(jobs) == 1:
            jobs[0].error = failure
            return
        middle = len(jobs) // 2
        self._run(jobs[:middle])
        self._run(jobs[middle:])

    def _run(self, jobs: list[Job]) -> None:
        self._try(jobs, lambda pictures: _set_outputs(jobs, self._predictor.run(pictures)))


def _set_outputs(jobs: list[Job], outputs: list[RawOutput]) -> None:
    for job, output in zip(jobs, outputs, strict=True):
        job.output = output

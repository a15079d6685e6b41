"""Reading, network and writing of different pictures side by side, in threads.

While the network works on one batch, the next pictures are read and brought to its size, and the
last ones normalised, resized and written. One thread runs the network, starts the work of all
others and reports results, in the order of the items. It reads ahead only so far that what is in
memory stays bounded, by pictures and by pixels.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from panodepth.errors import PanodepthError, is_disk_full
from panodepth.geometry.lens import ERP
from panodepth.images import ImageData, image_size, read_image
from panodepth.predict.folder.checks import sphere_bytes
from panodepth.predict.folder.inputs import InputFile, find_mask
from panodepth.predict.folder.jobs import Job
from panodepth.predict.folder.memory import PIXEL_BYTES, most_pixels
from panodepth.predict.folder.network_stage import NetworkStage
from panodepth.predict.folder.options import RunOptions, available_cores
from panodepth.predict.folder.outputs import OutputFolder, check_free, made_with
from panodepth.predict.folder.results import FileResult, RunEndedError, failed
from panodepth.predict.lenses.rig import read_rig
from panodepth.predict.options import LOOKS
from panodepth.predict.predictor import Predictor
from panodepth.types import Prediction

MAX_PIXELS_AHEAD = 1 << 26  # pixels read and not yet written: two 8K panoramas; one more waits
# The network leaves cores to the other stages once they take this share of its own time. While its
# threads wait for each other on a core that is in use, all of them wait: a small network with both
# of two cores was 1.3 times slower beside reading and writing than with one of them.
SHARE = 0.4
MEASURED = 3  # pictures before that is decided
SWITCH_SECONDS = 5e-4  # a network of many small steps gets the interpreter back soon, not in 5 ms
Result = TypeVar("Result")


class Pipeline:
    """One run over many files; see `run.predict_files`."""

    def __init__(
        self, predictor: Predictor, options: RunOptions, on_result: Callable[[FileResult], None]
    ) -> None:
        """on_result: called with each result, in the thread that calls `run`."""
        self.predictor, self.on_result = predictor, on_result
        self.options = replace(options, watch=partial(self._watch, options.watch))
        self.workers = options.worker_count
        self._network = NetworkStage(predictor, options.batch_size or 1)
        self._reading: deque[tuple[Job, Future[None]]] = deque()
        self._writing: deque[tuple[Job, Future[FileResult]]] = deque()
        self._pixels = 0  # read and not yet written
        self._most_pixels = most_pixels(options.max_memory, MAX_PIXELS_AHEAD)
        self._folder = OutputFolder(options.out)
        self._ended: RunEndedError | None = None
        self._shares_decided = False
        self._seconds: list[tuple[float, float]] = []  # of each picture: network, other stages

    def run(self, items: Sequence[InputFile]) -> None:
        """Take every item through.

        Raises RunEndedError or ModelError; items without a result are not done.
        """
        waiting = deque(items)
        if self.options.batch_size is None and len(items) > 1:
            best = self.predictor.best_batch_size(self.options.size)
            best //= LOOKS[self.options.quality]
            self._network.batch_size = max(1, min(best, len(items)))
        threads = _threads(self.workers)
        with ExitStack() as sharing, threads as (readers, writers), self._stopping():
            sharing.callback(self._folder.close)
            while waiting or self._reading or self._network:
                self._start_reading(waiting, readers)
                if self._reading:
                    self._network.start(self._next_batch())
                elif not self._network:
                    self._report_next()  # makes room for a large picture
                    continue
                # An asynchronous device has one batch queued while the next is made ready.
                kept = 1 if self.predictor.overlaps and self._reading else 0
                while len(self._network) > kept:
                    for job in self._network.finish():
                        self._writing.append((job, writers.submit(self._write, job)))
                while self._writing and (
                    len(self._writing) > self._ahead or self._writing[0][1].done()
                ):
                    self._report_next()
                self._share_cores(sharing)
            while self._writing:
                self._report_next()

    @property
    def _ahead(self) -> int:
        """Pictures read ahead: to keep every thread busy; with no threads, one batch at a time."""
        return self._network.batch_size + 2 * self.workers

    def _start_reading(self, waiting: deque[InputFile], readers: Executor) -> None:
        while waiting and len(self._reading) < self._ahead:
            pixels = _pixels(waiting[0], self.options)
            busy = self._reading or self._network or self._writing
            if busy and self._pixels + pixels > self._most_pixels:
                return
            job = Job(waiting.popleft(), pixels)
            self._pixels += pixels
            self._reading.append((job, readers.submit(self._read, job)))

    def _next_batch(self) -> list[Job]:
        """The next pictures in order, as many as a batch takes or are being read."""
        batch: list[Job] = []
        while self._reading and len(batch) < self._network.batch_size:
            job, future = self._reading.popleft()
            future.result()
            batch.append(job)
        return batch

    def _report_next(self) -> None:
        """Wait until the oldest picture is written and report it."""
        job, future = self._writing.popleft()
        result = future.result()
        self._pixels -= job.pixels
        if result.status == "written":
            network = job.seconds["network"]
            self._seconds.append((network, sum(job.seconds.values()) - network))
        self.on_result(result)

    def _share_cores(self, sharing: ExitStack) -> None:
        """Decide, once, whether the network is so fast that the other stages need cores too."""
        if self._shares_decided or not self.workers or len(self._seconds) < MEASURED:
            return
        self._shares_decided = True
        network, rest = (sum(times) for times in zip(*self._seconds, strict=True))
        if rest > SHARE * network:
            count = min(self.workers, available_cores() // 2)
            sharing.enter_context(self.predictor.leaving_cores(count))

    def _read(self, job: Job) -> None:
        """In a reader's thread: the picture and its mask, at the network's size."""
        with job.step("read"):
            data, mask = self._picture(job.item), find_mask(self.options.mask, job.item)
            job.request = self.predictor.prepare(data, mask, self.options)

    def _picture(self, item: InputFile) -> ImageData:
        if self.options.rig is None:
            return read_image(item.path)
        return read_rig(self.options.rig).panorama(item.path)

    def _write(self, job: Job) -> FileResult:
        """In a writer's thread: the prediction at full size, and its files."""
        with job.step("write"):
            if self._ended is not None:
                raise self._ended
            if job.request is not None and job.output is not None:
                prediction = self.predictor.finish(job.request, job.output, self.options)
                job.request = job.output = None  # their memory is free while files are written
                return self._save(job, prediction)
        assert job.error is not None
        return failed(job.item, job.error)

    def _save(self, job: Job, prediction: Prediction) -> FileResult:
        target = self.options.out / job.item.target
        more = {"name": target.name, "options": made_with(self.options)}
        if self.predictor.weights:
            more["weights"] = self.predictor.weights
        named = replace(prediction, meta={**prediction.meta, **more})
        check_free(job.item, self.options)
        try:
            self._folder.check()
            files = named.save(
                f"{target.parent}{os.sep}", self.options.formats, **self.options.writer_settings
            )
            self._folder.check()
        except Exception as error:
            raise self._explained(error) from error
        height, width = named.distance.shape
        facts = {
            "width": width,
            "height": height,
            "unit": named.meta["unit"],
            "metres_per_unit": named.scale,
            **{key: named.meta.get(key) for key in ("metres_by", "metres_spread", "floor_support")},
            "valid_share": float(named.mask.mean()),
        }
        if named.rotation is not None and isinstance(named.lens, ERP):
            facts["rotation_to_level"] = np.asarray(named.rotation).tolist()
        if notes := named.meta.get("notes"):
            facts["notes"] = notes
        names = [str(file) for file in files]
        return FileResult(str(job.item.path), "written", names, None, job.seconds, facts)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """However what is inside is interrupted, no long prediction is finished first."""
        try:
            yield
        except BaseException:
            self._ended = self._ended or RunEndedError("stopped")
            raise

    def _watch(self, told: Callable[[float], None] | None, share: float) -> None:
        """Between two steps of a long prediction."""
        if self._ended is not None:
            raise self._ended
        if told is not None:
            told(share)

    def _explained(self, error: Exception) -> Exception:
        """What ends the run, if that is why a file could not be written; else the error itself."""
        if is_disk_full(error):
            error = RunEndedError(f"no space left on the disk of {self.options.out}")
        elif not isinstance(error, RunEndedError):
            try:
                self._folder.check()
            except RunEndedError as ended:
                error = ended
        if isinstance(error, RunEndedError):
            self._ended = error
        return error


def _pixels(item: InputFile, options: RunOptions) -> int:
    """H · W of a picture, or of all of a rig's, by the headers; where memory is limited also as
    many as the sphere takes that they are laid on.

    0 where one cannot be read: reading it tells why.
    """
    rig = options.rig
    try:
        files = [item.path] if rig is None else [item.path / name for name in read_rig(rig).names]
        laid = 0 if options.max_memory is None else sphere_bytes(item, options) // PIXEL_BYTES
        return laid + sum(height * width for height, width in map(image_size, files))
    except PanodepthError:
        return 0


class _Inline(Executor):
    """Runs what is submitted at once, in this thread."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """The result, or what was raised, in a finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _threads(workers: int) -> Iterator[tuple[Executor, Executor]]:
    """Readers and writers. However this ends, what is being written is finished, no more begun."""
    if not workers:
        yield _Inline(), _Inline()
        return
    with ExitStack() as stack:
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_SECONDS)
        pools = []
        for name in ("read", "write"):
            pool = ThreadPoolExecutor(workers, thread_name_prefix=f"panodepth-{name}")
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            pools.append(pool)
        yield pools[0], pools[1]

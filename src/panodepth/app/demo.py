"""The demo without its page: limits, the queue, one sentence for whatever goes wrong.

Each picture is predicted in one thread that all visitors share; a picture that cannot be used
leaves nothing behind that the next one would meet.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from panodepth.app.options import AppOptions
from panodepth.app.results import Result, Results
from panodepth.errors import InputError, PanodepthError, one_line
from panodepth.images import image_size
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.types import Prediction

TICK_SECONDS = 1.0  # between two looks at a prediction
MAX_NAME = 60  # characters of a picture's name that its files keep
FAILED = "the prediction failed; the log of the server says why"


class BusyError(PanodepthError):
    """As many pictures wait as may, or one took too long."""


@dataclass(frozen=True)
class Row:
    """One picture of a run. state: waiting, working, done or failed. text: why it failed."""

    name: str
    state: str = "waiting"
    text: str = ""
    result: Result | None = None


class Work:
    """A prediction on its way. share: of it that is done, from 0 to 1."""

    def __init__(self, name: str, seconds: float) -> None:
        self.share, self.future = 0.0, Future[Prediction]()
        self._name, self._seconds = name, seconds
        self._deadline = time.monotonic() + seconds

    def watch(self, share: float) -> None:
        """Raises BusyError after the deadline, which stops the prediction."""
        self.share = share
        if time.monotonic() > self._deadline:
            raise BusyError(f"{self._name}: it takes more than {self._seconds:g} s")

    def wait(self, seconds: float) -> bool:
        """Whether it is done, or failed, within so many seconds. Raises BusyError as `watch`."""
        left = min(seconds, self._deadline - time.monotonic())
        if futures.wait([self.future], max(0.0, left)).done:
            return True
        self.watch(self.share)
        return False

    def stop(self) -> None:
        """Nobody waits for it any more: it ends where it can, if it has not."""
        self._deadline = 0.0
        self.future.cancel()


class Demo:
    """Predictions for the visitors of a page. `close` ends its thread."""

    def __init__(self, options: AppOptions, models: Mapping[str, Callable[[], Predictor]]) -> None:
        """models: how each is loaded; the first one at once, others when first chosen."""
        self.options, self._loaders = options, dict(models)
        self.models = list(self._loaders)
        self.results = Results(options.kept_megabytes, options.kept_minutes)
        self._loaded = {self.models[0]: self._loaders[self.models[0]]()}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._places = threading.Semaphore(options.queue)

    def run(
        self, session: str, files: Sequence[str | Path], model: str, options: PredictOptions
    ) -> Iterator[list[Row]]:
        """Predict pictures one after the other; a row of each, again after each step.

        session: whose results they are. Raises InputError for no picture, or too many.
        """
        if not files:
            raise InputError("no picture: drop one on the page or choose an example")
        if len(files) > self.options.pictures:
            raise InputError(
                f"{len(files)} pictures: at most {self.options.pictures} are taken at a time"
            )
        rows = [Row(plain_name(file)) for file in files]
        for number, file in enumerate(files):
            rows[number] = replace(rows[number], state="working")
            yield list(rows)
            try:
                work = self.start(Path(file), model, options)
                try:
                    while not work.wait(TICK_SECONDS):
                        rows[number] = replace(rows[number], text=f"{work.share:.0%}")
                        yield list(rows)
                finally:
                    work.stop()
                result = self.results.add(session, rows[number].name, work.future.result())
                rows[number] = Row(rows[number].name, "done", result=result)
            except Exception as error:
                text = sentence(error, Path(file))
                rows[number] = replace(rows[number], state="failed", text=text)
        yield list(rows)

    def start(self, file: Path, model: str, options: PredictOptions) -> Work:
        """Begin one picture. Raises InputError for one above the limits, BusyError."""
        self._check(file)
        if not self._places.acquire(blocking=False):
            raise BusyError(f"{self.options.queue} pictures wait already: try again in a moment")
        work = Work(str(file), self.options.seconds)
        try:
            watched = replace(options, watch=work.watch)
            work.future = self._pool.submit(self._work, file, model, watched)
        except BaseException:
            self._places.release()
            raise
        work.future.add_done_callback(lambda _: self._places.release())
        return work

    def _check(self, file: Path) -> None:
        """Raise InputError for a file above the limits; nothing is decoded."""
        most = self.options.max_megabytes
        if os.path.getsize(file) > most * 1e6:
            raise InputError(f"{file}: is above {most:g} MB")
        height, width = image_size(file)
        if height * width > self.options.max_megapixels * 1e6:
            raise InputError(
                f"{file}: {width}x{height} is above {self.options.max_megapixels:g} megapixels"
            )

    def _work(self, file: Path, model: str, options: PredictOptions) -> Prediction:
        if options.watch is not None:
            options.watch(0.0)  # it may have waited too long for its turn
        if model not in self._loaders:
            raise InputError(f"no model {model!r}: choose {' or '.join(self.models)}")
        if model not in self._loaded:
            self._loaded[model] = self._loaders[model]()
        prediction = self._loaded[model].predict(file, options=options)
        prediction.meta["name"] = plain_name(file)
        return prediction

    def close(self) -> None:
        """Drop what waits and end the thread."""
        self._pool.shutdown(cancel_futures=True)


def plain_name(file: str | Path) -> str:
    """A picture's name without ending, fit for a file's name anywhere."""
    return re.sub(r"[^\w-]+", "_", Path(file).stem).strip("_")[:MAX_NAME] or "panorama"


def sentence(error: BaseException, file: Path | None = None) -> str:
    """What the visitor is told of an error: one line, without the file's path.

    Errors that are not meant for people are logged on standard error instead.
    """
    if isinstance(error, MemoryError):
        return "there is not enough memory for this picture now"
    if not isinstance(error, PanodepthError):
        print(f"error: {type(error).__name__}: {one_line(error)}", file=sys.stderr, flush=True)
        return FAILED
    text = one_line(error)
    if file is not None:
        text = text.removeprefix(f"{file}: ").replace(str(file), file.name)
    # what to give on a command line is no help here
    return "; ".join(part for part in text.split("; ") if " --" not in f" {part}") or text

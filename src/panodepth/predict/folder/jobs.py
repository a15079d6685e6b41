"""One picture on its way through a run over many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.folder.run import OutOfSpaceError
from panodepth.predict.predictor import RawOutput, Request


@dataclass
class Job:
    """One picture on its way. request, output: what the stages made of it; None before.

    pixels: of the picture, from its header. error: what ends its way early.
    """

    item: InputFile
    pixels: int
    request: Request | None = None
    output: RawOutput | None = None
    error: Exception | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@contextmanager
def timed(job: Job, step: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        job.seconds[step] = time.perf_counter() - started


@contextmanager
def caught(job: Job) -> Iterator[None]:
    """Keep what goes wrong with one picture; a full disk and Ctrl-C go on to whoever waits."""
    try:
        yield
    except OutOfSpaceError:
        raise
    except Exception as error:
        job.error = error

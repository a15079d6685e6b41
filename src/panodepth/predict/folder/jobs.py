"""One picture on its way through a run over many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.folder.results import RunEndedError
from panodepth.predict.request import RawOutput, Request


@dataclass
class Job:
    """One picture on its way.

    pixels: H · W by the file's header. request, output: what reading and the network made of it;
    None before. error: why it goes no further. seconds: of each step.
    """

    item: InputFile
    pixels: int
    request: Request | None = None
    output: RawOutput | None = None
    error: Exception | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is inside, and keep its error; what ends the whole run goes on."""
        started = time.perf_counter()
        try:
            yield
        except RunEndedError:
            raise
        except Exception as error:
            self.error = error
        finally:
            self.seconds[name] = time.perf_counter() - started

"""Work that a client comes back for: accepted at once, looked after later."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import NamedTuple

from panodepth.serve.cache import Answer


class Job(NamedTuple):
    """One picture and what becomes of it."""

    name: str
    future: Future[Answer]

    @property
    def state(self) -> str:
        """waiting, running, done or failed."""
        if not self.future.done():
            return "running" if self.future.running() else "waiting"
        return "failed" if self.future.cancelled() or self.future.exception() else "done"


class JobBook:
    """Jobs by name; of the finished ones the last few are kept."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, future: Future[Answer]) -> Job:
        """A job under a name that nobody can guess."""
        job = Job(secrets.token_urlsafe(16), future)
        with self._lock:
            self._jobs[job.name] = job
            finished = [name for name, other in self._jobs.items() if other.future.done()]
            for name in finished[: max(0, len(finished) - self._kept)]:
                del self._jobs[name]
        return job

    def get(self, name: str) -> Job | None:
        """The job, or None where there is none, or no longer."""
        with self._lock:
            return self._jobs.get(name)

"""Work that a client comes back for: accepted at once, looked after later."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import NamedTuple

from panodepth.serve.cache import Answer


class Share:
    """How much of a job's work is done, from 0 to 1."""

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        """It never goes back."""
        self.value = max(self.value, value)


class Job(NamedTuple):
    """One picture and what becomes of it."""

    name: str
    future: Future[Answer]
    share: Share

    @property
    def progress(self) -> float:
        """The share of the work that is done, by estimate."""
        return 1.0 if self.state == "done" else round(self.share.value, 3)

    @property
    def state(self) -> str:
        """waiting, running, done or failed."""
        if not self.future.done():
            return "running" if self.future.running() else "waiting"
        return "failed" if self.future.cancelled() or self.future.exception() else "done"

    @property
    def held(self) -> int:
        """Bytes of its result, 0 without one."""
        return len(self.future.result().content) if self.state == "done" else 0


class JobBook:
    """Jobs by name; of the finished ones the last few are kept."""

    def __init__(self, kept: int, limit: int) -> None:
        """kept: finished jobs at most. limit: of their results [bytes]; the last one stays."""
        self._kept, self._limit = kept, limit
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._awaited: set[str] = set()

    @property
    def awaited(self) -> bool:
        """Whether a client has yet to come back for a job that was under way at `end`."""
        return bool(self._awaited)

    def end(self) -> None:
        """The service is about to stop. Called by a signal, which may not wait for the lock."""
        self._awaited = {job.name for job in list(self._jobs.values()) if not job.future.done()}

    def collected(self, job: Job) -> None:
        """A client was told how a job ended."""
        self._awaited.discard(job.name)

    def add(self, future: Future[Answer], share: Share) -> Job:
        """A job under a name that nobody can guess."""
        job = Job(secrets.token_urlsafe(16), future, share)
        with self._lock:
            self._jobs[job.name] = job
            held = 0
            finished = [other for other in self._jobs.values() if other.future.done()]
            for number, other in enumerate(reversed(finished)):
                held += other.held
                if number >= self._kept or (number and held > self._limit):
                    del self._jobs[other.name]
        return job

    def get(self, name: str) -> Job | None:
        """The job, or None where there is none, or no longer."""
        with self._lock:
            return self._jobs.get(name)

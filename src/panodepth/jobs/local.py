"""Workers that are processes of this machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from panodepth.jobs.job import Job, Message, Session, WorkerDiedError


@dataclass(frozen=True)
class LocalPool:
    """Starts processes that work on a job."""

    job: Job[Any, Any, Any]

    def start(self) -> LocalWorker:
        return LocalWorker(self.job)

    def wait(self, workers: Sequence[LocalWorker]) -> LocalWorker:
        ready = wait([worker.connection for worker in workers])
        return next(worker for worker in workers if worker.connection in ready)


class LocalWorker:
    """One process, at the other end of a pipe."""

    def __init__(self, job: Job[Any, Any, Any]) -> None:
        # Spawned, not forked: a fork of a process that has used torch or a GPU may hang.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, job))
        with _without_interrupts():
            self._process.start()
        theirs.close()  # so that the process's end closes the pipe

    def ask(self, *start: Any) -> None:
        with suppress(OSError):  # dead already: `receive` says so
            self.connection.send(start)

    def receive(self) -> Message:
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerDiedError("out of memory?") from error
        return message

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()
        self.connection.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started inside never get Ctrl-C, not even while they import: the host ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, job: Job[Any, Any, Any]) -> None:
    """The worker's side, until the host closes the pipe."""
    session = Session(job)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            connection.send(session.step(*connection.recv()))

"""What is done (`Job`), by whom (`Workers`), and a job inside one worker (`Session`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from traceback import format_exc
from typing import Any, Literal, Protocol, TypeVar

from panodepth.errors import ConfigError, PanodepthError, one_line, require
from panodepth.options import option

ENGINES = ("local", "ray")

Item = TypeVar("Item", contravariant=True)
State = TypeVar("State")
Result = TypeVar("Result", covariant=True)

Message = tuple[Literal["result", "done", "error"], Any]
_END = object()


class Job(Protocol[Item, State, Result]):
    """Work on items, one by one. Workers get a pickled copy.

    The results of an item must depend on the job and the item alone: then they are the same on any
    number of workers.
    """

    @property
    def threads(self) -> int:
        """CPUs that one worker keeps busy."""
        ...

    @property
    def prefers_gpu(self) -> bool:
        """Whether each worker of a Ray cluster gets a GPU, where the cluster has any."""
        ...

    def open(self) -> AbstractContextManager[State]:
        """What a worker keeps from item to item: a model, a limit of threads.

        Entered once per worker, with its first item.
        """
        ...

    def work(self, state: State, item: Item, deaths: Sequence[int]) -> Iterator[Result]:
        """Yield the results of one item.

        deaths: where earlier workers died on this item; each number counts the results that had
        come by then. The job decides when to give up what kills its workers: it then yields a
        result that says so.
        """
        ...


@dataclass(frozen=True)
class Workers:
    """Who does the work; decides no result.

    count: workers at a time; None = 1, with Ray as many as the cluster holds. engine: "local",
    processes of this machine, or "ray". address: of a running Ray cluster ("auto": this machine's);
    None = RAY_ADDRESS, and without it a cluster is started for the run. gpus: of each of Ray's
    workers; None = 1 where the job prefers a GPU and the cluster has any. Raises ConfigError.
    """

    count: int | None = option(
        None, "Processes; default: 1, with ray what the cluster holds.", flag="--workers", min=1
    )
    engine: str = option("local", "local, or ray for a cluster; same bytes.")
    address: str | None = option(
        None, "A running Ray cluster, or auto; default: a new one.", metavar="HOST:PORT"
    )
    gpus: float | None = option(None, "GPUs of each of Ray's workers; 1 for a model.", min=0)

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ConfigError(f"workers is {self.count}; at least 1")
        if self.engine not in ENGINES:
            raise ConfigError(f"engine is {self.engine!r}; choose one of {', '.join(ENGINES)}")
        if self.address is not None and self.engine != "ray":
            raise ConfigError("an address is that of a Ray cluster: it needs engine ray")
        if self.engine == "ray":
            require("engine ray", "cluster", "ray")


class WorkerDiedError(Exception):
    """A worker ended without an answer."""


class Worker(Protocol):
    """A worker, as the host sees it."""

    def ask(self, *start: Any) -> None:
        """Ask for the next message of its item; start: a new item and its deaths."""
        ...

    def receive(self) -> Message:
        """The message asked for. Raises WorkerDiedError."""
        ...

    def stop(self) -> None: ...


class Pool(Protocol):
    """Where workers come from."""

    def start(self) -> Worker: ...

    def wait(self, workers: Sequence[Any]) -> Worker:
        """Return a worker that has a message or is dead, as soon as there is one."""
        ...


class Session:
    """A job in one worker. The host asks for each message, so it knows what came before a death."""

    def __init__(self, job: Job[Any, Any, Any]) -> None:
        self._job = job
        self._opened = ExitStack()
        self._state: list[Any] = []  # empty until it is opened
        self._results: Iterator[Any] = iter(())

    def step(self, *start: Any) -> Message:
        """The next message of the current item; start: a new item and its deaths."""
        try:
            if not self._state:
                self._state.append(self._opened.enter_context(self._job.open()))
            if start:
                self._results = self._job.work(self._state[0], *start)
            result = next(self._results, _END)
            return ("done", None) if result is _END else ("result", result)
        except PanodepthError as error:
            return "error", error
        except Exception as error:  # the host may not have its class
            known = RuntimeError(f"{type(error).__name__}: {one_line(error)}")
            known.add_note(format_exc())
            return "error", known

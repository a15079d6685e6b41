"""A whole run: chunks in one process, in many, or on a Ray cluster, always resumable.

The bytes are the same either way. Only this module and ray_engine.py know of processes. A worker
has one chunk at a time (that is the back-pressure) and writes its shard itself. When a worker dies,
its chunk is begun again by a new one; a frame on which it died twice is rejected as "crashed".
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import cv2

from panodepth.errors import ConfigError, InputError, OutputError, PanodepthError, error_called
from panodepth.lab.curation.chunks import PARTS, Job, do_chunk, make_tools, write_whole
from panodepth.lab.curation.estimate import DepthEstimator
from panodepth.lab.curation.memory import keep_freed_memory
from panodepth.lab.curation.sources import FrameSource
from panodepth.lab.curation.stages import Plan
from panodepth.lab.data import Encoding

RUN_FILE = "curation.json"
FORMAT = "panodepth curation 1"
MAX_DEATHS = 1000  # of workers in one run: beyond that something else is wrong
ENGINES = ("local", "ray")

Progress = Callable[[bool], None]  # called with kept or not after each unit


@dataclass(frozen=True)
class Options:
    """How a run is carried out. chunk, first, count and encoding decide bytes; the rest does not.

    workers: chunks at a time; None = 1, with "ray" as many as its cluster has CPUs. count: so many
    frames from `first` on; None = all. engine: "local", processes of this machine, or "ray".
    address: of a running Ray cluster ("auto": this machine's); None starts one for the run.
    """

    workers: int | None = None
    chunk: int = 64
    first: int = 0
    count: int | None = None
    encoding: Encoding = field(default_factory=Encoding)
    engine: str = "local"
    address: str | None = None

    def __post_init__(self) -> None:
        if (self.workers is not None and self.workers < 1) or self.chunk < 1 or self.first < 0:
            raise ConfigError("workers and chunk must be at least 1, first at least 0")
        if self.engine not in ENGINES:
            raise ConfigError(f"engine {self.engine!r}; choose one of {', '.join(ENGINES)}")
        if self.address is not None and self.engine != "ray":
            raise ConfigError("an address is of a Ray cluster: it needs engine ray")


@dataclass(frozen=True)
class Outcome:
    """Over all chunks in the folder, of this run and earlier ones. reasons: reason -> how many."""

    kept: int
    reasons: dict[str, int]
    new_chunks: int


def curate(
    source: FrameSource,
    plan: Plan,
    out: str | Path,
    options: Options | None = None,
    *,
    estimator: DepthEstimator | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Curate a source into shards in `out`; chunks that are already there are kept.

    Raises ConfigError when `out` was begun with other settings, OutputError when it cannot be
    written; what is complete stays and the next run goes on.
    """
    options = options or Options()
    units = _units(source, plan, options)
    run = os.urandom(8).hex()
    job = Job(source, plan, Path(out), units, options.chunk, options.encoding, estimator, run)
    make_tools(job)  # unknown names fail here, before any process starts
    _claim(job, options)
    pending = [n for n in range(job.chunks) if not job.record(n).is_file()]
    tell = progress or (lambda kept: None)
    if options.engine == "ray" and pending:
        from panodepth.lab.curation.ray_engine import run_on_ray

        run_on_ray(job, pending, tell, options.workers, options.address)
    elif options.workers in (None, 1):
        _here(job, pending, tell)
    elif pending:
        _Crew(job, tell).work(pending, min(options.workers, len(pending)))
    return outcome(job.out, len(pending))


def pending_units(source: FrameSource, plan: Plan, out: str | Path, options: Options) -> int:
    """How many samples a run would still try, for a progress bar."""
    job = Job(source, plan, Path(out), _units(source, plan, options), options.chunk)
    sizes = (
        min(job.chunk, len(job.units) - n * job.chunk)
        for n in range(job.chunks)
        if not job.record(n).is_file()
    )
    return sum(sizes)


def outcome(out: Path, new_chunks: int = 0) -> Outcome:
    """What the records in a folder say."""
    kept, reasons = 0, dict[str, int]()
    for record in records(out):
        for row in record["units"]:
            if "key" in row:
                kept += 1
            else:
                reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
    return Outcome(kept, dict(sorted(reasons.items())), new_chunks)


def records(out: Path) -> Sequence[dict[str, Any]]:
    """The chunks' records in order, read one at a time. Raises InputError."""
    return _Records(sorted((out / PARTS).glob("[!.]*.json")))


class _Records(Sequence[dict[str, Any]]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        path = self.paths[index]
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: damaged record ({error}); delete it and run again"
            ) from error


def _units(source: FrameSource, plan: Plan, options: Options) -> list[tuple[int, ...]]:
    stop = len(source) if options.count is None else options.first + options.count
    indices = range(options.first, min(stop, len(source)))
    if not indices:
        raise ConfigError(f"{source.name} has {len(source)} frames; none from {options.first} on")
    if not plan.stitch:
        return [(index,) for index in indices]
    groups: dict[str, list[int]] = {}
    for index in indices:
        name, group = source.label(index)
        groups.setdefault(group or name, []).append(index)
    return [tuple(group) for group in groups.values()]


def _claim(job: Job, options: Options) -> None:
    """Write what the run is, or compare it with what is there."""
    said = {
        "format": FORMAT,
        "source": job.source.name,
        "frames": [list(job.source.label(i)) for i in (0, len(job.source) - 1)],
        "count": len(job.units),
        "first": options.first,
        "chunk": job.chunk,
        "image": job.encoding.image,
        "distance": job.encoding.distance,
        "quality": job.encoding.quality,
        "estimator": None if job.estimator is None else job.estimator.name,
        "estimated": getattr(job.estimator, "form", None),
        "plan": job.plan.describe(),
    }
    path = job.out / RUN_FILE
    text = json.dumps(said, indent=1, sort_keys=True) + "\n"
    if not path.is_file():
        if job.out.is_dir() and any(job.out.glob("*.tar")):
            raise ConfigError(f"{job.out}: holds shards of something else; choose an empty folder")
        write_whole(path, text.encode())
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    new = json.loads(text)
    for key in (key for key in new if found.get(key) != new[key]):
        raise ConfigError(
            f"{job.out}: begun with {key} {json.dumps(found.get(key))}, "
            f"not {json.dumps(new[key])}; use the same settings to go on, or another folder"
        )


def _here(job: Job, pending: Sequence[int], tell: Progress) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    keep_freed_memory()
    try:
        tools = make_tools(job)
        for number in pending:
            do_chunk(job, number, tools, tell)
    finally:
        cv2.setNumThreads(threads)


def _serve(connection: Connection, job: Job) -> None:
    """A worker's life: chunks by number until None comes or the parent is gone."""
    cv2.setNumThreads(1)
    keep_freed_memory()
    tools = make_tools(job)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while (number := connection.recv()) is not None:
            try:
                do_chunk(job, number, tools, lambda kept: connection.send(("unit", kept)))
            except PanodepthError as error:
                connection.send(("error", f"{type(error).__name__}:{error}"))
                return
            connection.send(("done", number))


class _Crew:
    """Workers and their chunks."""

    def __init__(self, job: Job, tell: Progress) -> None:
        self.job, self.tell = job, tell
        self.context = multiprocessing.get_context("spawn")
        self.at_work: dict[Connection, tuple[Any, int]] = {}
        self.deaths = 0

    def work(self, pending: Sequence[int], workers: int) -> None:
        todo = list(reversed(pending))
        try:
            for _ in range(workers):
                self._hire(todo.pop())
            while self.at_work:
                for ready in wait(list(self.at_work)):
                    self._hear(ready, todo)  # type: ignore[arg-type]
        finally:
            for connection, (process, _) in self.at_work.items():
                process.terminate()
                process.join()
                connection.close()

    def _hire(self, number: int) -> None:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_serve, args=(theirs, self.job), daemon=True)
        process.start()
        theirs.close()
        self.at_work[ours] = (process, number)
        ours.send(number)

    def _hear(self, connection: Connection, todo: list[int]) -> None:
        process, number = self.at_work[connection]
        try:
            kind, value = connection.recv()
        except (EOFError, OSError):
            self._bury(connection)
            self.deaths += 1
            if self.deaths > MAX_DEATHS:
                raise OutputError(
                    f"{self.job.out}: {self.deaths} workers died; giving up"
                ) from None
            self._hire(number)
            return
        if kind == "unit":
            self.tell(value)
        elif kind == "error":
            name, _, text = value.partition(":")
            raise error_called(name, text)
        elif todo:
            self.at_work[connection] = (process, todo.pop())
            connection.send(self.at_work[connection][1])
        else:
            connection.send(None)
            self._bury(connection)

    def _bury(self, connection: Connection) -> None:
        process, _ = self.at_work.pop(connection)
        process.join()
        connection.close()

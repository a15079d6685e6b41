"""The chunks of a run on a Ray cluster: Ray Data spreads them, models live in actors.

Every chunk is one Ray Data task that reads, curates and writes its shard as a process of one
machine would: the same code, the same journal, the same bytes. Ray Data starts no more tasks than
there are CPUs (or `workers`), and a task has one panorama at a model: that is the back-pressure. A
model (a learned out-painter, a depth estimator) is held by actors, one per GPU, behind a broker
that gives each actor one call at a time; tasks never load it. A task whose process dies is begun
again, and a frame on which it died twice is rejected as "crashed"; an actor that dies is replaced.

All machines must see the source and the output folder under the same paths, and have this package.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cv2

from panodepth.errors import ConfigError, OutputError, error_called
from panodepth.lab.curation.chunks import Job, do_chunk, make_tools, read_deaths
from panodepth.lab.curation.estimate import Estimate
from panodepth.lab.curation.memory import keep_freed_memory
from panodepth.lab.curation.outpaint import Outpainter
from panodepth.lab.curation.outpainters.settings import PAINTERS
from panodepth.lab.curation.stages import Tools
from panodepth.types import BoolArray, ByteArray

CALLS = 2  # of a model for one panorama, before its dying counts as an error of that panorama
PAINT, ESTIMATE = "paint", "estimate"


def run_on_ray(
    job: Job,
    pending: Sequence[int],
    tell: Callable[[bool], None],
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Do the chunks `pending`; tell(kept) for each unit when its chunk is done.

    workers: at most so many chunks at a time; None = as many as the cluster has CPUs. address: of a
    running cluster ("auto": the one of this machine); None starts one here, for this run. Raises
    ConfigError without ray or the cluster, OutputError when chunks cannot be finished.
    """
    with _connected(workers, address) as ray:
        job = replace(job, out=job.out.resolve())
        shared = ray.put(job)
        brokers = _start_models(ray, job, shared)
        todo = list(pending)
        while todo:
            before = [read_deaths(job, number) for number in todo]
            failed = _round(ray, _Task(job.run, shared, brokers), todo, tell, workers)
            left = [number for number in todo if not job.record(number).is_file()]
            if left == todo and before == [read_deaths(job, number) for number in todo]:
                raise OutputError(f"{job.out}: no chunk can be finished: {failed or 'tasks die'}")
            todo = left


@contextmanager
def _connected(workers: int | None, address: str | None) -> Iterator[Any]:
    """Ray, connected; shut down afterwards unless it was running in this process before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # reports nothing home
    ray = _import_ray()
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or None
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address is None:
            ray.init(num_cpus=workers, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = "a local cluster" if address is None else address
        raise ConfigError(f"ray: no connection to {where} ({_line(error)})") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _import_ray() -> Any:
    """The ray package with Ray Data; raises ConfigError. Untyped, so that checks do not need it."""
    try:
        importlib.import_module("ray.data")
        return importlib.import_module("ray")
    except ImportError:
        raise ConfigError(
            'engine "ray" needs ray[data], which is not installed: pip install "panodepth[curate]"'
        ) from None


def _round(
    ray: Any, task: _Task, todo: Sequence[int], tell: Callable[[bool], None], workers: int | None
) -> str:
    """Try every chunk once (Ray begins tasks that died again); what went wrong with the last."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a chunk that keeps dying must not stop the others
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    chunks = ray.data.from_items([{"chunk": n} for n in todo], override_num_blocks=len(todo))
    compute = ray.data.TaskPoolStrategy(workers)
    failed = ""
    try:
        for row in chunks.map(task, compute=compute, num_cpus=1).iter_rows():
            if row["error"]:
                name, _, text = row["error"].partition(":")
                raise error_called(name, text)
            for kept in row["kept"]:
                tell(bool(kept))
    except ray.exceptions.RayError as error:
        failed = _line(error)
    return failed


@dataclass(frozen=True)
class _Task:
    """What a Ray Data task does with a row {"chunk": number}. job: a reference to the `Job`."""

    run: str
    job: Any
    brokers: dict[str, Any]

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        job, tools = _tools_of(self)
        number = int(row["chunk"])
        kept: list[bool] = []
        try:
            if not job.record(number).is_file():
                do_chunk(job, number, tools, kept.append)
        except Exception as error:
            return {"chunk": number, "kept": [], "error": _told(error)}
        return {"chunk": number, "kept": kept, "error": ""}


_AT_HAND: dict[str, tuple[Job, Tools]] = {}  # of the run that this process works for


def _tools_of(task: _Task) -> tuple[Job, Tools]:
    """The job and tools whose models are the actors'; kept from task to task."""
    if task.run not in _AT_HAND:
        cv2.setNumThreads(1)
        keep_freed_memory()
        _AT_HAND.clear()
        job: Job = _import_ray().get(task.job)
        tools = make_tools(job)
        if PAINT in task.brokers:
            tools = replace(tools, outpainter=_FarPainter(tools.outpainter, task.brokers[PAINT]))
        if tools.estimator is not None:
            far = _FarEstimator(tools.estimator.name, task.brokers[ESTIMATE])
            tools = replace(tools, estimator=far)
        _AT_HAND[task.run] = job, tools
    return _AT_HAND[task.run]


# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class _FarPainter:
    """An out-painter whose model is an actor's."""

    near: Outpainter
    broker: Any

    @property
    def name(self) -> str:
        return self.near.name

    @property
    def facts(self) -> dict[str, Any]:
        return self.near.facts

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        painted: ByteArray = _call(self.broker, image, known, seed)
        return painted


@dataclass(frozen=True)
class _FarEstimator:
    """A depth estimator whose model is an actor's."""

    name: str
    broker: Any

    def __call__(self, image: ByteArray) -> Estimate:
        found: Estimate = _call(self.broker, image)
        return found


def _call(broker: Any, *arguments: Any) -> Any:
    error, value = _import_ray().get(broker.call.remote(*arguments))
    if error:
        name, _, text = error.partition(":")
        raise error_called(name, text)
    return value


class _Model:
    """Holds one model. Ray makes an actor of it."""

    def __init__(self, job: Job, stage: str) -> None:
        tools = make_tools(job)
        self.model: Any = tools.outpainter.fill if stage == PAINT else tools.estimator

    def call(self, *arguments: Any) -> tuple[str, Any]:
        """("", result) or (error, None): errors of ours keep their class on the way back."""
        try:
            return "", self.model(*arguments)
        except Exception as error:
            return _told(error), None


class _Broker:
    """Gives calls to the actors of one stage, one at a time to each; replaces those that die."""

    def __init__(self, make: Callable[[], Any], count: int) -> None:
        import asyncio

        self.make = make
        self.free: asyncio.Queue[Any] = asyncio.Queue()
        for _ in range(count):
            self.free.put_nowait(make())

    async def call(self, *arguments: Any) -> Any:
        died = _import_ray().exceptions.RayActorError
        for _ in range(CALLS):
            actor = await self.free.get()
            try:
                return await actor.call.remote(*arguments)
            except died as error:
                actor, said = self.make(), _line(error)
            finally:
                self.free.put_nowait(actor)
        return f"RuntimeError:the model's process died {CALLS} times ({said})", None


def _start_models(ray: Any, job: Job, shared: Any) -> dict[str, Any]:
    """Stage -> broker, for the stages that hold a model."""
    stages = [PAINT] if job.plan.outpainter in PAINTERS else []
    stages += [ESTIMATE] if job.estimator is not None else []
    if not stages:
        return {}
    make_tools(job)  # what cannot work fails here, once
    gpus = int(ray.cluster_resources().get("GPU", 0))
    # Without a GPU a model's actor takes no CPU from the tasks: they wait while it works.
    resources = {"num_cpus": 0, "num_gpus": 1 / len(stages) if gpus else 0}
    broker = ray.remote(num_cpus=0)(_Broker)
    return {
        stage: broker.remote(_Maker(resources, shared, stage), max(1, gpus)) for stage in stages
    }


@dataclass(frozen=True)
class _Maker:
    """Starts an actor that holds a stage's model."""

    resources: dict[str, float]
    job: Any
    stage: str

    def __call__(self) -> Any:
        return _import_ray().remote(**self.resources)(_Model).remote(self.job, self.stage)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}:{_line(error)}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

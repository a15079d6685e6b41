"""Workers that are actors on a Ray cluster.

All machines must have this package, and see the job's files under the same paths.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from panodepth.errors import ConfigError, first_line
from panodepth.jobs.job import Job, Message, Session, WorkerDiedError, Workers


@contextmanager
def ray_pool(job: Job[Any, Any, Any], workers: Workers) -> Iterator[tuple[RayPool, int]]:
    """A pool on the cluster, and how many workers it should start.

    Ray is shut down afterwards unless this process was connected before. Raises ConfigError when
    there is no such cluster, or no machine of it has room for a worker.
    """
    ray: Any = import_module("ray")  # untyped: type checks do not need it installed
    was_connected = ray.is_initialized()
    if not was_connected:
        _connect(ray, workers, job.threads)
    try:
        gpus = workers.gpus
        if gpus is None:
            gpus = 1.0 if job.prefers_gpu and ray.cluster_resources().get("GPU", 0) else 0.0
        count = count_room(ray.nodes(), job.threads, gpus)  # more would wait for ever
        if workers.count is not None:
            count = min(count, workers.count)
        elif job.prefers_gpu and not gpus:
            count = 1  # a model on a CPU is slow and large: more of them only on request
        yield RayPool(ray, ray.put(job), job.threads, gpus), count
    finally:
        if not was_connected:
            ray.shutdown()


def _connect(ray: Any, workers: Workers, threads: int) -> None:
    """Connect to a running cluster, or start one on this machine. Raises ConfigError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # reports nothing home
    address = workers.address or os.environ.get("RAY_ADDRESS") or None
    settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        count = None if workers.count is None else workers.count * threads
        settings |= {"num_cpus": count, "include_dashboard": False}
    try:
        ray.init(address=address, **settings)
    except Exception as error:  # Ray raises many kinds, plain RuntimeError and ValueError too
        where = "a cluster of this machine" if address is None else address
        raise ConfigError(f"ray: no connection to {where} ({first_line(error)[:300]})") from None


def count_room(nodes: Sequence[Any], cpus: int, gpus: float) -> int:
    """How many workers Ray's nodes hold. Raises ConfigError when it is none."""
    count = 0
    for node in nodes:
        has = node["Resources"] if node["Alive"] else {}
        here = int(has.get("CPU", 0) // cpus)
        count += min(here, int(has.get("GPU", 0) // gpus)) if gpus else here
    if not count:
        raise ConfigError(f"ray: no node has {cpus} CPUs and {gpus:g} GPUs for a worker")
    return count


@dataclass(frozen=True)
class RayPool:
    """Starts actors that work on a job. job: a Ray reference to it."""

    ray: Any
    job: Any
    cpus: int
    gpus: float

    def start(self) -> RayWorker:
        actor = self.ray.remote(num_cpus=self.cpus, num_gpus=self.gpus)(Session)
        return RayWorker(self.ray, actor.remote(self.job))

    def wait(self, workers: Sequence[RayWorker]) -> RayWorker:
        (ready,), _ = self.ray.wait([worker.answer for worker in workers], num_returns=1)
        return next(worker for worker in workers if worker.answer == ready)


@dataclass(eq=False)
class RayWorker:
    """One actor. answer: a reference to the message that it was asked for."""

    ray: Any
    actor: Any
    answer: Any = None

    def ask(self, *start: Any) -> None:
        self.answer = self.actor.step.remote(*start)

    def receive(self) -> Message:
        try:
            message: Message = self.ray.get(self.answer)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:  # its process or its machine is gone
            raise WorkerDiedError(first_line(error)[:300]) from error
        return message

    def stop(self) -> None:
        self.ray.kill(self.actor)

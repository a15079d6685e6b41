"""The same on a local Ray cluster of two CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.jobs.counting import Counting, Raising, plain

from panodepth.errors import ConfigError, InputError
from panodepth.jobs import Workers, run_jobs
from panodepth.jobs.cluster import ray_pool

ray = pytest.importorskip("ray")
RAY = Workers(engine="ray")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One Ray for all tests here: starting it takes seconds."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def results(job: Any, items: int) -> list[Any]:
    found: list[Any] = []
    run_jobs(job, range(items), lambda item, result: found.append(result), RAY)
    return found


def test_ray_gives_the_same_results_and_replaces_dead_workers(tmp_path: Path) -> None:
    job = Counting(tmp_path, deadly=((1, 1),))
    found = results(job, 5)
    assert [result for result in found if result[0] == 1] == [(1, 0), (1, "given up"), (1, 2)]
    assert sorted(f for f in found if f[0] != 1) == [f for f in plain(3, 5) if f[0] != 1]
    assert len(list(tmp_path.iterdir())) == 4


def test_errors_come_back() -> None:
    with pytest.raises(InputError, match="picture 2 is damaged"):
        results(Raising(True), 4)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: by 0"):
        results(Raising(False), 4)


def test_how_many_workers_there_are(tmp_path: Path) -> None:
    job = Counting(tmp_path)
    for workers, count in ((RAY, 2), (Workers(1, "ray"), 1), (Workers(5, "ray"), 2)):
        with ray_pool(job, workers) as (_, found):
            assert found == count
    with (
        pytest.raises(ConfigError, match="no node has 1 CPUs and 1 GPUs"),
        ray_pool(job, Workers(engine="ray", gpus=1)),
    ):
        pass

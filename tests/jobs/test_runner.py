"""Items through workers: each result once and in order, whatever dies on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.jobs.counting import Counting, Raising, plain

from panodepth.errors import ConfigError, InputError, PanodepthError
from panodepth.jobs import Job, Workers, run_jobs
from panodepth.jobs.cluster import count_room


def results(job: Job[Any, Any, Any], items: int, workers: Workers | None = None) -> list[Any]:
    """Results in the order in which they came."""
    found: list[Any] = []

    def take(item: int, result: Any) -> None:
        assert result[0] == item
        found.append(result)

    run_jobs(job, range(items), take, workers)
    return found


def test_one_worker_is_this_process_and_opens_once(tmp_path: Path) -> None:
    import os

    assert results(Counting(tmp_path), 4) == plain(3, 4)
    assert [file.name for file in tmp_path.iterdir()] == [f"worker-{os.getpid()}"]


def test_no_item_opens_nothing(tmp_path: Path) -> None:
    assert results(Counting(tmp_path), 0, Workers(2)) == []
    assert list(tmp_path.iterdir()) == []


def test_two_workers_give_the_same_results(tmp_path: Path) -> None:
    found = results(Counting(tmp_path), 7, Workers(2))
    assert sorted(found) == plain(3, 7)
    for item in range(7):
        assert [p for i, p in found if i == item] == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 2


def test_no_more_workers_than_items(tmp_path: Path) -> None:
    assert results(Counting(tmp_path), 1, Workers(8)) == plain(3, 1)
    assert len(list(tmp_path.iterdir())) == 1


def test_an_item_goes_on_where_its_worker_died_and_is_given_up_after_two(tmp_path: Path) -> None:
    """Item 1 dies at its second position, always; item 3 at its first, once."""
    job = Counting(tmp_path, deadly=((1, 1), (3, 0)), survivable=1)
    found = results(job, 4, Workers(2))
    assert sorted(found) == plain(3, 4)  # one death each, then it works
    stubborn = Counting(tmp_path / "more", deadly=((1, 1),))
    stubborn.folder.mkdir()
    found = results(stubborn, 4, Workers(2))
    assert [result for result in found if result[0] == 1] == [(1, 0), (1, "given up"), (1, 2)]
    assert sorted(f for f in found if f[0] != 1) == [f for f in plain(3, 4) if f[0] != 1]
    assert len(list(stubborn.folder.iterdir())) == 4  # two that died were replaced


def test_a_run_whose_workers_die_again_and_again_ends(tmp_path: Path) -> None:
    job = Counting(tmp_path, length=1, deadly=tuple((item, 0) for item in range(50)))
    with pytest.raises(PanodepthError, match="9 worker processes died one after the other") as told:
        results(job, 50, Workers(2))
    assert "\n" not in str(told.value)
    assert len(list(tmp_path.iterdir())) <= 10


@pytest.mark.parametrize("ours", [True, False])
def test_errors_come_back_as_they_were_told(ours: bool) -> None:
    with pytest.raises(InputError if ours else RuntimeError) as told:
        run_jobs(Raising(ours), range(4), lambda item, result: None, Workers(2))
    assert str(told.value) == ("picture 2 is damaged" if ours else "ZeroDivisionError: by 0")
    if not ours:
        assert "raise InputError" in told.value.__notes__[0]  # the line in the worker


def test_an_error_of_the_callback_ends_the_workers(tmp_path: Path) -> None:
    import multiprocessing

    def refuse(item: int, result: Any) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_jobs(Counting(tmp_path), range(9), refuse, Workers(2))
    assert multiprocessing.active_children() == []


def test_workers_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        Workers(0)
    with pytest.raises(ConfigError, match="choose one of local, ray"):
        Workers(engine="rye")
    with pytest.raises(ConfigError, match="needs engine ray"):
        Workers(address="auto")


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'ray, which is not .*"panodepth\[cluster\]'):
        Workers(engine="ray")


def test_the_room_on_a_cluster() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 9.0, "GPU": 1.0}},
        {"Alive": True, "Resources": {"CPU": 3.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    assert count_room(nodes, 2, 0) == 5
    assert count_room(nodes, 2, 0.25) == 4
    with pytest.raises(ConfigError, match="no node has 1 CPUs and 2 GPUs for a worker"):
        count_room(nodes, 1, 2)

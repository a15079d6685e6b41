"""The same run on Ray: the same bits, and what goes wrong is told as it is in one process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from panodepth.cli import main

PREDICTOR = """
import os
from pathlib import Path

import numpy as np

MARK = Path(__file__).with_suffix(".died")

class Predictor:
    def __init__(self, refuse=False, die_once=False):
        if refuse:
            raise RuntimeError("no weights here")
        self.die_once = die_once

    def predict(self, image):
        if self.die_once and not MARK.exists():
            MARK.touch()
            os._exit(9)
        return 1 + image[..., 0] * image[..., 1]
"""


@pytest.fixture(scope="module")
def cluster():
    """One Ray for all tests here: starting it takes seconds."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def predictor(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PREDICTOR)
    return path


def evaluate(tree: Path, out: Path, predictor: Path, *more: str) -> int:
    arguments = ["evaluate", "--data", f"mini={tree}", "--predictor", str(predictor)]
    arguments += ["--protocol", "uncapped", "--out", str(out), "--pictures", "0", "--quiet"]
    return main([*arguments, *more])


def test_ray_gives_the_bits_of_one_process(tree, tmp_path, predictor, cluster, capfd):
    ray = ("--engine", "ray", "--workers", "5")  # there is room for two
    assert evaluate(tree, tmp_path / "one", predictor) == 1  # a sample lacks its distance
    told = capfd.readouterr().err
    assert evaluate(tree, tmp_path / "ray", predictor, *ray) == 1
    assert capfd.readouterr().err == told  # named alike, and Ray itself is silent
    one, two = ((tmp_path / n / "images.csv").read_bytes() for n in ("one", "ray"))
    assert one == two
    assert one.count(b"\n") == 31
    # a folder begun by one engine is finished by the other
    journal = tmp_path / "ray" / "rows.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:12]))
    assert evaluate(tree, tmp_path / "ray", predictor) == 1
    assert (tmp_path / "ray" / "images.csv").read_bytes() == one
    # a worker that dies is started again, and nothing is lost
    died = ("--option", "die_once=true")
    assert evaluate(tree, tmp_path / "died", predictor, *ray, *died) == 1
    assert predictor.with_suffix(".died").exists()
    assert (tmp_path / "died" / "images.csv").read_bytes() == one


def test_a_predictor_that_cannot_be_made_is_one_line(tree, tmp_path, predictor, cluster, capfd):
    more = ("--engine", "ray", "--option", "refuse=true")
    assert evaluate(tree, tmp_path / "out", predictor, *more) == 2
    error = capfd.readouterr().err
    assert "Predictor cannot be made (no weights here)" in error
    assert error.count("\n") == 1


def test_an_engine_that_is_not_there_is_refused(
    tree, tmp_path, predictor, cluster, monkeypatch, capsys
):
    assert evaluate(tree, tmp_path / "out", predictor, "--engine", "spark") == 2
    assert "engine is 'spark'; choose one of local, ray" in capsys.readouterr().err
    assert evaluate(tree, tmp_path / "out", predictor, "--engine", "ray", "--gpus", "1") == 2
    assert "no node has 1 CPUs and 1 GPUs for a worker" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    assert evaluate(tree, tmp_path / "out", predictor, "--engine", "ray") == 2
    assert 'pip install "panodepth[cluster]"' in capsys.readouterr().err

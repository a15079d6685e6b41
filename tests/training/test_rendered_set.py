"""The rendered test set: the same worlds are recognised, others are not, models are scored."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from panodepth.model import save_model
from panodepth.training.config import TEST_SEED
from panodepth.training.setup import build_network

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "rendered" / "run.py"


@pytest.fixture
def run(monkeypatch, tmp_path, renderer):
    """The script on three and two box worlds of 28×56, with its summary in tmp_path."""
    spec = importlib.util.spec_from_file_location("rendered_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rendered_run", module)
    spec.loader.exec_module(module)
    module.SIZE, module.COUNTS = (28, 56), {"indoor": 3, "outdoor": 2}
    module.SUMMARY = tmp_path / "summary.json"
    module.seeds = set()

    def spy(seed, *arguments, **options):
        module.seeds.add(seed)
        return renderer(seed, *arguments, **options)

    monkeypatch.setattr("panodepth.training.rendered.scene_renderer", lambda: spy)
    return module


def test_written_then_checked(run, capsys):
    assert run.main(["--check"]) == 1  # nothing to compare with
    assert run.main(["--write"]) == 0
    kept = json.loads(run.SUMMARY.read_text())
    assert run.seeds == {TEST_SEED}
    assert {kind: len(rows) for kind, rows in kept["scenes"].items()} == run.COUNTS
    assert all(row[1] == 0 for row in kept["scenes"]["indoor"])
    assert all(0 < row[1] < 1 for row in kept["scenes"]["outdoor"])
    capsys.readouterr()
    assert run.main(["--check"]) == 0
    assert "5 worlds are those of summary.json, bit by bit" in capsys.readouterr().out
    assert run.main(["--check", "--first", "2"]) == 0
    assert run.main(["--write", "--first", "2"]) == 1


@pytest.mark.parametrize(("factor", "same"), [(1.00005, True), (1.001, False)])
def test_other_distances_are_noticed(run, renderer, monkeypatch, capsys, factor, same):
    assert run.main(["--write"]) == 0

    def other(*arguments, **options):
        made = renderer(*arguments, **options)
        return SimpleNamespace(**{**vars(made), "distance": made.distance * factor})

    monkeypatch.setattr("panodepth.training.rendered.scene_renderer", lambda: other)
    assert run.main(["--check"]) == (0 if same else 1)
    out = capsys.readouterr().out
    assert ("within tolerance" if same else "indoor 0: median_log_distance") in out


def test_a_model_beside_the_constant(run, make_config, tmp_path, capsys):
    run.main(["--write"])
    capsys.readouterr()
    torch.manual_seed(0)
    weights = save_model(build_network(make_config().network), tmp_path / "mine.safetensors")
    assert run.main(["--weights", str(weights)]) == 0
    lines = capsys.readouterr().out.splitlines()
    record = json.loads(next(line for line in lines if line.startswith("{")))
    assert record["mine"]["indoor"]["images"] == record["constant"]["indoor"]["images"] == 3
    assert record["mine"]["outdoor"]["abs_rel_low"] <= record["mine"]["outdoor"]["abs_rel"]
    assert 0 <= record["mine"]["sky"]["iou"] <= 1
    assert "sky" not in record["constant"]


def test_as_files(run, tmp_path, monkeypatch):
    jobs = []
    monkeypatch.setattr(run, "render_dataset", lambda job, out: jobs.append((job, out)))
    assert run.main(["--render", str(tmp_path / "set")]) == 0
    told = [(job.kind, job.count, job.seed, job.first) for job, _ in jobs]
    assert told == [("indoor", 3, TEST_SEED, 0), ("outdoor", 2, TEST_SEED, 0)]

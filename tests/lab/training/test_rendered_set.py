"""The rendered test set: the same worlds are recognised, others are not, models are scored."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from panodepth.cli import main as panodepth
from panodepth.errors import ConfigError
from panodepth.lab.evaluation.protocol import TEST_SEED
from panodepth.lab.training.distance.network import build_network
from panodepth.model import save_model

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "rendered" / "run.py"


@pytest.fixture
def run(monkeypatch, tmp_path, renderer):
    """The script on three and two box worlds of 28×56, with its summary in tmp_path."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("rendered_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rendered_run", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.rendered_set, "SIZE", (28, 56))
    monkeypatch.setattr(module.rendered_set, "COUNTS", {"indoor": 3, "outdoor": 2})
    monkeypatch.setattr(module.rendered_set, "SUMMARY", tmp_path / "summary.json")
    module.seeds = set()

    def spy(seed, *arguments, **options):
        module.seeds.add(seed)
        return renderer(seed, *arguments, **options)

    monkeypatch.setattr("panodepth.lab.evaluation.worlds.scene_renderer", lambda: spy)
    return module


def test_written_then_checked(run, capsys):
    assert run.main(["--check"]) == 1  # nothing to compare with
    assert run.main(["--write"]) == 0
    kept = json.loads(run.rendered_set.SUMMARY.read_text())
    assert run.seeds == {TEST_SEED}
    assert {k: len(rows) for k, rows in kept["scenes"].items()} == run.rendered_set.COUNTS
    sky = kept["columns"].index("sky_share")
    assert all(row[sky] == 0 for row in kept["scenes"]["indoor"])
    assert all(0 < row[sky] < 1 for row in kept["scenes"]["outdoor"])
    assert all(row[0] <= row[1] <= row[2] for rows in kept["scenes"].values() for row in rows)
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

    monkeypatch.setattr("panodepth.lab.evaluation.worlds.scene_renderer", lambda: other)
    assert run.main(["--check"]) == (0 if same else 1)
    out = capsys.readouterr().out
    assert ("within tolerance" if same else "indoor 0: log_distance_10") in out


def test_a_predictor_on_the_files(run, make_config, tmp_path, capsys):
    """As the script's head says: indoor and outdoor apart, sky over all pixels together."""
    run.main(["--write"])
    assert run.main(["--render", str(tmp_path / "set")]) == 0
    torch.manual_seed(0)
    weights = save_model(build_network(make_config().network), tmp_path / "mine.safetensors")
    command = ["evaluate", "--data", f"rendered={tmp_path / 'set'}", "--protocol", "uncapped"]
    command += ["--group", "indoor=indoor_*", "--group", "outdoor=outdoor_*", "--pictures", "0"]
    out = tmp_path / "report"
    assert panodepth([*command, "--predictor", str(weights), "--out", str(out)]) == 0
    capsys.readouterr()
    found = json.loads((out / "report.json").read_text())["datasets"]
    assert {name: d["images"] for name, d in found.items()} == {
        "rendered indoor": 3,
        "rendered outdoor": 2,
    }
    error = found["rendered outdoor"]["measures"]["abs_rel"]
    assert error["low"] <= error["mean"] <= error["high"]
    assert 0 <= found["rendered outdoor"]["measures"]["sky_iou"]["mean"] <= 1
    assert "sky_iou" not in found["rendered indoor"]["measures"]


def test_files_are_the_same_worlds(run, tmp_path, capsys):
    from panodepth.lab.data import open_source

    folder, kept = tmp_path / "set", run.rendered_set
    assert run.main(["--write"]) == 0
    assert run.main(["--render", str(folder)]) == 0
    assert "5 worlds are those of summary.json, bit by bit" in capsys.readouterr().out
    source = open_source("folder", folder)
    assert len(source) == 5
    assert source[4].meta["unit"] == "m"
    assert bool((source[4].distance == float("inf")).any())  # sky, outdoors
    fingerprint = kept.Fingerprint()
    for panorama in kept.read_files(folder, kept.COUNTS):
        fingerprint.add(panorama)
    right, text = kept.compare(fingerprint.summary())
    assert right
    assert "bit by bit" in text
    (folder / "indoor_000001_distance.npz").write_bytes(b"PK")
    with pytest.raises(ConfigError, match=r"indoor_000001: not whole"):
        list(kept.read_files(folder, kept.COUNTS))


def test_a_summary_of_another_version_is_refused(run, capsys):
    assert run.main(["--write"]) == 0
    summary = run.rendered_set.SUMMARY
    summary.write_text(summary.read_text().replace("log_distance_90", "something"))
    assert run.main(["--check"]) == 1
    assert "write it again with --write" in capsys.readouterr().err

"""Runs that a real signal ends: what is left, what the next run makes of it, exit codes."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from typer import Exit

from panodepth.cli import main
from panodepth.errors import ConfigError, PanodepthError
from panodepth.jobs.lock import only_run
from panodepth.lab.training import train
from panodepth.lab.training.checkpoint import clear_leftovers, list_snapshots
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.trainer import Trainer

SCRIPT = Path(__file__).with_name("killed.py")
spec = importlib.util.spec_from_file_location("killed", SCRIPT)
killed = importlib.util.module_from_spec(spec)
spec.loader.exec_module(killed)


class Ended(NamedTuple):
    """What killed.py did, one test for each run. folder: of all; codes: exit codes by moment."""

    folder: Path
    codes: dict[str, int]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    how = {"saving": signal.SIGKILL, "validating": signal.SIGKILL, "step": signal.SIGTERM}
    words = [f"{moment}={int(number)}" for moment, number in how.items()]
    command = [sys.executable, str(SCRIPT), str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Ended(folder, json.loads(done.stdout))


def go_on(out, steps=4):
    """The same run in this process."""
    return train(killed.make_config(str(out), steps), renderer=killed.boxes.render_boxes)


def records(out, event):
    lines = (out / "log.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["event"] == event]


def hidden(out):
    return [p for p in out.rglob(".*") if "checkpoints" in p.parts or p.suffix == ".tmp"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing ended."""
    out = tmp_path_factory.mktemp("whole") / "run"
    go_on(out)
    return out


def test_a_kill_while_saving_leaves_nothing_for_ever(ended, whole):
    out = ended.folder / "saving"
    assert ended.codes["saving"] == -signal.SIGKILL
    (left,) = hidden(out)
    assert list(left.glob("*.safetensors"))
    (out / ".model.safetensors.0123abcd.tmp").write_bytes(b"half")
    assert go_on(out).finished
    assert hidden(out) == []
    assert (out / "model.safetensors").read_bytes()[-64:] == (
        whole / "model.safetensors"
    ).read_bytes()[-64:]


def test_scores_that_a_kill_lost_are_made_up(ended, whole):
    out = ended.folder / "validating"
    assert ended.codes["validating"] == -signal.SIGKILL
    assert [path.name for path in list_snapshots(out / "checkpoints")] == ["step_00000002"]
    assert records(out, "validate") == []
    with (out / "log.jsonl").open("a") as file:
        file.write('{"event": "tr')  # the kill cut a line
    assert go_on(out).finished
    told = [{**r, "time": 0} for r in records(out, "validate")]
    assert told == [{**r, "time": 0} for r in records(whole, "validate")]
    assert [r["step"] for r in told] == [2, 4]


def test_scores_that_are_there_are_not_made_again(tmp_path, whole):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "checkpoints" / "step_00000004")
    assert go_on(out).finished
    assert [r["step"] for r in records(out, "validate")] == [2, 4, 4]


def test_a_stopped_run_saves_and_tells_by_its_exit_code(ended):
    out = ended.folder / "step"
    told = out.with_suffix(".out").read_text()
    assert ended.codes["step"] == 143
    assert json.loads(told.splitlines()[-1]) == {"exit_code": 143}
    assert told.startswith("stopped at step 1: ")
    assert [path.name for path in list_snapshots(out / "checkpoints")] == ["step_00000001"]
    assert "step=1 of 4" in out.with_suffix(".err").read_text()
    assert list(out.glob(".*")) == []


def test_ctrl_c_has_an_exit_code_of_its_own(tmp_path, capsys):
    """In this process: a real one of a stopped run is above."""
    out = tmp_path / "run"
    with pytest.raises(Exit) as ended:
        killed.main(str(out), "step", signal.SIGINT, 4)
    assert ended.value.exit_code == 130
    assert capsys.readouterr().out.startswith("stopped at step 1: ")
    assert [path.name for path in list_snapshots(out / "checkpoints")] == ["step_00000001"]
    assert list(out.glob(".*")) == []


def test_what_is_newer_stays(tmp_path):
    checkpoints = tmp_path / "checkpoints"
    old, new, moved = (checkpoints / f".step_0000000{n}" for n in ("1.77", "2.88", "3.old"))
    for folder in (old, new, moved):
        folder.mkdir(parents=True)
        (folder / "state.json").touch()
    now = time.time()
    for path, age in ((old, -100), (new, 100), (moved, -100)):
        os.utime(path, (now + age, now + age))
    clear_leftovers(tmp_path, now)
    assert sorted(p.name for p in checkpoints.iterdir()) == [new.name, "step_00000003"]


def test_two_runs_in_one_folder(make_config, renderer):
    config = make_config()
    out = Path(config.run.out)
    with (
        only_run(out, "train"),
        pytest.raises(ConfigError, match=r"train runs there already \(process \d+ on"),
    ):
        Trainer(DistanceTask(config, renderer=renderer))
    assert train(config, renderer=renderer).finished
    assert not list(out.glob(".*"))


def test_a_folder_that_is_removed_meanwhile(make_config, renderer):
    config = make_config()
    run = Trainer(DistanceTask(config, renderer=renderer))
    run.task.after_step = lambda: shutil.rmtree(config.run.out)
    with pytest.raises(PanodepthError, match="was removed while the run wrote into it"):
        run.run()
    assert not Path(config.run.out).exists()


RECIPE = '[network]\npreset = "tiny"\n[data]\nscenes_weight = 0\n'


@pytest.mark.parametrize(
    "wrong",
    [
        'sources=[{kind="folder", path="nowhere"}]',
        'sources=[{kind="moon", path="."}]',
        "run.device=abacus",
        "network.overrides.dim=7",
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(tmp_path, wrong, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text(RECIPE)
    line = ["train", "--recipe", "r.toml", "--set", "run.out=a/b/run", "--set", wrong]
    line += ["--cache", "c/rendered"]
    assert main(line) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.toml"]

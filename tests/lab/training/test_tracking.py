"""The log file, TensorBoard events, the progress bar's line and the preview pictures."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from panodepth.errors import ConfigError
from panodepth.lab.training import train
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.tracking import RunLog
from panodepth.lab.training.trainer import Trainer


def test_tensorboard_holds_curves_and_previews(make_config, renderer):
    config = make_config(
        run={"steps": 2, "preview_every": 1, "tensorboard": True, "validate_count": 2}
    )
    train(config, renderer=renderer)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(Path(config.run.out) / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    wanted = {"train/loss", "train/lr", "train/samples_per_s", "train/seconds_per_step/forward"}
    assert wanted <= set(tags["scalars"])
    assert "validate/rendered/indoor/abs_rel" in tags["scalars"]
    assert not [t for t in tags["scalars"] if "config" in t], "a recipe has no curves"
    assert tags["images"] == ["preview"]
    lines = (Path(config.run.out) / "log.jsonl").read_text().splitlines()
    losses = [r["loss"] for r in map(json.loads, lines) if r["event"] == "train"]
    assert [e.step for e in events.Scalars("train/loss")] == [1, 2]
    assert [e.value for e in events.Scalars("train/loss")] == pytest.approx(losses)
    picture = Path(config.run.out) / "previews" / "step_00000001.png"
    assert Image.open(picture).size == (4 * 56, 4 * 28)


def test_missing_tensorboard_says_what_to_install(make_config, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    with pytest.raises(ConfigError, match=r'pip install "panodepth\[train\]"'):
        Trainer(DistanceTask(make_config(run={"tensorboard": True})))


def test_missing_accelerate_says_what_to_install(make_config, renderer, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ConfigError, match=r'pip install "panodepth\[train\]"'):
        Trainer(DistanceTask(make_config(), renderer=renderer))


def test_the_bar_tells_loss_speed_and_time_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with RunLog(tmp_path, 10) as log:
        log.advance()
        log.write("train", step=1, loss=0.5, samples_per_s=12.3)
        log.write("note", text="something")
    captured = capsys.readouterr()
    shown = captured.err
    assert "loss=0.5, 12.3 samples/s" in shown
    assert "1/10" in shown
    assert "note: something" in captured.out
    assert [json.loads(x)["event"] for x in (tmp_path / "log.jsonl").read_text().splitlines()] == [
        "train",
        "note",
    ]


def test_a_silent_log_leaves_nothing(tmp_path, capsys):
    with RunLog(tmp_path / "none", 10, silent=True, board=True) as log:
        log.advance()
        log.write("train", step=1, loss=0.5)
    assert not (tmp_path / "none").exists()
    assert capsys.readouterr().err == ""

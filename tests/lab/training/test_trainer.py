"""Whole runs of the smallest network: resuming, stopping, failing, exporting."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.training import train
from panodepth.lab.training.checkpoint import check_resumable, list_snapshots, load_snapshot
from panodepth.lab.training.config import config_from_dict
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.guard import Guard
from panodepth.lab.training.trainer import Trainer
from panodepth.model import load_model

RECIPE = Path(__file__).parents[3] / "recipes" / "compact.toml"


def records(config, event="train"):
    lines = (Path(config.run.out) / "log.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["event"] == event]


def losses(config):
    return {r["step"]: r["loss"] for r in records(config)}


def changed(config, **tables):
    values = config.to_dict()
    for name, table in tables.items():
        values[name].update(table)
    return config_from_dict(values)


def test_resumed_run_equals_the_uninterrupted_one(make_config, renderer, tmp_path):
    """6 steps at once, and 3 + 3 steps from a checkpoint: losses, weights and average."""
    whole = make_config(run={"out": str(tmp_path / "whole")}, optim={"accumulate": 2})
    train(whole, renderer=renderer)
    # stopped after three steps of the same six-step schedule
    parts = changed(whole, run={"out": str(tmp_path / "parts")})
    first = Trainer(DistanceTask(parts, renderer=renderer))
    for _ in range(3):
        first.train_step()
    first.save()
    result = train(parts, renderer=renderer)
    assert result.finished
    assert result.step == 6
    one, two = losses(whole), losses(parts)
    assert set(one) == set(range(1, 7))
    assert set(two) == {4, 5, 6}
    for step in two:
        assert two[step] == pytest.approx(one[step], abs=1e-6)
    ends = [
        load_snapshot(list_snapshots(Path(c.run.out) / "checkpoints")[-1]) for c in (whole, parts)
    ]
    for stem in ("weights", "ema", "optimizer"):
        for name, value in ends[0].tensors[stem].items():
            assert torch.allclose(value, ends[1].tensors[stem][name], atol=1e-6), (stem, name)


def test_loss_falls(make_config, renderer):
    config = make_config(
        run={"steps": 40}, data={"chunk": 8, "batch": 8}, optim={"lr": 5e-3, "warmup": 5}
    )
    train(config, renderer=renderer)
    curve = losses(config)
    early = sum(curve[s] for s in range(1, 6)) / 5
    late = sum(curve[s] for s in range(36, 41)) / 5
    assert late < 0.85 * early


def test_log_says_where_the_time_goes(make_config, renderer):
    config = make_config(run={"steps": 2})
    train(config, renderer=renderer)
    for record in records(config):
        assert set(record["seconds_per_step"]) == {
            "wait",
            "augment",
            "forward",
            "backward",
            "optimizer",
        }
        assert record["samples_per_s"] > 0
        assert {"distance", "normal", "anchor", "sky", "lr", "grad_norm", "time"} <= set(record)
    (start,) = records(config, "start")
    assert config_from_dict(start["config"]) == config


def test_finished_run_does_nothing_more(make_config, renderer):
    config = make_config(run={"steps": 2})
    train(config, renderer=renderer)
    again = train(config, renderer=renderer)
    assert again.finished
    assert len(records(config)) == 2
    longer = train(changed(config, run={"steps": 3}), renderer=renderer)
    assert longer.step == 3
    assert len(records(config)) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_saves_and_ends_cleanly(make_config, renderer, number):
    """A signal while the third epoch's scenes are rendered."""
    config = make_config(run={"steps": 1000})
    calls = []

    def interrupting(*args, **options):
        calls.append(args)
        if len(calls) == 7:
            os.kill(os.getpid(), number)
        return renderer(*args, **options)

    before = signal.getsignal(number)
    result = train(config, renderer=interrupting)
    assert signal.getsignal(number) is before
    assert not result.finished
    (path,) = list_snapshots(Path(config.run.out) / "checkpoints")
    assert load_snapshot(path).step == result.step > 0
    assert result.weights.exists()
    more = Trainer(DistanceTask(config, renderer=renderer))
    assert more.step == result.step
    more.train_step()


def test_time_limit_stops_cleanly(make_config, renderer):
    config = make_config(run={"steps": 10_000, "max_minutes": 1e-6})
    result = train(config, renderer=renderer)
    assert (result.step, result.finished) == (1, False)


def test_not_a_number_stops_with_the_batch_saved(make_config, renderer, monkeypatch):
    config = make_config()
    run = Trainer(DistanceTask(config, renderer=renderer))
    run.train_step()
    run.save()
    before = {n: p.detach().clone() for n, p in run.task.model.named_parameters()}
    real = run.task._network

    def broken(image):
        output = real(image)
        return output._replace(log_distance=output.log_distance * torch.nan)

    monkeypatch.setattr(run.task, "_network", broken)
    with pytest.raises(PanodepthError, match="not a number at step 1"):
        run.run()
    folder = Path(config.run.out) / "not_finite_step_00000001"
    saved = load_file(folder / "batch_1.safetensors")
    expected = run.batch(1)
    assert torch.equal(saved["image"], expected.image)
    assert torch.equal(saved["distance"], expected.truth.distance)
    report = json.loads((folder / "report.json").read_text())
    assert report["samples"]["1"] == run.stream.describe(1)
    for name, value in run.task.model.named_parameters():
        assert torch.equal(value, before[name]), "weights were touched by a bad step"
    (path,) = list_snapshots(Path(config.run.out) / "checkpoints")
    assert load_snapshot(path).step == 1


def test_guard_may_look_late_but_never_misses():
    good, bad = torch.tensor(True), torch.tensor(False)
    guard = Guard(lag=2)
    assert [guard.add(s, bad if s == 1 else good) for s in range(4)] == [None, None, None, 1]
    guard = Guard(lag=2)
    guard.add(0, bad)
    assert guard.check() == 0


def test_export_is_the_average_in_half_precision(make_config, renderer):
    config = make_config()
    run = Trainer(DistanceTask(config, renderer=renderer))
    for _ in range(2):
        run.train_step()
    path = run.export()
    model = load_model(path, device="cpu", dtype=torch.float32).eval()
    image = torch.rand(1, 3, 28, 56)
    with torch.no_grad():
        expected = run.task.averaged()(image).log_distance
        got = model(image).log_distance
    assert torch.allclose(got, expected, atol=0.02)
    raw = load_file(path)
    assert {t.dtype for n, t in raw.items() if "blocks" in n} == {torch.float16}


def test_resuming_with_other_data_is_refused(make_config, renderer):
    config = make_config(run={"steps": 1})
    train(config, renderer=renderer)
    with pytest.raises(ConfigError, match=r"data\.seed is 9"):
        Trainer(DistanceTask(changed(config, data={"seed": 9}), renderer=renderer))
    with pytest.raises(ConfigError, match=r"optim\.accumulate"):
        Trainer(DistanceTask(changed(config, optim={"accumulate": 3}), renderer=renderer))
    with pytest.raises(ConfigError, match=r"run\.seed is 9"):  # of the order, too
        Trainer(DistanceTask(changed(config, run={"seed": 9}), renderer=renderer))
    other = {"overrides": {**config.network.overrides, "dim": 32}}
    with pytest.raises(ConfigError, match=r"^network\.overrides\.dim is 32, but .* with 16;"):
        Trainer(DistanceTask(changed(config, network=other), renderer=renderer))
    allowed = changed(config, data={"worker_threads": 2}, optim={"lr": 1e-5}, run={"steps": 9})
    assert Trainer(DistanceTask(allowed, renderer=renderer)).step == 1


def test_an_average_may_be_switched_on_and_off(make_config, renderer):
    config = make_config(run={"steps": 1}, optim={"ema": 0.0})
    train(config, renderer=renderer)
    with_average = changed(config, optim={"ema": 0.9}, run={"steps": 2})
    resumed = Trainer(DistanceTask(with_average, renderer=renderer))
    weights = dict(resumed.task.model.named_parameters())
    assert all(torch.equal(t, weights[n]) for n, t in resumed.task.average.tensors().items())
    assert resumed.run().finished
    assert train(changed(config, run={"steps": 3}), renderer=renderer).finished


def test_a_damaged_checkpoint_says_how_to_go_on(make_config, renderer):
    config = make_config(run={"steps": 1})
    train(config, renderer=renderer)
    (state,) = Path(config.run.out).glob("checkpoints/*/state.json")
    state.write_text("{")
    with pytest.raises(PanodepthError, match=r"step_00000001: .*remove that folder to go on"):
        Trainer(DistanceTask(config, renderer=renderer))


@pytest.mark.parametrize("device", ["cuda:99", "rubbish", "auto"])
def test_a_render_device_that_is_not_here_cannot_start(make_config, device):
    config = make_config(data={"render_device": device})
    with pytest.raises(ConfigError, match=device):
        Trainer(DistanceTask(config))
    assert not Path(config.run.out).exists()


def test_only_the_newest_checkpoints_are_kept(make_config, renderer):
    config = make_config(run={"steps": 5, "save_every": 1, "keep": 2})
    train(config, renderer=renderer)
    folder = Path(config.run.out) / "checkpoints"
    assert sorted(p.name for p in folder.iterdir()) == ["step_00000004", "step_00000005"]


def test_half_written_checkpoint_is_not_seen(make_config, renderer):
    config = make_config(run={"steps": 2, "save_every": 1})
    train(config, renderer=renderer)
    folder = Path(config.run.out) / "checkpoints"
    (folder / "step_00000009").mkdir()
    (folder / ".step_00000010.123").mkdir()
    assert Trainer(DistanceTask(config, renderer=renderer)).step == 2


def test_damaged_checkpoint_is_named(make_config, renderer):
    config = make_config(run={"steps": 1})
    train(config, renderer=renderer)
    (path,) = list_snapshots(Path(config.run.out) / "checkpoints")
    (path / "weights.safetensors").write_bytes(b"short")
    with pytest.raises(PanodepthError, match="cannot read checkpoint"):
        Trainer(DistanceTask(config, renderer=renderer))


def test_no_pickle_anywhere(make_config, renderer):
    config = make_config(run={"steps": 1})
    train(config, renderer=renderer)
    suffixes = {p.suffix for p in Path(config.run.out).rglob("*") if p.is_file()}
    assert suffixes <= {".safetensors", ".json", ".jsonl", ".png"}


def test_validation_and_preview_come_with_the_run(make_config, renderer):
    config = make_config(
        run={"steps": 2, "validate_every": 1, "validate_count": 4, "preview_every": 1}
    )
    result = train(config, renderer=renderer)
    assert set(result.scores) == {"indoor", "outdoor", "sky"}
    assert len(records(config, "validate")) == 2
    picture = Image.open(Path(config.run.out) / "previews" / "step_00000001.png")
    assert picture.size == (4 * 56, 4 * 28)


def test_bfloat16_and_channels_last_agree_with_plain(make_config, renderer, tmp_path):
    curves = []
    for i, run in enumerate(({}, {"precision": "bf16", "channels_last": True})):
        config = make_config(run={"out": str(tmp_path / str(i)), "steps": 2, **run})
        train(config, renderer=renderer)
        curves.append(losses(config))
    assert curves[0][2] == pytest.approx(curves[1][2], rel=0.02)
    assert curves[0][2] != curves[1][2]


def test_unknown_device_is_refused(make_config):
    with pytest.raises(ConfigError, match=r"unknown device .abacus"):
        Trainer(DistanceTask(make_config(run={"device": "abacus"})))


def test_config_to_dict_is_json(make_config):
    config = make_config()
    again = config_from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert dataclasses.is_dataclass(again)


def as_settings(values, prefix=""):
    """Nested values as what `--set` takes."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from as_settings(value, f"{prefix}{key}.")
        elif key != "sources":
            yield f"{prefix}{key}={json.dumps(value)}"


def test_training_needs_no_command_line_mesh_or_exr_library(make_config):
    """A machine with a GPU may hold little beside torch: a run works where these are missing."""
    settings = list(as_settings(make_config(run={"steps": 1, "preview_every": 1}).to_dict()))
    missing = ("typer", "click", "rich", "trimesh", "OpenEXR", "huggingface_hub", "scipy")
    code = (
        "import sys\n"
        f"sys.modules |= dict.fromkeys({missing})\n"  # importing any of them raises
        "from panodepth.lab.training import train\n"  # as docs/training.md has it
        f"print(train({str(RECIPE)!r}, {settings!r}).summary())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.startswith("finished at step 1"), done.stderr


def test_a_model_works_at_the_size_it_was_trained_at(make_config, renderer):
    config = make_config(run={"steps": 1})
    trained = load_model(train(config, renderer=renderer).weights)
    assert trained.config.size == (config.data.height, config.data.width)


def test_batches_come_in_each_of_the_heights(make_config, renderer):
    config = make_config(run={"steps": 8})
    height = config.data.height
    heights = (height // 2, height)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, heights=heights))
    trainer = Trainer(DistanceTask(config, renderer=renderer))
    with trainer.stream:
        seen = {trainer.batch(number).image.shape[-2] for number in range(8)}
    assert seen == set(heights)
    trained = load_model(train(config, renderer=renderer).weights)
    assert trained.config.size == (height, 2 * height)


def test_a_height_that_does_not_suit_the_network_is_refused(make_config, renderer):
    config = make_config()
    data = dataclasses.replace(config.data, heights=(config.data.height - 1,))
    with pytest.raises(ConfigError, match=str(config.data.height - 1)):
        DistanceTask(dataclasses.replace(config, data=data), renderer=renderer)


def test_a_run_of_another_kind_in_the_same_folder_is_one_line(make_config, renderer):
    config = make_config()
    run = Trainer(DistanceTask(config, renderer=renderer))
    run.train_step()
    run.save()
    (path,) = list_snapshots(Path(config.run.out) / "checkpoints")
    state = json.loads((path / "state.json").read_text())
    state["config"]["detail"] = {"lowest": 3}
    (path / "state.json").write_text(json.dumps(state))
    with pytest.raises(ConfigError, match=r"another kind of training \(it has \[detail\]\)"):
        Trainer(DistanceTask(config, renderer=renderer))


def test_the_batches_of_a_step_are_the_same_whenever_they_are_made(
    make_config, renderer, monkeypatch
):
    run = Trainer(DistanceTask(make_config(), renderer=renderer))
    monkeypatch.setattr(run, "batch", lambda number: torch.rand(2))  # a dice of all, as crops have
    first = run._batches(1)
    torch.rand(5)
    assert torch.equal(run._batches(1)[1], first[1])
    assert not torch.equal(run._batches(2)[2], first[1])


@pytest.mark.parametrize(("before", "now"), [(1, 2), (2, 1)])
def test_another_number_of_processes_would_draw_other_samples(make_config, before, now):
    config = make_config()
    state = {"processes": before, "config": config.to_dict()}
    check_resumable(state, config, ["optim"], before, Path("c"))
    with pytest.raises(ConfigError, match="would draw other samples"):
        check_resumable(state, config, ["optim"], now, Path("c"))

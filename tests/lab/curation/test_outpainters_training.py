"""`panodepth train-outpainter` on tiny random models: what is trained, resuming, the LoRA file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.lab.curation.test_outpainters import panorama, settings_for

from panodepth.cli import main
from panodepth.errors import ConfigError, ModelError, PanodepthError
from panodepth.lab.curation.outpaint import make_outpainter
from panodepth.lab.curation.outpainters.settings import PAINTERS
from panodepth.lab.training.checkpoint import list_snapshots, load_snapshot
from panodepth.lab.training.outpainter.config import (
    OutpainterConfig,
    ViewConfig,
)
from panodepth.lab.training.outpainter.objective import flow_loss
from panodepth.lab.training.outpainter.task import OutpainterTask
from panodepth.lab.training.outpainter.views import mask_batch, random_coverage
from panodepth.lab.training.trainer import Trainer

RECIPE = Path(__file__).parents[3] / "recipes" / "outpainter.toml"
SMALL = {
    "data": {"height": 32, "width": 64, "batch": 2, "chunk": 4, "reuse": 4, "workers": 0},
    "lora": {"rank": 4},
    "optim": {"lr": 0.03, "warmup": 1, "accumulate": 1},
    "run": {"device": "cpu", "dtype": "float32", "preview_every": 0, "tensorboard": False},
}


def config(folder: Path, out: Path, name: str = "flux", **run: Any) -> OutpainterConfig:
    painter = {"painter": name, "model": str(folder)}
    values: dict[str, Any] = {**SMALL, "painter": painter}
    values["data"] = {**SMALL["data"], "cache": str(folder.parent / "rendered")}
    values["run"] = {**SMALL["run"], "out": str(out), **run}
    return OutpainterConfig.from_dict(values)


def start(config: OutpainterConfig) -> Trainer:
    return Trainer(OutpainterTask(config))


def losses(out: Path) -> list[float]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if row["event"] == "train"]


@torch.no_grad()
def loss_of(run: Trainer) -> float:
    """On the same panoramas, views and noise each time, not those that are trained on."""
    task = run.task
    found = [flow_loss(task.base, run.batch(n), task.prompts[0], 1.0, seed=n) for n in (20, 21)]
    return float(sum(found))


@pytest.mark.parametrize("name", PAINTERS)
def test_the_loss_falls_and_only_the_lora_changes(
    name: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    run = start(config(tiny(name), tmp_path, name, steps=12, log_every=3))
    before = {n: p.detach().clone() for n, p in run.task.model.named_parameters()}
    first = loss_of(run)
    assert run.run().finished
    changed = {n for n, p in run.task.model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == set(run.task.trained)
    assert all(".panorama." in n or n == "spherical.weight" for n in changed)
    assert all(p.grad is None for n, p in run.task.model.named_parameters() if n not in changed)
    assert loss_of(run) < 0.95 * first
    assert len(losses(tmp_path)) == 4
    assert run.task.preview(run.batch(11)).shape == (96, 64, 3)


def test_a_resumed_run_is_an_uninterrupted_one(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    start(config(tiny("flux"), tmp_path / "whole", steps=4)).run()
    start(config(tiny("flux"), tmp_path / "parts", steps=2)).run()
    again = start(config(tiny("flux"), tmp_path / "parts", steps=4))
    assert again.step == 2
    again.run()
    ends = [
        load_snapshot(list_snapshots(tmp_path / d / "checkpoints")[-1]) for d in ("whole", "parts")
    ]
    for stem in ("weights", "optimizer"):
        for key, value in ends[0].tensors[stem].items():
            torch.testing.assert_close(ends[1].tensors[stem][key], value, rtol=0, atol=0)
    files = [load_file(tmp_path / d / "lora.safetensors") for d in ("whole", "parts")]
    assert all(torch.equal(files[0][key], files[1][key]) for key in files[0])
    values = config(tiny("flux"), tmp_path / "parts", steps=6).to_dict()
    other = OutpainterConfig.from_dict({**values, "lora": {"rank": 8}})
    with pytest.raises(ConfigError, match=r"lora\.rank is 8, but checkpoint .* was trained with 4"):
        start(other)


def test_the_file_is_read_by_curate_and_by_diffusers(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    name = "flux2-klein"
    values = config(tiny(name), tmp_path, name, steps=3).to_dict()
    painter = {**values["painter"], "prompt": "an attic", "licence": "apache-2.0"}
    run = start(OutpainterConfig.from_dict({**values, "painter": painter}))
    file = run.run().weights
    with safe_open(file, "np") as opened:
        facts = json.loads(opened.metadata()["panodepth"])
    assert facts["licence"] == "apache-2.0"
    assert facts["trained_at"] == "32x64"
    image, known = panorama()
    plain = make_outpainter(name, settings_for(tiny(name), prompt="an attic"))
    tuned = make_outpainter(name, settings_for(tiny(name), lora=str(file)))
    off = make_outpainter(name, settings_for(tiny(name), lora=str(file), lora_scale=0.0))
    filled = plain.fill(image, known, 0)
    assert (tuned.fill(image, known, 0) != filled).mean() > 0.1
    np.testing.assert_array_equal(off.fill(image, known, 0), filled)  # with the LoRA's own prompt
    assert tuned.facts["prompt"] == "an attic"
    assert tuned.facts["lora_licence"] == "apache-2.0"
    assert tuned.facts["spherical_channels"]
    assert len(tuned.facts["lora_sha256"]) == 64
    # What was trained is what paints: the trainer's own weights give the same velocity.
    loaded = tuned._ready.base  # type: ignore[attr-defined]
    for key, parameter in run.task.trained.items():
        torch.testing.assert_close(dict(loaded.transformer.named_parameters())[key], parameter)


def test_without_spherical_channels_it_is_a_plain_lora(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    import diffusers

    values = config(tiny("flux"), tmp_path, steps=1).to_dict()
    lora = {**values["lora"], "spherical": False}
    file = start(OutpainterConfig.from_dict({**values, "lora": lora})).run().weights
    pipe = diffusers.FluxFillPipeline.from_pretrained(tiny("flux"))
    pipe.load_lora_weights(str(file))
    assert any("lora_B" in n and p.abs().sum() > 0 for n, p in pipe.transformer.named_parameters())
    go_on = {**values["lora"], "spherical": False, "init": str(file)}
    out = {**values["run"], "out": str(tmp_path / "on")}
    run = start(OutpainterConfig.from_dict({**values, "lora": go_on, "run": out}))
    kept = load_file(file)
    for name, parameter in run.task.trained.items():
        key = f"transformer.{name.replace('.panorama', '')}"
        torch.testing.assert_close(parameter.detach(), kept[key])


def test_lora_of_another_model(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    file = start(config(tiny("flux"), tmp_path, steps=1)).run().weights
    wanted = settings_for(tiny("flux2-klein"), lora=str(file))
    with pytest.raises(ConfigError, match="was trained for flux, not for flux2-klein"):
        make_outpainter("flux2-klein", wanted)
    bare = tmp_path / "bare.safetensors"
    tensors = {k: v for k, v in load_file(file).items() if k != "spherical.weight"}
    save_file(tensors, bare)  # from elsewhere: nobody says for which model
    made = make_outpainter("flux2-klein", settings_for(tiny("flux2-klein"), lora=str(bare)))
    with pytest.raises(ModelError, match="does not fit Flux2KleinInpaintPipeline"):
        made.fill(*panorama(), 0)


def test_what_is_shown_are_views_in_the_middle() -> None:
    views = ViewConfig()
    shares = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        covered = random_coverage(views, (64, 128), rng)
        shares.append(covered.mean())
    assert 0.02 < np.mean(shares) < 0.4
    assert np.ptp(shares) > 0.05
    images = torch.randint(0, 255, (6, 3, 64, 128), dtype=torch.uint8)
    batch = mask_batch(images, ViewConfig(any_turn=0, second=0), seed=3)
    assert batch.image.shape == (6, 3, 64, 128)
    assert batch.image.min() >= -1
    columns = batch.known[:, 0].sum(1)
    middle = (columns * torch.arange(128)).sum(1) / columns.sum(1)
    assert ((middle - 63.5).abs() < 3).all()
    again = mask_batch(images, ViewConfig(any_turn=0, second=0), seed=3)
    assert torch.equal(again.known, batch.known)
    tiny_view = ViewConfig(fov_min_deg=5, fov_max_deg=5, aspect_min=1, aspect_max=1)
    assert all(
        random_coverage(tiny_view, (8, 16), np.random.default_rng(s)).any() for s in range(20)
    )


def test_the_shipped_recipe_is_complete() -> None:
    found = OutpainterConfig.load(RECIPE).to_dict()
    text = RECIPE.read_text(encoding="utf-8")
    assert found == OutpainterConfig().to_dict()  # it says the defaults
    for table, values in found.items():
        for key in values if table not in ("data", "sources") else ():
            assert f"\n{key} = " in text, f"[{table}] {key} is not in the recipe"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["lora.rnak=3"], "rank"),
        (["lora.rank=0"], "rank in [lora] must be at least 1"),
        (["painter.painter=crayon"], "painter.painter"),
        (["data.width=64"], "twice"),
        (["views.fov_max_deg=200"], "fov"),
        (["data.scenes_weight=0"], "nothing to train on"),
        (["painter.model=nowhere"], "nowhere: no such folder"),
    ],
)
def test_what_cannot_start_says_why(
    settings: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [f"run.out={tmp_path / 'out'}", "run.tensorboard=false", *settings]
    words = [word for text in chosen for word in ("--set", text)]
    assert main(["train-outpainter", "--recipe", str(RECIPE), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error:")
    assert error.count("\n") == 1
    assert says in error


def test_from_the_command_line(
    tiny: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = config(tiny("flux"), tmp_path / "run", steps=2, preview_every=2).to_dict()
    words = []
    for table in ("painter", "data", "optim", "run"):
        for key, value in values[table].items():
            text = str(value).lower() if isinstance(value, bool) else json.dumps(value)
            words += ["--set", f"{table}.{key}={text}"]
    words += ["--set", "lora.rank=2"]
    assert main(["train-outpainter", "--recipe", str(RECIPE), *words]) == 0
    assert "finished at step 2" in capsys.readouterr().out
    assert (tmp_path / "run" / "previews" / "step_00000002.png").is_file()
    bad = [*words, "--set", 'lora.targets=["nothing"]', "--set", f"run.out={tmp_path / 'b'}"]
    assert main(["train-outpainter", "--recipe", str(RECIPE), *bad]) == 2
    assert "lora.targets" in capsys.readouterr().err


def test_out_of_memory_is_one_line_that_helps(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(trainer: Trainer) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(Trainer, "train_step", no_room)
    run = start(config(tiny("flux"), tmp_path / "out", steps=2))
    with pytest.raises(PanodepthError, match=r"out of memory at step 0: lower data\.batch"):
        run.run()

"""Training the metres network: what it is told, and a run from start to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from panodepth.cli import main
from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.feed.samples import Stored
from panodepth.lab.training.metres.config import MetresRecipe
from panodepth.lab.training.metres.task import MetresBatch, MetresTask
from panodepth.lab.training.trainer import Trainer
from panodepth.model.metres import load_metres

ROOT = Path(__file__).parents[3]


def recipe(out: Path, **run: object) -> MetresRecipe:
    data = {"height": 28, "width": 56, "batch": 2, "chunk": 2, "render_batch": 2, "workers": 0}
    more = {"steps": 3, "log_every": 1, "tensorboard": False, "device": "cpu", "threads": 1}
    network = {"channels": [8, 8], "rows": 16}
    run_values = {"out": str(out), **more, **run}
    return MetresRecipe.from_dict(
        {"network": network, "data": {**data, "reuse": 1}, "run": run_values}
    )


def task(out: Path) -> MetresTask:
    made = MetresTask(recipe(out))
    made.prepare(Engine("cpu", "fp32", unused_parameters=False), None)
    return made


def test_the_truth_is_metres_per_unit_where_both_see_a_surface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prediction that is the truth in other units: its 0.98 quantile says how many metres."""
    made = task(tmp_path)
    monkeypatch.setattr("panodepth.lab.training.metres.task.augment", lambda batch, *_: batch)
    distance = torch.linspace(1, 9, 32)[None, None].expand(2, 16, 32).clone()
    distance[1] *= 3
    distance[:, :4] = torch.inf  # sky
    sky = torch.where(distance.isinf(), 5.0, -5.0)
    log = torch.where(distance.isinf(), 1.0, distance).log() + 0.7
    monkeypatch.setattr(made, "predicted", lambda _image: (log, sky))
    stored = Stored(torch.zeros(2, 3, 16, 32, dtype=torch.uint8), distance)
    batch = made.batch(stored, 0)
    farthest = torch.tensor([9.0, 27.0])  # more than 2 % of the pixels are as far as that
    torch.testing.assert_close(batch.log.exp(), farthest, rtol=1e-5, atol=0)
    assert not batch.valid[:, :4].any()
    assert batch.valid[:, 4:].all()


def test_without_any_surface_nothing_is_learned(tmp_path: Path) -> None:
    made, ones = task(tmp_path), torch.ones(1, 16, 32)
    nothing = MetresBatch(torch.zeros(1, 3, 16, 32), ones, ones > 0, torch.tensor([torch.nan]))
    loss, terms = made.loss(nothing, 0)
    loss.backward()
    assert loss.item() == 0
    assert terms == {}


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = Trainer(MetresTask(recipe(tmp_path / "whole"))).run()
    assert whole.finished
    trainer = Trainer(MetresTask(recipe(tmp_path / "parts")))
    with trainer.stream:
        trainer.train_step()
    trainer.save()
    parts = Trainer(MetresTask(recipe(tmp_path / "parts"))).run()
    one, other = (load_metres(r.weights).state_dict() for r in (whole, parts))
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=1e-3, rtol=0)


def test_panoramas_without_a_unit_teach_no_metres(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, meta in (("a", "{}"), ("b", '{"unit": "m"}')):
        Image.new("RGB", (56, 28), "grey").save(folder / f"{name}.png")
        distance = np.full((28, 56), 2.0, np.float32)
        np.savez(folder / f"{name}_distance.npz", distance=distance, meta=meta)
    sources = [{"kind": "folder", "path": str(folder)}]
    said = {**recipe(tmp_path / "run").to_dict(), "sources": sources}
    said["data"]["scenes_weight"] = 0
    stream = Trainer(MetresTask(MetresRecipe.from_dict(said))).stream
    with stream:
        stream.stored(0)
        (problem,) = stream.new_problems()
        assert "a: its distance has no unit" in problem
        (folder / "b_distance.npz").unlink()
        (folder / "b.png").unlink()
    alone = Trainer(MetresTask(MetresRecipe.from_dict(said))).stream
    with (
        alone,
        pytest.raises(PanodepthError, match="the first: a: its distance has no unit"),
    ):
        alone.stored(0)


@pytest.mark.parametrize(
    "said", ["optim.kind=muon", "optim.backbone_lr=0.1", "data.heights=[28]", "optim.layer_decay=1"]
)
def test_what_would_do_nothing_is_refused(
    said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("metres", "detail"):
        file = str(ROOT / f"recipes/{name}.toml")
        out = ["--set", f"run.out={tmp_path}/run"]
        assert main([f"train-{name}", "--recipe", file, "--set", said, *out]) == 2
        assert said.partition("=")[0].rpartition(".")[2] in capsys.readouterr().err


def test_a_run_that_goes_on_keeps_its_batches_a_step(tmp_path: Path) -> None:
    trainer = Trainer(MetresTask(recipe(tmp_path)))
    with trainer.stream:
        trainer.train_step()
    trainer.save()
    said = {**recipe(tmp_path).to_dict(), "optim": {"accumulate": 2}}
    with pytest.raises(ConfigError, match=r"optim.accumulate is 2, but checkpoint .* with 1"):
        Trainer(MetresTask(MetresRecipe.from_dict(said)))


def test_the_recipe_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    recipe_file = ROOT / "recipes/metres.toml"
    assert MetresRecipe.load(recipe_file) == MetresRecipe.from_dict(
        {"optim": {"schedule": "cosine"}, "run": {"log_every": 50}}
    )
    assert main(["train-metres", "--recipe", str(recipe_file), "--set", "network.row=3"]) == 2
    assert "did you mean 'rows'" in capsys.readouterr().err

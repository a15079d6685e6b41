"""`panodepth render` and `panodepth train` from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from panodepth.cli import main
from panodepth.cli.training.train import _table

SMALL = ["data.height=42", "data.width=84", "data.batch=2", "data.chunk=4", "data.workers=0"]
SHORT = ["run.steps=2", "run.validate_count=2", "run.preview_every=0", "run.device=cpu"]
RECIPE = """
[network]
preset = "tiny"
[optim]
warmup = 1
"""


def settings(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


def test_render_writes_pairs(tmp_path, capsys):
    out = tmp_path / "worlds"
    assert main(["render", "--count", "2", "--out", str(out), "--size", "28x56"]) == 0
    pictures = sorted(out.glob("*.png"))
    assert len(pictures) == 2
    archive = np.load(pictures[0].with_name(pictures[0].stem + "_distance.npz"))
    assert archive["distance"].shape == (28, 56)
    assert np.array_equal(np.isnan(archive["distance"]), archive["sky"])
    assert "2 panoramas" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["render", "--count", "1", "--out", "x", "--size", "28x57"], "twice the height"),
        (["render", "--count", "1", "--out", "x", "--kind", "moon"], "moon"),
        (["render", "--count", "1", "--out", "x", "--fov", "60"], "give --views"),
        (["render", "--count", "1", "--out", "x", "--size", f"{'9' * 5000}x2"], "is not HxW"),
        (["train", "--recipe", "nothing.toml"], "nothing.toml"),
        (["app", "--int8"], "--static"),
    ],
)
def test_what_cannot_start_says_why(arguments, says, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error:")
    assert error.count("\n") == 1
    assert says in error


def test_train_writes_a_model_that_predicts(tmp_path, capsys):
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE)
    run = settings(*SMALL, *SHORT, f"run.out={tmp_path / 'run'}")
    assert main(["train", "--recipe", str(recipe), *run]) == 0
    weights = tmp_path / "run" / "model.safetensors"
    assert weights.exists()
    assert "finished at step 2" in capsys.readouterr().out

    import panodepth

    image = np.full((42, 84, 3), 128, np.uint8)
    prediction = panodepth.load(weights, size=(42, 84)).predict(image)
    assert np.isfinite(prediction.distance).all()


@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_data_names_a_folder_of_panoramas_or_shards(tmp_path, kind):
    from panodepth.lab.data import ShardWriter, open_source

    where = tmp_path / "data 🏠"
    worlds = where if kind == "folder" else tmp_path / "worlds"
    assert main(["render", "--count", "2", "--out", str(worlds), "--size", "42x84"]) == 0
    if kind == "shards":
        with ShardWriter(where, "s") as writer:
            for number, panorama in enumerate(open_source("folder", worlds)):
                writer.add(panorama, str(number))
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE + '[[sources]]\nkind = "folder"\npath = "nowhere"\n')
    run = settings(*SMALL, *SHORT, f"run.out={tmp_path / 'run'}", "data.scenes_weight=0")
    run += settings("sources.0.weight=2", "run.steps=1")
    assert main(["train", "--recipe", str(recipe), "--data", str(where), "--quiet", *run]) == 0
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    source = {"kind": kind, "path": str(where), "weight": 2.0, "split": ""}
    assert first["config"]["sources"] == [source]


def test_data_of_another_kind_is_named_as_evaluate_names_it(tmp_path, capsys):
    where = tmp_path / "a=b"
    where.mkdir()
    assert _table(str(where)) == f'{{kind="folder", path="{where}"}}'
    assert _table(f"panosuncg={where}") == f'{{kind="panosuncg", path="{where}"}}'
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE)
    assert main(["train", "--recipe", str(recipe), "--data", f"panosung={where}"]) == 2
    assert "did you mean 'panosuncg'?" in capsys.readouterr().err

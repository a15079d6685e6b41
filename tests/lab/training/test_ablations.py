"""The ablations: each recipe changes one thing, the table says what is noise, runs go on."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from panodepth.errors import ConfigError
from panodepth.lab.training.config import load_config
from panodepth.lab.training.distance.network import build_network
from panodepth.lab.training.feed.samples import mix_seed
from panodepth.lab.training.feed.stream import SampleStream

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes" / "ablations").glob("*.toml"))
TINY = {
    "network.overrides.stem_widths": "[8, 8, 8]",
    "network.overrides.stem_blocks": "[1, 1, 1]",
    "network.overrides.dim": 16,
    "network.overrides.heads": 2,
    "network.overrides.hidden": 16,
    "network.overrides.cross_heads": 2,
    "network.overrides.decoder": "[8, 8, 8, 8]",
    "data.height": 28,
    "data.width": 56,
    "data.batch": 2,
    "data.chunk": 2,
    "data.render_batch": 2,
    "data.workers": 0,
    "run.steps": 2,
    "run.tensorboard": "false",
    "run.device": "cpu",
    "run.precision": "fp32",
}


@pytest.fixture(scope="module")
def ablations():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("ablations")


def differences(one, other):
    return {
        (table, key)
        for table, values in one.items()
        for key, value in (values.items() if isinstance(values, dict) else ())
        if other[table][key] != value
    }


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_changes_one_thing_and_builds(path, ablations):
    config = load_config(path)
    base = load_config(path.with_name("full.toml"))
    changed = differences(config.to_dict(), base.to_dict()) - {("run", "out")}
    if path.stem == "adamw":  # which wants a rate of its own
        assert changed == {("optim", "kind"), ("optim", "lr")}
    else:
        assert len(changed) == (0 if path.stem == "full" else 1)
    assert config.run.out.endswith(path.stem)
    assert ablations.title(path.stem)
    build_network(config.network, (28, 56))


def test_the_script_knows_every_recipe(ablations):
    assert set(ablations.ORDER) == {path.stem for path in RECIPES}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "own"
    place.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a1", "b1"):
        np.savez(place / f"{name}_distance.npz", distance=rng.uniform(1, 3, (28, 56)))
        Image.fromarray(rng.integers(255, size=(28, 56, 3), dtype=np.uint8)).save(
            place / f"{name}.png"
        )
    return place


def test_runs_are_trained_scored_kept_and_tabled(
    ablations, renderer, monkeypatch, tmp_path, folder, capsys
):
    for module in ("training.feed.rendering", "evaluation.worlds"):
        monkeypatch.setattr(f"panodepth.lab.{module}.scene_renderer", lambda: renderer)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{ablations.BEGIN}\nold\n{ablations.pages.END}\nafter\n")
    out, cache = tmp_path / "out", tmp_path / "cache"
    command = ["--out", str(out), "--cache", str(cache), "--recipes", "full,no_sphere"]
    command += ["--rendered", "4", *(f"--set={k}={v}" for k, v in TINY.items())]
    assert ablations.main(command) == 0
    capsys.readouterr()
    assert len(list(cache.iterdir())) == 1  # one rendered set for all runs
    weights = {p.parent.name: p.read_bytes() for p in out.glob("*/model.safetensors")}
    assert set(weights) == {f"{r}_seed{s}" for r in ("full", "no_sphere") for s in (0, 1)}
    assert len(set(weights.values())) == 4

    def never(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(ablations, "train", never)
    assert ablations.main([*command, "--data", f"own={folder}", "--write", str(page)]) == 0
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    header, _, first, second = text.splitlines()[2:6]
    assert [h.strip() for h in header.split("|")[2:-1]] == [
        "rendered indoor",
        "rendered outdoor",
        "rendered sky IoU",
        "own indoor",
        "own outdoor",
        "own indoor F1 %",
        "own outdoor F1 %",
    ]
    assert first.startswith("| `full`")
    assert second.startswith("| `no_sphere`: Without the spherical embedding")
    record = json.loads((out / "results" / "full_seed0.json").read_text())
    rows = record["rows"]["rendered"]
    assert {r["dataset"] for r in rows} == {"rendered indoor", "rendered outdoor"}
    assert all(r["values"]["abs_rel"] > 0 for r in rows)
    assert ablations.main([*command, "--set=optim.lr=0.5"]) == 1
    assert "another state of full.toml" in capsys.readouterr().err


def test_what_is_noise(ablations):
    rows = {"full": [0.10, 0.12], "same": [0.12, 0.13], "worse": [0.30, 0.31]}
    spread, freedom = ablations.pooled_spread(rows)
    assert freedom == 3
    assert spread == pytest.approx(((0.0002 + 0.00005 + 0.00005) / 3) ** 0.5)
    assert ablations.noise_limit(rows, "same") == pytest.approx(3.18 * spread)
    assert ablations.cell(rows, "same", False).endswith(") ~")
    assert ablations.cell(rows, "worse", False).endswith(" worse")
    assert ablations.cell(rows, "worse", True).endswith(" better")
    assert ablations.cell(rows, "full", False) == "0.1100 (0.1000–0.1200)"
    assert ablations.cell({"full": [0.1], "one": [0.9]}, "one", False).endswith("~")  # no spread


def test_the_seed_changes_the_order_but_not_the_worlds(make_config, renderer):
    def order(seed):
        config = make_config(run={"seed": seed})
        with SampleStream(config, renderer) as stream:  # an epoch: two chunks of eight
            return [index for number in range(4) for index in stream.describe(number)]

    assert order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1)) == list(range(16))
    assert mix_seed(5, 1, 7, 0) == mix_seed(5, 1, 7)  # so seed 0 is what it was without one


def test_results_say_which_weights_a_run_began_from(ablations, monkeypatch, tmp_path):
    class Scorer:
        def score(self, weights, kept):
            return {}

    monkeypatch.setattr(ablations, "train", lambda config, init: SimpleNamespace(finished=True))
    init = tmp_path / "a.safetensors"
    init.write_bytes(b"1" * 99)
    settings = tuple(f"{key}={value}" for key, value in TINY.items())
    plan = ablations.Plan(tmp_path / "out", ("full",), (0,), settings, {}, 0, init)
    ablations.run_one(plan, "full", 0, Scorer())
    record = json.loads((tmp_path / "out/results/full_seed0.json").read_text())
    assert record["init"].startswith("a.safetensors ")
    ablations.run_one(plan, "full", 0, Scorer())
    for other in (b"2" * 99, None):
        init = None if other is None else init
        if other:
            init.write_bytes(other)
        with pytest.raises(ConfigError, match="began from other weights"):
            ablations.run_one(replace(plan, init=init), "full", 0, Scorer())

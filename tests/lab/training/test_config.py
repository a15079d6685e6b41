"""Recipes: strict reading, clear errors, single settings, and the shipped file."""

import dataclasses
import json
import math
import tomllib
from pathlib import Path

import pytest

from panodepth.errors import ConfigError
from panodepth.lab.training.config import SourceConfig, TrainConfig, config_from_dict, load_config
from panodepth.model import find_preset

RECIPES = Path(__file__).parents[3] / "recipes"


def test_shipped_recipe_is_complete():
    """Every key of every table is written out, so a reader sees all there is to choose."""
    values = tomllib.loads((RECIPES / "compact.toml").read_text(encoding="utf-8"))
    config = load_config(RECIPES / "compact.toml")
    for name, table in config.to_dict().items():
        if name not in ("sources", "held_out"):  # which may be left out
            assert set(values[name]) == set(table), name
    assert find_preset(config.network.preset).name == "compact"
    assert config.data.height % 14 == 0


def test_dict_round_trip():
    config = load_config(RECIPES / "compact.toml", ["optim.lr=5e-4", "run.out=runs/x"])
    assert config_from_dict(config.to_dict()) == config


def test_settings_override_in_order_and_by_type():
    config = load_config(
        RECIPES / "compact.toml",
        ["optim.lr=1", "optim.lr=0.5", "data.kind=indoor", "network.overrides.depth=4"],
    )
    assert config.optim.lr == 0.5
    assert config.data.kind == "indoor"
    assert config.network.overrides == {"depth": 4}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optm": {}}, "did you mean 'optim'"),
        ({"optim": {"learning": 1}}, "unknown key 'learning' in \\[optim\\]"),
        ({"optim": {"warm_up": 1}}, "did you mean 'warmup'"),
        ({"optim": {"lr": "fast"}}, "lr in \\[optim\\] must be a number"),
        ({"data": {"batch": 1.5}}, "batch in \\[data\\] must be a whole number"),
        ({"data": {"batch": True}}, "batch in \\[data\\] must be a whole number"),
        ({"data": 3}, "\\[data\\] must be a table"),
        ({"data": {"kind": "garden"}}, "choose one of mixed, indoor, outdoor"),
        ({"data": {"width": 300}}, "twice"),
        ({"data": {"chunk": 10, "reuse": 1, "batch": 4}}, "multiple of data.batch = 4"),
        ({"data": {"seed": 1_000_000}}, "higher ones are for measuring"),
        ({"run": {"steps": 0}}, r"steps in \[run\] must be at least 1"),
        ({"optim": {"schedule": "step"}}, "choose one of cosine, trapezoid"),
        ({"loss": {"alignment": "mean"}}, "alignment in .* choose one of"),
        ({"network": {"train": "tail"}}, "choose one of all, head, last:N"),
        ({"network": {"train": "last:0"}}, "network.train"),
        ({"optim": {"layer_decay": 0.0}}, "layer_decay in .* at most 1 and above 0"),
        ({"sources": {"kind": "folder"}}, r"list of tables \(\[\[sources\]\]\)"),
        ({"sources": [{"kind": "folder"}]}, r"number 1 needs a value for 'path'"),
        ({"sources": [{"kind": "a", "path": "b", "wait": 1}]}, "did you mean 'weight'"),
        (
            {"sources": [{"kind": "a", "path": "b", "weight": 0}]},
            "weight in .* number 1 must be above 0",
        ),
        ({"data": {"scenes_weight": 0.0}}, "nothing to train on"),
        ({"data": {"scenes_weight": -1.0}}, r"scenes_weight in \[data\] must be at least 0"),
        ({"data": {"batch": 0}}, r"batch in \[data\] must be at least 1"),
        ({"data": {"first_index": -5}}, r"first_index in \[data\] must be at least 0"),
        ({"optim": {"lr": 0.0}}, "lr in .* must be above 0"),
        ({"optim": {"lr": math.nan}}, r"lr in \[optim\] must be a number, not nan"),
        ({"optim": {"grad_clip": 0.0}}, "grad_clip in .* must be above 0"),
        ({"optim": {"beta1": 2.0}}, "beta1 in .* at least 0 and below 1"),
        ({"optim": {"warmup": -5}}, r"warmup in \[optim\] must be at least 0"),
        ({"augment": {"flip": 7.0}}, "flip in .* at least 0 and at most 1"),
        ({"augment": {"noise": -1.0}}, r"noise in \[augment\] must be at least 0"),
        ({"loss": {"normal": math.inf}}, "normal in .* must be a number, not inf"),
        ({"loss": {"consistency": -1.0}}, r"consistency in \[loss\] must be at least 0"),
        ({"run": {"max_minutes": -1.0}}, r"max_minutes in \[run\] must be at least 0"),
        (
            {"sources": [{"kind": "a", "path": "b", "weight": math.inf}]},
            "weight .* must be a number",
        ),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        config_from_dict(values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["optim.lr"], "table.key=value"),
        (["optim.lr.x=1"], "not a table"),
        (["lr=1"], "unknown key"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(RECIPES / "compact.toml", settings)


def test_missing_and_malformed_files(tmp_path):
    with pytest.raises(ConfigError, match="cannot read recipe"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[run\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(tmp_path / "bad.toml")


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().optim.lr = 1.0


def test_sources_are_tables_of_their_own(tmp_path):
    recipe = tmp_path / "mixed.toml"
    recipe.write_text(
        '[data]\nscenes_weight = 2\n[[sources]]\nkind = "folder"\npath = "a"\n'
        '[[sources]]\nkind = "shards"\npath = "b"\nweight = 3\nsplit = "train.txt"\n'
    )
    config = load_config(recipe)
    assert config.data.scenes_weight == 2.0
    assert config.sources == (
        SourceConfig("folder", "a"),
        SourceConfig("shards", "b", 3.0, "train.txt"),
    )
    assert config_from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_recipe_of_an_older_version_still_loads():
    """As version 0.1 kept it in checkpoints and model files; later keys get their defaults."""
    kept = json.loads((Path(__file__).parent / "recipe_of_version_0_1.json").read_text())
    now = config_from_dict(kept).to_dict()
    for table, values in kept.items():
        assert {key: now[table][key] for key in values} == values
    assert now["sources"] == []


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("data.batch=1000000000", "batch in [data] must be at least 1 and at most 65536"),
        ("data.batch=40000", "data.batch = 40000 panoramas of 518x1036"),
        ("data.chunk=60000", "data.chunk = 60000 panoramas of 518x1036"),
        ("data.height=100000000", "height in [data]"),
        ("run.steps=99999999999999", "steps in [run]"),
        ("data.workers=5000", "workers in [data]"),
        ("optim.accumulate=1e9", "accumulate in [optim]"),
        ("network.overrides.depth=20000", "depth must be at most 1024"),
        ("network.overrides.dim=16000000", "sizes of layers must be at most"),
        ("network.overrides.size=[8190, 16380]", "a network works at up to 16,777,216 pixels"),
    ],
)
def test_absurd_sizes_are_refused_before_any_work(setting, says):
    from panodepth.lab.training.distance.network import build_network

    def start():
        config = load_config(RECIPES / "da2.toml", [setting])
        build_network(config.network, (config.data.height, config.data.width))

    with pytest.raises(ConfigError) as caught:
        start()
    assert says in str(caught.value)
    assert "unexpected" not in str(caught.value)


def test_every_shipped_recipe_and_preset_is_within_the_bounds():
    from panodepth.model import PRESETS

    assert len(PRESETS) > 2
    for path in (*RECIPES.glob("*.toml"), *RECIPES.glob("ablations/*.toml")):
        if path.name not in (
            "outpainter.toml",
            "detail.toml",
            "metres.toml",
        ):  # recipes of other tasks
            assert load_config(path).run.steps > 0

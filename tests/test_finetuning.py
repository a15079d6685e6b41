"""docs/finetuning.md: its commands run as they stand, and the model gets better on the folder."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from panodepth.cli import main
from panodepth.lab.training.config import load_config
from panodepth.lab.training.distance.network import build_network
from panodepth.model import load_model

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "src" / "panodepth" / "weights" / "default.safetensors"
PAGE = (ROOT / "docs" / "finetuning.md").read_text(encoding="utf-8")
RECIPE = ROOT / "recipes" / "finetune.toml"
# A third of the page's pictures and of the recipe's steps say as much of the commands.
COUNT = {"--count 16": "--count 6"}
STEPS = {"steps": 20, "log_every": 5, "preview_every": 10, "validate_every": 10}


def steps() -> list[list[str] | str]:
    """The words after `panodepth` of every command of the page, and its Python, in order."""
    page = PAGE
    for given, fewer in COUNT.items():
        assert given in page
        page = page.replace(given, fewer)
    found: list[list[str] | str] = []
    for language, block in re.findall(r"```(bash|python)\n(.*?)```", page, re.DOTALL):
        if language == "python":
            found.append(block)
            continue
        for line in block.splitlines():
            name, *arguments = shlex.split(line)
            assert name == "panodepth", line
            found.append(arguments)
    return found


def shorten(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    for key, number in STEPS.items():
        text, found = re.subn(rf"^{key} = \d+", f"{key} = {number}", text, flags=re.MULTILINE)
        assert found == 1, key
    recipe.write_text(text, encoding="utf-8")


def call(words: list[str]) -> None:
    """The longest command as a program, the others here: to start one takes seconds."""
    if "--held-out" not in words:
        assert main(words) == 0, words
        return
    command = [sys.executable, "-m", "panodepth", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_recipe_fits_the_bundled_model():
    config = load_config(RECIPE)
    model = build_network(config.network, (config.data.height, config.data.width))
    bundled = load_model(BUNDLED)
    shapes = {n: t.shape for n, t in model.state_dict().items()}
    assert shapes == {n: t.shape for n, t in bundled.state_dict().items()}
    assert config.data.scenes_weight == 0
    assert [s.kind for s in config.sources] == ["folder"]


@pytest.mark.slow
def test_the_pages_commands(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    shorten(tmp_path / "recipes" / RECIPE.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    scores = []
    for command in steps():
        if isinstance(command, str):
            exec(compile(command, "docs/finetuning.md", "exec"), {})
            continue
        call(command)
        if "evaluate" in command:
            report = tmp_path / command[command.index("--out") + 1] / "report.json"
            datasets = json.loads(report.read_text())["datasets"]
            scores.append({k: d["measures"]["abs_rel"]["mean"] for k, d in datasets.items()})
    before, after = scores
    assert set(before) == set(after) == {"my_panoramas", "kept_apart"}
    assert after["my_panoramas"] < 0.95 * before["my_panoramas"]
    log = [json.loads(x) for x in (tmp_path / "runs/finetune/log.jsonl").read_text().splitlines()]
    losses = [x["loss"] for x in log if x["event"] == "train"]
    assert sum(losses[-2:]) < sum(losses[:2])
    assert len(list((tmp_path / "out").glob("*_distance.npz"))) == 6
    with (tmp_path / "before" / "images.csv").open() as opened:
        rows = [row for row in csv.DictReader(opened) if row["dataset"] == "my_panoramas"]
    rows.sort(key=lambda row: -float(row["abs_rel"]))
    assert (tmp_path / "hard.txt").read_text().split() == [row["name"] for row in rows[:2]]
    assert (tmp_path / "runs/hard/model.safetensors").is_file()
    # "head" leaves the backbone as it was; the recipe's own run does not
    kept, moved = ({}, {})
    for run, same in (("head", kept), ("finetune", moved)):
        model = load_model(tmp_path / f"runs/{run}/model.safetensors").state_dict()
        for name, tensor in load_model(BUNDLED).state_dict().items():
            same[name] = bool((model[name] - tensor).abs().max() < 1e-6)
    assert all(same for name, same in kept.items() if name.startswith("backbone."))
    assert not all(same for name, same in moved.items() if name.startswith("backbone."))
    assert not kept["head.out.weight"]

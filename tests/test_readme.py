"""The README's Python and command lines run as they stand, beside a copy of the examples."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.lab.bench.ceilings import COPY_BYTES
from panodepth.lab.bench.clock import Effort
from panodepth.lab.training.config import load_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LINKS = re.findall(r"\]\(([^)#]+)\)", README)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """What the README tells to run, but for training: tests/test_training_pages.py holds that."""
    lines = "\n".join(blocks("bash")).splitlines()
    told = [line.split("  #")[0].strip() for line in lines if line.startswith("panodepth ")]
    return [line for line in told if not line.startswith("panodepth train ")]


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_there_is_something_to_run():
    assert len(commands()) >= 6
    assert len(blocks("python")) >= 1


def test_python_blocks_run(folder):
    code = "\n".join(blocks("python"))
    code += "\nassert prediction.normals.shape == (512, 1024, 3)"
    done = run([sys.executable, "-c", code], folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "room.glb").stat().st_size > 100_000
    assert (folder / "out" / "interior_distance.exr").exists()


def test_commands_run(folder, monkeypatch):
    """The first as a program, the others here, on smaller pictures: both take seconds less."""
    first, *others = commands()
    done = run([sys.executable, "-m", *shlex.split(first)], folder)
    assert done.returncode == 0, f"{first}: {done.stderr}"
    for picture in (folder / "examples").glob("*.jpg"):
        Image.open(picture).resize((640, 320)).save(picture)
    monkeypatch.setattr("panodepth.lab.bench.command.QUICK", Effort(0.05, least=2, most=5))
    monkeypatch.setitem(COPY_BYTES, "cpu", 2**22)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for line in others:
        assert main(shlex.split(line)[1:]) == 0, line
    written = {p.name for p in (folder / "out").rglob("*") if p.is_file()}
    wanted = {"interior_distance.npz", "interior_preview.png", "interior_points.ply"}
    assert wanted | {"interior.glb", "courtyard_distance.exr"} <= written
    assert (folder / "report" / "report.md").exists()


def test_recipes_to_train_load():
    recipes = re.findall(r"panodepth train --recipe (\S+)", README)
    assert len(recipes) >= 3
    for recipe in recipes:
        load_config(ROOT / recipe)


@pytest.mark.parametrize("link", [x for x in LINKS if not x.startswith("http")])
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)) <= targets

"""space/: what a hosted Space needs, and that it runs with nothing of panodepth installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "space"
# https://huggingface.co/docs/hub/spaces-config-reference
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_the_front_matter_is_what_a_space_needs() -> None:
    yaml = pytest.importorskip("yaml")
    _, front, text = (SPACE / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    said = yaml.safe_load(front)
    assert said["sdk"] == "gradio"
    assert (SPACE / said["app_file"]).is_file()
    assert {said["colorFrom"], said["colorTo"]} <= COLOURS
    assert len(said["short_description"]) <= 60
    assert said["license"] == "apache-2.0"
    pinned = (ROOT / "constraints-app.txt").read_text()
    assert f"gradio=={said['sdk_version']}\n" in pinned
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest = project["requires-python"].removeprefix(">=").split(".")
    assert said["python_version"].split(".") >= lowest
    assert "make space" in text


def test_the_requirements_are_those_of_the_package_and_its_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["app"]]
    lines = (SPACE / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not re.match("#|--", line)] == wanted


def test_the_folder_runs_by_itself(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^space:\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    out = tmp_path / "space-out"
    for line in recipe[1].splitlines():
        command = line.strip().replace("space-out", str(out))
        subprocess.run(["sh", "-c", command], cwd=ROOT, check=True)
    code = (
        "import app, panodepth; from pathlib import Path; print(panodepth.__file__);"
        "assert app.ARGUMENTS[:3] == ['app', '--host', '0.0.0.0'];"
        "assert app.main([*app.ARGUMENTS, '--help']) == 0;"
        "assert list(Path('panodepth/app/examples').glob('*.jpg'));"
        "assert Path('panodepth/weights/default.safetensors').is_file()"
    )
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {code}"]
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=out, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout

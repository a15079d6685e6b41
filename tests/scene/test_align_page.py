"""Every line of docs/align.md runs as it stands, on rooms whose distances are exact."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.scene.test_align import PLACES, photo

import panodepth
from panodepth.cli import main
from panodepth.types import Prediction

PAGE = (Path(__file__).parents[2] / "docs/align.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(panodepth align .+)$", PAGE, re.MULTILINE)
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NAMES = ("hall", "kitchen", "study")
ROOMS = {name: photo(place, name) for name, place in zip(NAMES, PLACES, strict=True)}


class Exact:
    """Predicts the true distance of each room, by its name."""

    def predict(self, image: Any, *more: Any, **named: Any) -> Prediction:
        return ROOMS[Path(image).stem]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page's pictures and poses lie, and the model sees the truth."""
    for name, room in ROOMS.items():
        Image.fromarray(room.image).save(tmp_path / f"{name}.jpg", quality=95)
    listed = [
        {"name": name, "yaw_deg": place.yaw_deg, "position": list(place.position)}
        for name, place in zip(NAMES, PLACES, strict=True)
    ]
    (tmp_path / "poses.json").write_text(json.dumps({"rooms": listed}))
    (tmp_path / "utm32.wkt").write_text('PROJCS["ETRS89 / UTM zone 32N",UNIT["metre",1]]')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "panodepth.cli.view.read_rooms",
        lambda files, options, model, **_: [Exact().predict(file) for file in files],
    )
    monkeypatch.setattr(panodepth, "load", lambda *more, **named: Exact())
    return tmp_path


def test_there_is_something_to_run() -> None:
    assert len(COMMANDS) >= 2
    assert len(BLOCKS) >= 1


@pytest.mark.parametrize("line", COMMANDS)
def test_a_line_runs(line: str, folder: Path) -> None:
    assert main(shlex.split(line)[1:]) == 0
    told = set(re.findall(r"^\| `(rooms[.\w]*\.\w+)` \|", PAGE, re.MULTILINE))
    if formats := re.search(r"--format (\S+)", line):
        clouds = {f"rooms_points.{name}" for name in formats[1].split(",")}
        told = told - {"rooms_points.ply"} | clouds
    assert {path.name for path in (folder / "flat").iterdir()} == told
    found = json.loads((folder / "flat/rooms.json").read_text())
    assert [key for key in found if f"| `{key}` |" not in PAGE] == []
    assert [room["name"] for room in found["rooms"]] == [name for name in NAMES if name in line]


@pytest.mark.parametrize("code", BLOCKS)
def test_python_runs(code: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "docs/align.md", "exec"), {})
    assert "Place(yaw_deg=" in capsys.readouterr().out

"""`panodepth view`: what it reads, what it calls the page, and what it refuses in one line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import panodepth.cli.view
from panodepth.cli import main
from panodepth.export.mark import stated
from panodepth.predict.options import PredictOptions
from panodepth.types import Prediction


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with two saved predictions in rooms/."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("hall", "attic")):
        distance = np.full((8, 16), 1.0 + number, np.float32)
        image = np.full((8, 16, 3), 100, np.uint8)
        meta = {"name": name, "unit": "m"}
        Prediction(distance, np.ones((8, 16), bool), image, meta).save("rooms/", ["npz"])
    return tmp_path


def names(page: Path) -> list[str]:
    found = re.search(r'id="rooms">(.*?)</script>', page.read_text())
    assert found
    return [room["name"] for room in json.loads(found[1])]


def test_a_saved_prediction_becomes_a_page_named_after_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", "rooms/hall_distance.npz"]) == 0
    assert capsys.readouterr().out == "hall.html\n"
    assert names(folder / "hall.html") == ["hall"]
    assert stated(folder / "hall.html") is not None


def test_pictures_are_predicted_with_sharp_edges_unless_told_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = panodepth.cli.view.read_rooms

    def watched(files: list[Path], options: PredictOptions, *rest: Any) -> list[Prediction]:
        seen.append(options.quality)
        return real(files, options, *rest)

    monkeypatch.setattr(panodepth.cli.view, "read_rooms", watched)
    for more in ([], ["--quality", "standard"]):
        assert main(["view", "rooms", "--quiet", *more]) == 0
    assert seen == ["best", "standard"]


def test_a_folder_becomes_one_page_of_its_rooms(folder: Path) -> None:
    assert main(["view", "rooms", "--quiet"]) == 0
    assert names(folder / "rooms.html") == ["attic", "hall"]


def places(page: Path) -> list[dict | None]:
    found = re.search(r'id="rooms">(.*?)</script>', page.read_text())
    assert found
    return [room["place"] for room in json.loads(found[1])]


def test_rooms_stand_where_align_says(folder: Path) -> None:
    room = {"name": "hall", "yaw_deg": 30.0, "position": [1, 0, 2], "scale": 2.5}
    hall = {"yaw_deg": 30.0, "position": [1.0, 0.0, 2.0], "scale": 2.5}
    attic = {"yaw_deg": 0.0, "position": [0.0, -3.0, 0.0], "scale": 1.0}
    several = [room, {"name": "attic", "yaw_deg": 0, "position": [0, -3, 0]}]
    for given, wanted in (([room], [None, hall]), (several, [attic, hall])):
        Path("flat.json").write_text(json.dumps({"rooms": given}))
        assert main(["view", "rooms", "--rooms", "flat.json", "--quiet"]) == 0
        assert places(folder / "rooms.html") == wanted
    Path("flat.json").rename("rooms/rooms.json")  # in the folder it is found by itself
    assert main(["view", "rooms", "--html", "again.html", "--quiet"]) == 0
    assert places(folder / "again.html") == [attic, hall]
    assert main(["view", "rooms/hall_distance.npz", "--quiet"]) == 0
    assert places(folder / "hall.html") == [None]


def test_relative_rooms_that_were_placed_in_metres_are_shown_in_metres(folder: Path) -> None:
    distance, image = np.full((8, 16), 0.5, np.float32), np.full((8, 16, 3), 100, np.uint8)
    meta = {"name": "cellar", "unit": "relative"}
    Prediction(distance, np.ones((8, 16), bool), image, meta).save("cellar/", ["npz"])
    room = {"name": "cellar", "yaw_deg": 0, "position": [4, 0, 0], "scale": 3.0}
    for unit, shown, scale, far in (("m", "m", 1.0, 1.5), ("relative", "relative", 3.0, 0.5)):
        told = {"unit": unit, "rooms": [room | {"distances": "relative"}]}
        Path("cellar/rooms.json").write_text(json.dumps(told))
        assert main(["view", "cellar", "--html", f"{unit}.html", "--quiet"]) == 0
        page = (folder / f"{unit}.html").read_text()
        (found,) = json.loads(re.search(r'id="rooms">(.*?)</script>', page)[1])  # type: ignore[index]
        assert found["unit"] == shown
        assert found["place"] == {"yaw_deg": 0.0, "position": [4.0, 0.0, 0.0], "scale": scale}
        assert found["far"] == pytest.approx(far, rel=1e-3)


def test_rooms_in_another_unit_than_was_aligned_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Else they would stand metres apart, each a seventh of its size, without a word.
    for then, code in (("m", 0), ("relative", 2)):
        room = {"name": "hall", "yaw_deg": 0, "position": [0, 0, 0], "distances": then}
        Path("flat.json").write_text(json.dumps({"rooms": [room]}))
        page = folder / f"{code}.html"
        arguments = ["view", "rooms", "--rooms", "flat.json", "--html", str(page), "--quiet"]
        assert main(arguments) == code
        assert page.exists() == (code == 0)
    assert "hall was aligned with distances in unit" in capsys.readouterr().err


@pytest.mark.parametrize("scale", ["0", "-1", "NaN"])
def test_a_file_of_places_that_is_none_is_told(
    scale: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '{"rooms": [{"name": "hall", "yaw_deg": 0, "position": [0, 0, 0], "scale": %s}]}'
    for content in (text % scale, "[]", "{"):
        Path("flat.json").write_text(content)
        assert main(["view", "rooms", "--rooms", "flat.json"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: poses: flat.json: not")
        assert error.count("\n") == 1
    assert not Path("rooms.html").exists()


def test_several_inputs_stay_in_order_and_none_comes_twice(folder: Path) -> None:
    files = ["rooms/hall_distance.npz", "rooms/attic_distance.npz"]
    assert main(["view", *files, files[0], "--html", "new/both.html"]) == 0
    assert names(folder / "new/both.html") == ["hall", "attic"]


def test_pictures_of_one_name_are_told_apart_by_their_folders(folder: Path) -> None:
    for place in ("a/left", "a/right", "b/left"):
        Path(place).mkdir(parents=True)
        shutil.copy("rooms/hall_distance.npz", f"{place}/hall_distance.npz")
    rooms = [{"name": "right/hall", "yaw_deg": 0, "position": [1, 0, 0]}]
    Path("flat.json").write_text(json.dumps({"rooms": rooms}))
    assert main(["view", "a", "b", "rooms", "--rooms", "flat.json", "--html", "all.html"]) == 0
    told = ["a/left/hall", "right/hall", "b/left/hall", "attic", "rooms/hall"]
    assert names(folder / "all.html") == told
    assert [place is not None for place in places(folder / "all.html")] == [
        name == "right/hall" for name in told
    ]


def test_the_page_is_opened_where_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["view", "rooms/hall_distance.npz", "--open"]) == 0
    assert opened == [(folder / "hall.html").as_uri()]


def test_only_a_page_is_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the saved prediction that is shown, though panodepth wrote that, too."""
    saved = folder / "rooms/hall_distance.npz"
    before = saved.read_bytes()
    for _ in range(2):
        assert main(["view", str(saved), "--html", "page.html", "--quiet"]) == 0
    assert main(["view", str(saved), "--html", str(saved)]) == 2
    assert "is there already, and no page of panodepth" in capsys.readouterr().err
    assert saved.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing.jpg"], "nothing.jpg: no such file"),
        (["nothing.npz"], "nothing.npz: no such file"),
        (["empty"], "no picture and no saved prediction"),
        (["text.jpg"], "not a jpg, png"),
        (["rooms/hall_distance.npz", "--html", "text.jpg"], "is there already"),
        (["many"], "a page holds 24 at most"),
        (["hall_distance.exr"], "a result of panodepth, not a picture to predict; saved"),
        (["*.exr"], "*.exr: no picture and no saved prediction"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    folder: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    shown = np.full((8, 16, 3), 100, np.uint8)
    Prediction(shown[..., 0] / np.float32(9), shown[..., 0] > 0, shown).save("hall_distance.exr")
    (folder / "text.jpg").write_text("text")
    (folder / "many").mkdir()
    for number in range(25):
        (folder / f"many/{number}_distance.npz").touch()
    assert main(["view", *arguments]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not list(folder.glob("*.html"))
    assert (folder / "text.jpg").read_text() == "text"


@pytest.mark.parametrize("command", [["view"], ["align", "--out", "flat"]])
def test_confidence_which_neither_writes_is_not_offered(
    folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes six times the work, and no page or cloud shows it."""
    assert main([*command, "rooms", "--confidence"]) == 2
    assert "--confidence" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["rooms"]

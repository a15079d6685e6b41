"""Results never take the place of others' files, and what was removed is not called written."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.predict.test_gpano import tagged

from panodepth.cli import main
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.outputs import made_otherwise, made_with
from panodepth.predict.models import weights_stamp
from panodepth.types import Prediction


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (56, 112, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def run(model_file: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """`panodepth predict ... --json` with the small model: (exit code, its document, stderr)."""

    def call(*arguments: object) -> tuple[int, dict[str, Any], str]:
        code = main(["predict", *map(str, arguments), "--model", str(model_file), "--json"])
        captured = capfd.readouterr()
        return code, json.loads(captured.out), captured.err

    return call


def test_how_a_tilted_panorama_was_turned_is_told(run: Any, tmp_path: Path) -> None:
    """As whoever places a camera or a light beside its mesh has to know."""
    (tmp_path / "in").mkdir()
    pose = {"PoseHeadingDegrees": 0, "PosePitchDegrees": 20, "PoseRollDegrees": 15}
    for name, tags in (("level", {}), ("tilted", pose)):
        content = tagged(np.asarray(Image.open(picture(tmp_path / "a.png"))) / 255, tags)
        (tmp_path / f"in/{name}.png").write_bytes(content)
    _, told, _ = run(tmp_path / "in", "--out", tmp_path / "out", "--format", "npz")
    level, tilted = (result["facts"] for result in told["results"])
    assert "rotation_to_level" not in level
    wanted = rotation_from_yaw_pitch_roll(0.0, math.radians(20), math.radians(15))
    np.testing.assert_allclose(tilted["rotation_to_level"], wanted, atol=1e-9)


def test_ground_truth_is_never_overwritten(run: Any, tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    truth = tmp_path / "a_distance.npz"
    np.savez(truth, distance=np.ones((56, 112), np.float32))
    content = truth.read_bytes()
    command = (tmp_path, "--out", tmp_path, "--format", "npz")
    for _ in range(2):  # the second run overwrites its own results, and only those
        code, told, err = run(*command)
        assert (code, told["written"], told["failed"]) == (1, 1, 1)
        assert err.count("\n") == 1
        assert str(truth) in err
        assert truth.read_bytes() == content
    code, told, err = run(*command, "--skip-existing")
    assert (code, told["skipped"], told["failed"]) == (1, 1, 1)
    assert run(tmp_path / "a.png", *command[1:])[0] == 1
    truth.unlink()
    truth.symlink_to(tmp_path / "b.png")
    assert run(*command)[0] == 1
    assert truth.is_symlink()


def test_what_is_written_under_another_name_meanwhile_stays(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from panodepth.predict.predictor import Predictor

    picture(tmp_path / "in" / "a.png")
    real = Predictor.finish

    def finish(self: Predictor, *arguments: Any) -> Prediction:
        (tmp_path / "a_distance.npz").write_text("truth")
        return real(self, *arguments)

    monkeypatch.setattr(Predictor, "finish", finish)
    code, _, err = run(tmp_path / "in", "--out", tmp_path, "--format", "npz")
    assert (code, err.count("\n")) == (1, 1)
    assert (tmp_path / "a_distance.npz").read_text() == "truth"


@pytest.mark.parametrize("what", ["out", "out/s"])
def test_an_output_folder_that_is_removed(
    what: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        picture(tmp_path / "in" / "s" / f"{number}.png", number)
    real, calls = Prediction.save, []

    def save(self: Prediction, *arguments: Any, **more: Any) -> list[Path]:
        if len(calls) == 3:
            shutil.rmtree(tmp_path / what)
        calls.append(self.meta["name"])
        return real(self, *arguments, **more)

    monkeypatch.setattr(Prediction, "save", save)
    command = (tmp_path / "in", "--out", tmp_path / "out", "--format", "npz", "--workers", 0)
    code, told, err = run(*command)
    there = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert code == 1
    assert told["written"] == len([r for r in told["results"] if r["status"] == "written"])
    assert told["written"] + told["failed"] == 6
    assert told["written"] <= len(there)
    assert all(os.path.exists(name) for r in told["results"] for name in r["files"])
    assert 1 <= err.count("\n") <= 2
    assert "removed" in err
    if what == "out":
        assert len(calls) == 4  # no more is begun


def test_links_and_left_out_kinds_reach_the_command(run: Any, tmp_path: Path) -> None:
    picture(tmp_path / "real" / "pano.png")
    picture(tmp_path / "in" / "top.png")
    (tmp_path / "in" / "roof").symlink_to("../real")
    (tmp_path / "in" / "loop").symlink_to("..")
    (tmp_path / "in" / "b.dng").touch()
    (tmp_path / "in" / "ring.png").symlink_to("ring.png")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    arguments = (tmp_path / "in", "--format", "preview,npz", "--out")
    code, told, err = run(*arguments, tmp_path / "in" / "one")
    assert (code, told["written"], told["failed"]) == (1, 2, 2)
    assert told["left_out"] == {"endings": {".dng": 1}, "results": 0, "duplicates": 0}
    assert (tmp_path / "in" / "one" / "roof" / "pano_distance.npz").is_file()
    lines = err.splitlines()
    assert len(lines) == 2
    assert any("pipe.png: is a pipe or a device" in line for line in lines)
    assert any("ring.png" in line for line in lines)
    code, told, _ = run(*arguments, tmp_path / "in" / "two")
    assert (told["written"], told["left_out"]["results"]) == (2, 4)


def test_kinds_that_are_not_read_are_named_once(
    model_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("b.dng", "c.dng", "s/d.insv"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    arguments = ["predict", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    arguments += ["--model", str(model_file), "--format", "npz"]
    assert main(arguments) == 2
    assert "(left out: 2 .dng, 1 .insv)" in capfd.readouterr().err
    picture(tmp_path / "in" / "a.png")
    assert main(arguments) == 0
    err = capfd.readouterr().err
    assert err == "note: left out, as these kinds are not read: 2 .dng, 1 .insv\n"
    assert main([*arguments, "--quiet"]) == 0
    assert capfd.readouterr().err == ""


def test_skipped_results_that_were_made_otherwise_are_told(
    run: Any, tmp_path: Path, model_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.png")
    command = (tmp_path / "in", "--out", tmp_path / "out", "--format", "npz", "--skip-existing")
    run(*command)
    (tmp_path / "out" / "b_distance.npz").unlink()
    code, told, _ = run(*command, "--level", "none")
    ways = {r["input"][-5:]: r["facts"].get("made_otherwise") for r in told["results"]}
    assert (code, ways) == (0, {"a.png": ["level auto, now none"], "b.png": None})
    other = shutil.copy(model_file, tmp_path / "other.safetensors")
    assert main(["predict", *map(str, command), "--model", str(other)]) == 0
    said = capfd.readouterr()
    assert said.out.startswith("2 skipped in")
    assert said.err == (
        "note: 2 of 2 pictures that were skipped were predicted with model micro, now other; "
        "level none, now auto: without --skip-existing they are predicted again\n"
    )


def test_a_model_that_was_trained_on_is_told_from_the_one_before(
    run: Any, tmp_path: Path, model_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "in" / "a.png")
    command = (tmp_path / "in", "--out", tmp_path / "out", "--format", "npz", "--skip-existing")
    run(*command)
    (tmp_path / "m").mkdir()
    copy = Path(shutil.copy(model_file, tmp_path / "m"))
    arguments = ["predict", *map(str, command), "--model", str(copy)]
    assert main(arguments) == 0
    assert capfd.readouterr().err == ""
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1  # as little as training on may change
    copy.write_bytes(content)
    assert main(arguments) == 0
    before, now = weights_stamp(model_file), weights_stamp(copy)
    assert f"predicted with weights {before}, now {now}: without" in capfd.readouterr().err
    with np.load(tmp_path / "out" / "a_distance.npz") as npz:
        found = json.loads(str(npz["meta"]))["prediction"]
    assert found["weights"] == before
    item = InputFile(tmp_path / "in" / "a.png", Path("a.png"), Path("a"))
    options = RunOptions(formats=("npz",), out=tmp_path / "out")
    assert made_otherwise(item, options, found["model"], now) == [f"weights {before}, now {now}"]
    assert made_otherwise(item, options, found["model"]) == []


def test_a_stamp_sees_what_changes_between_the_ends_of_a_large_file(tmp_path: Path) -> None:
    content = np.random.default_rng(0).integers(0, 256, 5 << 20, np.uint8)
    content.tofile(tmp_path / "a.safetensors")
    content[5 << 19 :][: 1 << 18] += 1  # an eighth of what is between
    content.tofile(tmp_path / "b.safetensors")
    stamps = {weights_stamp(tmp_path / f"{name}.safetensors") for name in "ab"}
    assert len(stamps) == 2
    for name in "ab":  # an exported network's weights lie beside it
        (tmp_path / f"{name}.xml").write_text("<net/>")
        shutil.copy(tmp_path / f"{name}.safetensors", tmp_path / f"{name}.bin")
    stamps |= {weights_stamp(tmp_path / f"{name}.xml") for name in "ab"}
    assert len(stamps) == 4
    assert weights_stamp("org/name") == weights_stamp(tmp_path / "none") == ""


def test_results_that_do_not_say_how_they_were_made_are_skipped(run: Any, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    command = (tmp_path / "in", "--out", tmp_path / "out", "--format", "npz")
    run(*command, "--no-metadata")
    _, told, _ = run(*command, "--skip-existing", "--quality", "balanced")
    assert [r["facts"] for r in told["results"]] == [{"made_otherwise": []}]


def test_options_are_told_without_folders(tmp_path: Path) -> None:
    sky = picture(tmp_path / "sky.png")
    options = RunOptions(sky=str(sky), mask=tmp_path, settings=("ply.normals=true",), workers=1)
    told = {"sky": "sky.png", "mask": tmp_path.name, "settings": "('ply.normals=true',)"}
    assert made_with(options) == told


@pytest.mark.parametrize(("place", "why"), [("f", "a file, not a folder"), ("l", "a link to")])
def test_no_folder_where_results_should_go(
    place: str, why: str, run: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "in" / "s" / "a.png")
    (tmp_path / "f").write_text("x")
    (tmp_path / "l").symlink_to("nothing")
    code, told, err = run(tmp_path / "in", "--out", tmp_path / place, "--format", "npz")
    assert (code, err.count("\n"), why in err, told["error"] in err) == (2, 1, True, True)
    (tmp_path / "out").mkdir()
    (tmp_path / place).rename(tmp_path / "out" / "s")  # where its results belong
    code, told, err = run(tmp_path / "in", "--out", tmp_path / "out", "--format", "npz")
    assert (code, told["failed"], err.count("\n"), why in err) == (1, 1, 1, True)


def test_what_cannot_be_looked_at_is_not_called_missing(run: Any, tmp_path: Path) -> None:
    good = picture(tmp_path / "a.png")
    below = good / "b.png"  # as in a folder that may not be entered: the system says why
    code, _, err = run(good, below, "--out", tmp_path / "out", "--format", "npz")
    assert (code, err) == (1, f"error: {below}: cannot be read (Not a directory)\n")
    code, _, err = run(below, "--out", tmp_path / "out")
    assert (code, err) == (
        2,
        f"error: no picture found: {below} (cannot be read (Not a directory))\n",
    )


def test_no_result_takes_the_place_of_another_picture_s(run: Any, tmp_path: Path) -> None:
    """room.jpg's cloud and the mesh of room_points.jpg would both be room_points.glb."""
    for seed, name in enumerate(("room", "room_points", "hall_points")):
        picture(tmp_path / "in" / f"{name}.png", seed)
    command = (tmp_path / "in", "--out", tmp_path / "out")
    code, told, err = run(*command, "--format", "points-glb,glb")
    assert (code, told["written"], told["failed"], err.count("\n")) == (1, 2, 1, 1)
    assert "in/room_points.png: its result room_points.glb would be the file of" in err
    first = (tmp_path / "out" / "room_points.glb").read_bytes()
    code, told, _ = run(*command, "--format", "points-glb,glb", "--skip-existing")
    assert (code, told["skipped"], told["failed"]) == (1, 2, 1)
    assert (tmp_path / "out" / "room_points.glb").read_bytes() == first
    code, told, _ = run(*command, "--format", "glb,npz")
    assert (code, told["written"]) == (0, 3)


def test_names_that_are_too_long_with_an_ending_are_told_first(run: Any, tmp_path: Path) -> None:
    picture(tmp_path / f"{'x' * 245}.png")
    code, told, err = run(tmp_path, "--out", tmp_path / "out", "--format", "npz,preview")
    assert (code, told["failed"], err.count("\n")) == (1, 1, 1)
    assert "File name too long" in err
    assert not (tmp_path / "out").exists()

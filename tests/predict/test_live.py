"""Frames in, scans out."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from panodepth.cli import main
from panodepth.cli.frames.live import _frames
from panodepth.errors import ConfigError, InputError
from panodepth.images import ImageData
from panodepth.predict.live.loop import reduced, scans, shown
from panodepth.predict.live.options import LiveOptions
from panodepth.types import Prediction

HEIGHT = 1.5
ROOT = Path(__file__).parents[2]
OPTIONS = LiveOptions(camera_height=HEIGHT, beams=64)


class Ball:
    """Sees a ball of a radius that the picture's first value says, in decimetres."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def predict(self, image: Any, options: Any) -> Prediction:
        assert options.level == "none"
        assert options.one_view
        image = image.pixels if isinstance(image, ImageData) else image
        self.seen.append(image.shape)
        if not image.any():
            raise InputError("the picture is one colour")
        distance = np.full(image.shape[:2], image[0, 0, 0] / 10, np.float32)
        meta = {"unit": "m", "camera_height_m": options.camera_height, "metres_spread": 0.02}
        return Prediction(distance, np.ones_like(distance, bool), image, meta)


def frame(decimetres: int, rows: int = 64) -> np.ndarray:
    return np.full((rows, 2 * rows, 3), decimetres, np.uint8)


def test_each_frame_gives_its_scan_in_turn() -> None:
    found = list(scans(Ball(), (frame(d) for d in (20, 0, 30)), OPTIONS))  # type: ignore[arg-type]
    assert [f.number for f in found] == [0, 1, 2]
    assert found[1].scan is None
    assert found[1].error == "frame 1: the picture is one colour"
    for result, radius in ((found[0], 2.0), (found[2], 3.0)):
        assert result.scan is not None
        # 0.1 m over the floor is 1.4 m below the camera, where a ball is the narrowest.
        narrow = math.sqrt(radius**2 - 1.4**2)
        assert (result.scan.ranges > narrow - 0.01).all()
        assert (result.scan.ranges < narrow * 1.12).all()  # a tenth may pass for a leaning wall
        assert result.latency > 0
        assert result.metres_spread == 0.02
    assert found[0].stamp <= found[2].stamp


def test_frames_are_taken_one_by_one() -> None:
    taken = []

    def camera() -> Any:
        for number in range(5):
            taken.append(number)
            yield frame(20)

    loop = scans(Ball(), camera(), OPTIONS)  # type: ignore[arg-type]
    assert taken == []
    next(loop)
    assert taken == [0]


def test_large_frames_are_reduced_to_the_rows_asked_for() -> None:
    ball = Ball()
    list(scans(ball, [frame(20, 128), frame(20, 64)], LiveOptions(camera_height=1.0, rows=64)))  # type: ignore[arg-type]
    assert ball.seen == [(64, 128, 3), (64, 128, 3)]
    assert reduced(frame(20, 512), 256).shape == (256, 512, 3)


@pytest.mark.parametrize(
    "options", [{"known_distance": (250.0, 90.0, 2.0)}, {"projection": "erp", "fov": (360.0,)}]
)
def test_frames_stay_large_where_an_option_counts_their_pixels(options: dict[str, Any]) -> None:
    ball = Ball()
    list(scans(ball, [frame(20, 128)], LiveOptions(camera_height=1.0, rows=64, **options)))  # type: ignore[arg-type]
    assert ball.seen == [(128, 256, 3)]


def test_a_file_with_invalid_pixels_is_shown_as_it_is(tmp_path: Path) -> None:
    pixels = np.full((128, 256, 4), 255, np.uint8)
    pixels[:40, :, 3] = 0
    cv2.imwrite(str(tmp_path / "cut.png"), pixels)
    data = shown(tmp_path / "cut.png", LiveOptions(camera_height=1.0, rows=64))
    assert isinstance(data, ImageData)
    np.testing.assert_array_equal(data.valid, pixels[..., 3] > 0)


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    for name, value in (("a_10.png", 30), ("a_9.png", 20)):
        cv2.imwrite(str(tmp_path / name), frame(value))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._a_9.png").write_bytes(b"of a Mac")
    found = list(scans(Ball(), tmp_path, OPTIONS))  # type: ignore[arg-type]
    assert [Path(f.name).name for f in found] == ["a_9.png", "a_10.png"]
    named = [str(tmp_path / name) for name in ("a_10.png", "a_9.png")]
    assert _frames([str(tmp_path)]) == (named[::-1], {})
    assert _frames(named) == (named, {})
    assert found[0].scan is not None
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        with pytest.raises(InputError, match=folder):
            next(scans(Ball(), tmp_path / folder, OPTIONS))  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.zeros((64, 128)), np.zeros((64, 128, 3), np.float32)])
def test_what_is_no_frame_is_told(bad: np.ndarray) -> None:
    (found,) = scans(Ball(), [bad], OPTIONS)  # type: ignore[arg-type]
    assert found.error is not None
    assert "(H, W, 3) uint8" in found.error


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "robots need metres"),
        ({"camera_height": 1.0, "low": 2.0}, "below high"),
        (
            {"camera_height": 1.0, "range_min": 2.0, "range_max": 2.0},
            "range_min = 2.0 must be below",
        ),
        ({"camera_height": 1.0, "rows": 8}, "at least 64"),
        ({"camera_height": 1.0, "beams": 1}, "beams"),
        ({"camera_height": 1.0, "confidence": True}, "confidence changes nothing in a scan"),
        ({"camera_height": 1.0, "out_projection": "input"}, "changes nothing in a scan"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        LiveOptions(**options)


def test_the_command_prints_a_line_for_each_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.jpg"
    picture = ROOT / "examples/interior.jpg"
    cut.write_bytes(picture.read_bytes()[:5000])
    arguments = ["live", str(picture), str(cut), "--camera-height", "1.6", "--beams", "90"]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    told = json.loads(line)
    assert told["frame"] == str(picture)
    assert told["header"]["frame_id"] == "panorama"
    assert told["header"]["stamp"]["sec"] > 1_700_000_000
    assert 0 < told["metres_spread"] < 0.2
    assert len(told["ranges"]) == 90
    assert len(told["obstacles"]) == 8
    assert 0 < min(r for r in told["ranges"] if r) < 10
    assert err.startswith("error: ")
    assert "1 scans" in err.splitlines()[-1]
    assert err.endswith("; 1 failed\n")


def test_a_frame_that_is_refused_is_told_as_the_file_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 800, 3), np.uint8)
    photo, unstitched = tmp_path / "photo.jpg", tmp_path / "a.insp"
    cv2.imwrite(str(photo), noise[:, :600])
    unstitched.write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())
    assert main(["live", str(photo), str(unstitched), "--camera-height", "1.6"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {photo}: 600x400 is not a full panorama")
    assert second.startswith(f"error: {unstitched}: is not stitched")  # as its ending says
    with pytest.raises(InputError, match="600x400"):
        shown(noise[:, :600], OPTIONS)


def test_a_result_that_is_named_as_a_frame_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, result = ROOT / "examples/interior.jpg", tmp_path / "r_distance.png"
    flat = np.ones((16, 32), np.float32)
    Prediction(flat, flat > 0, np.zeros((16, 32, 3), np.uint8)).save(result)
    height = ["--camera-height", "1.6"]
    assert main(["live", str(result), *height]) == 2
    why = f"{result}: a result of panodepth, not a picture to predict"
    assert capsys.readouterr().err == f"error: no picture found: {why}\n"
    assert main(["live", str(picture), str(result), *height]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err.startswith(f"error: {why}\n")
    assert err.endswith("; 1 failed\n")


def test_the_command_ends_when_nobody_reads_its_scans() -> None:
    picture = ROOT / "examples/interior.jpg"
    run = [sys.executable, "-m", "panodepth", "live", "-", "--camera-height", "1.6"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(run, **pipes) as live:  # type: ignore[call-overload]
        live.stdin.write(f"{picture}\n".encode())
        live.stdin.flush()
        assert json.loads(live.stdout.readline())["frame"] == str(picture)
        live.stdout.close()
        live.stdin.write(f"{picture}\n".encode() * 2)
        live.stdin.flush()  # and more may come
        assert live.wait(timeout=120) == 0
        assert live.stderr.read().startswith(b"2 scans, ")


def test_what_was_scanned_is_told_when_ctrl_c_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lines() -> Iterator[bytes]:
        yield f"{ROOT / 'examples/interior.jpg'}\n".encode()
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines()))
    assert main(["live", "-", "--camera-height", "1.6"]) == 130
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err.startswith("1 scans, ")


def test_names_on_standard_input_may_have_empty_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = f"\n{ROOT / 'examples/interior.jpg'}\r\n".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines), "ascii"))
    assert main(["live", "-", "--camera-height", "1.6", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_names_on_standard_input_may_be_any_bytes(
    tmp_path: Path,
    encoding: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [tmp_path / os.fsdecode(name) for name in (b"caf\xe9.jpg", "東.jpg".encode())]
    for name in names:
        shutil.copy(ROOT / "examples/interior.jpg", name)
    lines = b"".join(os.fsencode(name) + b"\n" for name in names)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines), encoding))
    assert main(["live", "-", "--camera-height", "1.6", "--quiet"]) == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_names_of_bad_frames_are_on_one_line(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a\n\x1b[31mb.png"
    file.write_bytes(b"")
    arguments = ["--camera-height", "1.6", "--model", str(model_file), "--quiet"]
    assert main(["live", str(file), *arguments]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert r"\x1b[31mb.png" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["FRAME"], "robots need metres"),
        (["nowhere.jpg", "--camera-height", "1.6"], "no picture found"),
        (["FRAME", "--camera-height", "1.6", "--low", "3"], "below high"),
        (["FRAME", "--camera-height", "1.6", "--beams", "1"], "at least 4"),
    ],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(ROOT / "examples/interior.jpg")
    assert main(["live", *(picture if a == "FRAME" else a for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err

"""Frames of a folder that a camera fills, on a clock that stands still between two looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from panodepth.cli import main
from panodepth.errors import InputError
from panodepth.predict.live import watch
from panodepth.predict.live.watch import POLL, WHOLE, watched
from panodepth.types import Prediction


class Clock:
    """time.monotonic and time.sleep; what happens before each look is done while it sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[Callable[[], object] | None] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if not self.events:
            raise KeyboardInterrupt
        if (event := self.events.pop(0)) is not None:
            event()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    time = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep)
    monkeypatch.setattr(watch, "time", time)
    return clock


def seen(frames: Iterator[Path]) -> list[str]:
    """The names of those that come before Ctrl-C."""
    found = []
    try:
        for frame in frames:
            found.append(frame.name)
    except KeyboardInterrupt:
        return found
    raise AssertionError("it ended")


LOOKS = round(WHOLE / POLL)  # from a file's first look to the one that gives it


def test_what_lies_there_comes_first_as_people_count(tmp_path: Path, clock: Clock) -> None:
    for name in ("f10.jpg", "f9.JPG", ".f1.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    one = np.ones((8, 16), np.float32)
    Prediction(one, one > 0, np.zeros((8, 16, 3), np.uint8)).save(tmp_path / "f0.png")
    clock.events = [None] * (LOOKS + 3)
    assert seen(watched(tmp_path)) == ["f9.JPG", "f10.jpg"]  # once, and no result


def test_what_comes_later_is_given_once_it_is_whole(tmp_path: Path, clock: Clock) -> None:
    growing = tmp_path / "a.png"

    def grow() -> None:
        with growing.open("ab") as file:
            file.write(b"more")

    clock.events = [grow] * 5 + [None] * (LOOKS - 1)
    assert seen(watched(tmp_path)) == []
    growing.unlink()
    clock.events = [grow] * 5 + [None] * LOOKS
    assert seen(watched(tmp_path)) == ["a.png"]
    assert growing.stat().st_size == 20


def test_a_picture_that_is_written_over_is_given_again(tmp_path: Path, clock: Clock) -> None:
    latest = tmp_path / "latest.jpg"
    later = [lambda size=size: latest.write_bytes(b"x" * size) for size in (1, 2, 3)]
    quiet: list[Callable[[], object] | None] = [None] * (LOOKS + 2)
    clock.events = [later[0], *quiet, later[1], *quiet, later[2], *quiet]
    assert seen(watched(tmp_path)) == ["latest.jpg"] * 3


def test_one_that_is_taken_away_and_comes_again_is_new(tmp_path: Path, clock: Clock) -> None:
    frame = tmp_path / "a.jpg"
    quiet: list[Callable[[], object] | None] = [None] * (LOOKS + 1)
    there = lambda: frame.write_bytes(b"x")  # noqa: E731
    clock.events = [there, *quiet, frame.unlink, *quiet, there, *quiet]
    assert seen(watched(tmp_path)) == ["a.jpg"] * 2


def test_a_folder_that_goes_ends_it_in_one_line(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    clock.events = [None, folder.rmdir]
    with pytest.raises(InputError, match=r"frames: cannot be watched \(No such file"):
        list(watched(folder))


@pytest.mark.parametrize("inputs", [["none"], ["-"], ["a", "b"]])
def test_the_command_watches_one_folder(
    inputs: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    assert main(["live", *inputs, "--watch", "--camera-height", "1.5"]) == 2
    told = f"error: --watch takes one folder, not {', '.join(inputs)}\n"
    assert capsys.readouterr().err.endswith(told)


def test_the_command_scans_what_comes(
    model_file: Path, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)

    def come(name: str) -> Callable[[], object]:
        return lambda: cv2.imwrite(str(tmp_path / name), picture)

    clock.events = [come("1.png"), *[None] * LOOKS, come("2.png"), *[None] * (LOOKS + 1)]
    command = ["live", str(tmp_path), "--watch", "--camera-height", "1.5"]
    assert main([*command, "--model", str(model_file)]) == 130
    told = capsys.readouterr()
    assert told.out.count('"frame": "') + told.err.count(".png: ") == 2
    assert "1.png" in told.out + told.err
    assert "2.png" in told.out + told.err

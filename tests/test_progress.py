"""Progress without a terminal: when lines come and what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.cli import main
from panodepth.progress import FIRST_S, LONGEST_S, Lines, progress

LAST = "3 of 3 images"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(total: int, seconds: float, capsys: pytest.CaptureFixture[str], **more: float) -> list[str]:
    clock = Clock()
    lines = Lines(total, "images", clock=clock, **more)  # type: ignore[arg-type]
    for _ in range(total):
        clock.now += seconds
        lines.update()
    lines.close()
    return capsys.readouterr().err.splitlines()


def test_a_long_run_says_now_and_then_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    told = run(2014, 1.0, capsys)
    assert told[0] == "30 of 2,014 images, about 33 min left"
    assert told[1] == "60 of 2,014 images, about 33 min left"
    assert told[-1] == "2,014 of 2,014 images"
    assert 2014 / LONGEST_S < len(told) < 2014 / LONGEST_S + 6


def test_a_short_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(16, FIRST_S / 100, capsys) == []
    assert run(1, 100.0, capsys) == []
    assert run(3, 1.0, capsys, wait=LONGEST_S) == []
    slow = run(3, FIRST_S, capsys)
    assert slow == ["1 of 3 images, about 60 s left", "2 of 3 images, about 30 s left", LAST]


@given(st.integers(2, 500), st.floats(0.01, 100))
def test_counts_rise_and_end_at_the_total(total: int, seconds: float) -> None:
    clock, told = Clock(), []
    lines = Lines(total, "images", clock=clock)
    lines._say = lambda now: told.append(lines._done)  # type: ignore[method-assign]
    for _ in range(total):
        clock.now += seconds
        lines.update()
    assert told == sorted(set(told))
    assert bool(told) == (total * seconds >= FIRST_S)


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(3, "image", first=1) as bar:
        bar.update(2)
    assert "3/3" in capsys.readouterr().err


def test_json_and_quiet_keep_standard_error_for_errors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for more in ({"as_json": True}, {"silent": True}):
        with progress(3, "image", **more) as bar:
            bar.update(3)
    assert capsys.readouterr().err == ""


def test_commands_say_how_far_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panodepth.progress.FIRST_S", 0.0)
    views = ["render", "--count", "1", "--views", "3", "--size", "32x48", "--out"]
    assert main([*views, str(tmp_path / "views")]) == 0
    assert "1 of 3 images" in capsys.readouterr().err
    assert main([*views, str(tmp_path / "again"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    source = ["curate", "--source", str(tmp_path / "views"), "--size", "32x64"]
    assert main([*source, "--out", str(tmp_path / "a")]) in (0, 1)
    assert "3 of 3 frames" in capsys.readouterr().err
    assert main([*source, "--out", str(tmp_path / "b"), "--json"]) in (0, 1)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["out"] == str(tmp_path / "b")
    assert shown.err == ""

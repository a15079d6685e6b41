"""`panodepth bench` stops before it measures where an option cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from panodepth.cli import main
from panodepth.lab.bench import command

BAD = {
    "preset": ["--preset", "huge"],
    "precision": ["--precision", "float8"],
    "precision here": ["--precision", "float16", "--device", "cpu"],
    "route": ["--routes", "teleport"],
    "route here": ["--routes", "graph", "--device", "cpu"],
    "batch": ["--batch", "0"],
    "batch number": ["--batch", "many"],
    "attention": ["--attention", "none,eager"],
    "device": ["--device", "abacus"],
    "option": ["--turbo"],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *BAD[name]]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1


def test_a_place_that_cannot_be_written_stops_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").write_text("")
    assert main(["bench", "--quick", "--out", str(tmp_path / "file" / "results")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

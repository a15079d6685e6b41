"""Disks that vanish, files that cannot be read for a while, two runs in one folder."""

from __future__ import annotations

import builtins
import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lab.curation.conftest import Made
from tests.lab.curation.test_pipeline import PLAN, files, frames

from panodepth.cli import main
from panodepth.errors import ConfigError, InputError, OutputError
from panodepth.jobs import Workers
from panodepth.jobs.lock import only_run
from panodepth.lab.curation.frame import Frame, RejectedError, SourceGoneError
from panodepth.lab.curation.pipeline import Options, curate, records
from panodepth.lab.curation.sources import open_frame_source
from panodepth.lab.curation.sources.base import Item, ListedFrames

OPTIONS = Options(chunk=2)


def failing_open(path: Path, number: int) -> Callable[..., Any]:
    """`open`, but one file fails as a network disk does."""
    plain = builtins.open

    def opened(file: Any, *more: Any, **named: Any) -> Any:
        if str(file) == str(path):
            raise OSError(number, "the disk", str(file))
        return plain(file, *more, **named)

    return opened


@pytest.mark.parametrize("workers", [1, 2])
def test_a_root_that_is_gone_stops_the_run_and_nothing_is_recorded(
    made: Made, workers: int
) -> None:
    source, out = frames(made), made.root / "out"
    whole = made.root / "whole"
    curate(source, PLAN, whole, OPTIONS)
    seen: list[bool] = []

    def unplug(kept: bool) -> None:
        seen.append(kept)
        if len(seen) == 2:
            (made.root / "f").rename(made.root / "away")

    options = Options(Workers(workers), chunk=2)
    with pytest.raises(SourceGoneError, match="was there when it was listed") as caught:
        curate(source, PLAN, out, options, progress=unplug)
    assert "\n" not in str(caught.value)
    rows = [row for record in records(out) for row in record["units"]]
    assert not [row for row in rows if row.get("reason") == "unreadable"]
    (made.root / "away").rename(made.root / "f")
    curate(source, PLAN, out, options)
    assert files(out) == files(whole)


@pytest.mark.parametrize("name", ["004.png", "004_depth.npz", "004.json"])
def test_a_listed_file_that_is_gone_stops_the_run(made: Made, name: str) -> None:
    source, out = frames(made), made.root / "out"
    (made.root / "f" / name).unlink()
    with pytest.raises(SourceGoneError, match=name):
        curate(source, PLAN, out, OPTIONS)
    assert len(list(records(out))) == 2  # chunks before it


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENOENT])
def test_errors_of_the_disk_are_none_of_the_frame(
    made: Made, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = frames(made, 2), made.root / "out"
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", failing_open(made.root / "f/001.png", number))
        with pytest.raises(SourceGoneError, match=r"001\.png: .* now the disk"):
            curate(source, PLAN, out, OPTIONS)
    assert list(records(out)) == []
    assert curate(source, PLAN, out, OPTIONS).kept == 2


def test_unreadable_frames_are_tried_again(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    source, out, whole = frames(made), made.root / "out", made.root / "whole"
    curate(source, PLAN, whole, Options(chunk=4))
    right = (made.root / "f/001.png").read_bytes()
    made.path("f/001.png").write_bytes(right[:60])
    command = ["curate", "--source", str(made.root / "f"), "--out", str(out), "--size", "32x64"]
    command += ["--chunk", "4", "--limit", "same=-1"]
    for _ in range(2):
        assert main(command) == 1
        shown = capsys.readouterr()
        assert "1 unreadable" in shown.out
        last = shown.err.splitlines()[-1]
        assert last.startswith("error: 1 frame cannot be read, the first: 001: ")
        assert last.endswith("the same command tries them again")
    assert main([*command, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["exit_code"] == 1
    before = files(out)
    assert curate(source, PLAN, out, Options(chunk=4)).kept == 5  # read again, in vain
    assert files(out).keys() == before.keys()
    made.path("f/001.png").write_bytes(right)
    assert main(command) == 0
    for name in files(whole):
        if name.endswith((".tar", "index.json")) or name.startswith("parts"):
            assert files(out)[name] == files(whole)[name]


def test_a_stopped_run_exits_1_with_one_line(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames(made)
    monkeypatch.setattr(builtins, "open", failing_open(made.root / "f/002.png", errno.EIO))
    out = made.root / "out"
    assert main(["curate", "--source", str(made.root / "f"), "--out", str(out), "--quiet"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert "002.png" in shown.err


def test_a_file_that_was_never_there_is_the_frame_s_own_fault(made: Made) -> None:
    frames(made, 2)
    (made.root / "f/000.png").unlink()
    source = open_frame_source("frames", made.root / "f")
    done = curate(source, PLAN, made.root / "out", OPTIONS)
    assert done.reasons == {"unreadable": 1}
    assert done.kept == 1


def test_a_listed_set_whose_pictures_vanish(made: Made) -> None:
    made.image("f/a.png")
    made.codes("f/a_d.png", np.ones((12, 16)))
    camera = {"fx": 16, "fy": 16, "cx": 8, "cy": 6, "width": 16, "height": 12}
    said = {"pairs": [["a.png", "a_d.png"]], "depth": "value / 1000", "intrinsics": camera}
    made.json("f/meta.json", said)
    source = open_frame_source("frames", made.root / "f")
    (made.root / "f/a_d.png").unlink()
    with pytest.raises(SourceGoneError, match="a_d"):
        source[0]


def test_two_runs_in_one_folder(made: Made) -> None:
    source, out = frames(made, 2), made.root / "out"
    with only_run(out, "curate"), pytest.raises(ConfigError, match="runs there already"):
        curate(source, PLAN, out, OPTIONS)
    assert curate(source, PLAN, out, OPTIONS).kept == 2


def test_an_output_folder_that_is_removed_meanwhile(made: Made) -> None:
    source, out = frames(made), made.root / "out"
    seen: list[bool] = []

    def remove(kept: bool) -> None:
        seen.append(kept)
        if len(seen) == 2:
            shutil.rmtree(out)

    with pytest.raises(OutputError, match="removed"):
        curate(source, PLAN, out, OPTIONS, progress=remove)

    def lose(kept: bool) -> None:
        for path in (made.root / "second/parts").glob("*.json"):
            path.unlink()

    with pytest.raises(OutputError, match="chunks were removed"):
        curate(source, PLAN, made.root / "second", OPTIONS, progress=lose)


NESTED = pytest.param("[" * 100_000, id="nested")


@pytest.mark.parametrize(
    "text", ["{}", '{"units": 3}', '{"units": [{"name": 1}]}', "[", "[1]", NESTED]
)
def test_damaged_records_are_named(made: Made, text: str) -> None:
    source, out = frames(made, 2), made.root / "out"
    curate(source, PLAN, out, OPTIONS)
    record = next((out / "parts").glob("*.json"))
    record.write_text(text)
    with pytest.raises(InputError, match=r"damaged record .*delete it"):
        curate(source, PLAN, out, OPTIONS)


def test_causes_that_go_round_end(tmp_path: Path) -> None:
    """`raise a from b` while b came of a: looked through once, and the frame is rejected."""
    (tmp_path / "one.png").touch()

    def read(root: Path, item: Item) -> Frame:
        first, second = ValueError("one"), ValueError("two")
        first.__cause__, second.__cause__ = second, first
        raise first

    frames = ListedFrames("made", tmp_path, [Item("one", "one.png", seen=("one.png",))], read)
    with pytest.raises(RejectedError, match="unreadable"):
        frames[0]

"""What is printed: whatever the encoding, whoever reads, and with --json one document."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.streams import machine_readable, nobody_reads, print_document

ROWS = np.tile(np.arange(0, 224, 4, np.uint8)[:, None, None], (1, 112, 3))  # not blank


NAMES = ("a.png", "b東京.png", os.fsdecode(b"caf\xe9.png"))


@pytest.fixture
def command(onnx_file: Path, tmp_path: Path) -> list[str]:
    """A prediction of three small pictures, two of them with names that not every stream shows."""
    (tmp_path / "in").mkdir()
    for name in NAMES:
        Image.fromarray(ROWS).save(tmp_path / "in" / name)
    run = [sys.executable, "-m", "panodepth", "predict", "in", "--out", "out", "--format", "npz"]
    return [*run, "--model", str(onnx_file)]


def start(command: list[str], folder: Path, redirected: str = "", **more: str) -> Any:
    """Run it through a shell, with more environment variables."""
    script = f'"$@" {redirected}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *command],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
    )


def written(folder: Path) -> int:
    return len(list((folder / "out").glob("*_distance.npz")))


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("cp1252", rb"b\u6771\u4eac.png"), ("ascii", rb"caf\udce9.png")],
)
def test_names_that_a_stream_cannot_show_are_escaped(
    encoding: str, shown: bytes, command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "in" / NAMES[2]).write_text("no picture")
    done = start(command, tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, written(tmp_path)) == (1, 2)
    assert shown in done.stdout + done.stderr
    assert b"Unicode" not in done.stderr
    done = start(command, tmp_path, PYTHONIOENCODING="utf-8:strict")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert "b東京.png -> ".encode() in done.stdout


@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        ("| head -c 1; exit ${PIPESTATUS[0]}", 0),
        (">&-", 0),
        ("2>&-", 0),
        ("<&- >&- 2>&-", 0),
        (">/dev/full", 1),
        ("no-such-picture.png 2>/dev/full", 1),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_streams_that_are_closed_or_full_cost_no_picture(
    redirected: str, code: int, unbuffered: str, command: list[str], tmp_path: Path
) -> None:
    done = start([*command, "--workers", "0"], tmp_path, redirected, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == code
    told = b"error: standard output: No space left on device\n"
    assert done.stderr == (told if redirected == ">/dev/full" else b"")
    if redirected != ">/dev/full":
        assert written(tmp_path) == len(NAMES)
    for path in (tmp_path / "out").iterdir():
        assert np.load(path)["distance"].shape == (56, 112)


def test_with_a_closed_standard_error_the_document_stays_alone(
    command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "in" / "bad.png").write_text("no picture")
    done = start([*command, "--json"], tmp_path, "2>&-")
    told = json.loads(done.stdout)
    assert (told["written"], told["failed"]) == (3, 1)


PRINTING = """
import ctypes, os, sys
from panodepth import streams
streams.prepare_streams()
with streams.machine_readable(True):
    print("from Python")
    os.write(1, b"to the descriptor\\n")
    ctypes.CDLL(None).puts(b"from C, held back")
    streams.print_document({"a": 1})
print("after")
"""


def test_the_document_is_alone_whatever_libraries_print() -> None:
    done = subprocess.run([sys.executable, "-c", PRINTING], capture_output=True, text=True)
    assert done.stdout == '{\n  "a": 1\n}\nafter\n'
    assert set(done.stderr.splitlines()) == {
        "from Python",
        "to the descriptor",
        "from C, held back",
    }


def test_an_error_inside_leaves_the_streams_as_they_were(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        with machine_readable(True):
            print_document([1])
            raise ZeroDivisionError

    before = sys.stdout
    with pytest.raises(ZeroDivisionError):
        fail()
    assert sys.stdout is before
    print_document([2])
    assert capfd.readouterr().out == "[\n  1\n]\n[\n  2\n]\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["predict", "a.png", "--out"], "panodepth predict --help"),
        (["predict", "a.png", "--wrong"], "panodepth predict --help"),
        (["train-outpainter", "--wrong"], "panodepth train-outpainter --help"),
        (["evaluate"], "panodepth evaluate --help"),
        (["dance"], "panodepth --help"),
        (["--wrong"], "panodepth --help"),
    ],
)
def test_usage_errors_name_the_command(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert f"(see {named})" in capsys.readouterr().err


def test_names_with_control_characters_stay_on_their_line(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "new\nline.png", tmp_path / "red\x1b[31m.png"
    Image.fromarray(ROWS).save(good)
    bad.write_text("no picture")
    options = ["--model", str(model_file), "--format", "npz", "--out", str(tmp_path / "out")]
    assert main(["predict", str(good), str(bad), *options]) == 1
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert r"new\nline.png -> " in shown.out
    assert (len(shown.out.splitlines()), len(shown.err.splitlines())) == (2, 1)


def test_a_pipe_without_a_reader_is_another_error_on_windows() -> None:
    assert nobody_reads(BrokenPipeError(errno.EPIPE, "Broken pipe"), "nt")
    assert nobody_reads(OSError(errno.EINVAL, "Invalid argument"), "nt")
    assert not nobody_reads(OSError(errno.EINVAL, "Invalid argument"), "posix")
    assert not nobody_reads(OSError(errno.ENOSPC, "No space left on device"), "nt")

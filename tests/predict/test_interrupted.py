"""Ctrl-C and SIGTERM in the middle of a folder; two runs into one; pictures that vanish."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.predict.predictor import Predictor
from panodepth.types import Prediction

COUNT = 8


@pytest.fixture
def command(model_file: Path, tmp_path: Path) -> list[str]:
    """Predict a folder of COUNT pictures into another."""
    (tmp_path / "in").mkdir()
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 255, (56, 112, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    paths = [str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    return ["predict", *paths, "--format", "npz,exr", "--model", str(model_file)]


def whole(folder: Path) -> list[str]:
    """The names of the .npz files in a folder, which can be read; nothing is half-written."""
    files = list(folder.rglob("*"))
    assert not [path for path in files if path.suffix == ".tmp"]
    for path in folder.glob("*.npz"):
        with np.load(path) as found:
            assert found["distance"].shape == (56, 112)
    return sorted(path.name for path in folder.glob("*.npz"))


def on_finish(monkeypatch: pytest.MonkeyPatch, number: int, do: Any) -> None:
    """Call `do` before the prediction with this number, from 1 on, is finished."""
    real, done = Predictor.finish, list[int]()

    def finish(self: Predictor, *arguments: Any) -> Prediction:
        done.append(1)
        if len(done) == number:
            do()
        return real(self, *arguments)

    monkeypatch.setattr(Predictor, "finish", finish)


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """As in a new process: Ray leaves its own, and jobs in the background ignore SIGINT."""
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")],
)
def test_signals(
    number: int,
    code: int,
    told: str,
    workers: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        on_finish(patch, 3, lambda: os.kill(os.getpid(), number))
        assert main([*command, "--workers", workers]) == code
    line = f"error: {told}; every file that was written is whole\n"
    assert capsys.readouterr().err == line
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert len(whole(tmp_path / "out")) < COUNT
    assert main([*command, "--skip-existing"]) == 0
    assert len(whole(tmp_path / "out")) == COUNT


def test_two_runs_into_one_folder(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = []
    other = threading.Thread(target=lambda: codes.append(main([*command, "--quiet"])))

    def both() -> None:
        other.start()
        other.join()

    on_finish(monkeypatch, 4, both)
    codes.append(main([*command, "--quiet"]))
    assert codes == [0, 0]
    assert len(whole(tmp_path / "out")) == COUNT


def test_pictures_that_vanish(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = tmp_path / "in" / "7.png"
    on_finish(monkeypatch, 1, gone.unlink)
    assert main([*command, "--workers", "0"]) == 1
    assert capsys.readouterr().err == f"error: {gone}: no such file\n"
    assert len(whole(tmp_path / "out")) == COUNT - 1

"""A disk that fills up in the middle of a command: one line, exit code 1, and whole files only."""

from __future__ import annotations

import builtins
import errno
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.lab.curation.conftest import Made
from tests.lab.curation.test_pipeline import frames
from tests.scene.test_align import PLACES, photo
from tests.test_cli_train import RECIPE, SHORT, SMALL, settings

from panodepth.cli import main
from panodepth.lab.data import verify_shards
from panodepth.lab.training.checkpoint import list_snapshots, load_snapshot


class _Full(io.FileIO):
    """A file of a disk on which so many bytes are left, for all of them."""

    left = 0

    def write(self, content: Any) -> int:
        size = memoryview(content).nbytes
        if size > _Full.left:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.name))
        _Full.left -= size
        return super().write(content)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Leave so many bytes on the disk of a folder, and return the folder."""
    folder, plain = tmp_path / "disk", io.open

    def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if not str(file).startswith(str(folder)) or not set(mode) & set("wxa+"):
            return plain(file, mode, *more, **named)
        buffered = io.BufferedWriter(_Full(file, mode.replace("b", "").replace("t", "")))
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding="utf-8")

    def fill(left: int) -> Path:
        folder.mkdir(exist_ok=True)
        _Full.left = left
        monkeypatch.setattr(io, "open", opened)
        monkeypatch.setattr(builtins, "open", opened)
        return folder

    return fill


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a command that a full disk ended."""
    capsys.readouterr()
    assert main(arguments) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert "No space left on device" in lines[0]
    return lines[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_export(
    disk: Callable[[int], Path], model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = disk(1000) / "network.onnx"
    assert str(out) in refused(["export", str(out), "--model", str(model_file)], capsys)
    assert names(out.parent) == []


@pytest.mark.parametrize("left", [0, 300, 20_000])
def test_curate(
    disk: Callable[[int], Path], left: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Made(tmp_path)
    frames(made)
    out = disk(left)
    command = ["curate", "--source", str(made.root / "f"), "--size", "32x64", "--chunk", "2"]
    command += ["--limit", "same=-1", "--workers", "1", "--out", str(out / "set")]
    refused(command, capsys)
    assert not [name for name in names(out) if ".tmp" in name]
    for record in out.rglob("parts/*.json"):
        json.loads(record.read_text())
    _Full.left = 1 << 30
    assert main(command) == 0
    assert verify_shards(out / "set") == []


@pytest.mark.parametrize("left", [300_000])
def test_align(
    disk: Callable[[int], Path], left: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, place in enumerate(PLACES[:2]):
        picture = photo(place, "ab"[number])
        picture.save(tmp_path, ["npz"])
        Image.fromarray(picture.image).save(tmp_path / f"{picture.meta['name']}.png")
    inputs = [str(path) for path in sorted(tmp_path.glob("*_distance.npz"))]
    out = disk(left)
    refused(["align", *inputs, "--out", str(out)], capsys)
    assert "rooms.json" not in names(out)
    assert not [name for name in names(out) if ".tmp" in name]


def test_train(disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]) -> None:
    out = disk(1 << 30)
    recipe = out.parent / "small.toml"
    recipe.write_text(RECIPE)
    run = ["train", "--recipe", str(recipe), *settings(*SMALL, *SHORT, f"run.out={out / 'run'}")]
    assert main(run) == 0
    before = {path: path.read_bytes() for path in out.rglob("*.safetensors")}
    _Full.left = 500
    line = refused([*run, *settings("run.steps=3", "run.log_every=1")], capsys)
    assert str(out) in line
    assert {path: path.read_bytes() for path in out.rglob("*.safetensors")} == before
    assert load_snapshot(list_snapshots(out / "run" / "checkpoints")[-1]).step == 2
    assert not [name for name in names(out) if name.endswith(".tmp")]

"""Whatever is wrong: the right exit code, one line that says it, and nothing left behind."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.bad_pictures import BAD_PICTURES, huge_png, noise, photo, write_exr

from panodepth.cli import main

GIB = 1 << 30


def snapshot(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*")}


def check(arguments: list[str], code: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run, assert the exit code, one error line and an untouched folder; return the line."""
    before = snapshot(folder)
    assert main(arguments) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert snapshot(folder) == before
    return err


@pytest.mark.parametrize(
    ("name", "make", "says"),
    BAD_PICTURES,
    ids=[name for name, _, _ in BAD_PICTURES],
)
def test_bad_pictures(
    name: str,
    make: Callable[[Path], None],
    says: str,
    model_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    make(path)
    arguments = ["predict", str(path), "--out", str(tmp_path / "out"), "--model", str(model_file)]
    line = check(arguments, 1, tmp_path, capsys)
    assert name in line
    assert says in line


def test_missing_file(model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gone.png"
    arguments = ["predict", str(path), "--out", str(tmp_path / "out"), "--model", str(model_file)]
    assert str(path) in check(arguments, 2, tmp_path, capsys)


def test_any_aspect_is_taken_when_asked(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "photo.png")
    arguments = ["predict", str(tmp_path / "photo.png"), "--out", str(tmp_path / "out")]
    arguments += ["--model", str(model_file), "--format", "npz", "--allow-any-aspect"]
    assert main(arguments) == 0
    assert capsys.readouterr().err == ""
    stored = np.load(tmp_path / "out" / "photo_distance.npz")["distance"]
    assert stored.shape == (60, 90)


def test_nan_and_inf_in_an_exr_are_masked(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).random((64, 128, 3), np.float32)
    pixels[10, 20], pixels[30, 40, 1], pixels[50, 60, 2] = np.nan, np.inf, -np.inf
    write_exr(tmp_path / "hdr.exr", pixels)
    arguments = ["predict", str(tmp_path / "hdr.exr"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--model", str(model_file), "--format", "npz"]) == 0
    assert capsys.readouterr().err == ""
    stored = np.load(tmp_path / "out" / "hdr_distance.npz")
    assert np.isfinite(stored["distance"]).all()
    assert (stored["distance"] > 0).all()
    assert not stored["mask"][[10, 30, 50], [20, 40, 60]].any()
    assert stored["mask"].sum() == stored["mask"].size - 3


# Runs a command, prints its exit code and peak memory in bytes. In a small process of its own:
# a process that is started counts the memory of the one that starts it.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(done.returncode, peak * (1 if sys.platform == "darwin" else 1024))
"""


def test_a_huge_picture_is_refused_without_the_memory(model_file: Path, tmp_path: Path) -> None:
    huge_png(tmp_path / "huge.png")
    command = [sys.executable, "-m", "panodepth", "predict", str(tmp_path / "huge.png")]
    command += ["--out", str(tmp_path / "out"), "--model", str(model_file)]
    measure = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measure, capture_output=True, text=True, check=True)
    status, peak = map(int, done.stdout.split())
    assert status == 1
    assert done.stderr.count("\n") == 1
    assert 0 < peak < 2 * GIB
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["a-file", "a-file/below"])
def test_unwritable_output_folder(
    out: str, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(noise(56, 112)).save(tmp_path / "a.png")
    (tmp_path / "a-file").write_text("in the way")
    arguments = ["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / out)]
    line = check([*arguments, "--model", str(model_file)], 2, tmp_path, capsys)
    assert "a-file" in line


def test_a_file_in_the_way_of_one_result(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    Image.fromarray(noise(56, 112)).save(tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("in the way")
    arguments = ["predict", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    check([*arguments, "--model", str(model_file)], 1, tmp_path, capsys)


def test_unknown_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(noise(56, 112)).save(tmp_path / "a.png")
    arguments = ["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    line = check([*arguments, "--format", "npz,fbx"], 2, tmp_path, capsys)
    assert "unknown format 'fbx'" in line
    assert "glb" in line


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--quality", "sharp"], "unknown --quality 'sharp': use fast, standard, balanced, best"),
        (["--max-memory", "much"], "'much' is no number of gigabytes"),
        (["--max-memory", "0.1"], "at least 1GB"),
    ],
)
def test_qualities_and_memory_that_cannot_be(
    given: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(noise(56, 112)).save(tmp_path / "a.png")
    arguments = ["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    assert says in check([*arguments, *given], 2, tmp_path, capsys)


def test_a_picture_above_the_memory_given(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((4096, 8192), np.uint8)).save(tmp_path / "large.png")
    arguments = ["predict", str(tmp_path / "large.png"), "--out", str(tmp_path / "out")]
    arguments += ["--model", str(model_file), "--max-memory", "1GB"]
    line = check(arguments, 1, tmp_path, capsys)
    assert "8192x4096 takes about 1.4 GB, more than --max-memory 1GB" in line


def test_a_fisheye_whose_sphere_is_above_the_memory_given(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((1600, 1600), np.uint8)).save(tmp_path / "round.png")
    arguments = ["predict", str(tmp_path / "round.png"), "--out", str(tmp_path / "out")]
    arguments += ["--projection", "fisheye", "--fov", "190"]
    arguments += ["--model", str(model_file), "--max-memory", "1GB"]
    line = check(arguments, 1, tmp_path, capsys)
    assert "1600x1600 takes about 1.5 GB, more than --max-memory 1GB" in line


def without_a_key(good: Path, bad: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(good)
    del state[sorted(state)[len(state) // 2]]
    save_file(state, bad / "weights.safetensors")


def pickled(good: Path, bad: Path) -> None:
    import torch

    torch.save({"weight": torch.zeros(3)}, bad / "weights.pt")


def pickled_in_disguise(good: Path, bad: Path) -> None:
    (bad / "weights.safetensors").write_bytes(pickle.dumps({"weight": [0.0] * 3}))


def cut_short(good: Path, bad: Path) -> None:
    (bad / "weights.safetensors").write_bytes(good.read_bytes()[: good.stat().st_size // 2])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (without_a_key, "1 missing tensor"),
        (pickled, "pickle"),
        (pickled_in_disguise, "pickle"),
        (cut_short, "not a whole"),
        (lambda good, bad: None, "no model"),
    ],
)
@pytest.mark.parametrize("as_folder", [False, True])
def test_bad_checkpoints(
    make: Callable[[Path, Path], None],
    says: str,
    as_folder: bool,
    released_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Image.fromarray(noise(56, 112)).save(tmp_path / "a.png")
    (tmp_path / "bad").mkdir()
    make(released_file, tmp_path / "bad")
    weights = next((tmp_path / "bad").iterdir(), tmp_path / "bad" / "weights.safetensors")
    model = str(tmp_path / "bad" if as_folder else weights)
    arguments = ["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    line = check([*arguments, "--model", model], 2, tmp_path, capsys)
    assert says in line

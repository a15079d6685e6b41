"""Whatever is wrong: the right exit code, one line that says it, and nothing left behind."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main

GIB = 1 << 30


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def text_as_png(path: Path) -> None:
    path.write_text("this is no picture\n" * 20)


def truncated_jpeg(path: Path) -> None:
    Image.fromarray(noise(128, 256)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_png(path: Path) -> None:
    Image.fromarray(noise(128, 256)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_exr(path: Path) -> None:
    write_exr(path, np.ones((32, 64, 3), np.float32))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def all_nan_exr(path: Path) -> None:
    write_exr(path, np.full((32, 64, 3), np.nan, np.float32))


def transparent(path: Path) -> None:
    Image.fromarray(np.zeros((32, 64, 4), np.uint8)).save(path)


def write_exr(path: Path, pixels: np.ndarray) -> None:
    import OpenEXR

    channels = {"RGB": np.ascontiguousarray(pixels)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


def one_pixel(path: Path) -> None:
    Image.fromarray(noise(1, 1)).save(path)


def photo(path: Path) -> None:
    Image.fromarray(noise(60, 90)).save(path)


def huge_png(path: Path) -> None:
    """A whole, valid 30,000 × 15,000 grey PNG, black: 0.45 gigapixel in 0.4 MB."""
    width, height = 30_000, 15_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(1)
    rows = bytes((1 + width) * 500)
    packed = b"".join(packer.compress(rows) for _ in range(height // 500)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


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
    [
        ("text.png", text_as_png, ""),
        ("cut.jpg", truncated_jpeg, ""),
        ("cut.png", truncated_png, ""),
        ("cut.exr", truncated_exr, ""),
        ("nan.exr", all_nan_exr, "no valid pixel"),
        ("clear.png", transparent, "no valid pixel"),
        ("empty.png", Path.touch, "empty"),
        ("dot.png", one_pixel, "1x1"),
        ("photo.png", photo, "90x60 is not a full panorama, whose width is 2 x its height"),
        ("huge.png", huge_png, "30000x15000"),
    ],
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

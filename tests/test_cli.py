"""The command line: what it writes, prints and returns."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import panodepth
from panodepth.cli import main
from panodepth.cli.options import with_fields
from panodepth.errors import OutputError
from panodepth.export.formats import relative_note
from panodepth.options import option
from panodepth.predict.folder.options import RunOptions
from panodepth.size import parse_size
from panodepth.types import Prediction


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (56, 112)) -> Path:
    """A random panorama of (H, W) pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def run(model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call `panodepth predict ... --out OUT` with the small model: (exit code, stdout, stderr)."""

    def call(*arguments: object, out: Path | None = None) -> tuple[int, str, str]:
        target = ["--out", str(out or tmp_path / "out"), "--model", str(model_file)]
        code = main(["predict", *map(str, arguments), *target, "--device", "cpu"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def written(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_package_lists_what_it_loads_when_asked_for() -> None:
    assert {"load", "Prediction", "PanodepthError", "__version__"} == set(dir(panodepth))


def test_results_are_in_out_unless_told_otherwise(
    model_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.png")
    for _ in range(2):  # the second time, "out" is no input of the folder around it
        assert main(["predict", ".", "--model", str(model_file), "--format", "npz"]) == 0
    assert written(tmp_path) >= {"a.png", "out/a_distance.npz"}
    assert not list(tmp_path.glob("out/out"))
    assert "out/a_distance.npz" in capsys.readouterr().out


def test_a_folder_keeps_its_shape(run: Any, tmp_path: Path) -> None:
    for seed, name in enumerate(("a.png", "s/a.png", "s/b.jpg")):
        picture(tmp_path / "in" / name, seed)
    code, out, err = run(tmp_path / "in", "--format", "npz,preview", "--format", "ply")
    assert (code, err) == (0, "")
    expected = {
        f"{stem}{ending}"
        for stem in ("a", "s/a", "s/b")
        for ending in ("_distance.npz", "_preview.png", "_points.ply")
    }
    assert written(tmp_path / "out") == expected
    assert "3 written in" in out.splitlines()[-1]
    for step in ("load", "read", "network", "write"):
        assert f"{step} " in out.splitlines()[-1]


def test_equals_the_python_interface(run: Any, tmp_path: Path, model_file: Path) -> None:
    path = picture(tmp_path / "room.png")
    assert run(path, "--format", "npz", "--dtype", "float32")[0] == 0
    stored = np.load(tmp_path / "out" / "room_distance.npz")["distance"]
    predictor = panodepth.load(model_file, device="cpu", dtype="float32")
    np.testing.assert_allclose(stored, predictor.predict(path).distance, rtol=1e-5)


def test_batches_change_nothing(run: Any, tmp_path: Path) -> None:
    for seed in range(3):
        picture(tmp_path / "in" / f"{seed}.png", seed, (56 + 4 * seed, 112 + 8 * seed))
    (tmp_path / "in" / "bad.png").write_text("no picture")
    picture(tmp_path / "in" / "1photo.png", 9, (60, 90))  # read well, refused by predict
    common = ("--format", "npz", "--dtype", "float32")
    assert run(tmp_path / "in", *common, out=tmp_path / "one")[0] == 1
    assert run(tmp_path / "in", *common, "--batch-size", 3, out=tmp_path / "three")[0] == 1
    assert run(tmp_path / "in", *common, "--batch-size", "auto", out=tmp_path / "auto")[0] == 1
    assert written(tmp_path / "auto") == written(tmp_path / "one")
    assert written(tmp_path / "one") == {f"{seed}_distance.npz" for seed in range(3)}
    assert written(tmp_path / "three") == written(tmp_path / "one")
    for name in written(tmp_path / "one"):
        one, three = (np.load(tmp_path / k / name)["distance"] for k in ("one", "three"))
        np.testing.assert_allclose(one, three, rtol=1e-5)


def test_threads_change_nothing_but_the_time(run: Any, tmp_path: Path) -> None:
    for seed in range(5):
        picture(tmp_path / "in" / f"{seed}.png", seed)
    (tmp_path / "in" / "2.png").write_text("no picture")
    told = {}
    for workers in (0, 1, 3):
        folder = tmp_path / f"out{workers}"
        options = ("--format", "npz,ply", "--workers", workers)
        code, out, err = run(tmp_path / "in", *options, out=folder)
        assert (code, err.count("\n")) == (1, 1)
        assert "images/s" in out.splitlines()[-1]
        files = {name: (folder / name).read_bytes() for name in written(folder)}
        told[workers] = ([line.split(" ->")[0] for line in out.splitlines()[:-1]], files)
    assert told[0] == told[1] == told[3]
    code, out, _ = run(tmp_path / "in" / "0.png", "--json", out=tmp_path / "one")
    assert json.loads(out)["images_per_second"] > 0


def test_relative_distances_in_a_format_of_metres_are_told_once(run: Any, tmp_path: Path) -> None:
    """Tools take the numbers of glTF, LAS, E57 and USD for metres."""
    picture(tmp_path / "a.png")
    told = "note: " + relative_note(("glb", "npz", "points-glb"))
    assert "glb, points-glb have no unit but metres" in told
    assert relative_note(("npz", "ply", "exr")) == ""
    code, _, err = run(tmp_path / "a.png", "--format", "glb,npz,points-glb")
    assert code == 0
    assert [line for line in err.splitlines() if line.startswith("note:")] == [told]
    err = run(tmp_path / "a.png", "--format", "glb", "--max-distance", "20")[2]
    assert "no unit but metres" not in err


def test_same_names_do_not_overwrite_each_other(run: Any, tmp_path: Path) -> None:
    paths = [
        picture(tmp_path / name, k) for k, name in enumerate(("x/r.png", "y/r.png", "y/r.jpg"))
    ]
    assert run(*paths, "--format", "npz")[0] == 0
    assert written(tmp_path / "out") == {
        "x/r_distance.npz",
        "y/r_png_distance.npz",
        "y/r_jpg_distance.npz",
    }


def test_one_bad_file_does_not_stop_the_run(run: Any, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "z.png")
    (tmp_path / "in" / "m.png").write_text("no picture")
    code, out, err = run(tmp_path / "in", tmp_path / "gone.png", "--format", "npz")
    assert code == 1
    assert written(tmp_path / "out") == {"a_distance.npz", "z_distance.npz"}
    lines = err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    assert "gone.png" in err
    assert "m.png" in err
    assert "2 written, 2 failed" in out


def test_skip_existing(run: Any, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "in" / name)
    assert run(tmp_path / "in", "--format", "npz,png")[0] == 0
    (tmp_path / "out" / "b_distance.png").unlink()
    before = (tmp_path / "out" / "a_distance.npz").stat().st_mtime_ns
    code, out, _ = run(tmp_path / "in", "--format", "npz,png", "--skip-existing")
    assert code == 0
    assert "1 written, 1 skipped" in out
    assert (tmp_path / "out" / "a_distance.npz").stat().st_mtime_ns == before
    assert (tmp_path / "out" / "b_distance.png").is_file()
    code, out, _ = run(tmp_path / "in", "--format", "npz,png", "--skip-existing")
    assert (code, out.startswith("2 skipped")) == (0, True)


def test_json_is_one_document(run: Any, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("no picture")
    code, out, err = run(tmp_path / "in", "--format", "npz", "--json")
    told = json.loads(out)
    assert code == told["exit_code"] == 1
    assert (told["written"], told["skipped"], told["failed"]) == (1, 0, 1)
    assert told["model"] == "micro"
    assert set(told["seconds"]) == {"load", "read", "network", "write", "total"}
    good, bad = told["results"]  # in the order of the inputs
    assert good["files"] == [str(tmp_path / "out" / "a_distance.npz")]
    assert good["facts"]["unit"] == "relative"
    page = Path(__file__).parents[1].joinpath("docs/throughput.md").read_text(encoding="utf-8")
    for keys in (told, told["left_out"], told["seconds"], good, good["facts"]):
        assert [key for key in keys if f"`{key}`" not in page] == []
    assert (bad["status"], bad["files"]) == ("failed", [])
    assert err == f"error: {bad['error']}\n"
    code, out, err = run(tmp_path / "none.png", "--json")
    assert (code, json.loads(out)["exit_code"]) == (2, 2)


def test_quiet_prints_nothing(run: Any, tmp_path: Path) -> None:
    assert run(picture(tmp_path / "a.png"), "--format", "npz", "--quiet") == (0, "", "")


def test_mask_size_sky_and_metres_arrive(run: Any, tmp_path: Path, model_file: Path) -> None:
    for name in ("a.png", "s/b.png"):
        picture(tmp_path / "in" / name)
        mask = np.zeros((56, 112), np.uint8)
        mask[20:] = 255
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / name)
    options = ("--format", "npz", "--size", "28x56", "--sky", "none", "--mask")
    assert run(tmp_path / "in", *options, tmp_path / "masks")[0] == 0
    for name in ("a", "s/b"):
        stored = np.load(tmp_path / "out" / f"{name}_distance.npz")["mask"]
        assert not stored[:20].any()
        assert stored[20:].all()
    code, _, err = run(tmp_path / "in", *options, tmp_path / "masks" / "a.png", out=tmp_path / "o2")
    assert (code, err.count("\n"), err[:5]) == (0, 1, "note:")  # of the size
    (tmp_path / "masks" / "a.png").unlink()
    code, _, err = run(tmp_path / "in", *options, tmp_path / "masks", out=tmp_path / "o3")
    assert (code, err.count("error: ")) == (1, 1)
    assert "no mask a.png" in err
    code, _, err = run(tmp_path / "in" / "a.png", "--camera-height", "1.6")
    assert (code, len(err.splitlines())) == (1, 1)  # a random network shows no floor
    assert "noise" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict"], "Missing argument"),
        (["predict", "a.png", "--out"], "--out"),
        (["predict", "a.png", "--out", "o", "--wrong"], "--wrong"),
        (["predict", "a.png", "--out", "o", "--size", "big"], "HxW"),
        (["predict", "a.png", "--out", "o", "--sky", "blue"], "--sky"),
        (["predict", "a.png", "--out", "o", "--batch-size", "0"], "batch-size"),
        (["predict", "a.png", "--out", "o", "--batch-size", "all"], "neither auto nor"),
        (["predict", "a.png", "--out", "o", "--model", "m.onnx", "--compile"], "--compile"),
        (["predict", "a.png", "--out", "o", "--camera-height", "-1"], "camera-height"),
        (["predict", "a.png", "--out", "o", "--mask", "none.png"], "none.png"),
        (["predict", "a.png", "--out", "o", "--points", "none.csv"], "points: none.csv: No such"),
        (["predict", "a.png", "--out", "o", "--anchor-depth", "a.png"], "a.png: neither an .npz"),
        (["predict", "none-*.png", "--out", "o"], "no picture found: none-*.png"),
        (["dance"], "dance"),
    ],
)
def test_what_cannot_start_is_one_line_and_code_2(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.png")
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err
    assert written(tmp_path) == {"a.png"}


@pytest.mark.parametrize("option", [("--device", "tpu"), ("--dtype", "int4"), ("--size", "15x30")])
def test_bad_model_options_are_code_2(
    option: tuple[str, str], model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = picture(tmp_path / "a.png")
    base = ["predict", str(path), "--out", str(tmp_path / "out"), "--model", str(model_file)]
    assert main([*base, *option]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_swapped_size_is_refused(run: Any, tmp_path: Path) -> None:
    code, _, err = run(picture(tmp_path / "a.png"), "--size", "112x56")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 56×112?" in err


def test_every_option_of_prediction_is_one_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["predict", "--help"]) == 0
    shown = capsys.readouterr().out
    for field in dataclasses.fields(RunOptions):
        if field.name in ("lens", "watch"):  # of Python alone; a lens's numbers are options
            continue
        flag = field.metadata.get("flag", "--" + field.name.replace("_", "-"))
        assert flag.partition("/")[0] + " " in shown  # of --this/--no-this the first


def test_fields_become_options_in_their_types() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Lens:
        count: int = option(dataclasses.MISSING, "How many.")
        size: tuple[int, int] = option("28x56", "Pixels.", parser=parse_size)
        names: tuple[str, ...] = option((), "Repeat.", flag="--name")
        level: bool = option(False, "Upright.")
        hidden: float = 0.5

    told = []

    def command(lens: Lens, number: int = 1) -> None:
        told.append((lens, number))

    command.__annotations__ = {"lens": Lens, "number": int}
    app = typer.Typer()
    app.command()(with_fields(command))
    app(["--count", "3", "--name", "a", "--name", "b", "--level"], standalone_mode=False)
    assert told == [(Lens(count=3, size=(28, 56), names=("a", "b"), level=True), 1)]


def test_info(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["info", "--model", str(model_file), "--device", "cpu", "--dtype", "float32"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for word in ("micro", "float32", "cpu", panodepth.__version__):
        assert word in text
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["device"], told["dtype"]) == ("micro", "cpu", "float32")
    assert told["parameters"] > 0
    assert main([*arguments[:-1], "int8", "--json"]) in (0, 2)  # 2: not by this processor
    assert json.loads(capsys.readouterr().out)["dtype"] == "int8"
    assert main(["info", "--model", "go\nne.safetensors"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["info", "--model", "gone.safetensors", "--json"]) == 2
    captured = capsys.readouterr()
    assert "gone.safetensors" in json.loads(captured.out)["error"]
    assert captured.err.count("\n") == 1


def test_interrupt_leaves_whole_files_only(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "in" / name)
    real, calls = Prediction.save, []

    def save(self: Prediction, path: Any, formats: Any = None) -> list[Path]:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, path, formats)

    monkeypatch.setattr(Prediction, "save", save)
    code, _, err = run(tmp_path / "in", "--format", "npz")
    assert (code, err.count("\n")) == (130, 1)
    assert "interrupted" in err
    assert written(tmp_path / "out") == {"a_distance.npz"}


@pytest.mark.parametrize(
    ("failure", "says", "tried"),
    [
        (MemoryError(), "not enough memory", 3),
        (OSError(errno.ENOSPC, "No space left on device"), "no space left", 1),
        (ZeroDivisionError("a bug"), "unexpected ZeroDivisionError: a bug", 3),
    ],
)
def test_failures_of_the_machine(
    failure: Exception,
    says: str,
    tried: int,
    run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk ends the run, with one line; anything else costs one file, a line for each."""
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / "in" / name)
    calls = []

    def save(self: Prediction, path: Any, formats: Any = None) -> list[Path]:
        calls.append(path)
        raise failure if not isinstance(failure, OSError) else OutputError("x") from failure

    monkeypatch.setattr(Prediction, "save", save)
    code, out, err = run(tmp_path / "in", "--format", "npz")
    assert (code, len(calls), err.count("\n")) == (1, tried, tried)
    assert err.count(says) == tried
    assert "3 failed" in out
    monkeypatch.setenv("PANODEPTH_DEBUG", "1")
    with pytest.raises((type(failure), OutputError)):
        run(tmp_path / "in", "--format", "npz")

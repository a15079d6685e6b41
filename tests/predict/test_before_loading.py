"""What is told before a model is loaded, or at once when it breaks its own rules."""

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
from safetensors.numpy import load_file, save_file

import onnx
import panodepth
from onnx import TensorProto, helper
from panodepth.cli import main
from panodepth.cli.predict import _missing
from panodepth.errors import ConfigError, ModelError
from panodepth.export import WRITERS
from panodepth.model import ModelConfig
from panodepth.model.backbones import BACKBONES
from panodepth.predict.folder.checks import MAX_CHECKED, check_first
from panodepth.predict.folder.inputs import find_inputs
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.models import STEPS, size_to_load


def picture(path: Path, height: int = 56, width: int = 112) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.linspace(99, 30, height).astype(np.uint8)[:, None]
    Image.fromarray(np.repeat(rows, width, axis=1)).convert("RGB").save(path)
    return path


def test_what_headers_tell_is_told_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*arguments: Any, **more: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr("panodepth.predict.trial.load", load)
    picture(tmp_path / "in" / "square.png", 64, 64)
    picture(tmp_path / "in" / "tiny.png", 4, 8)
    (tmp_path / "in" / "no.jpg").write_text("no picture")
    np.savez(tmp_path / "taken_distance.npz", distance=np.ones(3))
    picture(tmp_path / "in" / "taken.png")
    command = ["predict", str(tmp_path / "in"), "--out", str(tmp_path), "--format", "npz", "--json"]
    assert main(command) == 1
    told = json.loads(capsys.readouterr().out)
    assert [told["failed"], told["written"]] == [4, 0]
    reasons = " ".join(result["error"] for result in told["results"])
    for word in ("not a full panorama", "too small", "not a jpg", "is no result of panodepth"):
        assert word in reasons
    picture(tmp_path / "in" / "well.png")
    (tmp_path / "masks").mkdir()
    assert main([*command, "--mask", str(tmp_path / "masks")]) == 1
    monkeypatch.setenv("PANODEPTH_DEBUG", "1")
    with pytest.raises(AssertionError, match="loaded"):
        main([*command[:1], str(tmp_path / "in" / "well.png"), *command[2:]])


def test_of_many_pictures_those_up_to_a_good_one_are_checked(tmp_path: Path) -> None:
    good = picture(tmp_path / "0.png")
    for number in range(1, MAX_CHECKED + 3):
        os.link(good, tmp_path / f"{number:04}.png")
    last = tmp_path / f"{MAX_CHECKED + 2:04}.png"
    last.unlink()
    last.write_text("no picture")
    items = find_inputs([str(tmp_path)]).files
    pending, refused = check_first(items, RunOptions(out=tmp_path / "out"))
    assert (len(pending), refused) == (len(items), [])
    good.write_text("no picture")  # and so are all its links
    pending, refused = check_first(items, RunOptions(out=tmp_path / "out"))
    assert (pending, len(refused)) == ([], len(items))


def test_a_wrong_size_is_told_without_torch(model_file: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    code = "import sys; from panodepth.cli import main; code = main(sys.argv[1:]);"
    code += "sys.exit('torch was loaded' if 'torch' in sys.modules else code)"
    command = ["predict", "a.png", "--out", "o", "--model", str(model_file), "--size", "100x200"]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "the nearest is 98×196, its own size is 56×112" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_table_of_steps_is_the_backbones_own(model_file: Path, tmp_path: Path) -> None:
    assert {name: backbone.STEP for name, backbone in BACKBONES.items()} == STEPS
    assert size_to_load(model_file, (28, 56)) is None  # its own, 56×112
    assert size_to_load(model_file, (56, 112)) is None
    assert size_to_load(model_file, (84, 168)) == (84, 168)
    gone = tmp_path / "gone.safetensors"
    assert size_to_load(gone, (1, 2)) == (1, 2)  # others say that it is not there
    for size in ((27, 56), (56, 28), (14 * 400, 14 * 800)):
        with pytest.raises(ConfigError):
            size_to_load(model_file.parent, size)


def test_a_size_that_is_not_the_network_s_own_is_noted_once(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.png")
    command = ["predict", str(tmp_path / "in"), "--out", str(tmp_path / "o"), "--format", "npz"]
    command += ["--model", str(model_file), "--size"]
    assert main([*command, "28x56"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("note: the network was made for 56×112, and runs at that size:")
    assert err.count("\n") == 1
    assert main([*command, "28x56", "--json"]) == 0
    assert main([*command, "56x112"]) == 0
    assert main([*command, "84x168"]) == 0  # held to what 56×112 says
    assert capsys.readouterr().err == ""


def test_help_names_every_format_in_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for key, writer in WRITERS.items():
        assert writer.about
        assert f"{key} ({writer.about})".replace("-", "") in shown.replace("- ", "").replace(
            "-", ""
        )
    assert ".onnx" in shown


@pytest.mark.parametrize(
    "change",
    [
        {"depth": 20_000, "features": [1, 2, 3, 20_000]},
        {"size": [8190, 16380]},
        {"dim": 1 << 40, "heads": 1},
        {"decoder": [16, 16, 8, 1 << 30]},
        {"decoder_units": 10_000_000},
        {"stem_widths": [1 << 30]},
        {"position_grid": 1 << 30},
        {"size": [1]},
        {"depth": "four"},
    ],
)
def test_checkpoints_that_state_the_impossible(
    change: dict[str, Any], model_file: Path, tmp_path: Path
) -> None:
    for text in (json.dumps({**ModelConfig().to_dict(), **change}), "[" * 100_000, "9" * 9_999):
        save_file(load_file(model_file), tmp_path / "m.safetensors", {"config": text})
        with pytest.raises(ModelError, match=r"model config|size"):
            panodepth.load(tmp_path / "m.safetensors", device="cpu")


FACTS = {"model": "m", "network": "n", "precision": "float32", "edges": "sphere"}
FACTS |= {"height": "28", "width": "56", "parameters": "1"}


def onnx_file(path: Path, facts: dict[str, str], **more: Any) -> Path:
    """A network that returns the mean of the channels times `factor`."""
    shape, name = more.get("shape", [1, 3, 28, 56]), more.get("output", "distance")
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [], [more.get("factor", 1.0)])
    mean = helper.make_node(
        "ReduceMean", ["image"], ["mean"], axes=[1], keepdims=more.get("keep", 0)
    )
    nodes = [mean, helper.make_node("Mul", ["mean", "factor"], [name])]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [image], [result], [factor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {**FACTS, **facts})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("facts", "more", "says"),
    [
        ({}, {"output": "foo"}, "its outputs are foo"),
        ({}, {"factor": -1.0}, "not above 0"),
        ({}, {"factor": 0.0}, "not above 0"),
        ({}, {"keep": 1}, "its distance is float32"),
        ({}, {"shape": [1, 3, 14, 28]}, "not one picture of 28×56"),
        ({}, {"shape": ["n", 3, 28, 56]}, "not one picture of 28×56"),
        ({"height": "tall"}, {}, "no 'height'"),
        ({"width": "9" * 99}, {}, "no 'width'"),
        ({"height": "56", "width": "28"}, {"shape": [1, 3, 56, 28]}, "did you mean"),
    ],
)
def test_onnx_files_that_break_the_rules_end_the_run_once(
    facts: dict[str, str],
    more: dict[str, Any],
    says: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png")
    model = onnx_file(tmp_path / "m.onnx", facts, **more)
    command = ["predict", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--format", "npz"]
    assert main([*command, "--model", str(model)]) == 2
    captured = capfd.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert says in captured.err
    assert not (tmp_path / "out").exists()


def test_an_onnx_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    picture(tmp_path / "a.png")
    command = ["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    assert main([*command, "--model", str(tmp_path / "m.onnx")]) == 2
    assert "a pipe or a device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "an empty name"),
        ("-", "standard input is not read"),
        ("https://example.org/room.jpg", "an address, not a file: download it first"),
        ("a\0b.jpg", r"a\x00b.jpg"),
    ],
)
def test_what_is_no_name_of_a_file(
    given: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And "" is not the folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (128, 64)).save("here.png")
    assert main(["predict", given, "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


def test_names_that_look_like_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x.jpg").touch()
    assert main(["predict", "-x.jpg", "--out", "out"]) == 2
    assert "a file whose name begins with - is given as ./-x.jpg" in capsys.readouterr().err


def test_a_bad_file_with_a_line_end_in_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\nb.jpg"
    path.write_text("no picture")
    assert main(["predict", str(path), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.count(r"a\nb.jpg: ") == 1
    assert "a b.jpg" not in error


def test_a_pattern_is_no_name_even_where_its_letters_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Windows refuses to look for names with * or ?."""

    def refused(_path: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refused)
        told = [_missing(name) for name in ("in/*.jpg", "in/a|b.jpg")]
    assert told == [
        "no such file or folder, and no glob matches",
        "cannot be read (Invalid argument)",
    ]

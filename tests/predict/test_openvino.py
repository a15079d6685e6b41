"""OpenVINO: the network's numbers, exported files, conversion once, what is refused."""

from __future__ import annotations

import copy
import importlib.util
import json
import pickle
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnx
import panodepth
from panodepth.cli import main
from panodepth.errors import ConfigError, ModelError, OutputError
from panodepth.predict import trial
from panodepth.predict.openvino import conversion
from panodepth.predict.openvino.calibration import calibrate

pytest.importorskip("openvino")

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "examples" / "interior.jpg"
RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled network as m.onnx and m.xml."""
    folder = tmp_path_factory.mktemp("exported")
    assert main(["export", str(folder / "m.onnx")]) == 0
    conversion.write_xml(onnx.load(folder / "m.onnx"), folder / "m.xml")
    return folder


@pytest.fixture(scope="module")
def small(onnx_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network as m.onnx and m.xml: what does not hang on which model it is."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copyfile(onnx_file, folder / "m.onnx")
    conversion.write_xml(onnx.load(onnx_file), folder / "m.xml")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "panodepth" / "openvino"


@pytest.fixture
def untried(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial of a first use, which takes seconds, is of test_auto_goes_by_a_trial alone."""
    monkeypatch.setattr(trial, "tried", lambda *_: trial.Trial("", "", "float32", 2.0, 0.0))


def off(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one / other - 1).mean())


@pytest.mark.parametrize("name", ["m.onnx", "m.xml"])
def test_files_give_the_networks_numbers(exported: Path, name: str) -> None:
    exact = panodepth.load(dtype="float32").predict(PICTURE).raw
    model = panodepth.load(exported / name, backend="openvino", dtype="float32")
    said = model.describe()
    assert (said["backend"], said["device"], said["dtype"]) == ("openvino", "cpu", "f32")
    assert off(model.predict(PICTURE).raw, exact) < 1e-5
    short = panodepth.load(exported / name, backend="openvino")
    assert off(short.predict(PICTURE).raw, exact) < 0.004  # bfloat16 where the CPU has it


def test_a_precision_that_a_device_may_not_take_is_told(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = small / "m.xml"
    model = panodepth.load(file, device="auto:cpu", dtype="float32")
    told = "OpenVINO does not say in what it computes on auto:cpu: --dtype float32 may not"
    assert told in capsys.readouterr().err
    assert model.describe()["dtype"] == ""
    panodepth.load(file, device="auto:cpu")
    panodepth.load(file, device="cpu", dtype="float32")
    panodepth.load(file, device="cpu", dtype="bfloat16")
    assert capsys.readouterr().err == ""


def test_an_xml_is_openvinos_and_tells_what_it_is(small: Path) -> None:
    onnx, xml = (panodepth.load(small / f"m.{end}") for end in ("onnx", "xml"))
    said, of = xml.describe(), onnx.describe()
    assert said["backend"] == "openvino"
    for key in ("model", "network", "parameters", "network_size", "sky"):
        assert said[key] == of[key]


def test_pictures_side_by_side_are_what_they_are_alone(small: Path) -> None:
    model = panodepth.load(small / "m.xml", dtype="float32")
    pixels = [RNG.random((3, *model.size), dtype=np.float32) for _ in range(3)]
    alone = [model.run([picture])[0] for picture in pixels]
    finish = [model.start([picture]) for picture in pixels]
    for expected, done in zip(alone, finish, strict=True):
        (found,) = done()
        np.testing.assert_array_equal(found.log_distance, expected.log_distance)
        np.testing.assert_array_equal(found.sky_logit, expected.sky_logit)


def test_copies_and_pickles_predict_the_same(small: Path) -> None:
    model = panodepth.load(small / "m.xml", dtype="float32")
    expected = model.predict(PICTURE).distance
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(PICTURE).distance, expected)


@pytest.mark.usefixtures("untried")
def test_a_model_is_converted_once_for_each_size(
    cache: Path, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["predict", str(PICTURE), "--backend", "openvino", "--model", str(model_file)]
    line += ["--format", "npz", "--size"]
    assert main([*line, "140x280", "--out", str(tmp_path / "one")]) == 0
    (made,) = cache.glob("*.xml")
    assert "140x280" in made.name
    before = made.stat().st_mtime_ns
    monkeypatch.setattr(conversion, "write_xml", lambda *_a, **_k: pytest.fail("made again"))
    assert main([*line, "140x280", "--out", str(tmp_path / "two")]) == 0
    assert made.stat().st_mtime_ns == before
    one, two = (
        np.load(tmp_path / name / "interior_distance.npz")["distance"] for name in ("one", "two")
    )
    np.testing.assert_array_equal(one, two)
    made.with_suffix(".bin").unlink()  # half of it lost: made again
    with pytest.raises(pytest.fail.Exception, match="made again"):
        main([*line, "140x280", "--out", str(tmp_path / "three")])


@pytest.mark.usefixtures("untried")
def test_other_sizes_are_as_the_network_itself_has_them(
    cache: Path, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A larger one is held to the own one, within the file; a smaller one is the own one."""
    model, size = str(model_file), (84, 168)
    large, plain = (panodepth.load(model, backend="openvino", size=s) for s in (size, None))
    exact = panodepth.load(model, dtype="float32", size=size).predict(PICTURE, level="none")
    assert off(large.predict(PICTURE, level="none").raw, exact.raw) < 0.005
    assert panodepth.load(model, backend="openvino", size=(28, 56)).size == plain.size
    line = ["predict", str(PICTURE), "--backend", "openvino", "--model", model]
    line += ["--size", "28x56", "--format", "npz"]
    assert main([*line, "--out", str(tmp_path)]) == 0
    assert "runs at that size" in capsys.readouterr().err
    with np.load(tmp_path / "interior_distance.npz") as file:
        np.testing.assert_array_equal(file["distance"], plain.predict(PICTURE).distance)


def test_what_is_converted_needs_no_torch_again(cache: Path, model_file: Path) -> None:
    panodepth.load(model_file, backend="openvino")
    code = (
        "import sys, panodepth\n"
        f"panodepth.load({str(model_file)!r}, backend='openvino').predict({str(PICTURE)!r})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list(cache.glob("*.xml"))) == 1


def test_auto_goes_by_a_trial(
    cache: Path, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made at the first use of --backend openvino; without one, auto is torch."""

    def said(name: str, *more: str) -> dict[str, object]:
        line = ["predict", str(PICTURE), "--format", "npz", "--quiet", *more]
        line += ["--model", str(model_file)]
        assert main([*line, "--out", str(tmp_path / name)]) == 0
        with np.load(tmp_path / name / "interior_distance.npz") as file:
            meta: dict[str, object] = json.loads(str(file["meta"]))["prediction"]
        return meta

    before = said("before")
    assert before["backend"] == "torch"
    assert "backend_choice" not in before
    said("made", "--backend", "openvino")
    (file,) = cache.glob("*.json")
    found = trial.read(file)
    assert found is not None
    assert found.ratio > 0
    assert 0 < found.difference < 0.02
    monkeypatch.setattr(trial, "tried", lambda *_: pytest.fail("tried again"))
    said("again", "--backend", "openvino")
    for ratio, backend in ((0.5, "openvino"), (1.5, "torch")):
        file.write_text(json.dumps({**asdict(found), "ratio": ratio, "difference": 0.001}))
        after = said(backend)
        assert after["backend"] == backend
        assert f"took {ratio:.2f} of torch's time" in str(after["backend_choice"])
    assert said("named", "--backend", "torch").get("backend_choice") is None
    file.write_text(json.dumps({**asdict(found), "machine": "another one"}))
    assert said("elsewhere")["backend"] == "torch"


def test_rooms_are_pictures() -> None:
    one, two = trial.room((28, 56), 0), trial.room((28, 56), 1)
    assert one.shape == (3, 28, 56)
    assert one.dtype == np.float32
    assert 0 <= min(one.min(), two.min()) < max(one.max(), two.max()) <= 1
    assert one.std() > 0.05
    assert not np.array_equal(one, two)


def test_a_cache_that_cannot_be_written_is_said(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot write"):
        panodepth.load(model_file, backend="openvino")


@pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="nncf is not installed")
def test_int8_is_near(cache: Path) -> None:
    exact = panodepth.load(dtype="float32").predict(PICTURE).raw
    model = panodepth.load(backend="openvino", dtype="int8")
    assert model.describe()["dtype"] == "int8"
    assert 0 < off(model.predict(PICTURE).raw, exact) < 0.005
    assert len(list(cache.glob("*int8*.xml"))) == 1


def test_the_size_told_is_that_of_both_files(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "m.xml"), "--model", str(model_file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["bytes"]
    assert told == sum((tmp_path / name).stat().st_size for name in ("m.xml", "m.bin"))


@pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="nncf is not installed")
@pytest.mark.parametrize("source", ["worlds", "folder"])
def test_calibrated_int8_is_near(
    model_file: Path, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panodepth.cli.export.PICTURES", 2)
    monkeypatch.setattr("panodepth.cli.export.RENDER_HEIGHT", 32)
    if source == "folder":
        source = str(tmp_path / "pictures")
        Path(source).mkdir()
        Image.open(PICTURE).resize((112, 56)).save(f"{source}/one.png")
    out = str(tmp_path / "q.xml")
    line = ["export", out, "--model", str(model_file), "--int8", "--calibrate", source]
    assert main(line) == 0
    model = panodepth.load(out)
    assert model.describe()["dtype"] == "int8"
    assert model.facts["calibration"] == ("2 pictures" if source == "worlds" else "1 pictures")
    exact = panodepth.load(model_file, dtype="float32").predict(PICTURE).raw
    assert 1e-6 < off(model.predict(PICTURE).raw, exact) < 0.02
    (tmp_path / "none").mkdir()
    for wrong in (["--calibrate", str(tmp_path / "none")], ["--calibrate", str(tmp_path / "no")]):
        assert main([*line[:5], *wrong]) == 2
    with pytest.raises(ConfigError, match="starts from a float32 file"):
        calibrate(model, [PICTURE], tmp_path / "again.xml")
    exact_file = str(tmp_path / "e.xml")
    assert main(["export", exact_file, "--model", str(model_file)]) == 0
    with pytest.raises(ConfigError, match="needs pictures"):
        calibrate(panodepth.load(exact_file, dtype="float32"), [], tmp_path / "q2.xml")
    assert not (tmp_path / "q2.xml").exists()


def test_calibration_is_for_int8_files_of_openvino(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in (["m.xml", "--calibrate", "worlds"], ["m.onnx", "--int8", "--calibrate", "worlds"]):
        assert main(["export", str(tmp_path / line[0]), *line[1:]]) == 2
        assert "--calibrate is for --int8" in capsys.readouterr().err


def test_what_is_refused(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.xml").write_text("<net/>")
    (tmp_path / "cut.xml").write_bytes((small / "m.xml").read_bytes()[:5000])
    for name in ("bad.xml", "cut.xml"):
        with pytest.raises(ModelError, match=name):
            panodepth.load(tmp_path / name)
    model = str(small / "m.onnx")
    for line, word in (
        (["--backend", "onnx"], "--backend onnx needs"),
        (["--backend", "tflite"], "unknown --backend 'tflite'"),
        (["--backend", "torch", "--model", model], "--backend torch cannot run"),
        (["--backend", "openvino", "--compile"], "compile"),
        (["--backend", "openvino", "--model", model, "--device", "npu"], "finds no device 'npu'"),
        (["--backend", "openvino", "--model", model, "--dtype", "int8"], "one precision"),
        (["--backend", "openvino", "--model", model, "--size", "140x280"], "140x280"),
    ):
        assert main(["predict", str(PICTURE), *line, "--out", str(tmp_path / "out")]) == 2
        told = capsys.readouterr().err
        assert word in told
        assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_metadata_name_the_backend(small: Path, tmp_path: Path) -> None:
    line = ["predict", str(PICTURE), "--model", str(small / "m.xml"), "--format", "npz"]
    assert main([*line, "--out", str(tmp_path)]) == 0
    stored = json.loads(str(np.load(tmp_path / "interior_distance.npz")["meta"]))
    assert stored["prediction"]["backend"] == "openvino"


@pytest.mark.usefixtures("untried")
def test_the_pages_lines_run(
    cache: Path, tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = re.findall(
        r"^(panodepth [^#\n]+)", (ROOT / "docs/openvino.md").read_text(), re.MULTILINE
    )
    assert len(lines) == 5
    monkeypatch.setattr("panodepth.cli.export.PICTURES", 2)
    monkeypatch.setattr("panodepth.cli.export.RENDER_HEIGHT", 32)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    if importlib.util.find_spec("nncf") is None:
        lines.pop()  # 8 bits need it
    for line in lines:
        small = ["--model", str(model_file)] if " export " in line else []  # it takes seconds
        assert main([*shlex.split(line)[1:], *small]) == 0
    assert len(list(cache.glob("*.xml"))) == 1


def test_without_openvino_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "openvino" else found(name, *a),
    )
    with pytest.raises(ConfigError, match=r"panodepth\[openvino\]"):
        panodepth.load(backend="openvino")

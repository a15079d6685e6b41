"""ONNX files: the network's numbers, the same predictions without torch, and what they refuse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import onnx
import panodepth
from panodepth.cli import main
from panodepth.errors import ConfigError
from panodepth.model import PRESETS, ModelConfig, SphereViT, scale_invariant_distance
from panodepth.model.backbones import BACKBONES
from panodepth.onnx.onnx_file import (
    MAX_BYTES,
    OnnxOptions,
    build_onnx,
    metadata_of,
    write_onnx,
)
from panodepth.predict import load
from panodepth.predict.torch_backend import TorchPredictor

ROOT = Path(__file__).parents[2]
TINY = {"dim": 32, "depth": 4, "heads": 2, "features": (1, 2, 3, 4), "position_grid": 4}
SHAPES = {"hidden": 32, "cross_heads": 2, "decoder": (32, 32, 16, 8), "head": (8, 8)}
# One of each kind that a checkpoint can be.
KINDS: dict[str, dict[str, Any]] = {
    "released": {"embedding_dim": 32},
    "small": {"wrap_padding": True, "periodic_embedding": True, "latitude_positions": True}
    | {"sky_head": True, "embedding_dim": 16},
    "compact": {"backbone": "conv", "stem_widths": (8, 8, 16), "stem_blocks": (1, 1, 1)}
    | {"class_token": False, "decoder_units": 1, "wrap_padding": True, "periodic_embedding": True}
    | {"azimuth_free_embedding": True, "latitude_positions": True, "great_circle_bias": True}
    | {"sky_head": True, "embedding_dim": 16},
    "plain": {
        "depths": 2,
        "sphere_attention": False,
        "great_circle_bias": True,
        "embedding_dim": 16,
    },
    "lite0": {"backbone": "lite0", "size": (64, 128), "wrap_padding": True, "embedding_dim": 32},
    "lite2": {"backbone": "lite2", "size": (64, 128), "class_token": False, "embedding_dim": 32},
}


def test_every_backbone_is_here() -> None:
    assert {kind.get("backbone", "patch") for kind in KINDS.values()} == set(BACKBONES)


def network(kind: str) -> SphereViT:
    """A random one, its small numbers made large enough to matter."""
    torch.manual_seed(1)
    fields = {"size": (56, 112), "layer_scale": 0.5, **TINY, **SHAPES, **KINDS[kind]}
    config = ModelConfig(name=kind, **fields)
    model = SphereViT(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def outputs(proto: onnx.ModelProto, image: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def expected(model: SphereViT, image: torch.Tensor) -> tuple[np.ndarray, np.ndarray | None]:
    with torch.inference_mode():
        log, sky, _ = model(image)
    valid = None if sky is None or bool((sky > 0).all()) else sky <= 0
    distance = scale_invariant_distance(log, valid).numpy()
    return distance, None if sky is None else sky.numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_network(kind: str) -> None:
    model = network(kind)
    image = torch.rand(1, 3, *model.config.size)
    found = outputs(build_onnx(model, OnnxOptions()), image.numpy())
    distance, sky = expected(model, image)
    np.testing.assert_allclose(found["distance"], distance, rtol=1e-4)
    assert ("sky_logit" in found) == (sky is not None)
    if sky is not None:
        np.testing.assert_allclose(found["sky_logit"], sky, atol=1e-4)
        assert 0 < (sky > 0).mean() < 1


def test_other_sizes_than_the_models_own_and_long_sequences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "panodepth.onnx.picture_network.QUERIES_AT_ONCE", 20
    )  # 3 × 7 tokens and a class
    for kind in ("released", "compact"):
        model = network(kind)
        image = torch.rand(1, 3, 42, 98)
        found = outputs(build_onnx(model, OnnxOptions(size=(42, 98))), image.numpy())
        np.testing.assert_allclose(found["distance"], expected(model, image)[0], rtol=1e-4)


def test_all_sky_is_normalised_by_all_pixels() -> None:
    model = network("small")
    with torch.no_grad():
        model.head.out.bias[1] = 100.0
    image = torch.rand(1, 3, 56, 112)
    found = outputs(build_onnx(model, OnnxOptions()), image.numpy())
    assert (found["sky_logit"] > 0).all()
    np.testing.assert_allclose(found["distance"], expected(model, image)[0], rtol=1e-4)


def test_bytes_in(tmp_path: Path) -> None:
    model = network("compact")
    pixels = np.random.default_rng(0).integers(0, 255, (1, 56, 112, 3), np.uint8)
    plain = outputs(
        build_onnx(model, OnnxOptions()), (pixels / 255).astype(np.float32).transpose(0, 3, 1, 2)
    )
    proto = build_onnx(model, OnnxOptions(layout="uint8"))
    found = outputs(proto, pixels)
    np.testing.assert_allclose(found["distance"], plain["distance"], rtol=1e-5)
    path = write_onnx(proto, tmp_path / "b.onnx")
    ours = load(path).predict(pixels[0], quality="fast")
    torchs = _by_torch(model).predict(pixels[0], quality="fast")
    np.testing.assert_allclose(ours.distance, torchs.distance, rtol=1e-4)


def _by_torch(model: SphereViT) -> TorchPredictor:
    return TorchPredictor(model)


def test_the_bundled_model_in_float_and_int8() -> None:
    """fp32: 1e-3; int8: 2 % mean relative; a quarter of the size."""
    predictor = panodepth.load(device="cpu", dtype="float32")
    model = panodepth.model.load_model(panodepth.predict.models.bundled_weights())
    exact = build_onnx(model, OnnxOptions())
    small = build_onnx(model, OnnxOptions(int8=True))
    assert len(small.SerializeToString()) < 0.3 * len(exact.SerializeToString())
    from panodepth.predict.options import PredictOptions

    for name in ("interior", "courtyard"):
        request = predictor.prepare(ROOT / f"examples/{name}.jpg", None, PredictOptions())
        image = request.pixels[None]
        distance, sky = expected(model, torch.from_numpy(image))
        found = outputs(exact, image)
        assert np.abs(found["distance"] / distance - 1).max() < 1e-3
        assert ((found["sky_logit"] > 0) != (sky > 0)).mean() < 1e-3
        rough = outputs(small, image)
        error = np.abs(rough["distance"] / distance - 1).mean()
        assert 1e-4 < error < 0.02, f"{name}: {error:.2%}"
        assert ((rough["sky_logit"] > 0) != (sky > 0)).mean() < 0.01


# Of 0.4 and 1.4 GB; of layers this narrow the graph is the same, and takes seconds.
NARROWER: dict[str, Any] = {"hidden": 64, "embedding_dim": 64, "decoder": (64, 64, 32, 16)}
NARROW = {"base": {"dim": 12 * 8, **NARROWER}, "large": {"dim": 16 * 8, **NARROWER}}


def test_every_preset_fits_into_a_file() -> None:
    for config in PRESETS.values():
        with torch.device("meta"):
            values = sum(p.numel() for p in SphereViT(config).parameters())
        assert 4 * values <= MAX_BYTES, config.name


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_exported(preset: str) -> None:
    torch.manual_seed(0)
    model = SphereViT(replace(PRESETS[preset], **NARROW.get(preset, {}))).eval()
    step = model.config.step
    size = (2 * step, 4 * step) if step > 14 else (4 * step, 8 * step)
    image = torch.rand(1, 3, *size)
    found = outputs(build_onnx(model, OnnxOptions(size=size)), image.numpy())
    distance, sky = expected(model, image)
    assert np.log(distance).std() > 0.01
    np.testing.assert_allclose(found["distance"], distance, rtol=1e-4)
    if sky is not None:
        np.testing.assert_allclose(found["sky_logit"], sky, atol=1e-4)


@pytest.mark.slow
def test_int8_of_a_patch_backbone() -> None:
    torch.manual_seed(0)
    model = SphereViT(PRESETS["small"]).eval()
    image = torch.rand(1, 3, 56, 112)
    found = outputs(build_onnx(model, OnnxOptions(size=(56, 112), int8=True)), image.numpy())
    assert np.abs(found["distance"] / expected(model, image)[0] - 1).mean() < 0.02


def test_metadata_says_what_the_file_is() -> None:
    proto = build_onnx(network("compact"), OnnxOptions(name="mine", licence="CC0-1.0"))
    told = metadata_of(proto)
    assert (told["model"], told["licence"], told["precision"]) == ("mine", "CC0-1.0", "float32")
    assert (told["height"], told["width"], told["edges"]) == ("56", "112", "sphere")
    assert "0.98 quantile" in told["unit"]
    assert ModelConfig.from_json(told["config"]).name == "compact"
    assert {op.domain for op in proto.opset_import} == {""}  # no operator of one runtime alone


def test_what_cannot_be_exported() -> None:
    with pytest.raises(ConfigError, match="multiples of 14"):
        build_onnx(network("small"), OnnxOptions(size=(50, 112)))


# The backend


@pytest.fixture(scope="module")
def exported(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "micro.onnx"
    assert main(["export", str(path), "--model", str(model_file)]) == 0
    return path


def test_every_command_takes_an_onnx_file(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert panodepth.load(exported).name == panodepth.load(str(exported)).name == "micro"
    assert main(["info", "--model", str(exported), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["backend"], told["network_size"]) == ("onnx", [56, 112])
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 64, 3), np.uint8)
    Image.fromarray(pixels).save(pictures / "a.png")
    np.savez(pictures / "a_distance.npz", distance=np.full((32, 64), 2, np.float32))
    command = ["evaluate", "--data", f"folder={pictures}", "--predictor", str(exported)]
    command += ["--protocol", "sphere"]
    assert main([*command, "--out", str(tmp_path / "report"), "--quiet"]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["skipped"] == []


@pytest.mark.parametrize(
    ("options", "says"),
    [({"dtype": "float32"}, "one precision"), ({"compile": True}, "--compile is for the torch")],
)
def test_options_that_an_onnx_file_has_not(
    exported: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        panodepth.load(exported, **options)


OPTIONS = [
    {},
    {"sky": "none"},
    {"mask": True},
    {"allow_any_aspect": True, "shape": (60, 90)},
    {"shape": (56, 112)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_same_predictions_as_torch(
    options: dict[str, Any], exported: Path, model_file: Path
) -> None:
    options = dict(options)
    height, width = options.pop("shape", (100, 200))
    rng = np.random.default_rng(5)
    image = rng.integers(0, 255, (height, width, 3), np.uint8)
    mask = rng.random((height, width)) < 0.5 if options.pop("mask", False) else None
    plain = panodepth.load(model_file, device="cpu", dtype="float32").predict(
        image, mask, **options
    )
    ours = load(exported, device="cpu").predict(image, mask, **options)
    np.testing.assert_allclose(ours.distance, plain.distance, rtol=1e-3)
    np.testing.assert_array_equal(ours.mask, plain.mask)
    assert ours.meta == {**plain.meta, "backend": "onnx"}


def test_a_released_format_file_goes_without_a_wrap(released_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "released.onnx"
    assert main(["export", str(path), "--model", str(released_file)]) == 0
    image = np.random.default_rng(6).integers(0, 255, (200, 400, 3), np.uint8)
    plain = panodepth.load(released_file, device="cpu", dtype="float32").predict(image)
    ours = load(path).predict(image)
    np.testing.assert_allclose(ours.distance, plain.distance, rtol=1e-3)
    assert ours.meta["sky"] == "classical"
    assert (ours.mask != plain.mask).mean() < 1e-3


def test_predict_with_every_format_and_option_never_loads_torch(
    exported: Path, tmp_path: Path
) -> None:
    from panodepth.export import WRITERS

    code = (
        "import sys; from panodepth.cli import main; code = main(sys.argv[1:]);"
        "assert code == 0, code; print([m for m in ('torch', 'onnx') if m in sys.modules])"
    )
    options = ["--format", ",".join(WRITERS), "--batch-size", "2", "--size", "56x112", "--quiet"]
    options += ["--sky", "none", "--backend", "onnx", "--model", str(exported)]
    options += ["--max-distance", "8"]  # robots need metres, and a random network shows no floor
    for name in ("laserscan", "occupancy", "birdseye", "octomap", "mcap", "rosbag2"):
        options += ["--set", f"{name}.camera_height=1.6"]
    inputs = [tmp_path / f"{name}.jpg" for name in ("interior", "courtyard")]
    for path in inputs:  # small: meshes and clouds of all kinds are written
        Image.open(ROOT / "examples" / path.name).resize((128, 64)).save(path)
    command = [sys.executable, "-c", code, "predict", *inputs, "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    count = sum(1 + len(writer.sidecars) for writer in WRITERS.values())
    assert sum(p.is_file() for p in (tmp_path / "out").rglob("*")) == 2 * count


def test_json_tells_the_backend(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interior = str(ROOT / "examples/interior.jpg")
    arguments = ["--out", str(tmp_path), "--format", "npz", "--model", str(exported), "--json"]
    assert main(["predict", interior, *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["backend"], told["model"], told["dtype"]) == ("onnx", "micro", "float32")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--backend", "onnx"], "needs --model FILE.onnx"),
        (["--backend", "cuda"], "auto, torch, onnx, openvino"),
        (["--model", "gone.onnx"], "no such file"),
        (["--model", "EXPORTED", "--backend", "torch"], "use onnx"),
        (["--model", "EXPORTED", "--dtype", "bfloat16"], "--dtype"),
        (["--model", "EXPORTED", "--size", "84x168"], "56×112 alone"),
        (["--model", "EXPORTED", "--device", "mps"], "cpu, cuda or cuda:N"),
        (["--model", "EXPORTED", "--device", "cuda:x"], "cpu, cuda or cuda:N"),
        (["--model", "EXPORTED", "--device", "cuda"], "no cuda device"),
        (["--model", "BROKEN"], "cannot load it"),
        (["--model", "FOREIGN"], "not a file of `panodepth export`"),
    ],
)
def test_what_cannot_start_is_one_line(
    arguments: list[str],
    says: str,
    exported: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing of the kind")
    foreign = onnx.load(exported)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    places = {"EXPORTED": exported, "BROKEN": tmp_path / "broken.onnx"}
    places["FOREIGN"] = tmp_path / "foreign.onnx"
    interior = str(ROOT / "examples/interior.jpg")
    told = [str(places.get(argument, argument)) for argument in arguments]
    assert main(["predict", interior, "--out", str(tmp_path / "out"), *told]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert says in error
    assert not (tmp_path / "out").exists()


def test_without_onnxruntime_the_line_says_what_to_install(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=re.escape('pip install "panodepth[onnx]"')):
        load(exported)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.txt"], "must end with .onnx"),
        (["a.onnx", "--image", "half"], "float or uint8"),
        (["a.onnx", "--size", "50x100"], "multiples of 14"),
        (["a.onnx", "--model", "gone.safetensors"], "gone.safetensors"),
    ],
)
def test_export_refuses_in_one_line(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), says in error) == (1, True), error
    assert list(tmp_path.iterdir()) == []

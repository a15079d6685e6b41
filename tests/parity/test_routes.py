"""Every way to run a network that `panodepth bench` knows, and ONNX files, against the oracle."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from onnx import ModelProto
from panodepth.device import choose_device
from panodepth.lab.bench.routes import ROUTES, default_precisions
from panodepth.lab.bench.runtimes import OPENVINO_INT8, RUNTIMES
from panodepth.model import load_model, scale_invariant_distance
from panodepth.onnx.onnx_file import OnnxOptions, build_onnx, write_onnx
from panodepth.predict import load

LIMIT = {"float32": 1e-5, "bfloat16": 0.005, "float16": 0.005, "int8": 0.02}  # mean relative
CPU = torch.device("cpu")
DEVICES = {CPU, choose_device("auto")}
NO_COMPILER = not any(map(shutil.which, ("c++", "g++", "clang++")))  # torch.compile needs one
CASES = [
    pytest.param(
        *(route, device, precision),
        id=f"{route.name}-{device}-{precision}",
        marks=pytest.mark.skipif(
            route.name == "compile" and (NO_COMPILER or precision != "float32"),
            reason="slow: in one precision, and where there is a compiler",
        ),
    )
    for device in DEVICES
    for route in ROUTES
    for precision in default_precisions(device)
    if route.runs(device, precision) and not route.runtime  # below
]


@pytest.mark.parametrize(("route", "device", "precision"), CASES)
def test_route(
    route, device: torch.device, precision: str, tiny_file: Path, tiny_reference: dict[str, Tensor]
) -> None:
    network = route.build(tiny_file, device, precision)
    image = tiny_reference["image"].to(device)
    with torch.inference_mode():
        for _ in range(3):  # some change after the first or second call of a size
            distance = scale_invariant_distance(network(image).log_distance).cpu()
    expected = tiny_reference["distance"].reshape(distance.shape)
    error = ((distance - expected).abs() / expected).mean()
    assert error <= LIMIT["int8" if route.name == "int8" else precision]


def test_some_route_runs_in_each_precision() -> None:
    tested = {case.values[2] for case in CASES}
    assert tested >= set(default_precisions(CPU))
    assert {case.values[0].name for case in CASES if case.values[1] == CPU} >= {"plain", "fast"}


@pytest.fixture(scope="module")
def tiny_proto(tiny_file: Path, tiny_reference: dict[str, Tensor]) -> ModelProto:
    size = tuple(tiny_reference["image"].shape[-2:])
    return build_onnx(load_model(tiny_file), OnnxOptions(size=size))


def error_of(log_distance: Tensor, reference: dict[str, Tensor]) -> float:
    """Mean relative; log_distance: (1, H, W)."""
    distance = scale_invariant_distance(log_distance)
    expected = reference["distance"].reshape(distance.shape)
    return float((distance / expected - 1).abs().mean())


@pytest.mark.parametrize(
    ("name", "precision"), [(name, p) for name, kinds in RUNTIMES.items() for p in kinds]
)
def test_runtime(
    name: str,
    precision: str,
    tiny_proto: ModelProto,
    tiny_reference: dict[str, Tensor],
    tmp_path: Path,
) -> None:
    route = next(route for route in ROUTES if route.name == name)
    if not route.runs(CPU, precision):
        pytest.skip(f"{name} is not installed")
    network = route.build(write_onnx(tiny_proto, tmp_path / "tiny.onnx"), CPU, precision)
    error = error_of(network(tiny_reference["image"]).log_distance, tiny_reference)
    assert error <= LIMIT["int8" if name == OPENVINO_INT8 else precision]


def test_onnx_in_8_bits(tiny_file: Path, tiny_reference: dict[str, Tensor], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    size = tuple(tiny_reference["image"].shape[-2:])
    proto = build_onnx(load_model(tiny_file), OnnxOptions(size=size, int8=True))
    predictor = load(write_onnx(proto, tmp_path / "tiny.onnx"), device="cpu")
    log = predictor.run([tiny_reference["image"][0].numpy()])[0].log_distance
    assert 1e-6 < error_of(torch.from_numpy(log)[None], tiny_reference) <= LIMIT["int8"]


@pytest.mark.parametrize("calibrated", [False, True])
def test_openvino_in_8_bits(
    calibrated: bool, tiny_proto: ModelProto, tiny_reference: dict[str, Tensor], tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    from panodepth.predict.openvino.calibration import calibrate
    from panodepth.predict.openvino.conversion import write_xml

    image = tiny_reference["image"][0].numpy()
    file = write_xml(tiny_proto, tmp_path / "tiny.xml", int8=not calibrated)
    if calibrated:
        picture = np.ascontiguousarray(image.transpose(1, 2, 0))
        file = calibrate(load(file, dtype="float32"), [picture], tmp_path / "calibrated.xml")
    log = load(file).run([image])[0].log_distance
    assert 1e-6 < error_of(torch.from_numpy(log)[None], tiny_reference) <= LIMIT["int8"]

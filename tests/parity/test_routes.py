"""Every way to run a network that `panodepth bench` knows, and ONNX files, against the oracle."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from panodepth.device import choose_device
from panodepth.lab.bench.routes import ONNX, ROUTES, default_precisions
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
    if route.runs(device, precision) and route.name != ONNX  # below
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


@pytest.mark.parametrize("int8", [False, True])
def test_onnx(
    int8: bool, tiny_file: Path, tiny_reference: dict[str, Tensor], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    image = tiny_reference["image"]
    size = (image.shape[-2], image.shape[-1])
    proto = build_onnx(load_model(tiny_file), OnnxOptions(size=size, int8=int8))
    path = write_onnx(proto, tmp_path / "tiny.onnx")
    log = load(path, device="cpu").run([image[0].numpy()])[0].log_distance
    distance = scale_invariant_distance(torch.from_numpy(log)[None])[0].numpy()
    expected = tiny_reference["distance"].numpy().reshape(distance.shape)
    error = np.abs(distance / expected - 1).mean()
    assert error <= (LIMIT["int8"] if int8 else 1e-3)

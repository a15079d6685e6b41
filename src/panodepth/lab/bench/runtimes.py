"""Other runtimes as ways to run a network: each reads the network's ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panodepth.model import ModelOutput
from panodepth.predict.predictor import Predictor

Network = Callable[[Tensor], ModelOutput]

ONNX, OPENVINO, OPENVINO_INT8 = "onnx", "openvino", "openvino-int8"
# Their precisions; what computes in 8 bits does so for linear layers alone.
RUNTIMES = {OPENVINO: ("float32", "bfloat16"), OPENVINO_INT8: ("bfloat16",), ONNX: ("float32",)}
PACKAGES = {OPENVINO: ("openvino",), OPENVINO_INT8: ("openvino", "nncf"), ONNX: ("onnxruntime",)}


def runs_here(runtime: str) -> Callable[[torch.device, str], bool]:
    """Whether a runtime is installed, for a CPU in its precisions."""
    return lambda device, precision: (
        device.type == "cpu"
        and precision in RUNTIMES[runtime]
        and all(map(find_spec, PACKAGES[runtime]))
    )


def by_onnxruntime(file: Path, device: torch.device, precision: str) -> Network:
    """file: .onnx."""
    from panodepth.predict.onnx_backend import load_onnx

    return by_pictures(load_onnx(file, device=device.type))


def by_openvino(file: Path, device: torch.device, precision: str) -> Network:
    """file: .onnx."""
    from panodepth.predict.openvino.backend import load_openvino

    return by_pictures(load_openvino(file, device=device.type, dtype=precision))


def by_openvino_int8(file: Path, device: torch.device, precision: str) -> Network:
    """file: .onnx; what is made of it is kept beside it."""
    import onnx
    from panodepth.predict.openvino.conversion import write_xml

    made = file.with_name(f"{file.stem}-int8.xml")
    if not made.exists():
        write_xml(onnx.load(file), made, int8=True)
    return by_openvino(made, device, precision)


def by_pictures(predictor: Predictor) -> Network:
    """What has no batches, as a network."""

    def run(image: Tensor) -> ModelOutput:
        logs = [output.log_distance for output in predictor.run(list(image.numpy()))]
        return ModelOutput(torch.from_numpy(np.stack(logs)), None)

    return run

"""One way to load a model of any kind.

The file chooses the backend: `.onnx` runs by onnxruntime and never loads torch, all else by torch.
Each backend is imported when one of its files comes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from panodepth.errors import ConfigError, one_line
from panodepth.predict.models import chosen_backend, find_model, is_exported, size_to_load
from panodepth.size import Size, as_size

if TYPE_CHECKING:
    import torch

    from panodepth.model import ModelConfig
    from panodepth.predict.predictor import Predictor


def load(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    size: Size | None = None,
    config: ModelConfig | Mapping[str, Any] | str | None = None,
    compile: bool = False,
    backend: str = "auto",
) -> Predictor:
    """Load a model and return what predicts with it.

    name_or_path: None or "default" for the bundled model; "released" for the authors' checkpoint
        from the hub; a hub id "org/name"; a folder; a .safetensors file; an .onnx or .xml file of
        `panodepth export`. A path that exists wins.
    device: "auto", "cpu", "cuda", "cuda:N" or "mps". dtype: "auto", "float32", "bfloat16"; on
        GPUs "float16" too; on CPUs "int8": linear layers in 8 bits, faster and less exact.
    size: (height, width) the network runs at, in steps of 14 or 32; None = the model's own, which
        is taken for smaller ones, too (models in the released format are taken at their word).
    config: a ModelConfig, its fields or a preset's name, for checkpoints that do not say.
    compile: run the network by torch.compile; the first picture of a size then takes long.
    backend: "auto" (torch, onnxruntime for .onnx, OpenVINO for .xml), "torch", "onnx" or
        "openvino", which runs all but checkpoints that do not say what they are: see
        `load_openvino`.
    An exported file has one size, and no config or compile.
    Raises ModelError when the model cannot be found or read, ConfigError for a bad option.
    """
    device, dtype, size = _settled(device, dtype, size, compile)
    chosen = chosen_backend(backend, name_or_path)
    if chosen != "torch" and (compile or config is not None):
        which = "--compile" if compile else "a config"
        raise ConfigError(f"{which} is for the torch backend, not for {chosen}")
    if size is not None and config is None and not is_exported(name_or_path):
        size = size_to_load(name_or_path, size)
    if chosen == "openvino":
        from panodepth.predict.openvino.backend import load_openvino

        return load_openvino(name_or_path, device=device, dtype=dtype, size=size)
    if chosen == "onnx":
        if dtype != "auto":
            raise ConfigError("an ONNX file has one precision: leave --dtype out (export --int8)")
        from panodepth.predict.onnx_backend import load_onnx

        return load_onnx(name_or_path, device=device, size=size)
    from panodepth.device import choose_device, choose_precision
    from panodepth.model import load_prepared
    from panodepth.model.checkpoint import read_config
    from panodepth.predict.torch_backend import TorchPredictor

    where = choose_device(device)
    precision, int8 = choose_precision(dtype, where)
    if compile and int8:
        raise ConfigError("a network in int8 cannot be compiled: leave out compile, or dtype int8")
    name, path = find_model(name_or_path)
    if size is not None:
        read_config(path, config).check_size(size)
    model = load_prepared(
        path, config=config, device=where, dtype=precision, int8=int8, fuse=not compile
    )
    return TorchPredictor(model, name=name, size=size, dtype=precision, compile=compile)


def _settled(
    device: object, dtype: object, size: Any, compile: object
) -> tuple[str, str, Size | None]:
    """Device and dtype as texts, torch's own too, and the size (h, w). Raises ConfigError."""
    if not isinstance(compile, bool):
        raise ConfigError(f"compile is true or false, not {one_line(repr(compile), 60)}")
    return str(device), str(dtype).removeprefix("torch."), None if size is None else as_size(size)

"""Load a model and predict; the heavy parts are imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panodepth.predict.loading import load
    from panodepth.predict.onnx_backend import load_onnx
    from panodepth.predict.torch_backend import Predictor

__all__ = ["Predictor", "load", "load_onnx"]

_HOMES = {
    "load": "panodepth.predict.loading",
    "load_onnx": "panodepth.predict.onnx_backend",
    "Predictor": "panodepth.predict.torch_backend",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'panodepth.predict' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

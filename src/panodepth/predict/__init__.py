"""Load a model and predict; the heavy parts are imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panodepth.predict.loading import load
    from panodepth.predict.predictor import Predictor

__all__ = ["Predictor", "load"]

_HOMES = {"load": "panodepth.predict.loading", "Predictor": "panodepth.predict.predictor"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'panodepth.predict' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

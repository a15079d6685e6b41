"""panodepth: one 360°×180° panorama in, one dense distance map and 3D out.

    >>> import panodepth
    >>> predictor = panodepth.load()
    >>> predictor.predict("room.jpg").save("room.glb")

Importing this package loads neither torch nor any image library; `load` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panodepth.version import __version__

__all__ = ["PanodepthError", "Prediction", "__version__", "load"]

if TYPE_CHECKING:
    from panodepth.errors import PanodepthError
    from panodepth.predict import load
    from panodepth.types import Prediction

_HOMES = {
    "load": "panodepth.predict",
    "Prediction": "panodepth.types",
    "PanodepthError": "panodepth.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'panodepth' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

"""panodepth: one 360°×180° panorama in, one dense distance map and 3D out.

    >>> import panodepth
    >>> predictor = panodepth.load()
    >>> predictor.predict("room.jpg").save("room.glb")

Importing this package loads neither torch nor any image library; `load` does.
"""

from __future__ import annotations

import os
import sys
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

SPINS_BEFORE_SLEEP = "2000"  # of a thread that waits for others; GNU OpenMP's default is 300,000


def _sleep_soon_when_waiting() -> None:
    """Make PyTorch's threads give their core away soon while they wait, unless the user chose.

    A thread that waits for one without a core keeps that core from it: beside other work the
    default is several times slower than this (benchmarks/busy.py). OpenMP reads its settings once,
    when PyTorch is loaded; after that nothing is changed here.
    """
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS_BEFORE_SLEEP)


_sleep_soon_when_waiting()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'panodepth' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

"""The confidence of a prediction in a file of its own: NumPy, EXR or PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from panodepth.atomic import atomic
from panodepth.errors import OutputError
from panodepth.export.metadata import DATA, exr_attributes, metadata, png_texts, to_json
from panodepth.export.rasters import exr, png
from panodepth.types import FloatArray, Prediction

QUANTITY = "confidence of the distance: exp(-spread of ln distance / 0.1)"
PNG_SCALE = 1 / 65535


def write_npz(prediction: Prediction, path: Path) -> list[Path]:
    """`confidence` (H, W) float32 in [0, 1], 0 where there is no surface; and meta, a JSON text."""
    values, meta = _known(prediction, path)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        np.savez_compressed(file, confidence=values, meta=np.array(to_json(meta)))
    return [path]


def write_exr(prediction: Prediction, path: Path) -> list[Path]:
    """Channel Y, float32 in [0, 1], ZIP."""
    values, meta = _known(prediction, path)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        exr.write_exr(file, "Y", values.shape, [values[None]], exr_attributes(meta), zipped=True)
    return [path]


def write_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit grey: confidence = value / 65535."""
    values, meta = _known(prediction, path, scale=PNG_SCALE, **DATA)
    levels = np.rint(values / PNG_SCALE).astype(np.uint16)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        png.write_png(file, levels.shape, iter([levels]), png_texts(meta))
    return [path]


def _known(prediction: Prediction, path: Path, **more: Any) -> tuple[FloatArray, dict[str, Any]]:
    if prediction.confidence is None:
        raise OutputError(f"{path}: there is no confidence to write: predict with --confidence")
    values = np.where(prediction.mask, prediction.confidence, np.float32(0))
    return values, metadata(prediction, QUANTITY, **{"unit": "1", "invalid": 0, **more})

"""Everything as NumPy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panodepth.atomic import atomic
from panodepth.export.metadata import DISTANCE, metadata, to_json
from panodepth.types import Prediction


def write_npz(prediction: Prediction, path: Path) -> list[Path]:
    """The arrays of a `Prediction`: distance (H, W) float32, mask and sky (H, W) bool; and meta, a
    JSON string.
    """
    meta = to_json(metadata(prediction, DISTANCE, invalid="mask is False", sky="sky is True"))
    distance, mask, sky = prediction.distance, prediction.mask, prediction.sky
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        np.savez(file, distance=distance, mask=mask, sky=sky, meta=meta)
    return [path]

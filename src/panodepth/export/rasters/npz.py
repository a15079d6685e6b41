"""Everything as NumPy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panodepth.export.atomic import atomic
from panodepth.export.metadata import DISTANCE, metadata, to_json
from panodepth.types import Prediction


def write_npz(prediction: Prediction, path: Path) -> list[Path]:
    """Keys: distance (H, W) float32, finite everywhere; mask (H, W) bool; meta, a JSON string."""
    meta = to_json(metadata(prediction, DISTANCE, invalid="mask is False"))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        np.savez(file, distance=prediction.distance, mask=prediction.mask, meta=np.array(meta))
    return [path]

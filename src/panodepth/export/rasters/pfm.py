"""Distance as PFM (portable float map), which stereo and optical-flow tools read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panodepth.atomic import atomic
from panodepth.export.bands import surface
from panodepth.export.mark import write_with_sidecar
from panodepth.export.metadata import DISTANCE, metadata
from panodepth.export.rasters.distance import FloatOptions
from panodepth.types import Prediction


def write_pfm(
    prediction: Prediction, path: Path, options: FloatOptions = FloatOptions()
) -> list[Path]:
    """Float32, little-endian, rows from the bottom as PFM has them; 0 = masked. It has no room for
    metadata: they are in PATH.json.
    """
    height, width = prediction.distance.shape
    values = surface(prediction, sky=options.sky_value)[::-1].astype("<f4")
    content = f"Pf\n{width} {height}\n-1.0\n".encode("ascii") + values.tobytes()
    return write_with_sidecar(path, content, metadata(prediction, DISTANCE, **options.facts))


def write_mask(prediction: Prediction, path: Path) -> list[Path]:
    """8-bit PNG: 255 = a surface is there, 0 = sky or masked."""
    from panodepth.export.metadata import DATA, png_texts
    from panodepth.export.rasters import png

    meta = metadata(prediction, "mask", unit="1", scale=1 / 255, **DATA)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        band = prediction.mask.astype(np.uint8) * np.uint8(255)
        png.write_png(file, prediction.mask.shape, [band], png_texts(meta))
    return [path]

"""The distance as a picture to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panodepth.atomic import atomic
from panodepth.export.bands import row_bands
from panodepth.export.colour import colourise, distance_range
from panodepth.export.metadata import metadata, png_texts
from panodepth.export.rasters import png
from panodepth.types import Prediction

MAX_PREVIEW_WIDTH = 4096  # [px]; wider previews are thinned by a whole factor
BAND_PIXELS = 1 << 17  # compressed at a time


def write_preview(prediction: Prediction, path: Path) -> list[Path]:
    """8-bit RGB colours of `colourise`, at most 4096 px wide; its range is in the metadata."""
    near, far = distance_range(prediction.distance, prediction.mask)
    step = -(-prediction.distance.shape[1] // MAX_PREVIEW_WIDTH)
    thin = np.s_[step // 2 :: step, step // 2 :: step]
    picture = colourise(prediction.distance[thin], prediction.mask[thin], limits=(near, far))
    meta = metadata(prediction, "coloured distance, logarithmic", near=near, far=far)
    bands = (picture[rows] for rows in row_bands(picture.shape, BAND_PIXELS))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        png.write_png(file, picture.shape, bands, png_texts(meta))
    return [path]

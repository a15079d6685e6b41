"""The distance as a picture to look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from panodepth.atomic import atomic
from panodepth.export.bands import row_bands
from panodepth.export.colour import colourise, distance_range
from panodepth.export.metadata import metadata, png_texts
from panodepth.export.rasters import png
from panodepth.export.rasters.legend import legend
from panodepth.types import ByteArray, Prediction

MAX_PREVIEW_WIDTH = 2048  # [px]; wider previews are thinned by a whole factor
MAX_PLAIN_WIDTH = 4096
BAND_PIXELS = 1 << 17  # compressed at a time


def write_preview(prediction: Prediction, path: Path) -> list[Path]:
    """8-bit RGB: the photograph, below it the map, below that its colours with near and far."""
    near, far = distance_range(prediction.distance, prediction.mask)
    coloured = _coloured(prediction, MAX_PREVIEW_WIDTH, near, far)
    size = coloured.shape[1::-1]
    photograph = cv2.resize(prediction.image, size, interpolation=cv2.INTER_AREA)
    parts = [photograph, coloured, legend(size[0], near, far, prediction.unit)]
    return _write(prediction, path, np.concatenate(parts), near, far)


def write_preview_plain(prediction: Prediction, path: Path) -> list[Path]:
    """8-bit RGB: the map alone, on the panorama's grid or thinned; its range is in the metadata."""
    near, far = distance_range(prediction.distance, prediction.mask)
    return _write(prediction, path, _coloured(prediction, MAX_PLAIN_WIDTH, near, far), near, far)


def _coloured(prediction: Prediction, widest: int, near: float, far: float) -> ByteArray:
    """(h, w, 3) colours of `colourise`, w <= widest."""
    step = -(-prediction.distance.shape[1] // widest)
    thin = np.s_[step // 2 :: step, step // 2 :: step]
    return colourise(prediction.distance[thin], prediction.mask[thin], limits=(near, far))


def _write(
    prediction: Prediction, path: Path, picture: ByteArray, near: float, far: float
) -> list[Path]:
    meta = metadata(prediction, "coloured distance, logarithmic", near=near, far=far)
    bands = (picture[rows] for rows in row_bands(picture.shape, BAND_PIXELS))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        png.write_png(file, picture.shape, bands, png_texts(meta))
    return [path]

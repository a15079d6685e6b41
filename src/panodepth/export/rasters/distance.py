"""Distance as an EXR, PNG or TIFF raster, on the panorama's own grid.

Where there is no surface (mask False) these hold 0, which no distance is: NaN breaks too many
tools.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from panodepth.export.atomic import atomic
from panodepth.export.bands import row_bands, surface
from panodepth.export.metadata import DISTANCE, exr_attributes, metadata, png_texts, to_json
from panodepth.export.rasters import exr, png
from panodepth.types import FloatArray, Prediction

BAND_PIXELS = 1 << 17  # worked on at a time, so that a large panorama needs little memory beside


def write_exr(prediction: Prediction, path: Path) -> list[Path]:
    """One channel Y, float32, ZIP; 0 = no surface; metadata in header attributes."""
    size = prediction.distance.shape
    bands = (surface(prediction, r)[None] for r in row_bands(size, BAND_PIXELS, exr.ZIP_ROWS))
    attributes = exr_attributes(metadata(prediction, DISTANCE, invalid=0))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        exr.write_exr(file, "Y", size, bands, attributes, zipped=True)
    return [path]


def write_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit grey: distance = value × scale, 0 = no surface; scale in a text chunk and a sidecar.

    The sidecar is PATH.json. The farthest surface is 65535, so the step is 1/65535 of it.
    """
    size = prediction.distance.shape
    every_band = list(row_bands(size, BAND_PIXELS))
    farthest = max(float(surface(prediction, rows).max()) for rows in every_band)
    scale = farthest / 65535 or 1.0
    meta = metadata(prediction, DISTANCE, scale=scale, invalid=0)
    bands = (_levels(surface(prediction, rows), np.float32(scale)) for rows in every_band)
    sidecar = path.with_name(path.name + ".json")
    with atomic(path, sidecar) as (image, text):
        with image.open("wb") as file:
            png.write_png(file, size, bands, png_texts(meta))
        text.write_text(to_json(meta) + "\n", encoding="ascii")
    return [path, sidecar]


def _levels(distance: FloatArray, scale: np.float32) -> npt.NDArray[np.uint16]:
    """(h, W) distances in steps of `scale`: 0 where there is no surface, at least 1 elsewhere."""
    there = distance > 0
    values = np.divide(distance, scale)
    np.rint(values, out=values)
    np.clip(values, 1, 65535, out=values)
    np.copyto(values, 0, where=~there)
    return values.astype(np.uint16)


def write_tiff(prediction: Prediction, path: Path) -> list[Path]:
    """Float32, uncompressed; 0 = no surface; metadata as JSON in ImageDescription."""
    from PIL import Image, TiffImagePlugin

    meta = metadata(prediction, DISTANCE, invalid=0)
    tags = {TiffImagePlugin.IMAGEDESCRIPTION: to_json(meta), 305: meta["generator"]}
    with atomic(path) as (temporary,):
        Image.fromarray(surface(prediction)).save(temporary, format="TIFF", tiffinfo=tags)
    return [path]

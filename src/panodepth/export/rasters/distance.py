"""Distance as an EXR, PNG or TIFF raster, on the panorama's own grid.

What is masked holds 0, which no distance is: NaN breaks too many tools. The sky is far in the files
of floats, so that in a composite it lies behind everything; BEHIND is what Blender writes there,
and filters that blur or resample stay finite, which inf does not. In the PNG the sky is 0 too: its
readers, those of RGB-D cameras and robots, skip 0 and would turn any other value into points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.bands import row_bands, surface
from panodepth.export.metadata import DATA, DISTANCE, exr_attributes, metadata, png_texts, to_json
from panodepth.export.rasters import exr, png
from panodepth.types import BEHIND, FloatArray, Prediction

BAND_PIXELS = 1 << 17  # worked on at a time, so that a large panorama needs little memory beside


GDAL_NODATA = 42113  # TIFF tag: the value that means "not given", as text


@dataclass(frozen=True, kw_only=True)
class FloatOptions:
    """sky: what stands in the sky, "far" = BEHIND, "infinity" = +inf."""

    sky: Literal["far", "infinity"] = "far"

    @property
    def sky_value(self) -> float:
        """`sky` as a number."""
        return BEHIND if self.sky == "far" else math.inf

    @property
    def facts(self) -> dict[str, float | str]:
        """What the metadata say of it; JSON has no infinity."""
        return {"invalid": 0, "sky": BEHIND if self.sky == "far" else "inf"}


@dataclass(frozen=True, kw_only=True)
class ExrOptions(FloatOptions):
    """alpha: write channel A, 1 = a surface is there, 0 = sky or masked."""

    alpha: bool = True


def write_exr(prediction: Prediction, path: Path, options: ExrOptions = ExrOptions()) -> list[Path]:
    """Channels Y, the distance, and A, the mask: float32, ZIP; metadata in header attributes."""
    size = prediction.distance.shape
    attributes = exr_attributes(metadata(prediction, DISTANCE, **options.facts))
    bands = (
        np.stack(
            [
                *([prediction.mask[rows].astype(np.float32)] if options.alpha else []),
                surface(prediction, rows, options.sky_value),
            ]
        )
        for rows in row_bands(size, BAND_PIXELS, exr.ZIP_ROWS)
    )
    channels = "AY" if options.alpha else "Y"
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        exr.write_exr(file, channels, size, bands, attributes, zipped=True)
    return [path]


def write_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit grey: distance = value × scale, 0 = sky or masked.

    The scale is in a text chunk and in a sidecar, PATH.json; the farthest surface is 65535.
    """
    size = prediction.distance.shape
    every_band = list(row_bands(size, BAND_PIXELS))
    farthest = max(float(surface(prediction, rows).max()) for rows in every_band)
    scale = farthest / 65535 or 1.0
    meta = metadata(prediction, DISTANCE, scale=scale, invalid=0, sky=0, **DATA)
    bands = (levels(surface(prediction, rows), np.float32(scale)) for rows in every_band)
    sidecar = path.with_name(path.name + ".json")
    with atomic(path, sidecar) as (image, text):
        with image.open("wb") as file:
            png.write_png(file, size, bands, png_texts(meta))
        text.write_text(to_json(meta) + "\n", encoding="ascii")
    return [path, sidecar]


def levels(distance: FloatArray, scale: np.float32) -> npt.NDArray[np.uint16]:
    """(h, W) distances in steps of `scale`: 0 where there is no surface, at least 1 elsewhere."""
    there = distance > 0
    values = np.divide(distance, scale)
    np.rint(values, out=values)
    np.clip(values, 1, 65535, out=values)
    np.copyto(values, 0, where=~there)
    return values.astype(np.uint16)


def write_tiff(
    prediction: Prediction, path: Path, options: FloatOptions = FloatOptions()
) -> list[Path]:
    """Float32, uncompressed; 0 = masked; metadata as JSON in ImageDescription."""
    from PIL import Image, TiffImagePlugin

    meta = metadata(prediction, DISTANCE, **options.facts, **DATA)
    tags = {
        TiffImagePlugin.IMAGEDESCRIPTION: to_json(meta),
        305: meta["generator"],
        GDAL_NODATA: "0",
    }
    with atomic(path) as (temporary,):
        values = surface(prediction, sky=options.sky_value)
        whole = BytesIO()  # straight into a file, Pillow misses that the disk was full at its end
        Image.fromarray(values).save(whole, format="TIFF", tiffinfo=tags)
        temporary.write_bytes(whole.getbuffer())
    return [path]

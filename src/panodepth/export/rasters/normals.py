"""Surface normals as a raster, on the panorama's own grid; (0, 0, 0) = no surface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.bands import masked, row_bands
from panodepth.export.metadata import DATA, exr_attributes, metadata, png_texts
from panodepth.export.rasters import exr, png
from panodepth.geometry.bands import normal_bands
from panodepth.geometry.lens import ERP
from panodepth.types import FloatArray, Prediction

QUANTITY = "unit surface normal, facing the camera"
STEP = 2.0**-14  # of the EXR; turns a normal by 0.003° at most
BAND_PIXELS = 1 << 17  # worked on at a time, so that a large panorama needs little memory beside


def write_normals(prediction: Prediction, path: Path) -> list[Path]:
    """EXR channels X, Y, Z float32, ZIP; metadata in header attributes.

    In steps of STEP: as they are computed they hardly compress, the last bits are noise.
    """
    size = prediction.distance.shape
    attributes = exr_attributes(metadata(prediction, QUANTITY, unit="1", invalid=0))
    bands = (
        np.rint(band * np.float32(1 / STEP)) * np.float32(STEP) for band in _normals(prediction)
    )
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        exr.write_exr(file, "XYZ", size, bands, attributes, zipped=True)
    return [path]


def write_normals_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit RGB: normal = value × 2 / 65535 − 1.

    Red is x, green y, blue z of the house frame; metadata in text chunks.
    """
    facts = {"unit": "1", "scale": 2 / 65535, "offset": -1.0, "invalid": 0}
    meta = metadata(prediction, QUANTITY, **facts, **DATA)
    bands = _coded(prediction)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        png.write_png(file, prediction.distance.shape, bands, png_texts(meta))
    return [path]


def _normals(prediction: Prediction) -> Iterator[FloatArray]:
    """The normals in bands (3, h, W) from the top, 0 where there is no surface.

    Computed band by band unless `Prediction.normals` is there already: those of a whole 16K
    panorama take 1.6 GB.
    """
    whole = vars(prediction).get("normals")
    if whole is None and not isinstance(prediction.lens, ERP):
        whole = prediction.normals
    if whole is None:
        found = normal_bands(np.asarray(prediction.solid, np.float32))
    else:
        bands = row_bands(whole.shape, BAND_PIXELS)
        found = ((rows, whole[rows].transpose(2, 0, 1)) for rows in bands)
    for rows, normals in found:
        yield masked(normals, prediction.mask[rows])


def _coded(prediction: Prediction) -> Iterator[npt.NDArray[np.uint16]]:
    """The normals in bands (h, W, 3) as `write_normals_png` stores them."""
    top = 0
    for normals in _normals(prediction):
        mask = prediction.mask[top : top + normals.shape[1]]
        top += len(mask)
        values = normals + np.float32(1)
        values *= np.float32(65535 / 2)
        np.rint(values, out=values)
        if not mask.all():
            values *= mask
        coded = np.empty((*mask.shape, 3), np.uint16)
        for i, plane in enumerate(values):
            coded[..., i] = plane
        yield coded

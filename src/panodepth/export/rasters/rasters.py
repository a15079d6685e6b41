"""Images out: distance, normals and preview, on the panorama's own grid.

Where there is no surface (mask False) every raster but the .npz holds 0, which no distance and no
unit normal is: NaN breaks too many tools. The .npz holds the distance everywhere, and the mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.atomic import atomic
from panodepth.export.colour import colourise, distance_range
from panodepth.export.metadata import metadata, to_json
from panodepth.export.rasters import exr, png
from panodepth.geometry.erp import normal_bands
from panodepth.types import Prediction

DISTANCE = "Euclidean distance along the ray"
NORMALS = "unit surface normal, facing the camera"
MAX_PREVIEW_WIDTH = 4096  # [px]; wider previews are thinned by a whole factor
BAND_PIXELS = 1 << 17  # worked on at a time, so that a large panorama needs little memory beside
# Plain, beside the full JSON:
PNG_TEXT_KEYS = ("quantity", "unit", "scale", "frame", "invalid")
EXR_KEYS = ("generator", "quantity", "unit", "scale", "frame")


def write_npz(prediction: Prediction, path: Path) -> list[Path]:
    """Keys: distance (H, W) float32, finite everywhere; mask (H, W) bool; meta, a JSON string."""
    meta = to_json(metadata(prediction, DISTANCE, invalid="mask is False"))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        np.savez(file, distance=prediction.distance, mask=prediction.mask, meta=np.array(meta))
    return [path]


def write_exr(prediction: Prediction, path: Path) -> list[Path]:
    """One channel Y, float32, ZIP; 0 = no surface; metadata in header attributes."""
    size = prediction.distance.shape
    bands = (_surface(prediction, rows)[None] for rows in _bands(size, exr.ZIP_ROWS))
    attributes = _attributes(metadata(prediction, DISTANCE, invalid=0))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        exr.write_exr(file, "Y", size, bands, attributes, zipped=True)
    return [path]


def write_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit grey: distance = value × scale, 0 = no surface; scale in a text chunk and a sidecar.

    The sidecar is PATH.json. The farthest surface is 65535, so the step is 1/65535 of it.
    """
    size = prediction.distance.shape
    every_band = list(_bands(size))
    farthest = max(float(_surface(prediction, rows).max()) for rows in every_band)
    scale = farthest / 65535 or 1.0
    meta = metadata(prediction, DISTANCE, scale=scale, invalid=0)
    bands = (_levels(_surface(prediction, rows), np.float32(scale)) for rows in every_band)
    sidecar = path.with_name(path.name + ".json")
    with atomic(path, sidecar) as (image, text):
        with image.open("wb") as file:
            png.write_png(file, size, bands, _texts(meta))
        text.write_text(to_json(meta) + "\n", encoding="ascii")
    return [path, sidecar]


def _levels(surface: npt.NDArray[np.float32], scale: np.float32) -> npt.NDArray[np.uint16]:
    """Distances in steps of `scale`, 0 where there is no surface and at least 1 where there is."""
    there = surface > 0
    values = np.divide(surface, scale)
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
        Image.fromarray(_surface(prediction)).save(temporary, format="TIFF", tiffinfo=tags)
    return [path]


def write_normals(prediction: Prediction, path: Path) -> list[Path]:
    """Channels X, Y, Z float32; (0, 0, 0) = no surface; metadata in header attributes.

    Uncompressed: ZIP takes several times as long and saves little, for neighbours differ a little.
    """
    size = prediction.distance.shape
    attributes = _attributes(metadata(prediction, NORMALS, unit="1", invalid=0))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        exr.write_exr(file, "XYZ", size, _normals(prediction), attributes, zipped=False)
    return [path]


def write_normals_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit RGB: normal = value × 2 / 65535 − 1; (0, 0, 0) = no surface.

    Red is x, green y, blue z of the house frame; metadata in text chunks.
    """
    meta = metadata(prediction, NORMALS, unit="1", scale=2 / 65535, offset=-1.0, invalid=0)
    return _write_png(path, prediction.distance.shape, _coded_normals(prediction), meta)


def _normals(prediction: Prediction) -> Iterator[npt.NDArray[np.float32]]:
    """The normals in bands (3, h, W) from the top, 0 where there is no surface.

    Worked out for the occasion where nobody has asked for `Prediction.normals`: those of a 16K
    panorama take 1.6 GB.
    """
    whole = vars(prediction).get("normals")
    if whole is None:
        found = normal_bands(np.asarray(prediction.distance, np.float32))
    else:
        found = ((rows, whole[rows].transpose(2, 0, 1)) for rows in _bands(whole.shape))
    for rows, normals in found:
        yield _masked(normals, prediction.mask[rows])


def _coded_normals(prediction: Prediction) -> Iterator[npt.NDArray[np.uint16]]:
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


def write_preview(prediction: Prediction, path: Path) -> list[Path]:
    """8-bit RGB colours of `colourise`, at most 4096 px wide; its range is in the metadata."""
    near, far = distance_range(prediction.distance, prediction.mask)
    step = -(-prediction.distance.shape[1] // MAX_PREVIEW_WIDTH)
    thin = np.s_[step // 2 :: step, step // 2 :: step]
    picture = colourise(prediction.distance[thin], prediction.mask[thin], limits=(near, far))
    meta = metadata(prediction, "coloured distance, logarithmic", near=near, far=far)
    return _write_png(path, picture.shape, (picture[rows] for rows in _bands(picture.shape)), meta)


def _write_png(
    path: Path, size: tuple[int, ...], bands: Iterator[png.Band], meta: dict[str, Any]
) -> list[Path]:
    """One PNG file with `meta` in its text chunks."""
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        png.write_png(file, (size[0], size[1]), bands, _texts(meta))
    return [path]


def _texts(meta: dict[str, Any]) -> dict[str, str]:
    """What a PNG file says in its text chunks: some plain values, and all as JSON."""
    plain = {key: str(meta[key]) for key in PNG_TEXT_KEYS if key in meta}
    return {**plain, "panodepth": to_json(meta)}


def _attributes(meta: dict[str, Any]) -> dict[str, Any]:
    """What an EXR file says in its header: some plain values, and all as JSON."""
    return {"panodepth": to_json(meta), **{key: meta[key] for key in EXR_KEYS}}


def _bands(shape: tuple[int, ...], multiple: int = 1) -> Iterator[slice]:
    """Rows of (H, W, ...) from the top, so many that each band but the last holds a multiple."""
    step = multiple * max(1, BAND_PIXELS // (shape[1] * multiple))
    for top in range(0, shape[0], step):
        yield slice(top, min(top + step, shape[0]))


def _surface(prediction: Prediction, rows: slice = slice(None)) -> npt.NDArray[np.float32]:
    """(h, W) float32 distance of some rows, 0 where there is no surface; only to be read."""
    distance = prediction.distance[rows].astype(np.float32, copy=False)
    return _masked(distance, prediction.mask[rows])


def _masked(
    values: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """`values`, 0 where (h, W) `mask` is False; themselves where it is True everywhere.

    Their bits are multiplied: what is masked may be infinite or NaN, which times 0 is NaN.
    """
    if mask.all():
        return values
    return np.multiply(values.view(np.uint32), mask, dtype=np.uint32).view(np.float32)

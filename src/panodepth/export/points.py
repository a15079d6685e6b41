"""Coloured point clouds: binary PLY in the house frame, GLB in glTF's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.erp import axis_angles, lonlat_points
from panodepth.errors import OutputError
from panodepth.export.atomic import atomic
from panodepth.export.glb import ARRAY_BUFFER, POINTS, Glb
from panodepth.export.metadata import GLTF_FRAME, metadata, to_json
from panodepth.images import srgb_to_linear
from panodepth.types import Prediction

# Larger clouds are thinned by a whole stride in both axes: 8.4 M points are 126 MB of PLY, and the
# network sees 0.6 M pixels.
MAX_CLOUD_POINTS = 4096 * 2048
POINT = "surface point"
BAND_PIXELS = 1 << 15  # written at a time
COLOURS = ("red", "green", "blue")
PLY_VERTEX = np.dtype([("position", "V12"), ("colour", "V3")])  # three float32, three uint8


def write_ply(
    prediction: Prediction, path: Path, *, max_points: int = MAX_CLOUD_POINTS
) -> list[Path]:
    """Binary little-endian PLY: x, y, z float32; red, green, blue uint8 (sRGB).

    Masked pixels are left out, and clouds above `max_points` thinned (`stride` in the metadata).
    """
    rows, columns, stride = thinned(prediction, path, max_points)
    meta = metadata(prediction, POINT, stride=stride)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment frame: {meta['frame']}",
        f"comment unit: {meta['unit']}",
        f"comment scale: {meta['scale']}",
        f"comment panodepth {to_json(meta)}",
        f"element vertex {int(np.count_nonzero(prediction.mask[rows, columns]))}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in COLOURS),
        "end_header\n",
    ]
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for band in _bands(rows, stride, prediction.distance.shape):
            file.write(_vertices(*_points(prediction, band, columns)).data)
    return [path]


def _vertices(points: npt.NDArray[np.float32], colours: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """(N, 3) points and colours as the records of a PLY file."""
    vertices = np.empty(len(points), PLY_VERTEX)
    for key, values in (("position", points.astype("<f4", copy=False)), ("colour", colours)):
        whole = np.ascontiguousarray(values).view(PLY_VERTEX[key])  # moved as one, not by number
        vertices[key] = whole[:, 0]
    return vertices


def _bands(rows: slice, stride: int, shape: tuple[int, ...]) -> Iterator[slice]:
    """Parts of `rows` of (H, W) that stay in the cache."""
    step = stride * max(1, BAND_PIXELS * stride // shape[1])
    for top in range(rows.start, shape[0], step):
        yield slice(top, min(top + step, shape[0]), stride)


def write_points_glb(
    prediction: Prediction, path: Path, *, max_points: int = MAX_CLOUD_POINTS
) -> list[Path]:
    """Binary glTF, one POINTS primitive, without the masked pixels, thinned as `write_ply` does.

    COLOR_0 is linear light, as glTF defines it, in 16 bits; alpha is 1.
    """
    points, colours, stride = cloud(prediction, path, max_points)
    linear = srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
    table = np.rint(linear * 65535).astype(np.uint16)
    rgba = np.full((len(points), 4), 65535, np.uint16)
    rgba[:, :3] = table[colours]
    glb = Glb("panorama", metadata(prediction, POINT, frame=GLTF_FRAME, stride=stride))
    attributes = {
        "POSITION": glb.positions(points),
        "COLOR_0": glb.accessor(rgba, normalized=True, view={"target": ARRAY_BUFFER}),
    }
    glb.write(path, {"attributes": attributes, "mode": POINTS})
    return [path]


def cloud(
    prediction: Prediction, path: Path, max_points: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], int]:
    """The unmasked points (N, 3) in the house frame, their colours (N, 3), and the stride taken.

    Raises OutputError, naming `path`, when no pixel is valid.
    """
    rows, columns, stride = thinned(prediction, path, max_points)
    return *_points(prediction, rows, columns), stride


def thinned(prediction: Prediction, path: Path, max_points: int) -> tuple[slice, slice, int]:
    """The rows and columns of the cloud, and their stride; OutputError when none is valid."""
    height, width = prediction.distance.shape
    stride = 1
    while -(-height // stride) * -(-width // stride) > max_points:
        stride += 1
    thin = every(height, stride), every(width, stride)
    if not prediction.mask[thin].any():
        raise OutputError(f"{path}: no pixel of the prediction is valid, so there is no point")
    return *thin, stride


def _points(
    prediction: Prediction, rows: slice, columns: slice
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """The valid points (N, 3) of some rows and columns, and their colours (N, 3)."""
    mask = prediction.mask[rows, columns]
    points, colours = grid_points(prediction, rows, columns), prediction.image[rows, columns]
    if mask.all():
        return points.reshape(-1, 3), colours.reshape(-1, 3)
    return points[mask], colours[mask]


def every(count: int, stride: int) -> slice:
    """Every `stride`-th of `count` rows or columns, starting in the middle of the first group."""
    return slice(min(stride // 2, count - 1), None, stride)


def grid_points(prediction: Prediction, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
    """(h, w, 3) float32 points of some rows and columns: `prediction.points[rows, columns]`.

    Made for these pixels alone, with sines per row and column: the whole (H, W, 3) array of a 16K
    panorama would take 1.6 GB.
    """
    lon, lat = axis_angles(*prediction.distance.shape)
    points = lonlat_points(prediction.distance[rows, columns], lon[columns], lat[rows])
    return np.asarray(points, np.float32)

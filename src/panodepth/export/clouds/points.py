"""Coloured point clouds: binary PLY in the house frame, GLB in glTF's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import OutputError
from panodepth.export.atomic import atomic
from panodepth.export.meshes.glb import ARRAY_BUFFER, POINTS, Glb, Stream
from panodepth.export.metadata import GLTF_FRAME, metadata, to_json
from panodepth.geometry.erp import axis_angles, lonlat_points, point_bands
from panodepth.images import srgb_to_linear
from panodepth.types import Prediction

# Larger clouds are thinned by a whole stride in both axes: 8.4 M points are 126 MB of PLY, and the
# network sees 0.6 M pixels.
MAX_CLOUD_POINTS = 4096 * 2048
POINT = "surface point"
BAND_PIXELS = 1 << 15  # written at a time
COLOURS = ("red", "green", "blue")
PLY_VERTEX = np.dtype([*((axis, "<f4") for axis in "xyz"), *((name, "u1") for name in COLOURS)])


def write_ply(
    prediction: Prediction, path: Path, *, max_points: int = MAX_CLOUD_POINTS
) -> list[Path]:
    """Binary little-endian PLY: x, y, z float32; red, green, blue uint8 (sRGB).

    Masked pixels are left out, and clouds above `max_points` thinned (`stride` in the metadata).
    """
    cloud = thinned(prediction, path, max_points)
    meta = metadata(prediction, POINT, stride=cloud.stride)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment frame: {meta['frame']}",
        f"comment unit: {meta['unit']}",
        f"comment scale: {meta['scale']}",
        f"comment panodepth {to_json(meta)}",
        f"element vertex {cloud.count}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in COLOURS),
        "end_header\n",
    ]
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for vertices in _vertices(prediction, cloud):
            file.write(vertices.data)
    return [path]


def _vertices(prediction: Prediction, cloud: Cloud) -> Iterator[npt.NDArray[Any]]:
    """The records of a PLY file in bands; each is overwritten by the next."""
    records = np.empty(0, PLY_VERTEX)
    for planes, mask, image in _bands(prediction, cloud):
        if mask.size != records.size:
            records = np.empty(mask.size, PLY_VERTEX)
        grid = records.reshape(mask.shape)
        for axis, plane in zip("xyz", planes, strict=True):
            grid[axis] = plane
        for i, name in enumerate(COLOURS):
            grid[name] = image[..., i]
        yield records if mask.all() else records[mask.ravel()]


def write_points_glb(
    prediction: Prediction, path: Path, *, max_points: int = MAX_CLOUD_POINTS
) -> list[Path]:
    """Binary glTF, one POINTS primitive, without the masked pixels, thinned as `write_ply` does.

    COLOR_0 is linear light, as glTF defines it, in 16 bits; alpha is 1.
    """
    cloud = thinned(prediction, path, max_points)
    meta = metadata(prediction, POINT, frame=GLTF_FRAME, stride=cloud.stride)
    low, high = _extent(prediction, cloud)
    positions = Stream((cloud.count, 3), np.dtype("<f4"), _turned(prediction, cloud))
    colours = Stream((cloud.count, 4), np.dtype("<u2"), _linear_colours(prediction, cloud))
    target = {"target": ARRAY_BUFFER}
    glb = Glb("panorama", meta)
    attributes = {
        "POSITION": glb.accessor(positions, min=low, max=high, view=target),
        "COLOR_0": glb.accessor(colours, normalized=True, view=target),
    }
    glb.write(path, {"attributes": attributes, "mode": POINTS})
    return [path]


def _extent(prediction: Prediction, cloud: Cloud) -> tuple[list[float], list[float]]:
    """Smallest and largest coordinates of the cloud in glTF's frame, which is (x, -y, -z)."""
    low, high = np.full(3, np.inf, np.float32), np.full(3, -np.inf, np.float32)
    for planes, mask, _ in _bands(prediction, cloud):
        if mask.any():
            for i, plane in enumerate(planes):
                values = plane if mask.all() else plane[mask]
                low[i] = min(low[i], values.min())
                high[i] = max(high[i], values.max())
    least = [float(low[0]), -float(high[1]), -float(high[2])]
    return least, [float(high[0]), -float(low[1]), -float(low[2])]


def _turned(prediction: Prediction, cloud: Cloud) -> Iterator[npt.NDArray[np.float32]]:
    """(n, 3) points of glTF's frame in bands; each is overwritten by the next."""
    points = np.empty((0, 3), np.float32)
    for planes, mask, _ in _bands(prediction, cloud):
        if len(points) != mask.size:
            points = np.empty((mask.size, 3), np.float32)
        grid = points.reshape(*mask.shape, 3)
        grid[..., 0] = planes[0]
        np.negative(planes[1], out=grid[..., 1])
        np.negative(planes[2], out=grid[..., 2])
        yield chosen(points, mask.ravel())


def _linear_colours(prediction: Prediction, cloud: Cloud) -> Iterator[npt.NDArray[np.uint16]]:
    """(n, 4) linear red, green, blue and alpha in bands, 65535 = 1."""
    import cv2

    linear = srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
    table = np.rint(linear * 65535).astype(np.uint16)  # white, and so opaque alpha, is 65535
    image = prediction.image[cloud.rows, cloud.columns]
    mask = prediction.mask[cloud.rows, cloud.columns]
    step = max(1, BAND_PIXELS // mask.shape[1])
    for top in range(0, len(mask), step):
        rgba = cv2.cvtColor(np.ascontiguousarray(image[top : top + step]), cv2.COLOR_RGB2RGBA)
        yield chosen(cv2.LUT(rgba, table).reshape(-1, 4), mask[top : top + step].ravel())


@dataclass(frozen=True)
class Cloud:
    """Which pixels become points: every `stride`-th row and column that is valid, `count` of them.

    With a stride the first is the middle of its group.
    """

    rows: slice
    columns: slice
    stride: int
    count: int


def thinned(prediction: Prediction, path: Path, max_points: int) -> Cloud:
    """The cloud of at most `max_points` before masking; OutputError when no pixel is valid."""
    height, width = prediction.distance.shape
    stride = 1
    while -(-height // stride) * -(-width // stride) > max_points:
        stride += 1
    thin = every(height, stride), every(width, stride)
    count = int(np.count_nonzero(prediction.mask[thin]))
    if not count:
        raise OutputError(f"{path}: no pixel of the prediction is valid, so there is no point")
    return Cloud(*thin, stride, count)


def _bands(
    prediction: Prediction, cloud: Cloud
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8]]]:
    """The cloud in bands of rows: x, y, z (3, h, w), overwritten by the next; mask; image."""
    distance = prediction.distance[cloud.rows, cloud.columns]
    mask = prediction.mask[cloud.rows, cloud.columns]
    image = prediction.image[cloud.rows, cloud.columns]
    lon, lat = axis_angles(*prediction.distance.shape)
    at_once = max(1, BAND_PIXELS // distance.shape[1])
    for rows, planes in point_bands(distance, lon[cloud.columns], lat[cloud.rows], at_once):
        yield planes, mask[rows], image[rows]


def chosen(rows: npt.NDArray[Any], keep: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """The rows of an (N, C) array that an (N,) mask keeps; the array itself where it keeps all."""
    if keep.all():
        return rows
    # As one value each: runs of rows are then copied at once.
    records = np.ascontiguousarray(rows).view(f"V{rows.itemsize * rows.shape[1]}")
    return records[:, 0][keep].view(rows.dtype).reshape(-1, rows.shape[1])


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

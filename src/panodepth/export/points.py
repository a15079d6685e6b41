"""Coloured point clouds: binary PLY in the house frame, GLB in glTF's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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


def write_ply(
    prediction: Prediction, path: Path, *, max_points: int = MAX_CLOUD_POINTS
) -> list[Path]:
    """Binary little-endian PLY: x, y, z float32; red, green, blue uint8 (sRGB).

    Masked pixels are left out, and clouds above `max_points` thinned (`stride` in the metadata).
    """
    points, colours, stride = cloud(prediction, path, max_points)
    meta = metadata(prediction, POINT, stride=stride)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment frame: {meta['frame']}",
        f"comment unit: {meta['unit']}",
        f"comment scale: {meta['scale']}",
        f"comment panodepth {to_json(meta)}",
        f"element vertex {len(points)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
        "end_header\n",
    ]
    vertices = np.empty((len(points), 15), np.uint8)
    vertices[:, :12] = points.astype("<f4", copy=False).view(np.uint8)
    vertices[:, 12:] = colours
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        file.write(vertices.data)
    return [path]


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
    height, width = prediction.distance.shape
    stride = 1
    while -(-height // stride) * -(-width // stride) > max_points:
        stride += 1
    rows, columns = strided(height, stride), strided(width, stride)
    thin = np.ix_(rows, columns)
    mask = prediction.mask[thin]
    if not mask.any():
        raise OutputError(f"{path}: no pixel of the prediction is valid, so there is no point")
    points = grid_points(prediction, rows, columns)
    return points[mask], prediction.image[thin][mask], stride


def strided(count: int, stride: int) -> npt.NDArray[np.int64]:
    """Indices of every `stride`-th row or column, starting at the middle of the first group."""
    return np.arange(min(stride // 2, count - 1), count, stride)


def grid_points(
    prediction: Prediction, rows: npt.NDArray[Any], columns: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """(h, w, 3) float32 points of the pixels rows × columns: `prediction.points[rows][:, columns]`.

    Made for these pixels alone, with sines per row and column: the whole (H, W, 3) array of a 16K
    panorama would take 1.6 GB.
    """
    import torch

    from panodepth.sphere import pixels_to_lonlat

    height, width = prediction.distance.shape
    centres = np.zeros((max(len(rows), len(columns)), 2))
    centres[: len(columns), 0] = columns + 0.5
    centres[: len(rows), 1] = rows + 0.5
    lonlat = pixels_to_lonlat(torch.from_numpy(centres), height, width).numpy()
    lon, lat = lonlat[: len(columns), 0], lonlat[: len(rows), 1]
    distance = prediction.distance[np.ix_(rows, columns)]
    level = distance * np.cos(lat).astype(np.float32)[:, None]
    points = np.empty((*distance.shape, 3), np.float32)
    np.multiply(level, np.sin(lon).astype(np.float32), out=points[..., 0])
    np.multiply(distance, np.sin(lat).astype(np.float32)[:, None], out=points[..., 1])
    np.multiply(level, np.cos(lon).astype(np.float32), out=points[..., 2])
    return points

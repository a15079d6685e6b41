"""A coloured point cloud as binary PLY, in the house frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.metadata import metadata, ply_comments
from panodepth.export.thinning import Cloud, CloudOptions, thinned
from panodepth.types import Prediction

QUANTITY = "surface point"
COLOURS = ("red", "green", "blue")
VERTEX = np.dtype([*((axis, "<f4") for axis in "xyz"), *((name, "u1") for name in COLOURS)])


def write_ply(
    prediction: Prediction, path: Path, options: CloudOptions = CloudOptions()
) -> list[Path]:
    """Binary little-endian PLY: x, y, z float32; red, green, blue uint8 (sRGB).

    Sky and masked pixels are left out, large clouds thinned (`stride` in the metadata).
    """
    cloud = thinned(prediction, path, options.max_points)
    meta = metadata(prediction, QUANTITY, stride=cloud.stride)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *ply_comments(meta),
        f"element vertex {cloud.count}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in COLOURS),
        "end_header\n",
    ]
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for vertices in _vertices(cloud):
            file.write(vertices.data)
    return [path]


def _vertices(cloud: Cloud) -> Iterator[npt.NDArray[Any]]:
    """The records of the file in bands; each is overwritten by the next."""
    records = np.empty(0, VERTEX)
    for planes, mask, image in cloud.bands():
        if mask.size != records.size:
            records = np.empty(mask.size, VERTEX)
        grid = records.reshape(mask.shape)
        for axis, plane in zip("xyz", planes, strict=True):
            grid[axis] = plane
        for i, name in enumerate(COLOURS):
            grid[name] = image[..., i]
        yield records if mask.all() else records[mask.ravel()]

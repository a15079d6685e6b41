"""A coloured point cloud as binary PLY."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.clouds.options import PlyOptions
from panodepth.export.metadata import metadata, ply_comments
from panodepth.export.thinning import Cloud, thinned
from panodepth.types import FloatArray, Prediction

QUANTITY = "surface point"
COLOURS = ("red", "green", "blue")
NORMALS = ("nx", "ny", "nz")


def write_ply(prediction: Prediction, path: Path, options: PlyOptions = PlyOptions()) -> list[Path]:
    """Binary little-endian PLY: x, y, z float32; red, green, blue uint8 (sRGB); then, if asked
    for, nx, ny, nz float32.

    Sky and masked pixels are left out, large clouds thinned (`stride` in the metadata).
    """
    cloud = thinned(prediction, path, options.max_points, options.up)
    frame: dict[str, Any] = {}
    normals = None
    if options != PlyOptions(max_points=options.max_points):
        from panodepth.export.clouds.selection import cloud_normals, selected
        from panodepth.export.frames import stored

        cloud, frame = selected(cloud, options, path), stored(options.up)
        normals = cloud_normals(prediction, cloud) if options.normals else None
    meta = metadata(prediction, QUANTITY, stride=cloud.stride, **frame)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *ply_comments(meta),
        f"element vertex {cloud.count}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in COLOURS),
        *(f"property float {axis}" for axis in NORMALS if options.normals),
        "end_header\n",
    ]
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for vertices in _vertices(cloud, normals):
            file.write(vertices.data)
    return [path]


def _vertices(cloud: Cloud, normals: FloatArray | None) -> Iterator[npt.NDArray[Any]]:
    """The records of the file in bands; each is overwritten by the next. normals: (N, 3)."""
    names = (*"xyz", *COLOURS, *(() if normals is None else NORMALS))
    kind = np.dtype([(name, "u1" if name in COLOURS else "<f4") for name in names])
    records, done = np.empty(0, kind), 0
    for planes, mask, image in cloud.bands():
        if mask.size != records.size:
            records = np.empty(mask.size, kind)
        grid = records.reshape(mask.shape)
        columns = (*planes, *np.moveaxis(image, -1, 0))
        for name, values in zip((*"xyz", *COLOURS), columns, strict=True):
            grid[name] = values
        kept = records if mask.all() else records[mask.ravel()]
        if normals is not None:
            for name, column in zip(NORMALS, normals[done : done + len(kept)].T, strict=True):
                kept[name] = column
            done += len(kept)
        yield kept

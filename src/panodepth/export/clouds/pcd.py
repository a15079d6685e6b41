"""A coloured point cloud as PCD 0.7, the Point Cloud Library's format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from panodepth.atomic import atomic
from panodepth.export.clouds.options import PlyOptions
from panodepth.export.clouds.ply import QUANTITY
from panodepth.export.clouds.selection import chosen, cloud_normals, gathered
from panodepth.export.formats import Up
from panodepth.export.frames import stored
from panodepth.export.metadata import metadata, ply_comments
from panodepth.types import Prediction

NORMALS = ("normal_x", "normal_y", "normal_z")


@dataclass(frozen=True, kw_only=True)
class PcdOptions(PlyOptions):
    """up: the frame, see `frames.FRAMES`."""

    up: Up = "ros"


def write_pcd(prediction: Prediction, path: Path, options: PcdOptions = PcdOptions()) -> list[Path]:
    """Binary PCD: x, y, z float32, rgb as red·65536 + green·256 + blue in a uint32; then, if asked
    for, normals. The metadata stand in comments, as in a PLY.
    """
    cloud = chosen(prediction, path, options, options.up)
    points = gathered(cloud)
    names = (*"xyz", *(NORMALS if options.normals else ()), "rgb")
    records = np.empty(cloud.count, [(name, "<u4" if name == "rgb" else "<f4") for name in names])
    columns = [*points.xyz.T]
    if options.normals:
        columns += [*cloud_normals(prediction, cloud).T]
    red, green, blue = points.rgb.T.astype(np.uint32)
    for name, column in zip(names, [*columns, red << 16 | green << 8 | blue], strict=True):
        records[name] = column
    meta = metadata(prediction, QUANTITY, stride=cloud.stride, **stored(options.up))
    header = [
        "# .PCD v0.7 - Point Cloud Data file format",
        *(line.replace("comment ", "# ", 1) for line in ply_comments(meta)),
        "VERSION 0.7",
        f"FIELDS {' '.join(names)}",
        f"SIZE {' '.join('4' for _ in names)}",
        f"TYPE {' '.join('U' if name == 'rgb' else 'F' for name in names)}",
        f"COUNT {' '.join('1' for _ in names)}",
        f"WIDTH {cloud.count}",
        "HEIGHT 1",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {cloud.count}",
        "DATA binary\n",
    ]
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        file.write(records.data)
    return [path]

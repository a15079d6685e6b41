"""Writes a box room in every format of 3D, views, stereo and robots into a folder, with a red mark
on the left of what is straight ahead and a green one on the right:
`python tests/tools/make_files.py FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from panodepth.geometry.grid import erp_rays
from panodepth.types import Prediction

LOW, HIGH = np.array([-2.5, -0.9, -1.5]), np.array([2.0, 1.6, 3.0])  # x right, y down, z forward
SIZE = (256, 512)
STAMP = 1764370000.25  # s since 1970
RED, GREEN, WALL = (230, 20, 20), (20, 200, 20), (150, 150, 160)
FORMATS = (
    *("ply", "pcd", "las", "laz", "e57", "points-glb", "points-usdz"),
    *("glb", "obj", "ply-mesh", "stl", "usdz", "usdc", "light-dome", "light-dome-usd"),
    *("npz", "exr", "tiff", "png"),
    *("splat", "splat-binary", "gltf-splat"),
    *("views", "colmap", "nerfstudio"),
    *("pointcloud2", "mcap", "rosbag2", "octomap"),
    *("ods", "vr180", "gdepth", "disparity", "dome"),
)


def box_room() -> Prediction:
    """The room from within, in metres."""
    rays = np.asarray(erp_rays(*SIZE, dtype=np.float64))
    with np.errstate(divide="ignore"):
        walls = np.where(rays > 0, HIGH / rays, LOW / rays).min(axis=-1)
    image = np.empty((*SIZE, 3), np.uint8)
    image[:] = WALL
    for colour, column in ((RED, 3 / 8), (GREEN, 5 / 8)):  # 45° to the left and to the right
        middle = int(column * SIZE[1])
        image[118:138, middle - 10 : middle + 10] = colour
    name = "x" * 200  # as long as the names of files get
    meta = {"name": "box", "unit": "m", "model": "truth", "source": name}
    return Prediction(walls.astype(np.float32), np.ones(SIZE, bool), image, meta)


if __name__ == "__main__":
    room, out = box_room(), Path(sys.argv[1])
    for file in room.save(out, FORMATS, stamp=STAMP):
        print(file)
    room.save(out / "whole", ["colmap"], camera="equirectangular")

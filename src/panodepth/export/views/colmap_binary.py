"""A COLMAP model's three binary files: the same numbers as in its text files.

File format: https://colmap.github.io/format.html; all of it little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from panodepth.export.views.cameras import Points, Shot
from panodepth.geometry.lens import ERP
from panodepth.geometry.rotation import quaternion_from_rotation

PINHOLE, EQUIRECTANGULAR = 1, 17  # COLMAP's numbers of camera models
POINT = np.dtype(
    [("number", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8"), ("length", "<u8")]
    + [("picture", "<u4"), ("place", "<u4")]  # its one observation
)
SEEN = np.dtype([("pixel", "<f8", 2), ("number", "<u8")])


def binary_model(clouds: Sequence[Points], names: Sequence[str]) -> dict[str, bytes]:
    """Contents of cameras, images and points3D by name. names: of the pictures, one a cloud."""
    images, points, first = [struct.pack("<Q", len(clouds))], list[bytes](), 1
    for picture, (cloud, name) in enumerate(zip(clouds, names, strict=True), 1):
        count = len(cloud.xyz)
        turn = quaternion_from_rotation(cloud.shot.camera.rotation.T)
        images.append(struct.pack("<I7dI", picture, *turn, 0, 0, 0, 1) + name.encode() + b"\0")
        seen, rows = np.empty(count, SEEN), np.zeros(count, POINT)
        seen["pixel"] = cloud.pixels
        seen["number"] = rows["number"] = np.arange(first, first + count)
        images.append(struct.pack("<Q", count) + seen.tobytes())
        rows["xyz"], rows["rgb"], rows["length"] = cloud.xyz, cloud.rgb, 1
        rows["picture"], rows["place"] = picture, np.arange(count)
        points.append(rows.tobytes())
        first += count
    return {
        "cameras": struct.pack("<Q", 1) + _camera(clouds[0].shot),
        "images": b"".join(images),
        "points3D": struct.pack("<Q", first - 1) + b"".join(points),
    }


def _camera(shot: Shot) -> bytes:
    """The one camera of all pictures."""
    height, width = shot.camera.size
    if isinstance(shot.camera.lens, ERP):
        return struct.pack("<IiQQ2d", 1, EQUIRECTANGULAR, width, height, width, height)
    told = shot.camera.intrinsics()
    numbers = (told[key] for key in ("fx", "fy", "cx", "cy"))
    return struct.pack("<IiQQ4d", 1, PINHOLE, width, height, *numbers)

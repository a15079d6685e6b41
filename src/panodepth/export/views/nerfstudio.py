"""`nerfstudio`: the panorama as transforms.json with pictures, depth and a cloud.

https://docs.nerf.studio/quickstart/data_conventions.html: camera axes x right, y up, z back; the
world has z up; poses go from the camera to the world.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from panodepth.export.frames import FRAMES
from panodepth.export.metadata import metadata, ply_comments, to_json
from panodepth.export.views.archive import archive
from panodepth.export.views.cameras import MILLIMETRE, ModelOptions, Shot, depth_png, seeds, shots
from panodepth.geometry.lens import ERP
from panodepth.types import Prediction

WORLD = FRAMES["z"]
FARTHEST = 65535 * MILLIMETRE  # what is farther has no depth, 0
CLOUD = "points.ply"
CAMERA_AXES = np.diag([1.0, -1.0, -1.0])


def write_nerfstudio(
    prediction: Prediction, path: Path, options: ModelOptions = ModelOptions()
) -> list[Path]:
    """A ZIP file that unpacks to transforms.json, images/, z_depth/ and points.ply.

    Depth is 16-bit z-depth in thousandths of the unit, which is nerfstudio's own default; a
    panorama (EQUIRECTANGULAR) has no axis, and so no depth files.
    """
    taken = list(shots(prediction, options))
    meta = metadata(prediction, "transforms.json: pictures and points", frame=WORLD.about)
    frames = []
    with archive(path, meta) as add:
        for shot in taken:
            frame, name = _frame(shot, options), shot.camera.name
            add(frame["file_path"], shot.encoded(options.picture))
            if options.camera == "pinhole":
                frame["depth_file_path"] = f"z_depth/{name}.png"
                near = np.where(shot.z_depth <= FARTHEST, shot.z_depth, np.float32(0))
                add(frame["depth_file_path"], depth_png(near, MILLIMETRE, {}))
            frames.append(frame)
        add(CLOUD, _cloud(taken, options, meta))
        told = {**_model(taken[0]), "ply_file_path": CLOUD, "frames": frames}
        told["panodepth"] = meta
        add("transforms.json", to_json(told, indent=1).encode("ascii"))
    return [path]


def _model(shot: Shot) -> dict[str, Any]:
    """The camera of all pictures; of a panorama, fl_x and fl_y are half a turn [px]."""
    height, width = shot.camera.size
    told: dict[str, Any] = {"w": width, "h": height}
    if isinstance(shot.camera.lens, ERP):
        middle = {"cx": width / 2, "cy": height / 2}
        return (
            told | {"camera_model": "EQUIRECTANGULAR", "fl_x": width / 2, "fl_y": height} | middle
        )
    own = shot.camera.intrinsics()
    told |= {"camera_model": "OPENCV", "fl_x": own["fx"], "fl_y": own["fy"]}
    return told | {"cx": own["cx"], "cy": own["cy"]} | dict.fromkeys(("k1", "k2", "p1", "p2"), 0.0)


def _frame(shot: Shot, options: ModelOptions) -> dict[str, Any]:
    pose = np.eye(4)
    pose[:3, :3] = WORLD.matrix.astype(np.float64) @ shot.camera.rotation @ CAMERA_AXES
    name = f"images/{shot.camera.name}.{options.picture}"
    return {"file_path": name, "transform_matrix": pose.tolist()}


def _cloud(taken: list[Shot], options: ModelOptions, meta: dict[str, Any]) -> bytes:
    """Binary PLY of the points in the world's frame: x, y, z float32, red, green, blue."""
    clouds = seeds(taken, options.max_points)
    xyz = WORLD.points(np.concatenate([points.xyz for points in clouds]))
    kinds = [("xyz", "<f4", 3), ("rgb", "u1", 3)]
    rows = np.empty(len(xyz), kinds)
    rows["xyz"], rows["rgb"] = xyz, np.concatenate([points.rgb for points in clouds])
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *ply_comments(meta),
        f"element vertex {len(rows)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
        "end_header\n",
    ]
    return "\n".join(header).encode("ascii") + rows.tobytes()

"""Readers of pictures for read_files.py: views, both eyes, depth maps, a sphere that is pushed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

# Points (N, 3), colours (N, 3) in 0..1 or None, and what else was found.
Found = tuple[np.ndarray, np.ndarray | None, str]


def pycolmap(path: Path) -> Found:
    """The model, and how far its points lie from their pixels by COLMAP's own projection."""
    import pycolmap

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as whole:
        whole.extractall(folder)
        model = pycolmap.Reconstruction(f"{folder}/sparse/0")
        pictures = {Path(folder, "images", i.name).is_file() for i in model.images.values()}
    assert pictures == {True}
    off = 0.0
    for image in model.images.values():
        seen = [place for place in image.points2D if place.has_point3D()]
        points = np.array([model.points3D[place.point3D_id].xyz for place in seen])
        local = points @ image.cam_from_world().rotation.matrix().T
        found = np.array(model.cameras[image.camera_id].img_from_cam(local))
        off = max(off, np.abs(found - [place.xy for place in seen]).max())
    assert off < 0.01, f"points {off} px from their pixels"
    camera = model.cameras[1].model.name
    told = f"{len(model.images)} × {camera}, {len(model.points3D)} points, all within 0.01 px"
    points, colours = zip(*((p.xyz, p.color) for p in model.points3D.values()), strict=True)
    return np.array(points), np.array(colours) / 255, told


def open3d_views(path: Path) -> Found:
    """Points of pictures, z-depth, intrinsics and poses, made by Open3D as of an RGB-D camera."""
    import open3d

    points, colours = [], []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as whole:
        whole.extractall(folder)
        about = json.loads(Path(folder, "views.json").read_text())
        for view in about["views"]:
            picture, depth = (
                open3d.io.read_image(f"{folder}/{view[kind]}") for kind in ("image", "z_depth")
            )
            rgbd = open3d.geometry.RGBDImage.create_from_color_and_depth(
                picture, depth, 1 / about["depth_scale"], 1000.0, convert_rgb_to_intensity=False
            )
            # Its pixel centres lie at whole numbers.
            numbers = [view["fx"], view["fy"], view["cx"] - 0.5, view["cy"] - 0.5]
            lens = open3d.camera.PinholeCameraIntrinsic(view["width"], view["height"], *numbers)
            pose = np.linalg.inv(view["camera_to_world"])
            cloud = open3d.geometry.PointCloud.create_from_rgbd_image(rgbd, lens, pose)
            points.append(np.asarray(cloud.points))
            colours.append(np.asarray(cloud.colors))
    told = f"{len(points)} views, {sum(map(len, points))} points"
    return np.concatenate(points), np.concatenate(colours), told


def exiftool(path: Path, tag: str) -> Any:
    """What stands under a tag; a picture as an array."""
    from PIL import Image

    if shutil.which("exiftool") is None:
        raise ImportError("no exiftool")
    command = ["exiftool", "-b", f"-XMP:{tag}", str(path)]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    try:
        return np.asarray(Image.open(io.BytesIO(content)))
    except OSError:
        return float(content)


def exiftool_depth(path: Path) -> Found:
    """Points of the depth map, by the formula of RangeInverse."""
    from PIL import Image

    near, far = exiftool(path, "Near"), exiftool(path, "Far")
    share = exiftool(path, "DepthImage") / 65535
    distance = far * near / (far - share * (far - near))
    height, width = distance.shape
    points = rays(height, width) * distance[..., None]
    colours = np.asarray(Image.open(path)).reshape(-1, 3) / 255
    return points.reshape(-1, 3), colours, f"depth map of {width}×{height}"


def exiftool_eyes(path: Path) -> Found:
    from PIL import Image

    left, right = np.asarray(Image.open(path)), exiftool(path, "ImageData")
    return np.zeros((0, 3)), None, between_eyes(left, right)


def pillow_eyes(path: Path) -> Found:
    from PIL import Image

    both = np.asarray(Image.open(path))
    left, right = np.split(both, 2)
    return np.zeros((0, 3)), None, between_eyes(left, right)


def between_eyes(left: np.ndarray, right: np.ndarray) -> str:
    """Marks 3.54 and 2.83 m away: 64 mm from eye to eye move them by 1.48 and 1.84 px."""
    moved = []
    for channel in (0, 1):
        columns = []
        for eye in (left.astype(float), right.astype(float)):
            strong = np.clip(eye[..., channel] - eye[..., 1 - channel] - 40, 0, None).sum(0)
            columns.append(np.average(np.arange(len(strong)), weights=strong))
        moved.append(columns[0] - columns[1])
    off = np.abs(np.array(moved) - (1.48, 1.84)).max()
    assert off < 0.2, f"marks moved by {moved} px"
    height, width = left.shape[:2]
    return f"two eyes of {width}×{height}, marks within {off:.2f} px"


def pillow_grey(path: Path) -> Found:
    from PIL import Image

    grey = np.asarray(Image.open(path))
    assert (grey.dtype, grey.min(), grey.max()) == (np.uint8, 0, 255)
    nearest = rays(*grey.shape)[grey == 255]
    assert np.abs(nearest[:, 1] + 1).max() < 0.2, "the ceiling above is not the lightest"
    return np.zeros((0, 3)), None, f"grey, {grey.shape[1]}×{grey.shape[0]}"


def trimesh_dome(path: Path) -> Found:
    """The sphere, pushed outwards by what OpenEXR reads."""
    import OpenEXR
    import trimesh

    mesh: Any = trimesh.load_mesh(path, process=False)
    with OpenEXR.File(f"{path}.exr", separate_channels=True) as file:
        push = file.channels()["Y"].pixels
    height, width = push.shape
    wide = np.pad(np.concatenate([push[:, -1:], push, push[:, :1]], 1), ((1, 1), (0, 0)), "edge")
    # Corners of the sphere lie between four pixels.
    u, v = mesh.visual.uv[:, 0] * width, (1 - mesh.visual.uv[:, 1]) * height
    row, column = np.rint(v).astype(int), np.rint(u).astype(int)
    around = [wide[row + down, column + right] for down in (0, 1) for right in (0, 1)]
    points = np.array(mesh.vertices) * (1 + np.mean(around, 0))[:, None]
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight
    assert mesh.volume > 0, "not seen from outside"
    return points, None, f"{len(mesh.faces)} faces, closed, pushed out"


def rays(height: int, width: int) -> np.ndarray:
    """(height, width, 3) of a panorama's pixels."""
    lon = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    lat = (((np.arange(height) + 0.5) / height - 0.5) * np.pi)[:, None]
    x, y, z = np.cos(lat) * np.sin(lon), np.sin(lat) + 0 * lon, np.cos(lat) * np.cos(lon)
    return np.stack([x, y, z], -1)

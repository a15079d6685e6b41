"""Public sets that keep cameras or pixels in HDF5, CSV or annotation files.

HDF5 needs h5py (`pip install 'panodepth[curate]'`). None of these sets was at hand: facts are from
their documentation and public readers.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, InputError, one_line, raise_if_out_of_memory, require
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.points import distance_to_z_depth
from panodepth.images.arrays import check_count
from panodepth.lab.curation.frame import (
    Frame,
    Matrix,
    RejectedError,
    check_pinhole,
    clean_map,
    size_of,
)
from panodepth.lab.curation.sources.base import (
    Item,
    ListedFrames,
    Tree,
    below,
    check_pose,
    listed,
    read_picture,
    read_whole_numbers,
)
from panodepth.lab.data.source import check_folder

HYPERSIM_CAMERAS = "metadata_camera_parameters.csv"
MAX_ANNOTATION_BYTES = 1 << 30  # unpacked; the largest published file has some 200 MB
HYPERSIM_TILT = 1e-3  # off-diagonal share of M_cam_from_uv above which the lens was tilted
# RGB camera of NYU Depth v2, from its toolbox (camera_params.m: pixels counted from 1).
NYU_FOCAL, NYU_CENTRE = (518.857901, 519.469611), (325.582449, 253.736166)
NYU_FRAME = (slice(45, 471), slice(41, 601))  # inside the white border, as the toolbox crops it
_UPRIGHT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # z-up world axes to y-down ones


def open_hypersim(path: str | Path) -> ListedFrames:
    """Hypersim, see `_read_hypersim`. Raises ConfigError when there is none, or no h5py."""
    _h5py()
    return HYPERSIM.open(path)


def _read_hypersim(root: Path, item: Item) -> Frame:
    """Hypersim (CC BY-SA 3.0): ai_VVV_NNN/images/scene_cam_XX_{final_preview,geometry_hdf5}/....

    frame.IIII.depth_meters.hdf5 is the Euclidean distance to the camera's centre [m], NaN = nothing
    hit; frame.IIII.tonemap.jpg the picture (Hypersim's README). Cameras differ from scene to scene
    and some lenses are shifted or tilted: the intrinsics come from M_cam_from_uv of
    metadata_camera_parameters.csv, which must lie in the folder or at its usual places below; a
    tilted lens is no pinhole of ours and is rejected. Poses: _detail/cam_XX, asset units x
    meters_per_asset_unit, camera x right, y up, z back, world z up.
    """
    picture = root / item.picture
    image, scene = read_picture(picture), picture.parents[2]
    camera, number = _hypersim_frame(picture)
    lens = _hypersim_lens(root, scene.name, size_of(image))
    detail = scene / "_detail"
    pose = None
    if (detail / camera / "camera_keyframe_positions.hdf5").is_file():
        pose = _hypersim_pose(detail, camera, int(number))
    folder = scene / "images" / f"scene_{camera}_geometry_hdf5"
    distance_file = folder / f"frame.{number}.depth_meters.hdf5"
    distance = clean_map(_dataset(distance_file))
    if distance.shape == size_of(image):  # else the source rejects it
        distance = distance_to_z_depth(distance, lens)
    return item.frame(
        image,
        distance,
        lens,
        pose=pose,
        level=pose is not None,
        meta={"licence": "CC BY-SA 3.0", "depth": below(root, distance_file)},
    )


def _hypersim_frame(picture: Path) -> tuple[str, str]:
    """Camera and number, e.g. "cam_00" and "0000"."""
    camera = picture.parent.name.removeprefix("scene_").removesuffix("_final_preview")
    return camera, picture.name.split(".")[1]


HYPERSIM = Tree(
    "hypersim",
    "**/images/scene_cam_*_final_preview/frame.*.tonemap.jpg",
    lambda p: "/".join((p.parents[2].as_posix(), *_hypersim_frame(p))),
    _read_hypersim,
    "ai_001_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg",
)


def _hypersim_lens(root: Path, scene: str, size: tuple[int, int]) -> Pinhole:
    """The lens from the ray of image place (u, v) in [-1, 1], v up: M (u, v, 1), z back."""
    below_root = ("", "analysis", "evermotion_dataset/analysis", "contrib/mikeroberts3000")
    places = [*(root / part for part in below_root), root.parent]
    found = next((p / HYPERSIM_CAMERAS for p in places if (p / HYPERSIM_CAMERAS).is_file()), None)
    if found is None:
        raise RejectedError(
            "intrinsics", f"no {HYPERSIM_CAMERAS} (see its contrib/mikeroberts3000)"
        )
    row = _camera_table(found).get(scene)
    if row is None:
        raise RejectedError("intrinsics", f"{HYPERSIM_CAMERAS} has no scene {scene}")
    m = np.array([[float(row[f"M_cam_from_uv_{i}{j}"]) for j in range(3)] for i in range(3)])
    if not (m[0, 0] > 0 and m[1, 1] > 0 and m[2, 2] < 0):
        raise RejectedError("lying_intrinsics", "M_cam_from_uv does not look forward")
    if np.abs(m[[0, 1, 2, 2], [1, 0, 0, 1]]).max() > HYPERSIM_TILT * -m[2, 2]:
        raise RejectedError("lying_intrinsics", "a tilted lens: no pinhole square to its axis")
    height, width = size
    if row.get("settings_output_img_width"):
        h, w = (float(row[f"settings_output_img_{side}"]) for side in ("height", "width"))
        if abs(h * width / (w * height) - 1) > 0.01:
            raise RejectedError("lying_intrinsics", f"given for {w:.0f}x{h:.0f}")
    # From the middle to the edge, u = 1, a ray moves m00 across per -m22 of depth; the ray along
    # the axis, across = 0, has u = -m02 / m00. Likewise down, but v points up.
    focal = -m[2, 2] * width / (2 * m[0, 0]), -m[2, 2] * height / (2 * m[1, 1])
    centre = width / 2 * (1 - m[0, 2] / m[0, 0]), height / 2 * (1 + m[1, 2] / m[1, 1])
    return check_pinhole(Pinhole(*focal, *centre), size)


@lru_cache(maxsize=4)
def _camera_table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["scene_name"]: row for row in csv.DictReader(file)}


def _hypersim_pose(detail: Path, camera: str, number: int) -> Matrix:
    folder = detail / camera
    frames = folder / "camera_keyframe_frame_indices.hdf5"
    index = number
    if frames.is_file():
        index = int(np.flatnonzero(_dataset(frames) == number)[0])
    rotation = _dataset(folder / "camera_keyframe_orientations.hdf5")[index]
    place = _dataset(folder / "camera_keyframe_positions.hdf5")[index]
    with (detail / "metadata_scene.csv").open(encoding="utf-8", newline="") as file:
        rows = {row[0]: row[1] for row in csv.reader(file) if len(row) >= 2}
    pose = np.eye(4)
    pose[:3, :3] = _UPRIGHT @ rotation @ np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = _UPRIGHT @ place * float(rows["meters_per_asset_unit"])
    return check_pose(pose)


def open_nyu(path: str | Path) -> ListedFrames:
    """NYU Depth v2: nyu_depth_v2_labeled.mat, or folders ROOM/rgb_NNNNN.jpg + sync_depth_NNNNN.png.

    The .mat is HDF5: images (N, 3, W, H) uint8 and rawDepths (N, W, H) z-depth in metres on the RGB
    camera's grid, 0 = none (`depths` is in-filled: made up in the holes, so it is not used). The
    synchronised folders that depth estimation trains on hold millimetres. Frames are cropped inside
    the white border. Intrinsics: the toolbox's RGB camera. Licence: not stated by its authors.
    """
    root = Path(path).expanduser()
    file = root if root.is_file() else root / "nyu_depth_v2_labeled.mat"
    if not file.is_file():
        return NYU_FOLDERS.open(path)
    try:
        with _h5py().File(file, "r") as opened:
            count = int(opened["images"].shape[0])
    except ConfigError:
        raise
    except Exception as error:  # of h5py, on damaged files
        raise_if_out_of_memory(error, str(file))
        raise ConfigError(f"{file}: no readable .mat ({one_line(error, 200)})") from error
    seen = (file.name,)
    items = [Item(f"labeled/{i:04d}", file.name, extra=str(i), seen=seen) for i in range(count)]
    return listed("nyu", file.parent, items, _read_nyu_mat, "images in the .mat file")


def _read_nyu_mat(root: Path, item: Item) -> Frame:
    number = int(item.extra)
    with _h5py().File(root / item.picture, "r") as opened:
        images, depths = opened["images"], opened["rawDepths"]
        for found in (images, depths):  # before anything is unpacked
            check_count(math.prod(found.shape[1:]), str(root / item.picture))
        image = np.asarray(images[number]).transpose(2, 1, 0)
        z_depth = np.asarray(depths[number]).T
    return _nyu_frame(item, image, z_depth, {"number": number})


def _read_nyu_pair(root: Path, item: Item) -> Frame:
    picture = root / item.picture
    depth = picture.with_name(f"sync_depth_{picture.stem.removeprefix('rgb_')}.png")
    z_depth = read_whole_numbers(depth) * np.float32(0.001)
    return _nyu_frame(item, read_picture(picture), z_depth, {"depth": below(root, depth)})


NYU_FOLDERS = Tree(
    "nyu",
    "**/rgb_*.jpg",
    lambda p: p.with_suffix("").as_posix(),
    _read_nyu_pair,
    "nyu_depth_v2_labeled.mat or ROOM/rgb_00000.jpg with sync_depth_00000.png",
)


def _nyu_frame(
    item: Item, image: npt.NDArray[Any], z_depth: npt.NDArray[Any], meta: dict[str, Any]
) -> Frame:
    """image: (480, 640, 3); z_depth: (480, 640) metres. Raises RejectedError for other sizes."""
    (height, width), (h, w) = size_of(image), z_depth.shape
    if (height, width) != (480, 640):
        raise RejectedError(
            "lying_intrinsics", f"the camera is known for 640x480, the picture is {width}x{height}"
        )
    if (h, w) != (480, 640):
        raise RejectedError("size", f"depth is {w}x{h}, not 640x480")
    rows, columns = NYU_FRAME
    inside = np.ascontiguousarray(image[rows, columns])
    centre = NYU_CENTRE[0] - 0.5 - columns.start, NYU_CENTRE[1] - 0.5 - rows.start
    lens = check_pinhole(Pinhole(*NYU_FOCAL, *centre), size_of(inside))
    return item.frame(inside, clean_map(z_depth[rows, columns]), lens, meta={"licence": "", **meta})


def open_dynamic_replica(path: str | Path) -> ListedFrames:
    """Dynamic Replica (non-commercial): frame_annotations_SPLIT.jgz with paths beside it.

    A record holds image and depth paths, and a viewpoint in PyTorch3D's form: focal length and
    principal point in "ndc_isotropic" units of half the shorter side, R and T for row vectors, x
    left and y up. NAME.geometric.png are float16 bit patterns in 16 bits: z-depth [m], times
    scale_adjustment (as Meta's own loader decodes them).
    """
    root = check_folder(path, "frames")
    items: list[Item] = []
    for file in sorted(root.glob("**/frame_annotations_*.jgz")):
        seen = (below(root, file),)
        for record in _annotations(file):
            picture = f"{below(root, file.parent)}/{record['image']['path']}"
            name = re.sub(r"^\./", "", str(Path(picture).with_suffix("")))
            extra = json.dumps(record, sort_keys=True)
            items.append(Item(name, picture, extra=extra, seen=seen))
    looked_for = "frame_annotations_train.jgz"
    return listed("dynamic_replica", root, items, _read_dynamic_replica, looked_for)


def _annotations(file: Path) -> list[dict[str, Any]]:
    """The records of a frame_annotations file. Raises ConfigError."""
    try:
        with gzip.open(file, "rb") as opened:
            text = opened.read(MAX_ANNOTATION_BYTES + 1)
        if len(text) > MAX_ANNOTATION_BYTES:
            raise ValueError(f"unpacks to more than {MAX_ANNOTATION_BYTES >> 20} MiB")
        records: list[dict[str, Any]] = json.loads(text)
        for record in records:
            if not isinstance(record["image"]["path"], str):
                raise TypeError("an image's path is no text")
    except (OSError, ValueError, EOFError, zlib.error, LookupError, TypeError) as error:
        told = one_line(error, 200)
        raise ConfigError(f"{file}: cannot be read as frame annotations ({told})") from error
    except RecursionError:
        raise ConfigError(f"{file}: nested too deeply for frame annotations") from None
    return records


def _read_dynamic_replica(root: Path, item: Item) -> Frame:
    record = json.loads(item.extra)
    image = read_picture(root / item.picture)
    view = record.get("viewpoint")
    if not view:
        raise RejectedError("intrinsics", "no viewpoint in the annotations")
    if view.get("intrinsics_format", "ndc_isotropic") != "ndc_isotropic":
        raise RejectedError(
            "intrinsics", f"intrinsics in {view['intrinsics_format']}, not ndc_isotropic"
        )
    height, width = (int(v) for v in record["image"]["size"])
    half = min(height, width) / 2
    (fx, fy), (cx, cy) = view["focal_length"], view["principal_point"]
    given = Pinhole(fx * half, fy * half, width / 2 - cx * half, height / 2 - cy * half)
    depth = record["depth"]["path"]
    place = root / item.picture.removesuffix(record["image"]["path"])
    codes = read_whole_numbers(place / depth)
    scale = np.float32(record["depth"].get("scale_adjustment") or 1.0)
    return item.frame(
        image,
        clean_map(codes.view(np.float16)) * scale,
        check_pinhole(given, size_of(image), stated_size=(height, width)),
        pose=_pytorch3d_pose(view),
        meta={"licence": "non-commercial", "image": record["image"]["path"], "depth": depth},
    )


def _pytorch3d_pose(view: dict[str, Any]) -> Matrix:
    """X_camera = X_world R + T with x left, y up becomes camera to world with x right, y down."""
    flip = np.diag([-1.0, -1.0, 1.0])
    rotation = flip @ np.array(view["R"], np.float64).T
    shift = flip @ np.array(view["T"], np.float64)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.T, -rotation.T @ shift
    return check_pose(pose)


def _dataset(path: Path) -> npt.NDArray[Any]:
    """The array "dataset" of an HDF5 file, the only one in Hypersim's. Raises InputError."""
    try:
        with _h5py().File(path, "r") as opened:
            stored = opened["dataset"]
            check_count(stored.size, str(path))
            return np.asarray(stored[()])
    except InputError:
        raise
    except Exception as error:  # of h5py, on damaged files
        raise_if_out_of_memory(error, str(path))
        raise InputError(f"{path}: no readable HDF5 dataset ({one_line(error, 200)})") from error


def _h5py() -> Any:
    require("an HDF5 file", "curate", "h5py")
    import h5py

    return h5py

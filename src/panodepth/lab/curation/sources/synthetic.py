"""Rendered public sets with exact depth, in the trees that they are published in.

Where each fact comes from is said at each reader. Principal points are moved to our coordinates,
in which the first pixel's centre is at (0.5, 0.5). None of these sets was at hand: what could only
be read in other people's readers, not checked on files, is marked "not verified".
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from panodepth.errors import InputError
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.rotation import rotation_from_quaternion
from panodepth.images.arrays import read_npy
from panodepth.lab.curation.frame import (
    Frame,
    Matrix,
    RejectedError,
    check_pinhole,
    clean_map,
    pinhole_from_fov,
    size_of,
)
from panodepth.lab.curation.sources.base import (
    Item,
    Tree,
    below,
    check_pose,
    pose_from_world_to_camera,
    read_picture,
    read_whole_numbers,
    require_file,
)
from panodepth.lab.data.distances import DistanceFile
from panodepth.lab.data.source import read_json

VKITTI2_FAR = 65535  # the farthest value that 16 bits of centimetres can say: the sky
SKY_Z = 10_000.0  # TartanAir's documentation and readers of UnrealStereo4K: beyond it is the sky


def _read_vkitti2(root: Path, item: Item) -> Frame:
    """Virtual KITTI 2 (CC BY-NC-SA 3.0): SceneNN/VARIATION/frames/{rgb,depth}/Camera_N/....

    depth_00000.png is z-depth in centimetres, 65535 = sky (Virtual KITTI 2's own format page, as
    its public readers quote it). intrinsic.txt and extrinsic.txt (world to camera) have one line
    per frame and camera; K = 725.0087, centre (620.5, 187) of 1242x375: integer pixel centres.
    """
    picture = root / item.picture
    image, place = read_picture(picture), picture.parents[3]
    camera, number = picture.parent.name, picture.stem.removeprefix("rgb_")
    line = [str(int(number)), camera.removeprefix("Camera_")]
    fx, fy, cx, cy = _table_row(require_file(place / "intrinsic.txt", place), line, 4)
    extrinsic, pose = place / "extrinsic.txt", None
    if extrinsic.is_file():
        matrix = np.array(_table_row(extrinsic, line, 16)).reshape(4, 4)
        pose = pose_from_world_to_camera(matrix)
    depth = place / "frames" / "depth" / camera / f"depth_{number}.png"
    codes = read_whole_numbers(depth)
    return item.frame(
        image,
        clean_map(codes * np.float32(0.01), codes == VKITTI2_FAR),
        check_pinhole(Pinhole(fx, fy, cx + 0.5, cy + 0.5), size_of(image)),
        pose=pose,
        meta={"licence": "CC BY-NC-SA 3.0", "depth": below(root, depth)},
    )


def _table_row(path: Path, line: list[str], count: int) -> list[float]:
    """The `count` numbers of the line "frame camera v v v ..." in a text file with a header."""
    for text in path.read_text(encoding="utf-8").splitlines():
        cells = text.split()
        if cells[:2] == line and len(cells) == count + 2:
            return [float(cell) for cell in cells[2:]]
    raise RejectedError(
        "intrinsics", f"{path.name} has no line of frame {line[0]}, camera {line[1]}"
    )


VKITTI2 = Tree(
    "vkitti2",
    "**/frames/rgb/Camera_*/rgb_*.jpg",
    lambda p: f"{p.parents[3].as_posix()}/{p.parent.name}/{p.stem.removeprefix('rgb_')}",
    _read_vkitti2,
    "SceneNN/VARIATION/frames/rgb/Camera_N/rgb_00000.jpg",
)


def _read_mvs_synth(root: Path, item: Item) -> Frame:
    """MVS-Synth (non-commercial): NNNN/{images/NNNN.png, depths/NNNN.exr, poses/NNNN.json}.

    Depth is along the axis, inf = sky; the JSON holds f_x, f_y, c_x, c_y and the extrinsic, world
    to camera, in a left-handed world. The unit is the game's (readers guess 0.1 m): "relative". Not
    verified: whether c_x counts from the first pixel's centre; it is taken as it is.
    """
    picture = root / item.picture
    image, place = read_picture(picture), picture.parents[1]
    camera = require_file(place / "poses" / f"{picture.stem}.json", root)
    said = read_json(camera)
    if not {"f_x", "f_y", "c_x", "c_y"} <= set(said):
        raise RejectedError("intrinsics", f"{below(root, camera)} has no f_x, f_y, c_x, c_y")
    given = Pinhole(*(float(said[key]) for key in ("f_x", "f_y", "c_x", "c_y")))
    depth = place / "depths" / f"{picture.stem}.exr"
    return item.frame(
        image,
        clean_map(DistanceFile()(depth).distance),
        check_pinhole(given, size_of(image)),
        unit="relative",
        pose=pose_from_world_to_camera(np.array(said["extrinsic"], np.float64)),
        meta={"licence": "non-commercial", "depth": below(root, depth)},
    )


MVS_SYNTH = Tree(
    "mvs_synth",
    "**/images/*.png",
    lambda p: f"{p.parents[1].as_posix()}/{p.stem}",
    _read_mvs_synth,
    "NNNN/images/NNNN.png with depths/NNNN.exr and poses/NNNN.json",
)


def _read_unrealstereo4k(root: Path, item: Item) -> Frame:
    """UnrealStereo4K (MIT): NNNNN/{Image,Disp,Extrinsics}{0,1}/NNNNN.{png,npy,txt}.

    z-depth = baseline x fx / disparity [m]; the baseline is the distance of the two cameras' places
    (0.2 indoors and 0.5 outdoors, say its authors, but for scene 00000, whose unit is not known:
    "relative"). Extrinsics: nine numbers of K, then twelve of [R|t], world to camera. Depths beyond
    10 km are the sky. Not verified: the principal point's origin; it is taken as it is.
    """
    picture = root / item.picture
    image, place, side = read_picture(picture), picture.parents[1], picture.parent.name[-1]
    cameras = [_unreal_camera(place / f"Extrinsics{k}" / f"{picture.stem}.txt") for k in "01"]
    lens, world_to_camera = cameras[int(side)]
    lens = check_pinhole(lens, size_of(image))
    places = [np.linalg.inv(matrix)[:3, 3] for _, matrix in cameras]
    baseline = float(np.linalg.norm(places[0] - places[1]))
    if not baseline > 0:
        raise RejectedError("lying_intrinsics", "both cameras are at one place: no baseline")
    disparity = place / f"Disp{side}" / f"{picture.stem}.npy"
    with np.errstate(divide="ignore", invalid="ignore"):
        z_depth = baseline * lens.fx / np.abs(read_npy(disparity))
    facts = {"depth": below(root, disparity), "baseline": round(baseline, 6)}
    return item.frame(
        image,
        clean_map(z_depth, z_depth > SKY_Z),
        lens,
        unit="relative" if place.name == "00000" else "m",
        pose=pose_from_world_to_camera(world_to_camera),
        meta={"licence": "MIT", **facts},
    )


def _unreal_camera(path: Path) -> tuple[Pinhole, Matrix]:
    """The lens, and [R|t] as (4, 4), world to camera."""
    require_file(path, path.parents[1])
    values = [float(v) for v in path.read_text(encoding="utf-8").split()]
    if len(values) != 21:
        raise RejectedError(
            "intrinsics", f"{path.parent.name}/{path.name} has {len(values)} numbers"
        )
    world_to_camera = np.eye(4)
    world_to_camera[:3] = np.array(values[9:]).reshape(3, 4)
    return Pinhole.from_matrix(np.array(values[:9]).reshape(3, 3)), world_to_camera


UNREALSTEREO4K = Tree(
    "unrealstereo4k",
    "**/Image[01]/*.png",
    lambda p: f"{p.parents[1].as_posix()}/{p.stem}_{p.parent.name[-1]}",
    _read_unrealstereo4k,
    "NNNNN/Image0/NNNNN.png with Disp0 and Extrinsics0",
)


def _read_ken_burns(root: Path, item: Item) -> Frame:
    """3D Ken Burns (CC BY-NC-SA 4.0): SCENE/NNNNN-{tl,tr,bl,br}-image.png and NNNNN-meta.json.

    NNNNN-XX-depth.exr lies beside the picture or in SCENE-depth/ (colour and depth are two
    archives of one scene). fltFov of the JSON is the angle [deg] of the longer side. Depth is along
    the axis (its author: disparity = f x 20 / depth); its unit is not stated: "relative".
    """
    picture = root / item.picture
    image = read_picture(picture)
    meta_file = picture.with_name(f"{picture.stem[: -len('-xx-image')]}-meta.json")
    said = read_json(meta_file) if meta_file.is_file() else {}
    if not isinstance(said.get("fltFov"), int | float):
        raise RejectedError("intrinsics", f"no fltFov in {below(root, meta_file)}")
    height, width = size_of(image)
    longer = max(height, width)
    focal = pinhole_from_fov(float(said["fltFov"]), (longer, longer)).fx
    depth = picture.with_name(picture.name.replace("-image.png", "-depth.exr"))
    apart = picture.parent.with_name(f"{picture.parent.name}-depth") / depth.name
    if not depth.is_file() and apart.is_relative_to(root):
        depth = apart
    return item.frame(
        image,
        clean_map(DistanceFile()(depth).distance),
        check_pinhole(Pinhole(focal, focal, width / 2, height / 2), (height, width)),
        unit="relative",
        meta={"licence": "CC BY-NC-SA 4.0", "depth": below(root, depth)},
    )


def _ken_burns_name(picture: Path) -> str:
    known = re.fullmatch(r".+-(tl|tr|bl|br)-image", picture.stem)
    return picture.as_posix().removesuffix("-image.png") if known else ""


KEN_BURNS = Tree(
    "ken_burns",
    "**/*-image.png",
    _ken_burns_name,
    _read_ken_burns,
    "SCENE/NNNNN-bl-image.png with NNNNN-bl-depth.exr and NNNNN-meta.json",
)


def _read_tartanair(root: Path, item: Item) -> Frame:
    """TartanAir (CC BY 4.0): ENV/{Easy,Hard}/PNNN/{image,depth}_{left,right}/NNNNNN_left....

    Its data_type.md: 640x480, fx = fy = 320, centre (320, 240), 90°; NNNNNN_left_depth.npy is depth
    in metres (disparity = 80 / depth: along the axis), 10,000 and beyond in the sky; pose_left.txt
    has tx ty tz qx qy qz qw per frame, camera to world, both x forward, y right, z down (level).
    """
    picture = root / item.picture
    image, place = read_picture(picture), picture.parents[1]
    side = picture.parent.name.removeprefix("image_")
    lens = Pinhole(320.0, 320.0, 320.0, 240.0)
    depth = place / f"depth_{side}" / f"{picture.stem}_depth.npy"
    z_depth = read_npy(depth)
    poses = place / f"pose_{side}.txt"
    pose = _tartanair_pose(poses, int(picture.stem.split("_")[0])) if poses.is_file() else None
    return item.frame(
        image,
        clean_map(z_depth, z_depth >= SKY_Z),
        check_pinhole(lens, size_of(image), stated_size=(480, 640)),
        pose=pose,
        level=pose is not None,
        meta={"licence": "CC BY 4.0", "depth": below(root, depth)},
    )


def _tartanair_pose(path: Path, number: int) -> Matrix:
    lines = path.read_text(encoding="utf-8").splitlines()
    if number >= len(lines):
        raise InputError(f"{path}: {len(lines)} poses, the frame is number {number}")
    x, y, z, qx, qy, qz, qw = (float(v) for v in lines[number].split())
    if not any((qx, qy, qz, qw)):
        raise RejectedError("lying_intrinsics", "the pose's quaternion is zero")
    pose = np.eye(4)
    pose[:3, :3] = rotation_from_quaternion(np.array([qw, qx, qy, qz]))
    pose[:3, 3] = x, y, z
    axes = np.eye(4)  # columns: our right, down, forward in its forward, right, down
    axes[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    return check_pose(axes.T @ pose @ axes)


def _tartanair_name(picture: Path) -> str:
    if picture.parent.name not in ("image_left", "image_right"):
        return ""
    return f"{picture.parents[1].as_posix()}/{picture.stem}"


TARTANAIR = Tree(
    "tartanair",
    "**/image_*/*.png",
    _tartanair_name,
    _read_tartanair,
    "ENV/Easy/P000/image_left/000000_left.png with depth_left/000000_left_depth.npy",
)

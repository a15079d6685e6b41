"""Rendered public sets with exact depth, in the trees that they are published in.

Where each fact comes from is said at each reader. Principal points are moved to our coordinates,
in which the first pixel's centre is at (0.5, 0.5). None of these sets was at hand: what could only
be read in other people's readers, not checked on files, is marked "not verified".
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from panodepth.errors import InputError
from panodepth.lab.curation.frame import (
    Frame,
    Matrix,
    Refused,
    check_pinhole,
    clean_depth,
    pinhole,
    pinhole_from_fov,
)
from panodepth.lab.curation.sources.base import (
    Item,
    ListedFrames,
    below,
    check_pose,
    check_root,
    listed,
    pose_from_world_to_camera,
    read_exr_plane,
    read_json,
    read_numpy,
    read_picture,
    read_whole_numbers,
)
from panodepth.types import FloatArray

VKITTI2_FAR = 65535  # the farthest value that 16 bits of centimetres can say: the sky
SKY_Z = 10_000.0  # TartanAir's documentation and readers of UnrealStereo4K: beyond it is the sky


def open_vkitti2(path: str | Path) -> ListedFrames:
    """Virtual KITTI 2 (CC BY-NC-SA 3.0): SceneNN/VARIATION/frames/{rgb,depth}/Camera_N/....

    depth_00000.png is z-depth in centimetres, 65535 = sky (Virtual KITTI 2's own format page, as
    its public readers quote it). intrinsic.txt and extrinsic.txt (world to camera) have one line
    per frame and camera; K = 725.0087, centre (620.5, 187) of 1242x375: integer pixel centres.
    """
    root = check_root(path)
    items: list[Item] = []
    for picture in sorted(root.glob("**/frames/rgb/Camera_*/rgb_*.jpg")):
        camera, place = picture.parent.name, picture.parents[3]
        number = picture.stem.removeprefix("rgb_")
        depth = place / "frames" / "depth" / camera / f"depth_{number}.png"
        name = f"{below(root, place)}/{camera}/{number}"
        text = (below(root, place), camera.removeprefix("Camera_"), str(int(number)))
        items.append((name, "", below(root, picture), below(root, depth), *text))
    looked_for = "SceneNN/VARIATION/frames/rgb/Camera_N/rgb_00000.jpg"
    return listed("vkitti2", root, items, _read_vkitti2, looked_for)


def _read_vkitti2(root: Path, item: Item) -> Frame:
    name, group, picture, depth, place, camera, number = item
    image = read_picture(root / picture)
    values = _table_row(root / place / "intrinsic.txt", number, camera, 4)
    fx, fy, cx, cy = values
    intrinsics = check_pinhole(
        pinhole(fx, fy, cx + 0.5, cy + 0.5), (image.shape[0], image.shape[1])
    )
    extrinsic = root / place / "extrinsic.txt"
    pose = None
    if extrinsic.is_file():
        matrix = np.array(_table_row(extrinsic, number, camera, 16)).reshape(4, 4)
        pose = pose_from_world_to_camera(matrix)
    codes = read_whole_numbers(root / depth)
    meta = {"licence": "CC BY-NC-SA 3.0", "image": picture, "depth": depth}
    z_depth = clean_depth(codes * np.float32(0.01), codes == VKITTI2_FAR)
    return Frame(name, image, z_depth, intrinsics, pose=pose, group=group, meta=meta)


def _table_row(path: Path, number: str, camera: str, count: int) -> list[float]:
    """The `count` numbers of the line "frame camera v v v ..." in a text file with a header."""
    if not path.is_file():
        raise Refused("intrinsics", f"no {path.name}")
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split()
        if cells[:2] == [number, camera] and len(cells) == count + 2:
            return [float(cell) for cell in cells[2:]]
    raise Refused("intrinsics", f"{path.name} has no line of frame {number}, camera {camera}")


def open_mvs_synth(path: str | Path) -> ListedFrames:
    """MVS-Synth (non-commercial): NNNN/{images/NNNN.png, depths/NNNN.exr, poses/NNNN.json}.

    Depth is along the axis, inf = sky; the JSON holds f_x, f_y, c_x, c_y and the extrinsic, world
    to camera, in a left-handed world. The unit is the game's (readers guess 0.1 m): "relative". Not
    verified: whether c_x counts from the first pixel's centre; it is taken as it is.
    """
    root = check_root(path)
    items: list[Item] = []
    for picture in sorted(root.glob("**/images/*.png")):
        place = picture.parents[1]
        depth = place / "depths" / f"{picture.stem}.exr"
        camera = place / "poses" / f"{picture.stem}.json"
        files = (below(root, picture), below(root, depth), below(root, camera))
        items.append((f"{below(root, place)}/{picture.stem}", "", *files))
    looked_for = "NNNN/images/NNNN.png with depths/NNNN.exr and poses/NNNN.json"
    return listed("mvs_synth", root, items, _read_mvs_synth, looked_for)


def _read_mvs_synth(root: Path, item: Item) -> Frame:
    name, group, picture, depth, camera = item
    image = read_picture(root / picture)
    if not (root / camera).is_file():
        raise Refused("intrinsics", f"no {camera}")
    said = read_json(root / camera)
    if not {"f_x", "f_y", "c_x", "c_y"} <= set(said):
        raise Refused("intrinsics", f"{camera} has no f_x, f_y, c_x, c_y")
    given = pinhole(*(float(said[key]) for key in ("f_x", "f_y", "c_x", "c_y")))
    size = (image.shape[0], image.shape[1])
    return Frame(
        name=name,
        image=image,
        depth=clean_depth(read_exr_plane(root / depth)),
        intrinsics=check_pinhole(given, size),
        unit="relative",
        pose=pose_from_world_to_camera(np.array(said["extrinsic"], np.float64)),
        group=group,
        meta={"licence": "non-commercial", "image": picture, "depth": depth},
    )


def open_unrealstereo4k(path: str | Path) -> ListedFrames:
    """UnrealStereo4K (MIT): NNNNN/{Image,Disp,Extrinsics}{0,1}/NNNNN.{png,npy,txt}.

    z-depth = baseline x fx / disparity [m]; the baseline is the distance of the two cameras' places
    (0.2 indoors and 0.5 outdoors, say its authors, but for scene 00000, whose unit is not known:
    "relative"). Extrinsics: nine numbers of K, then twelve of [R|t], world to camera. Depths beyond
    10 km are the sky. Not verified: the principal point's origin; it is taken as it is.
    """
    root = check_root(path)
    items: list[Item] = []
    for picture in sorted(root.glob("**/Image[01]/*.png")):
        side, place = picture.parent.name[-1], picture.parents[1]
        disparity = place / f"Disp{side}" / f"{picture.stem}.npy"
        names = (below(root, picture), below(root, disparity), below(root, place), picture.stem)
        items.append((f"{below(root, place)}/{picture.stem}_{side}", "", *names, side))
    looked_for = "NNNNN/Image0/NNNNN.png with Disp0 and Extrinsics0"
    return listed("unrealstereo4k", root, items, _read_unrealstereo4k, looked_for)


def _read_unrealstereo4k(root: Path, item: Item) -> Frame:
    name, group, picture, disparity, place, stem, side = item
    image = read_picture(root / picture)
    cameras = [_unreal_camera(root / place / f"Extrinsics{k}" / f"{stem}.txt") for k in "01"]
    intrinsics, world_to_camera = cameras[int(side)]
    intrinsics = check_pinhole(intrinsics, (image.shape[0], image.shape[1]))
    places = [np.linalg.inv(matrix)[:3, 3] for _, matrix in cameras]
    baseline = float(np.linalg.norm(places[0] - places[1]))
    if not baseline > 0:
        raise Refused("lying_intrinsics", "both cameras are at one place, so there is no baseline")
    with np.errstate(divide="ignore", invalid="ignore"):
        z_depth = baseline * intrinsics[0, 0] / np.abs(read_numpy(root / disparity))
    unit = "relative" if Path(place).name == "00000" else "m"
    meta = {"licence": "MIT", "image": picture, "depth": disparity, "baseline": round(baseline, 6)}
    return Frame(
        name=name,
        image=image,
        depth=clean_depth(z_depth, z_depth > SKY_Z),
        intrinsics=intrinsics,
        unit=unit,
        pose=pose_from_world_to_camera(world_to_camera),
        group=group,
        meta=meta,
    )


def _unreal_camera(path: Path) -> tuple[Matrix, Matrix]:
    """K (3, 3) and [R|t] as (4, 4), world to camera."""
    if not path.is_file():
        raise Refused("intrinsics", f"no {path.parent.name}/{path.name}")
    values = [float(v) for v in path.read_text(encoding="utf-8").split()]
    if len(values) != 21:
        raise Refused("intrinsics", f"{path.parent.name}/{path.name} has {len(values)} numbers")
    world_to_camera = np.eye(4)
    world_to_camera[:3] = np.array(values[9:]).reshape(3, 4)
    return np.array(values[:9]).reshape(3, 3), world_to_camera


def open_ken_burns(path: str | Path) -> ListedFrames:
    """3D Ken Burns (CC BY-NC-SA 4.0): SCENE/NNNNN-{tl,tr,bl,br}-image.png and NNNNN-meta.json.

    NNNNN-XX-depth.exr lies beside the picture or in SCENE-depth/ (colour and depth are two
    archives of one scene). fltFov of the JSON is the angle [deg] of the longer side. Depth is along
    the axis (its author: disparity = f x 20 / depth); its unit is not stated: "relative".
    """
    root = check_root(path)
    items: list[Item] = []
    for picture in sorted(root.glob("**/*-image.png")):
        sample = re.fullmatch(r"(.+)-(tl|tr|bl|br)-image", picture.stem)
        if sample is None:
            continue
        depth = picture.with_name(f"{sample[1]}-{sample[2]}-depth.exr")
        if not depth.is_file():
            depth = picture.parent.with_name(f"{picture.parent.name}-depth") / depth.name
        meta = picture.with_name(f"{sample[1]}-meta.json")
        shown = depth if depth.is_relative_to(root) else picture.with_name(depth.name)
        files = (below(root, picture), below(root, shown), below(root, meta))
        items.append((below(root, picture).removesuffix("-image.png"), "", *files))
    looked_for = "SCENE/NNNNN-bl-image.png with NNNNN-bl-depth.exr and NNNNN-meta.json"
    return listed("ken_burns", root, items, _read_ken_burns, looked_for)


def _read_ken_burns(root: Path, item: Item) -> Frame:
    name, group, picture, depth, meta_name = item
    image = read_picture(root / picture)
    said = read_json(root / meta_name) if (root / meta_name).is_file() else {}
    if not isinstance(said.get("fltFov"), int | float):
        raise Refused("intrinsics", f"no fltFov in {meta_name}")
    height, width = image.shape[:2]
    longer = max(height, width)
    of_longer = pinhole_from_fov(float(said["fltFov"]), (longer, longer))[0, 0]
    intrinsics = check_pinhole(
        pinhole(of_longer, of_longer, width / 2, height / 2), (height, width)
    )
    meta = {"licence": "CC BY-NC-SA 4.0", "image": picture, "depth": depth}
    z_depth = clean_depth(read_exr_plane(root / depth))
    return Frame(name, image, z_depth, intrinsics, unit="relative", group=group, meta=meta)


def open_tartanair(path: str | Path) -> ListedFrames:
    """TartanAir (CC BY 4.0): ENV/{Easy,Hard}/PNNN/{image,depth}_{left,right}/NNNNNN_left....

    Its data_type.md: 640x480, fx = fy = 320, centre (320, 240), 90°; NNNNNN_left_depth.npy is depth
    in metres (disparity = 80 / depth: along the axis), 10,000 and beyond in the sky; pose_left.txt
    has tx ty tz qx qy qz qw per frame, camera to world, both x forward, y right, z down (level).
    """
    root = check_root(path)
    items: list[Item] = []
    for picture in sorted(root.glob("**/image_*/*.png")):
        place, side = picture.parents[1], picture.parent.name.removeprefix("image_")
        if side not in ("left", "right"):
            continue
        depth = place / f"depth_{side}" / f"{picture.stem}_depth.npy"
        files = (below(root, picture), below(root, depth), below(root, place / f"pose_{side}.txt"))
        number = str(int(picture.stem.split("_")[0]))
        items.append((f"{below(root, place)}/{picture.stem}", "", *files, number))
    looked_for = "ENV/Easy/P000/image_left/000000_left.png with depth_left/000000_left_depth.npy"
    return listed("tartanair", root, items, _read_tartanair, looked_for)


def _read_tartanair(root: Path, item: Item) -> Frame:
    name, group, picture, depth, poses, number = item
    image = read_picture(root / picture)
    intrinsics = check_pinhole(
        pinhole(320.0, 320.0, 320.0, 240.0),
        (image.shape[0], image.shape[1]),
        stated_size=(480, 640),
    )
    values = read_numpy(root / depth)
    pose = _tartanair_pose(root / poses, int(number)) if (root / poses).is_file() else None
    z_depth: FloatArray = clean_depth(values, values >= SKY_Z)
    meta = {"licence": "CC BY 4.0", "image": picture, "depth": depth}
    return Frame(
        name, image, z_depth, intrinsics, pose=pose, level=pose is not None, group=group, meta=meta
    )


def _tartanair_pose(path: Path, number: int) -> Matrix:
    lines = path.read_text(encoding="utf-8").splitlines()
    if number >= len(lines):
        raise InputError(f"{path}: {len(lines)} poses, the frame is number {number}")
    x, y, z, *quaternion = (float(v) for v in lines[number].split())
    pose = np.eye(4)
    pose[:3, :3] = _rotation(*quaternion)
    pose[:3, 3] = x, y, z
    axes = np.eye(4)
    axes[:3, :3] = [
        [0, 0, 1],
        [1, 0, 0],
        [0, 1, 0],
    ]  # right, down, forward in (forward, right, down)
    return check_pose(axes.T @ pose @ axes)


def _rotation(x: float, y: float, z: float, w: float) -> Matrix:
    """(3, 3) of a quaternion of any length."""
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not length > 0:
        raise Refused("lying_intrinsics", "the pose's quaternion is zero")
    x, y, z, w = (v / length for v in (x, y, z, w))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )

"""Your own frames: plain folders, the frames of `panodepth render --views`, and meta.json lists.

    NAME.{png,jpg,...}                       the picture
    NAME_distance.{npz,npy,exr,tiff,png}     along the ray; an npz may hold `z_depth` and `sky` too
    NAME_depth.{npz,npy,exr,tiff,png}        or: along the axis
    NAME.json                                optional: "intrinsics" (3x3) or "x_fov_deg", "pose"
    camera.json                              optional, for all frames: the same keys, and "unit",
                                             "scale" of whole numbers, "licence"

Pictures without a depth file are taken only where depth is to be estimated. A folder with meta.json
is of the other form (`open_listed`): pairs of names, one pinhole camera, a sentence on the depth,
and optionally a trajectory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import ConfigError, InputError
from panodepth.lab.curation.frame import (
    DepthKind,
    Frame,
    Matrix,
    Refused,
    check_both_depths,
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
    read_json,
    read_picture,
    read_whole_numbers,
)
from panodepth.lab.data.distances import DISTANCE_SUFFIXES, DistanceFile
from panodepth.types import FloatArray

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
CAMERA_FILE, LIST_FILE = "camera.json", "meta.json"
_VIEW = re.compile(r"(.+)_v\d+")  # frames that `panodepth render --views` writes
_NO_FRAME = re.compile(r"^\.|_(depth|distance|mask|preview|normals)$")
_LISTED_DEPTH = re.compile(r"value / (\d+)")


def open_frames(path: str | Path, *, without_depth: bool = False) -> ListedFrames:
    """A folder of frames, nested as you like; see the head of this module.

    without_depth: take pictures that have no depth file, too. Raises ConfigError when nothing is
    found.
    """
    root = check_root(path)
    if (root / LIST_FILE).is_file():
        return open_listed(root)
    depths = {}  # NAME -> its depth file
    for file in sorted(p for p in root.rglob("*") if p.suffix.lower() in DISTANCE_SUFFIXES):
        stem, _, ending = file.stem.rpartition("_")
        if ending in ("distance", "depth") and not file.name.startswith("."):
            depths[below(root, file.with_name(stem))] = below(root, file)
    if without_depth:
        found = (p for p in root.rglob("*") if p.suffix.lower() in PICTURES)
        names = {below(root, p.with_suffix("")) for p in found if not _NO_FRAME.search(p.stem)}
        depths = dict.fromkeys(sorted(names), "") | depths
    items: list[Item] = []
    for name in sorted(depths):
        pictures = [root / f"{name}{suffix}" for suffix in PICTURES]
        picture = next((file for file in pictures if file.is_file()), pictures[0])
        view = _VIEW.fullmatch(name)
        items.append((name, view[1] if view else "", below(root, picture), depths[name]))
    looked_for = (
        "NAME.png" if without_depth else "NAME.png with NAME_distance.npz or NAME_depth.png"
    )
    return listed(root.resolve().name, root, items, _read_frame, looked_for)


def _read_frame(root: Path, item: Item) -> Frame:
    name, group, picture, depth_name = item
    image = read_picture(root / picture)
    size = (image.shape[0], image.shape[1])
    own = root / f"{name}.json"
    said = {**_camera_file(root, own.parent), **(read_json(own) if own.is_file() else {})}
    intrinsics = _intrinsics(said, size)
    kind: DepthKind = "distance" if Path(depth_name).stem.endswith("_distance") else "z_depth"
    values, unit = None, "relative"
    if depth_name:
        values, unit = _values(root / depth_name, kind, said, intrinsics)
    meta = {k: said[k] for k in ("licence", "credit", "seed", "index", "view") if k in said}
    pose = said.get("pose")
    return Frame(
        name=name,
        image=image,
        depth=values,
        intrinsics=intrinsics,
        kind=kind,
        unit=unit,
        pose=None if pose is None else check_pose(np.array(pose, np.float64)),
        level=bool(said.get("level", "view to panorama" in str(said.get("frame", "")))),
        group=group,
        meta={**meta, "image": picture, **({"depth": depth_name} if depth_name else {})},
    )


def _camera_file(root: Path, folder: Path) -> dict[str, Any]:
    """camera.json of the frame's folder, else of the folders above it up to the source's."""
    for place in (folder, *folder.parents):
        if (place / CAMERA_FILE).is_file():
            said = read_json(place / CAMERA_FILE)
            if not isinstance(said, dict):
                raise InputError(f"{place / CAMERA_FILE}: expected a JSON object")
            return said
        if place == root:
            break
    return {}


def _intrinsics(said: dict[str, Any], size: tuple[int, int]) -> Matrix:
    fov = said.get("x_fov_deg", said.get("fov_deg"))
    given = said.get("intrinsics")
    if given is None:
        if fov is None:
            raise Refused(
                "intrinsics", 'give "intrinsics" or "x_fov_deg" in NAME.json or camera.json'
            )
        return pinhole_from_fov(float(fov), size)
    if isinstance(given, dict):
        centre = (given.get("cx"), given.get("cy"))
        if None in (given.get("fx"), given.get("fy"), *centre):
            raise Refused("intrinsics", "fx, fy, cx and cy are needed")
        half = 0.5 if given.get("centre") == "integer" else 0.0
        given_at = pinhole(
            float(given["fx"]),
            float(given["fy"]),
            float(given["cx"]) + half,
            float(given["cy"]) + half,
        )
    else:
        given_at = np.array(given, np.float64)
    stated = (int(said["height"]), int(said["width"])) if {"height", "width"} <= set(said) else None
    stated_fov = None if fov is None else float(fov)
    return check_pinhole(given_at, size, stated_size=stated, stated_fov_deg=stated_fov)


def _values(
    file: Path, kind: DepthKind, said: dict[str, Any], intrinsics: Matrix
) -> tuple[FloatArray, str]:
    """Depth (h, w) and its unit."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            key = kind if kind in arrays else "depth"
            if key not in arrays:
                raise InputError(f"{file}: no array {kind!r}; it has {', '.join(arrays.files)}")
            sky = arrays["sky"].astype(bool) if "sky" in arrays else None
            values = clean_depth(arrays[key], sky)
            other = "z_depth" if kind == "distance" else "distance"
            if other in arrays:
                pair = {kind: values, other: clean_depth(arrays[other])}
                check_both_depths(pair["distance"], pair["z_depth"], intrinsics)
        return values, str(said.get("unit", "relative"))
    read = DistanceFile(scale=said.get("scale"), unit=said.get("unit"))(file)
    return clean_depth(read.distance), read.unit or "relative"


def open_listed(path: str | Path) -> ListedFrames:
    """Sensor frames listed by meta.json: the form of our TUM RGB-D and Redwood samples.

    meta.json: "pairs" [[picture, depth], ...]; "intrinsics" {fx, fy, cx, cy, width, height} with
    integer pixel centres, as both benchmarks give them; "depth", a sentence that holds "value / N"
    (metres = value / N, z-depth, 0 = none); "trajectory", optional: a file of camera-to-world
    matrices in Redwood's .log form. Their worlds are not level. Raises ConfigError.
    """
    root = check_root(path)
    try:
        said = read_json(root / LIST_FILE)
        pairs = [(str(a), str(b)) for a, b in said["pairs"]]
        steps = _LISTED_DEPTH.search(str(said["depth"]))
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{root / LIST_FILE}: no list of frames ({error})") from error
    if steps is None:
        raise ConfigError(f"{root / LIST_FILE}: 'depth' does not say 'value / N'")
    group = root.resolve().name
    items: list[Item] = [
        (f"{group}/{Path(picture).stem}", group, picture, depth, str(number), steps[1])
        for number, (picture, depth) in enumerate(pairs)
    ]
    return listed(group, root, items, _read_listed, "pairs in meta.json")


def _read_listed(root: Path, item: Item) -> Frame:
    name, group, picture, depth, number, steps = item
    said = read_json(root / LIST_FILE)
    image = read_picture(root / picture)
    size = (image.shape[0], image.shape[1])
    given = said.get("intrinsics")
    if not isinstance(given, dict):
        raise Refused("intrinsics", f"{LIST_FILE} has none")
    camera = {"intrinsics": {**given, "centre": "integer"}}
    if {"height", "width"} <= set(given):
        camera |= {"height": given["height"], "width": given["width"]}
    pose = None
    if "trajectory" in said:
        pose = _redwood_poses(root / str(said["trajectory"]).split(",")[0])[int(number)]
    return Frame(
        name=name,
        image=image,
        depth=clean_depth(read_whole_numbers(root / depth) / np.float32(steps)),
        intrinsics=_intrinsics(camera, size),
        pose=pose,
        group=group,
        meta={"licence": str(said.get("licence", "")), "image": picture, "depth": depth},
    )


def _redwood_poses(path: Path) -> list[Matrix]:
    """Camera-to-world matrices of a .log file: a line of three numbers, then four of four, each."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    values = [[float(v) for v in row] for row in rows if len(row) == 4]
    return [check_pose(np.array(values[i : i + 4])) for i in range(0, len(values) - 3, 4)]

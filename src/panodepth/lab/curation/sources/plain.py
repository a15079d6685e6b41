"""Your own frames: plain folders, the frames of `panodepth render --views`, and meta.json lists.

    NAME.{png,jpg,heic,...}                  the picture
    NAME_distance.{npz,npy,exr,tiff,png,pfm} along the ray; an npz may hold `z_depth`, `mask`, `sky`
                                             and `meta` (JSON with "unit") too
    NAME_depth.{npz,npy,exr,tiff,png,pfm}    or: along the axis; either may be smaller than the
                                             picture if it has its shape, as phones store it
    NAME.json                                optional: "intrinsics", "fx" or "x_fov_deg"; "pose"
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
import numpy.typing as npt

from panodepth.errors import ConfigError, InputError, one_line
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.points import distance_to_z_depth
from panodepth.images.arrays import ending_of, names_in, read_npz
from panodepth.images.distances import clipped
from panodepth.lab.curation.frame import (
    Frame,
    Matrix,
    RejectedError,
    check_pinhole,
    check_z_depth,
    clean_map,
    pinhole_from_fov,
    size_of,
)
from panodepth.lab.curation.sources.base import (
    Item,
    ListedFrames,
    below,
    check_pose,
    listed,
    read_picture,
    read_whole_numbers,
)
from panodepth.lab.data.distances import (
    DISTANCE_SUFFIXES,
    DistanceFile,
    checked_unit,
    mark_from_npz,
    step_of,
    unit_of_npz,
)
from panodepth.lab.data.source import MUCH_ALIKE, check_folder, is_file, misspelt, read_json
from panodepth.predict.folder.walk import files_below
from panodepth.types import FloatArray

SHAPE_SLACK = 0.01  # how far width / height of a depth map and its picture may differ
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif")
MATRIX = "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
EXAMPLE = '{"x_fov_deg": 90}'
CAMERA_FILE, LIST_FILE = "camera.json", "meta.json"
_VIEW = re.compile(r"(.+)_v\d+")  # frames that `panodepth render --views` writes
_NO_FRAME = re.compile(r"^\.|_(depth|distance|mask|preview|normals)$")
_LISTED_DEPTH = re.compile(r"value / (\d+)")


def open_frames(path: str | Path, *, without_depth: bool = False) -> ListedFrames:
    """A folder of frames, nested as you like; see the head of this module.

    without_depth: take pictures that have no depth file, too. Raises ConfigError when nothing is
    found.
    """
    root = check_folder(path, "frames")
    if (root / LIST_FILE).is_file():
        return open_listed(root)
    depths = {}  # NAME -> its depth file
    every = sorted(file for file in files_below(root) if file.exists())  # no links to nowhere
    seen = {below(root, file) for file in every}
    for file in (p for p in every if p.suffix.lower() in DISTANCE_SUFFIXES):
        stem, _, ending = file.stem.rpartition("_")
        if ending in ("distance", "depth") and not file.name.startswith("."):
            depths[below(root, file.with_name(stem))] = below(root, file)
    looked_for = "NAME.png with NAME_distance.npz or NAME_depth.png"
    if without_depth:
        looked_for = "NAME.png"
        found = (p for p in every if p.suffix.lower() in PICTURES)
        names = {below(root, p.with_suffix("")) for p in found if not _NO_FRAME.search(p.stem)}
        depths = dict.fromkeys(sorted(names), "") | depths
    pictures: dict[tuple[str, str], str] = {}  # by NAME and ending in small letters
    for file in every:
        key = below(root, file.with_suffix("")), file.suffix.lower()
        pictures.setdefault(key, below(root, file))
    items = []
    for name, depth_file in sorted(depths.items()):
        own = (pictures[name, ending] for ending in PICTURES if (name, ending) in pictures)
        picture = next(own, f"{name}{PICTURES[0]}")
        view = _VIEW.fullmatch(name)
        there = tuple(f for f in (picture, depth_file, f"{name}.json") if f in seen)
        items.append(Item(name, picture, view[1] if view else "", depth_file, there))
    return listed(root.resolve().name, root, items, _read_frame, looked_for)


def _read_frame(root: Path, item: Item) -> Frame:
    image = read_picture(root / item.picture)
    own = f"{item.name}.json"
    camera = _camera_file(root, (root / own).parent)
    said = {**camera, **(_camera_json(root / own) if own in item.seen else {})}
    lens = _lens(said, size_of(image))
    kept = ("licence", "credit", "seed", "index", "view")
    meta: dict[str, Any] = {k: said[k] for k in kept if k in said}
    z_depth, unit = None, "relative"
    if item.extra:
        meta["depth"] = item.extra
        z_depth, unit = _read_z_depth(root / item.extra, said, lens, size_of(image))
    pose = said.get("pose")
    return item.frame(
        image,
        z_depth,
        lens,
        unit=unit,
        pose=None if pose is None else check_pose(pose),
        level=bool(said.get("level", "view to panorama" in str(said.get("frame", "")))),
        meta=meta,
    )


def _camera_file(root: Path, folder: Path) -> dict[str, Any]:
    """camera.json of the frame's folder, else of the folders above it up to the source's."""
    for place in (folder, *folder.parents):
        if (place / CAMERA_FILE).is_file():
            return _camera_json(place / CAMERA_FILE)
        if place == root:
            break
    return {}


def _camera_json(file: Path) -> dict[str, Any]:
    """What camera.json or NAME.json says. Raises InputError."""
    said: dict[str, Any] = read_json(file, EXAMPLE)
    if told := misspelt(said, ("unit", "scale"), MUCH_ALIKE):  # depths would be others
        raise InputError(f"{file}: {told}")
    return said


def _lens(said: dict[str, Any], size: tuple[int, int]) -> Pinhole:
    """The lens of a picture of (h, w), from what the JSON files say."""
    try:
        return _stated_lens(said, size)
    except (TypeError, ValueError, ArithmeticError) as error:
        keys = [key for key in ("intrinsics", "x_fov_deg", "height", "width") if key in said]
        told = f"{', '.join(keys)} of NAME.json or camera.json: expected numbers above 0"
        raise RejectedError("lying_intrinsics", told) from error


def _stated_lens(said: dict[str, Any], size: tuple[int, int]) -> Pinhole:
    """As `_lens`; raises whatever the values lead to."""
    fov = said.get("x_fov_deg", said.get("fov_deg"))
    given = said.get("intrinsics", said if "fx" in said else None)
    if given is None:
        if fov is None:
            raise RejectedError(
                "intrinsics", 'give "intrinsics" or "x_fov_deg" in NAME.json or camera.json'
            )
        return pinhole_from_fov(float(fov), size)
    beside = {**said, **(given if isinstance(given, dict) else {})}
    if (centre := beside.get("centre")) not in (None, "integer"):
        raise RejectedError(
            "lying_intrinsics",
            f'"centre" is {one_line(repr(centre), 40)}: expected "integer", or nothing where the '
            "first pixel's centre is at (0.5, 0.5)",
        )
    half = 0.5 if centre else 0.0
    if isinstance(given, dict):
        if not {"fx", "fy", "cx", "cy"} <= {key for key in given if given[key] is not None}:
            raise RejectedError("intrinsics", "fx, fy, cx and cy are needed")
        fx, fy, cx, cy = (float(given[key]) for key in ("fx", "fy", "cx", "cy"))
        lens = Pinhole(fx, fy, cx + half, cy + half)
    else:
        matrix = np.array(given, np.float64)
        if matrix.shape != (3, 3) or not np.allclose(matrix[2], (0, 0, 1)):
            raise RejectedError("lying_intrinsics", f"expected {MATRIX}")
        matrix[:2, 2] += half
        lens = Pinhole.from_matrix(matrix)
    sides = {"height", "width"} & set(beside)
    if len(sides) == 1:
        told = f"{sides.pop()} alone: the size that the intrinsics hold for has height and width"
        raise RejectedError("lying_intrinsics", told)
    stated = (int(beside["height"]), int(beside["width"])) if sides else None
    stated_fov = None if fov is None else float(fov)
    return check_pinhole(lens, size, stated_size=stated, stated_fov_deg=stated_fov)


def _read_z_depth(
    file: Path, said: dict[str, Any], lens: Pinhole, size: tuple[int, int]
) -> tuple[FloatArray, str]:
    """(h, w) z-depth of a file with z-depth or distance, and its unit. size: (h, w), the picture's.

    A smaller map of the picture's shape is enlarged by the nearest value, so that no depth between
    two surfaces appears. One of another shape is returned as it is: the source rejects it.
    """
    is_distance = file.stem.endswith("_distance")
    if ending_of(file) == ".npz":
        arrays = read_npz(file, ("distance", "z_depth", "depth", "mask", "sky", "meta"))
        wanted, other = ("distance", "z_depth") if is_distance else ("z_depth", "distance")
        key = wanted if wanted in arrays else "depth"
        if key not in arrays:
            held = one_line(", ".join(names_in(file)), 200)
            raise InputError(f"{file}: no array {wanted!r}; it has {held}")
        own_unit = unit_of_npz(arrays)
        values = _in_units(arrays[key], said, own_unit, file)
        mark_from_npz(values, arrays, file)
        unit = checked_unit(own_unit or said.get("unit"), file)
        if other in arrays and values.shape == size:
            second = _in_units(arrays[other], said, own_unit, file)
            pair = (second, values) if is_distance else (values, second)
            check_z_depth(*pair, lens)
    else:
        read = DistanceFile(scale=said.get("scale"), unit=said.get("unit"))(file)
        values, unit = clean_map(read.distance), read.unit
    scale = _scale_to(values.shape, size)
    if is_distance and scale is not None:
        down, right = scale
        own = Pinhole(lens.fx / right, lens.fy / down, lens.cx / right, lens.cy / down)
        values = distance_to_z_depth(values, own)
    if scale is not None and values.shape != size:
        # Pixel centres of the picture to the pixel of the map in which they lie.
        rows, columns = (
            ((np.arange(n) + 0.5) / factor).astype(int)
            for n, factor in zip(size, scale, strict=True)
        )
        values = values[np.ix_(rows, columns)]
    return values, unit or "relative"


def _in_units(
    stored: npt.NDArray[Any], said: dict[str, Any], unit: str | None, file: Path
) -> FloatArray:
    """(h, w) of an npz: whole numbers times the scale that is said of them, cleaned thereafter.

    unit: what the file itself says; its whole numbers are of that unit where no scale is said.
    """
    if stored.dtype.kind in "iu" and ("scale" in said or unit is None):
        return clean_map(stored * step_of(said.get("scale"), file), clipped(stored))
    return clean_map(stored)


def _scale_to(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[float, float] | None:
    """How much taller and wider a picture (h, w) is than a map of its shape; None for others."""
    if 0 in shape:
        return None
    down, right = size[0] / shape[0], size[1] / shape[1]
    # A map of whole pixels misses the picture's shape by up to half a pixel on a side.
    slack = max(SHAPE_SLACK, 0.5 / min(shape))
    return (down, right) if min(down, right) >= 1 and abs(down / right - 1) <= slack else None


def open_listed(path: str | Path) -> ListedFrames:
    """Sensor frames listed by meta.json: the form of our TUM RGB-D and Redwood samples.

    meta.json: "pairs" [[picture, depth], ...]; "intrinsics" {fx, fy, cx, cy, width, height}, or
    (3, 3), with integer pixel centres, as both benchmarks give them; "depth", a sentence that
    holds "value / N" (metres = value / N, z-depth, 0 = none); "trajectory", optional: a file of
    camera-to-world matrices in Redwood's .log form. Their worlds are not level. Raises ConfigError.
    """
    root = check_folder(path, "frames")
    try:
        said = read_json(root / LIST_FILE)
        pairs = [(str(a), str(b)) for a, b in said["pairs"]]
        steps = _LISTED_DEPTH.search(str(said["depth"]))
    except (InputError, KeyError, TypeError, ValueError) as error:
        told = one_line(error, 200)
        raise ConfigError(f"{root / LIST_FILE}: no list of frames ({told})") from error
    if steps is None:
        raise ConfigError(f"{root / LIST_FILE}: 'depth' does not say 'value / N'")
    group = root.resolve().name
    items = []
    for number, (picture, depth) in enumerate(pairs):
        name, there = (
            f"{group}/{Path(picture).stem}",
            (f for f in (picture, depth) if is_file(root / f)),
        )
        items.append(Item(name, picture, group, f"{number} {steps[1]}", (LIST_FILE, *there)))
    return listed(group, root, items, _read_listed, "pairs in meta.json")


def _read_listed(root: Path, item: Item) -> Frame:
    said = read_json(root / LIST_FILE)
    number, steps = (int(text) for text in item.extra.split())
    image = read_picture(root / item.picture)
    given = said.get("intrinsics")
    if not isinstance(given, dict | list):
        raise RejectedError("intrinsics", f"{LIST_FILE} has none")
    sizes = given if isinstance(given, dict) else said  # where width and height stand
    camera = {**sizes, "intrinsics": given, "centre": "integer"}
    pose = None
    if "trajectory" in said:
        poses = _redwood_poses(root / str(said["trajectory"]).split(",")[0])
        if number >= len(poses):
            raise InputError(f"{item.name}: the trajectory has {len(poses)} poses, none for it")
        pose = poses[number]
    depth = str(said["pairs"][number][1])
    codes = read_whole_numbers(root / depth)
    return item.frame(
        image,
        clean_map(codes / np.float32(steps), clipped(codes)),
        _lens(camera, size_of(image)),
        pose=pose,
        meta={"licence": str(said.get("licence", "")), "depth": depth},
    )


def _redwood_poses(path: Path) -> list[Matrix]:
    """Camera-to-world matrices of a .log file: a line of three numbers, then four of four, each."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        values = [[float(v) for v in row] for row in rows if len(row) == 4]
    except ValueError as error:
        raise InputError(f"{path}: no trajectory in Redwood's .log form ({error})") from error
    return [check_pose(np.array(values[i : i + 4])) for i in range(0, len(values) - 3, 4)]

"""Measured points and coarse depth maps from files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import DamageError, InputError
from panodepth.export.frames import FRAMES
from panodepth.export.mark import stated
from panodepth.images import read_stored
from panodepth.images.arrays import ending_of, read_npy, read_npz
from panodepth.images.distances import check_floats, clean_distance, flags, plane, stored_numbers
from panodepth.predict.metric.options import MetricOptions
from panodepth.predict.metric.rows import read_rows
from panodepth.strict import parse_json, read_bounded
from panodepth.types import Float64Array, FloatArray

MOST_BYTES = 1 << 31
MILLIMETRE = 0.001
_PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_OTHERS = {b"LASF": "LAS or LAZ", b"ASTM-E57": "E57", b"# .PCD": "PCD", b"glTF": "glTF"}
_OTHERS |= {b"OFF": "OFF", b"COFF": "OFF", b"PK\3\4": "an archive", b"\x1f\x8b": "packed (gzip)"}
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def check_measured(options: MetricOptions) -> None:
    """Raise InputError for a file of measurements that cannot be read: no picture is without it."""
    if options.points is not None:
        read_points(options.points, read_pose(options.points_pose))
    if options.anchor_depth is not None:
        read_anchor(options.anchor_depth)


def read_points(path: Path, pose: Float64Array | None = None) -> Float64Array:
    """(N, 3) points [m] of a PLY, or of a CSV whose columns x, y, z are named or the first three.

    pose: (4, 4) camera to the points' frame; None = they are in the camera's (x right, y down,
    z forward), or in the frame that a PLY of panodepth says. Points with NaN or inf are left out.
    Raises InputError.
    """
    content = _content("points", path)
    said = _stated_in_metres("points", path).get("frame")
    try:
        if other := next((kind for mark, kind in _OTHERS.items() if content.startswith(mark)), ""):
            raise DamageError(f"it is {other}; save its points as PLY or CSV")
        points = _ply(content) if content.startswith(b"ply") else read_rows(content)
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            raise DamageError("it holds no point")
    except DamageError as error:
        raise InputError(f"points: {path}: {error}") from error
    if pose is not None:
        return (points - pose[:3, 3]) @ pose[:3, :3]
    stored = next((frame.matrix for frame in FRAMES.values() if frame.about == said), None)
    return points if stored is None else points @ np.linalg.inv(stored.astype(np.float64)).T


def read_pose(path: Path | None) -> Float64Array | None:
    """A JSON file of 4 rows of 4 numbers: camera to world. Raises InputError."""
    if path is None:
        return None
    try:
        pose = np.array(parse_json(_content("points pose", path)), np.float64)
    except DamageError as error:
        raise InputError(f"points pose: {path}: {error}") from error
    except (ValueError, TypeError, OverflowError):
        pose = np.zeros(0)
    turn = pose[:3, :3] if pose.shape == (4, 4) and np.isfinite(pose).all() else np.zeros((3, 3))
    if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
        raise InputError(f"points pose: {path}: not 4 rows of 4 numbers with a rotation")
    return pose


def read_anchor(path: Path) -> FloatArray:
    """(h, w) distance along the ray [m] over the whole sphere, 0 = not known. Raises InputError.

    An .npz with `distance` and maybe `mask` (False = not known) and `sky` (True = sky), an .npy, or
    a PNG of 16 bits in millimetres, or in steps that panodepth wrote.
    """
    step = 1.0
    said = _stated_in_metres("anchor depth", path)
    if isinstance(lens := said.get("prediction", {}).get("lens"), dict):
        told = f"is what another lens sees ({lens.get('name')}), not the whole sphere"
        raise InputError(f"anchor depth: {path}: {told}")
    try:
        if (ending := ending_of(path)) in (".npz", ".npy"):
            wanted = ("distance", "mask", "sky")
            arrays = {"distance": read_npy(path)} if ending == ".npy" else read_npz(path, wanted)
            distance, known = arrays.get("distance"), arrays.get("mask")
            if distance is not None:
                distance = plane(distance)
                check_floats(distance, str(path))
            if distance is not None and "sky" in arrays:
                sky = flags(arrays["sky"], distance.shape, f"{path}: sky")
                distance = np.where(sky, 0, distance)
        else:
            stored = read_stored(path)
            distance, known = stored_numbers(stored), stored.valid
            distance = distance if distance.dtype == np.uint16 else None
            step = said.get("scale", MILLIMETRE)
        if distance is not None and known is not None:
            distance = np.where(flags(known, distance.shape, f"{path}: mask"), distance, 0)
    except InputError as error:
        raise InputError(f"anchor depth: {error}") from error
    if distance is None or distance.dtype.kind not in "fui" or distance.ndim != 2:
        told = "neither an .npz with `distance` nor a grey PNG of 16 bits [mm]"
        raise InputError(f"anchor depth: {path}: {told}")
    if not distance.size or distance.shape[1] != 2 * distance.shape[0]:
        raise InputError(f"anchor depth: {path}: {distance.shape} is not a whole sphere, (h, 2h)")
    if not (isinstance(step, float | int) and step is not True and 0 < step < math.inf):
        raise InputError(f"anchor depth: {path}: its scale is {step!r}, and no number above 0")
    clean = clean_distance(distance) / np.float32(1 / step)
    return np.where(np.isfinite(clean), clean, np.float32(0))  # of the sky nothing is known


def _stated_in_metres(what: str, path: Path) -> dict[str, Any]:
    """What a file of panodepth says of itself. Raises InputError for relative distances."""
    said = stated(path) or {}
    if (unit := said.get("unit", "m")) != "m":
        raise InputError(f"{what}: {path}: its unit is {unit!r}, and metres are needed")
    return said


def _content(what: str, path: Path) -> bytes:
    try:
        return read_bounded(path, MOST_BYTES)
    except DamageError as error:
        raise InputError(f"{what}: {path}: {error}") from error
    except OSError as error:
        raise InputError(f"{what}: {path}: {error.strerror}") from error


def _ply(content: bytes) -> Float64Array:
    """x, y, z of the vertices, which come first."""
    head, end, body = content.partition(b"end_header\n")
    if not end:
        head, end, body = content.partition(b"end_header\r\n")
    if not end:
        raise DamageError("a PLY whose header does not end")
    try:
        form, count, fields = _ply_header(head.decode("ascii", "replace").splitlines())
        names = [name for name, _ in fields]
        places = [names.index(axis) for axis in "xyz"]
    except (ValueError, IndexError):
        raise DamageError("a PLY whose header has no vertices with x, y, z first") from None
    if count > len(body):  # a vertex takes a byte at least
        raise DamageError(f"a PLY of fewer vertices than the {count:,} it says: it is cut short")
    if any(kind == "list" for _, kind in fields):  # of any length: where x lies, no header says
        raise DamageError("a PLY with lists among its vertices")
    if form == "ascii":
        rows = body.decode("ascii", "replace").split("\n", count)[:count]
        try:
            found = [[float(row.split()[place]) for place in places] for row in rows]
        except (ValueError, IndexError):
            found = []
        if len(found) < count:
            raise DamageError(f"a PLY of fewer vertices than the {count:,} it says")
        return np.array(found, np.float64).reshape(-1, 3)
    order = _BYTE_ORDERS.get(form)
    if order is None or not all(kind in _PLY_TYPES for _, kind in fields):
        raise DamageError("a PLY in a form, or of numbers of a type, that is not known")
    if len(set(names)) < len(names):
        raise DamageError("a PLY with two properties of one name")
    vertex = np.dtype([(name, order + _PLY_TYPES[kind]) for name, kind in fields])
    if count * vertex.itemsize > len(body):
        raise DamageError(f"a PLY of fewer vertices than the {count:,} it says: it is cut short")
    vertices = np.frombuffer(body, vertex, count)
    with np.errstate(invalid="ignore"):  # of NaN
        return np.stack([vertices[axis] for axis in "xyz"], -1).astype(np.float64)


def _ply_header(lines: list[str]) -> tuple[str, int, list[tuple[str, str]]]:
    """Form, count of vertices, their properties and types. ValueError, IndexError for others."""
    words = [line.split() for line in lines]
    form = next((w[1] for w in words if w[:1] == ["format"]), "")
    elements = [i for i, w in enumerate(words) if w[:1] == ["element"]]
    if words[elements[0]][1] != "vertex":
        raise ValueError("vertices do not come first")
    count = int(words[elements[0]][2])
    if count < 0:
        raise ValueError("a negative count")
    until = elements[1] if len(elements) > 1 else None
    return form, count, [(w[2], w[1]) for w in words[elements[0] : until] if w[:1] == ["property"]]

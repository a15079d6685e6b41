"""Measured points and coarse depth maps from files."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError, one_line
from panodepth.types import FloatArray

Float64Array = npt.NDArray[np.float64]

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
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def read_points(path: Path, pose: Float64Array | None = None) -> Float64Array:
    """(N, 3) points [m] of a PLY, or of a CSV whose first three columns are x, y, z.

    pose: (4, 4) camera to the points' frame; None = they are in the camera's (x right, y down,
    z forward). Raises InputError.
    """
    try:
        content = path.read_bytes()
        points = _ply(content) if content.startswith(b"ply") else _csv(content)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"points: {path}: {one_line(error)}") from error
    if pose is not None:
        points = (points - pose[:3, 3]) @ pose[:3, :3]
    return points


def read_pose(path: Path | None) -> Float64Array | None:
    """A JSON file of 4 rows of 4 numbers: camera to world. Raises InputError."""
    if path is None:
        return None
    try:
        pose = np.array(json.loads(path.read_text("utf-8")), np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"points pose: {path}: {one_line(error)}") from error
    if pose.shape != (4, 4) or not np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-3):
        raise InputError(f"points pose: {path}: not 4 rows of 4 numbers with a rotation")
    return pose


def read_anchor(path: Path) -> FloatArray:
    """(h, w) distance along the ray [m] over the whole sphere, 0 = not known. Raises InputError.

    An .npz with `distance`, or a PNG of 16 bits in millimetres.
    """
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                distance = np.asarray(stored["distance"], np.float32)
        else:
            coded = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
            if coded is None or coded.dtype != np.uint16 or coded.ndim != 2:
                raise ValueError("neither an .npz with `distance` nor a grey PNG of 16 bits [mm]")
            distance = np.asarray(coded / 1000, np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, cv2.error) as error:
        raise InputError(f"anchor depth: {path}: {one_line(error)}") from error
    if distance.ndim != 2 or distance.shape[1] != 2 * distance.shape[0]:
        raise InputError(f"anchor depth: {path}: {distance.shape} is not a whole sphere, (h, 2h)")
    known = np.isfinite(distance) & (distance > 0)
    return np.where(known, distance, np.float32(0))


def _csv(content: bytes) -> Float64Array:
    text = content.decode("utf-8-sig")
    if not text.strip():
        raise ValueError("it is empty")
    first = text.lstrip().partition("\n")[0]
    comma = "," if "," in first else None
    try:
        [float(part) for part in first.split(comma)[:3]]
        skipped = 0
    except ValueError:
        skipped = 1  # names of columns
    found = np.loadtxt(
        io.StringIO(text), np.float64, delimiter=comma, skiprows=skipped, usecols=(0, 1, 2), ndmin=2
    )
    return np.asarray(found)


def _ply(content: bytes) -> Float64Array:
    """x, y, z of the vertices, which come first."""
    head, end, body = content.partition(b"end_header\n")
    if not end:
        head, end, body = content.partition(b"end_header\r\n")
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    form = next((words[1] for words in lines if words[:1] == ["format"]), "")
    elements = [i for i, words in enumerate(lines) if words[:1] == ["element"]]
    if not elements or lines[elements[0]][1] != "vertex":
        raise ValueError("a PLY without vertices first")
    count = int(lines[elements[0]][2])
    until = elements[1] if len(elements) > 1 else None
    fields = [(w[2], w[1]) for w in lines[elements[0] : until] if w[:1] == ["property"]]
    if form == "ascii":
        rows = body.decode("ascii", "replace").split("\n", count)[:count]
        columns = [[name for name, _ in fields].index(axis) for axis in "xyz"]
        return np.array([[float(row.split()[c]) for c in columns] for row in rows], np.float64)
    order = _BYTE_ORDERS[form]
    vertices = np.frombuffer(body, [(n, order + _PLY_TYPES[t]) for n, t in fields], count)
    return np.stack([vertices[axis] for axis in "xyz"], -1).astype(np.float64)

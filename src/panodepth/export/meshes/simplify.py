"""Fewer triangles for the same surface: quadric edge collapse, held to a tolerance.

The library collapses edges by Garland and Heckbert's quadrics ("Surface Simplification Using
Quadric Error Metrics", 1997). Borders, where depth edges are cut, stay as they are. A surface
without a border stays closed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.meshes.surface import Grid, Mesh
from panodepth.export.meshes.texture import textured
from panodepth.types import BoolArray

Array = npt.NDArray[Any]

DEFAULT_FACES = 200_000
TOLERANCE = 0.002 / 5  # of the distance, along the normal: 2 mm at 5 m
QUANTILE = 0.99  # of the view, that is within it
STEP = 0.6  # faces of one attempt to those of the one before
FEWEST = 1000  # faces of the last attempt
SAMPLES = 200_000


def simplified(mesh: Mesh, grid: Grid, faces: int | None) -> Mesh:
    """The mesh with about `faces` triangles: more where its borders have more already.

    faces: None = DEFAULT_FACES, or as few as keep QUANTILE of the view within TOLERANCE.
    """
    points, triangles = welded(mesh)
    if faces is not None:
        target = faces
        for _ in range(4):  # what its texture needs comes on top
            kept = min(target, len(triangles))
            found = _collapsed(points, triangles, kept, grid)
            made = textured(mesh, *found, at_most=faces)
            if len(made.faces) <= faces or len(found[1]) > kept:  # borders alone are left
                break
            target = int(target * faces / len(made.faces) * 0.95)
        return made
    best, target = (points, triangles), DEFAULT_FACES
    while target >= FEWEST:
        if target < len(triangles):
            tried = _collapsed(*best, target, grid)
            if len(tried[1]) >= len(best[1]):
                break  # borders alone are left
            good = deviation(tried[0], tried[1], grid) <= TOLERANCE
            if not good and len(best[1]) <= DEFAULT_FACES:
                break
            best = tried
            if not good:
                break
        target = int(target * STEP)
    return textured(mesh, *best)


def _collapsed(points: Array, faces: Array, count: int, grid: Grid) -> tuple[Array, Array]:
    """(N, 3) points, on the grid's surface, and about `count` faces, of (M, 3) faces."""
    from fast_simplification import simplify

    for _ in range(6):  # where it is stuck in slivers, another start goes on
        before = len(faces)
        points, faces = simplify(points, faces, target_count=count, preserve_border=True)
        if len(faces) <= count or len(faces) > 0.98 * before:
            break
    # What a quadric finds best lies a little beyond a corner of a room.
    length = np.linalg.norm(points, axis=1)
    true, plain = _bilinear(grid, points / np.maximum(length, 1e-150)[:, None])
    on_pole = np.hypot(points[:, 0], points[:, 2]) < 1e-6 * length
    points[plain & ~on_pole] *= (true / np.maximum(length, 1e-150))[plain & ~on_pole, None]
    return points, faces


def welded(mesh: Mesh) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """(N, 3) points and (M, 3) faces in which the seam and the poles are there once."""
    _, first, number = np.unique(mesh.twins, return_index=True, return_inverse=True)
    return mesh.positions[first].astype(np.float64), number[mesh.faces].astype(np.int32)


def deviation(points: Array, faces: Array, grid: Grid) -> float:
    """How far QUANTILE of the view of a mesh, (N, 3) points and (M, 3) faces, is from the grid, as
    a share of the distance.

    It is measured along the normal, at random points of the faces that count as much as the solid
    angle they stand for; next to depth edges there is nothing to measure.
    """
    each = max(1, SAMPLES // len(faces))
    share = np.sqrt(np.random.default_rng(0).random((each, len(faces), 2)))
    a = 1 - share[..., :1]
    b = share[..., :1] * (1 - share[..., 1:] ** 2)
    p, q, r = (points[faces[:, i]] for i in range(3))
    at = a * p + b * q + (1 - a - b) * r
    normal = np.cross(q - p, r - p)  # twice the area long
    length = np.linalg.norm(at, axis=-1)
    ray = at / np.maximum(length, 1e-150)[..., None]
    facing = np.abs((ray * normal).sum(axis=-1))
    weight = facing / np.maximum(length, 1e-150) ** 2
    true, plain = _bilinear(grid, ray)
    cosine = facing / np.maximum(np.linalg.norm(normal, axis=-1), 1e-30)
    off = np.abs(length - true) * cosine / np.maximum(length, 1e-150)
    off, weight = off[plain], weight[plain]
    if not len(off):
        return 0.0
    order = np.argsort(off)
    summed = np.cumsum(weight[order])
    return float(off[order][np.searchsorted(summed, QUANTILE * summed[-1])])


def _bilinear(grid: Grid, ray: Array) -> tuple[Array, BoolArray]:
    """The grid's distance along rays (..., 3), and where its four pixels are valid and no edge."""
    height, width = grid.distance.shape
    x, y, z = np.moveaxis(ray, -1, 0)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * width - 0.5
    row = np.clip((np.arcsin(np.clip(y, -1, 1)) / np.pi + 0.5) * height - 0.5, 0, height - 1)
    left, top = np.floor(column).astype(int), np.minimum(np.floor(row).astype(int), height - 2)
    u, v = column - left, row - top
    places = [(top + i, (left + j) % width) for i in (0, 1) for j in (0, 1)]
    corners = np.stack([grid.distance[place] for place in places]).astype(np.float64)
    valid = np.logical_and.reduce([grid.mask[place] for place in places])
    valid &= corners.max(axis=0) <= (1 + grid.edge_threshold) * corners.min(axis=0)
    a, b, c, d = corners
    return (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v, valid

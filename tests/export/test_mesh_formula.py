"""The mesh against a plain twin: all triangles one by one, then those to keep."""

from __future__ import annotations

import numpy as np
import pytest

from panodepth.export.meshes import mesh, triangles
from panodepth.geometry.points import distance_to_points
from panodepth.types import Prediction

pytestmark = pytest.mark.usefixtures("small_bands")


def test_mesh(rough_or_whole: Prediction) -> None:
    built = mesh.build_mesh(rough_or_whole, follow_edges=False)
    positions, uv, faces = slow_mesh(rough_or_whole)
    assert np.array_equal(built.positions, positions)
    assert np.array_equal(built.uv, uv)
    assert np.array_equal(built.faces, faces)
    assert len(faces) > rough_or_whole.distance.size // 20  # most triangles are torn, not all


def slow_mesh(prediction: Prediction) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, texture coordinates and faces: all triangles by number, then those to keep."""
    height, width = prediction.distance.shape
    positions = list(closed(distance_to_points(prediction.distance)).reshape(-1, 3))
    lengths = list(closed(prediction.distance).ravel())
    valid = list(closed(prediction.mask).ravel())
    u = (np.arange(width + 1) + 0.5) / width
    uv = [(x, (row + 0.5) / height) for row in range(height) for x in u]
    for row, v in ((0, 0.0), (-1, 1.0)):
        inside = prediction.mask[row]
        length = prediction.distance[row][inside].mean() if inside.any() else np.float32(1)
        for i in range(width):
            positions.append(np.array([0, (2 * v - 1) * length, 0], np.float32))
            lengths.append(length)
            valid.append(inside.any())
            uv.append(((u[i] + u[i + 1]) / 2, v))
    kept = []
    for corners in all_triangles(closed(prediction.distance)):
        if all(valid[i] for i in corners) and not torn(corners, positions, lengths):
            kept.append(corners)
    used = sorted({i for corners in kept for i in corners})
    number = {old: new for new, old in enumerate(used)}
    return (
        np.array([positions[i] for i in used], np.float32),
        np.array([uv[i] for i in used], np.float32),
        np.array([[number[i] for i in corners] for corners in kept], np.uint32),
    )


def closed(grid: np.ndarray) -> np.ndarray:
    """The first column once more behind the last."""
    return np.concatenate([grid, grid[:, :1]], axis=1)


def all_triangles(distance: np.ndarray) -> list[tuple[int, int, int]]:
    """Of an (h, w + 1) grid: the cells' first triangles, their second ones, the two fans."""
    height, width = distance.shape
    log = np.log(distance)
    first, second = [], []
    for row in range(height - 1):
        for column in range(width - 1):
            a = row * width + column
            b, c, d = a + 1, a + width, a + width + 1
            across = abs(log[row, column] - log[row + 1, column + 1])
            falling = across <= abs(log[row, column + 1] - log[row + 1, column])
            first.append((a, c, d if falling else b))
            second.append((a if falling else c, d, b))
    sectors = range(width - 1)
    top, last = height * width, (height - 1) * width
    fans = [(top + i, i, i + 1) for i in sectors]
    fans += [(top + width - 1 + i, last + i + 1, last + i) for i in sectors]
    return first + second + fans


def torn(corners: tuple[int, int, int], positions: list, lengths: list) -> bool:
    near, far = min(lengths[i] for i in corners), max(lengths[i] for i in corners)
    if far > np.float32(triangles.SURE_EDGE_RATIO) * near:
        return True
    p, q, r = (positions[i].astype(np.float64) for i in corners)
    normal, ray = np.cross(q - p, r - p), p + q + r
    size = np.linalg.norm(normal) * np.linalg.norm(ray)
    grazing = abs(normal @ ray) < np.cos(np.deg2rad(triangles.GRAZING_ANGLE_DEG)) * size
    return bool(far > np.float32(1 + triangles.EDGE_THRESHOLD) * near and grazing)

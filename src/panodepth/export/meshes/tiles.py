"""A mesh whose picture is larger than a viewer takes: in parts, each with an image of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.meshes.surface import Mesh
from panodepth.export.meshes.texture import divided

Array = npt.NDArray[Any]

MARGIN = 8  # [px] of the neighbours around each image: smaller levels of it blend over its border
LEAST_LIMIT = 64  # [px]


@dataclass(frozen=True)
class Tile:
    """A part of a mesh. positions: (N, 3), house frame. uv: (N, 2) in its image, (h, w, 3).
    faces: (M, 3).
    """

    positions: npt.NDArray[np.float32]
    uv: npt.NDArray[np.float32]
    faces: npt.NDArray[np.uint32]
    image: npt.NDArray[np.uint8]
    name: str


def tiles(mesh: Mesh, image: npt.NDArray[np.uint8], limit: int) -> Iterator[Tile]:
    """The parts of a mesh with images of at most `limit` pixels a side, of the picture (H, W, 3).

    Triangles are cut where images meet, which changes neither the surface nor where the picture is.
    """
    height, width = image.shape[:2]
    columns, rows = _borders(width, limit), _borders(height, limit)
    around = np.concatenate([columns[:-1], columns + width])  # u runs past 1
    corners = np.concatenate([mesh.positions, mesh.uv], axis=1, dtype=np.float64)
    faces: Array = mesh.faces.astype(np.int64)
    for axis, places in ((3, around[1:-1] / width), (4, rows[1:-1] / height)):
        for place in places:
            corners, faces = _cut(corners, faces, axis, place)
    middle = corners[faces, 3:].mean(axis=1) * [width, height]
    across = np.searchsorted(around, middle[:, 0], side="right") - 1
    turn, column = np.divmod(across, len(columns) - 1)
    row = (np.searchsorted(rows, middle[:, 1], side="right") - 1).clip(0, len(rows) - 2)
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            chosen = (row == i) & (column == j)
            if not chosen.any():
                continue
            # A corner is there once for each turn round the sphere that its triangles are on.
            key = faces[chosen] * 2 + turn[chosen, None]
            used, number = np.unique(key, return_inverse=True)
            place = corners[used // 2]
            shown = _padded(image, rows[i : i + 2], columns[j : j + 2])
            start = np.array([columns[j], rows[i]]) - MARGIN
            pixel = place[:, 3:] * [width, height] - start
            pixel[:, 0] -= used % 2 * width
            yield Tile(
                place[:, :3].astype(np.float32),
                (pixel / shown.shape[1::-1]).astype(np.float32),
                number.reshape(-1, 3).astype(np.uint32),
                shown,
                f"panorama row {i + 1} column {j + 1}",
            )


def _borders(size: int, limit: int) -> Array:
    """Pixels at which the fewest equal parts begin that fit with their margins, and `size`."""
    parts = -(-size // (limit - 2 * MARGIN))
    return np.rint(np.linspace(0, size, parts + 1)).astype(int)


def _padded(image: npt.NDArray[np.uint8], rows: Array, columns: Array) -> npt.NDArray[np.uint8]:
    """A part of the picture and what lies around it; above and below its last rows go on.

    image: (H, W, 3). rows, columns: (2,), first and one after the last. Returns (h, w, 3).
    """
    height, width = image.shape[:2]
    row = np.arange(rows[0] - MARGIN, rows[1] + MARGIN).clip(0, height - 1)
    column = np.arange(columns[0] - MARGIN, columns[1] + MARGIN) % width
    return np.ascontiguousarray(image[row][:, column])


def _cut(corners: Array, faces: Array, axis: int, place: float) -> tuple[Array, Array]:
    """(N, 5) corners and (M, 3) faces, none on both sides of `place` along an axis."""
    over = np.sign(corners[:, axis] - place)[faces]
    marked = over * np.roll(over, -1, axis=1) < 0

    def between(start: Array, end: Array) -> Array:
        share = (place - start[:, axis]) / (end[:, axis] - start[:, axis])
        found: Array = start + (end - start) * share[:, None]
        found[:, axis] = place
        return found

    return divided(corners, faces, marked, between) if marked.any() else (corners, faces)

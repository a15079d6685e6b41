"""Triangles between the pixels of a closed grid: which there are, and which span a depth edge.

Everything is worked out on whole grids, one array for each corner: gathering corners by number
takes several times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
Corners = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Vertices:
    """An (h, w + 1) grid, row by row, then w vertices of the top pole, then w of the bottom pole.

    positions: (N, 3) float32. lengths: (N,) float32, their distances. valid: (N,) bool.
    """

    positions: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.float32]
    valid: BoolArray


@dataclass(frozen=True)
class Limits:
    """When a triangle is torn: its largest distance exceeds `edge_ratio` times its smallest, and
    either the ray meets it at more than `grazing_angle_deg` from its normal, or the ratio exceeds
    `sure_edge_ratio`.
    """

    edge_ratio: float
    sure_edge_ratio: float
    grazing_angle_deg: float


def triangulate(
    vertices: Vertices, shape: tuple[int, ...], limits: Limits
) -> tuple[npt.NDArray[np.uint32], BoolArray]:
    """The (M, 3) faces between valid vertices, without torn ones, and which (N,) vertices they use.

    shape: (h, w + 1) of the grid. A face counts the used vertices alone. First come the first
    triangles of all cells, then the second ones, then the fans to the top and the bottom pole.
    """
    count = shape[0] * shape[1]
    falling = _falling(vertices.lengths[:count].reshape(shape))
    numbers = np.arange(len(vertices.lengths), dtype=np.uint32)
    kept = [
        _kept(vertices.positions, corners, limits)
        for corners in zip(
            _triangles(numbers, shape, falling),
            _triangles(vertices.lengths, shape, falling),
            _triangles(vertices.valid, shape, falling),
            strict=True,
        )
    ]
    used = _used(kept, shape, falling)
    if not used.all():
        numbers = np.cumsum(used, dtype=np.uint32)
        numbers -= 1
    faces = np.empty((sum(int(np.count_nonzero(keep)) for keep in kept), 3), np.uint32)
    start = 0
    for numbered, keep in zip(_triangles(numbers, shape, falling), kept, strict=True):
        whole = np.empty((*keep.shape, 3), np.uint32)
        for i, corner in enumerate(numbered):
            whole[..., i] = corner
        part = chosen(whole.reshape(-1, 3), keep.ravel())
        faces[start : start + len(part)] = part
        start += len(part)
    return faces, used


def chosen(rows: Array, keep: BoolArray) -> Array:
    """The rows of an (N, C) array that an (N,) mask keeps; the array itself where it keeps all."""
    if keep.all():
        return rows
    # As one value each: runs of rows are then copied at once.
    records = np.ascontiguousarray(rows).view(f"V{rows.itemsize * rows.shape[1]}")
    return records[:, 0][keep].view(rows.dtype).reshape(-1, rows.shape[1])


def _falling(distance: npt.NDArray[np.float32]) -> BoolArray:
    """(h - 1, w) True for the cells of an (h, w + 1) grid that are flatter along the diagonal from
    the top left to the bottom right.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # masked corners may hold anything
        log = np.log(distance)
        falling = log[:-1, :-1] - log[1:, 1:]
        rising = log[:-1, 1:] - log[1:, :-1]
    np.abs(falling, out=falling)
    np.abs(rising, out=rising)
    return np.asarray(falling <= rising)


def _triangles(values: Array, shape: tuple[int, ...], falling: BoolArray) -> Iterator[Corners]:
    """What `values`, one for each vertex, holds at the corners of all triangles, kind by kind.

    Each cell is split along its flatter diagonal: (h - 1, w) first and second triangles; then (w,)
    to the top pole and (w,) to the bottom pole.
    """
    height, width = shape
    grid = values[: height * width].reshape(shape)
    top, bottom = values[height * width :].reshape(2, width - 1)
    a, b = grid[:-1, :-1], grid[:-1, 1:]  # top left, top right
    c, d = grid[1:, :-1], grid[1:, 1:]  # bottom left, bottom right
    yield a, c, np.where(falling, d, b)
    yield np.where(falling, a, c), d, b
    yield top, grid[0, :-1], grid[0, 1:]
    yield bottom, grid[-1, 1:], grid[-1, :-1]


def _kept(
    positions: npt.NDArray[np.float32], corners: tuple[Corners, Corners, Corners], limits: Limits
) -> BoolArray:
    """True for the triangles between valid vertices that are not torn; shaped as the corners.

    corners: of one kind of triangles, their numbers, lengths and validity.
    """
    numbers, lengths, valid = corners
    near = np.minimum(np.minimum(lengths[0], lengths[1]), lengths[2])
    far = np.maximum(np.maximum(lengths[0], lengths[1]), lengths[2])
    kept = np.asarray(far <= np.float32(limits.sure_edge_ratio) * near)
    for corner in valid:
        kept &= corner
    near *= np.float32(limits.edge_ratio)
    suspects = np.flatnonzero((far > near) & kept)
    p, q, r = (positions[corner.reshape(-1)[suspects]].astype(np.float64) for corner in numbers)
    normal = np.cross(q - p, r - p)
    ray = p + q + r
    size = np.linalg.norm(normal, axis=1) * np.linalg.norm(ray, axis=1)
    cosine = np.abs((normal * ray).sum(axis=1))
    grazing = cosine < np.cos(np.deg2rad(limits.grazing_angle_deg)) * size
    kept.reshape(-1)[suspects[grazing]] = False
    return kept


def _used(kept: list[BoolArray], shape: tuple[int, ...], falling: BoolArray) -> BoolArray:
    """(N,) True for the vertices at a corner of a kept triangle; in the order of `_triangles`."""
    first, second, top, bottom = kept
    grid = np.zeros(shape, np.bool_)
    grid[:-1, :-1] |= first | (second & falling)
    grid[:-1, 1:] |= second | (first & ~falling)
    grid[1:, :-1] |= first | (second & ~falling)
    grid[1:, 1:] |= second | (first & falling)
    for row, fan in ((grid[0], top), (grid[-1], bottom)):
        row[:-1] |= fan
        row[1:] |= fan
    return np.concatenate([grid.ravel(), top, bottom])

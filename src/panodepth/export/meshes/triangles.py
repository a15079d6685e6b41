"""Triangles between the pixels of a closed grid: which there are, and which span a depth edge.

Everything is worked out on grids, one array for each corner: gathering corners by number takes
several times as long. And in bands of rows: fresh memory costs more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.bands import row_bands
from panodepth.export.clouds.rows import kept_rows
from panodepth.types import BoolArray

Array = npt.NDArray[Any]
Corners = tuple[Array, Array, Array]

# A triangle is cut when its far corner is this much farther than its near one, as a share ...
EDGE_THRESHOLD = 0.06
# ... and it is seen at a more grazing angle [deg from its normal] than floors and walls are,
GRAZING_ANGLE_DEG = 84.0
# or, at any angle, when it is this many times as far: on coarse grids an edge looks no steeper.
SURE_EDGE_RATIO = 1.5
BAND_CELLS = 1 << 14  # worked on at a time: they stay in the cache


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
    sure_edge_ratio: float = SURE_EDGE_RATIO
    grazing_angle_deg: float = GRAZING_ANGLE_DEG

    @classmethod
    def of(cls, edge_threshold: float) -> Limits:
        """Limits for a jump by a share of the distance: `edge_threshold` 0.06 = 6 %."""
        ratio = 1 + edge_threshold
        return cls(ratio, max(ratio, SURE_EDGE_RATIO))


@dataclass(frozen=True)
class Judged:
    """Which triangles there are. falling: (h - 1, w), cells split from the top left to the bottom
    right. kept: those that are valid and not torn, of four kinds: the first and the second
    triangles of cells, (h - 1, w), and the fans to the top and the bottom pole, (w,).
    """

    falling: BoolArray
    kept: list[BoolArray]

    def torn(self, mask: BoolArray) -> BoolArray:
        """(h - 1, w) the cells of a mask (h, w) with valid corners of which a triangle is torn."""
        both = mask[:-1] & mask[1:]
        whole = self.kept[0] & self.kept[1]
        return np.asarray(both & np.roll(both, -1, axis=1) & ~whole)


def judge(vertices: Vertices, shape: tuple[int, ...], limits: Limits) -> Judged:
    """Which triangles of a grid of shape (h, w + 1) are kept."""
    falling = np.empty((shape[0] - 1, shape[1] - 1), np.bool_)
    kept = [np.empty_like(falling), np.empty_like(falling)]
    numbers = np.arange(len(vertices.lengths), dtype=np.uint32)
    grids = [_grid(values, shape) for values in (numbers, vertices.lengths, vertices.valid)]
    for rows in row_bands(falling.shape, BAND_CELLS):
        parts = [grid[rows.start : rows.stop + 1] for grid in grids]
        falling[rows] = _falling(parts[1])
        kinds = zip(*(_halves(part, falling[rows]) for part in parts), strict=True)
        for keep, corners in zip(kept, kinds, strict=True):
            keep[rows] = _kept(vertices.positions, corners, limits)
    fans = zip(
        *(_fans(values, shape) for values in (numbers, vertices.lengths, vertices.valid)),
        strict=True,
    )
    kept += [_kept(vertices.positions, corners, limits) for corners in fans]
    return Judged(falling, kept)


def triangulate(
    vertices: Vertices, shape: tuple[int, ...], limits: Limits
) -> tuple[npt.NDArray[np.uint32], BoolArray]:
    """The (M, 3) faces between valid vertices, without torn ones, and which (N,) vertices they use.

    shape: (h, w + 1) of the grid. A face counts the used vertices alone. First come the first
    triangles of all cells, then the second ones, then the fans to the top and the bottom pole.
    """
    judged = judge(vertices, shape, limits)
    # Faces count the used vertices alone, so the others need not be written. The corners are worked
    # out a second time, by number: to keep those of all triangles would take more than the mesh.
    used = used_by(judged, shape)
    return faces_of(judged, shape, numbers_of(used)), used


def numbers_of(used: BoolArray) -> npt.NDArray[np.uint32]:
    """(N,) the number of each vertex among the used ones."""
    numbers = np.cumsum(used, dtype=np.uint32)
    numbers -= 1
    return numbers


def faces_of(judged: Judged, shape: tuple[int, ...], numbers: Array) -> npt.NDArray[np.uint32]:
    """(M, 3) the kept faces. numbers: (N,) of the vertices."""
    kept = judged.kept
    faces = np.empty((sum(int(np.count_nonzero(keep)) for keep in kept), 3), np.uint32)
    start = 0
    for numbered, keep in _in_order(numbers, shape, judged.falling, kept):
        part = np.empty((*keep.shape, 3), np.uint32)
        for i, corner in enumerate(numbered):
            part[..., i] = corner
        whole = kept_rows(part.reshape(-1, 3), keep.ravel())
        faces[start : start + len(whole)] = whole
        start += len(whole)
    return faces


def untorn(vertices: Vertices, faces: Array, limits: Limits) -> BoolArray:
    """(M,) True for the (M, 3) faces between valid vertices that are not torn."""
    a, b, c = faces.T
    numbers, lengths, valid = (
        (values[a], values[b], values[c])
        for values in (np.arange(len(vertices.lengths)), vertices.lengths, vertices.valid)
    )
    return _kept(vertices.positions, (numbers, lengths, valid), limits)


def _in_order(
    numbers: Array, shape: tuple[int, ...], falling: BoolArray, kept: list[BoolArray]
) -> Iterator[tuple[Corners, BoolArray]]:
    """The corners of all triangles and which are kept, a band of one kind at a time.

    numbers: (N,) of the vertices. shape: (h, w + 1) of the grid. falling: (h - 1, w). kept: of the
    four kinds, as in `triangulate`.
    """
    grid = _grid(numbers, shape)
    for half in (0, 1):
        for rows in row_bands(falling.shape, BAND_CELLS):
            corners = _halves(grid[rows.start : rows.stop + 1], falling[rows])
            yield corners[half], kept[half][rows]
    yield from zip(_fans(numbers, shape), kept[2:], strict=True)


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


def _grid(values: Array, shape: tuple[int, ...]) -> Array:
    """Of `values`, one for each vertex, those of the (h, w + 1) grid."""
    return values[: shape[0] * shape[1]].reshape(shape)


def _halves(grid: Array, falling: BoolArray) -> tuple[Corners, Corners]:
    """What a grid (h, w + 1) holds at the corners of the two triangles of each cell, (h - 1, w).

    Each cell is split along its flatter diagonal.
    """
    a, b = grid[:-1, :-1], grid[:-1, 1:]  # top left, top right
    c, d = grid[1:, :-1], grid[1:, 1:]  # bottom left, bottom right
    return (a, c, np.where(falling, d, b)), (np.where(falling, a, c), d, b)


def _fans(values: Array, shape: tuple[int, ...]) -> tuple[Corners, Corners]:
    """What the vertices hold at the corners of the (w,) triangles to the top and bottom pole."""
    grid = _grid(values, shape)
    top, bottom = values[grid.size :].reshape(2, -1)
    return (top, grid[0, :-1], grid[0, 1:]), (bottom, grid[-1, 1:], grid[-1, :-1])


def _kept(
    positions: npt.NDArray[np.float32], corners: tuple[Corners, Corners, Corners], limits: Limits
) -> BoolArray:
    """True for the triangles between valid vertices that are not torn; shaped as the corners.

    positions: (N, 3). corners: of one kind of triangles, their numbers, lengths and validity:
    (n, w) for cells, (w,) for a fan.
    """
    numbers, lengths, valid = corners
    # Most triangles pass the ratio test: the angle, which costs more, is worked out for the rest.
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
    # Of the angle between normal and ray, times both lengths: no division, so no zero to divide by.
    cosine = np.abs((normal * ray).sum(axis=1))
    grazing = cosine < np.cos(np.deg2rad(limits.grazing_angle_deg)) * size
    kept.reshape(-1)[suspects[grazing]] = False
    return kept


def used_by(judged: Judged, shape: tuple[int, ...]) -> BoolArray:
    """(N,) True for the vertices at a corner of a kept triangle of a grid of shape (h, w + 1)."""
    falling = judged.falling
    first, second, top, bottom = judged.kept
    grid = np.zeros(shape, np.bool_)
    grid[:-1, :-1] |= first | (second & falling)
    grid[:-1, 1:] |= second | (first & ~falling)
    grid[1:, :-1] |= first | (second & ~falling)
    grid[1:, 1:] |= second | (first & falling)
    for row, fan in ((grid[0], top), (grid[-1], bottom)):
        row[:-1] |= fan
        row[1:] |= fan
    return np.concatenate([grid.ravel(), top, bottom])

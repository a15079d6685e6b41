"""Cells of the grid that a depth edge runs through, cut along it.

As in marching squares: the edge crosses a cell's side where the finer map changes from near to
far. There the near surface ends, and farther off on the same ray the far one. Seen from the camera
nothing is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.meshes.surface import Fine, Grid
from panodepth.types import BoolArray, FloatArray

Array = npt.NDArray[Any]

EVEN = 0.5  # a slope that goes on at least this steeply to one side is no jump
MARGIN = 0.02  # of a cell's side: no crossing is closer to its ends
CORNERS = 4


@dataclass(frozen=True)
class Cuts:
    """uv: (N, 2) and length: (N,) of new vertices. twin: (N,), the same number for two that are
    one point. faces: (M, 3), the corners' numbers; the new vertices come after the closed grid's
    and those of its poles.
    """

    uv: Array
    length: Array
    twin: Array
    faces: Array


def cut_cells(grid: Grid, torn: BoolArray, fine: Fine) -> tuple[Cuts, BoolArray]:
    """The two parts of each cell that a depth edge runs through; (h - 1, w), which cells these are.

    torn: (h - 1, w), cells with valid corners and a triangle that spans an edge.
    """
    width = grid.distance.shape[1]
    right, down = is_jump(grid.distance, grid.mask)
    row, column = (index[:, None] for index in np.nonzero(torn))
    # Corners and the sides from each to the next, counterclockwise as the camera sees it.
    corner = row + [0, 1, 1, 0], column + [0, 0, 1, 1]
    distance = grid.distance[corner[0], corner[1] % width]
    near = distance < np.sqrt(distance.min(axis=1) * distance.max(axis=1))[:, None]
    across = near != np.roll(near, -1, axis=1)
    after = (column + 1) % width
    jumps = [down[row, column], right[row + 1, column], down[row, after], right[row, column]]
    chosen = (across & np.concatenate(jumps, axis=1)).any(axis=1)
    row, column, near, across = row[chosen], column[chosen], near[chosen], across[chosen]
    cells = np.zeros_like(torn)
    cells[row[:, 0], column[:, 0]] = True

    first = (len(grid.distance) - 1) * (width + 1)  # of the sides that run across
    below = row * (width + 1) + column, first + (row + 1) * width + column
    sides = np.concatenate([*below, below[0] + 1, below[1] - width], axis=1)
    corners = ((row + [0, 1, 1, 0]) * (width + 1) + column + [0, 0, 1, 1]).astype(np.int64)
    base = grid.distance.size + len(grid.distance) + 2 * width  # after the grid and the poles
    keys = np.unique(np.concatenate([2 * sides[across], 2 * sides[across] + 1]))
    numbers = base + np.searchsorted(keys, 2 * sides)
    faces = np.concatenate(_parts(corners, numbers, near, across))
    return _crossings(grid, fine, keys, faces), cells


def _parts(corners: Array, numbers: Array, near: BoolArray, across: BoolArray) -> list[Array]:
    """(M, 3) faces of the near and of the far part of (K, 4) corners; where those lie crosswise the
    near part is one and the far one two.

    numbers: (K, 4) of the near vertex on each side; the far one is next.
    """
    crosswise = across.all(axis=1)
    found = []
    for is_far, part in enumerate((near, ~near)):
        whole = ~crosswise if is_far else np.ones_like(crosswise)
        slots = np.stack([corners, numbers + is_far], axis=-1).reshape(-1, 2 * CORNERS)[whole]
        there = np.stack([part, across], axis=-1).reshape(-1, 2 * CORNERS)[whole]
        order = np.argsort(~there, axis=1, kind="stable")
        slots, count = np.take_along_axis(slots, order, axis=1), there.sum(axis=1)
        for i in range(1, 5):
            found.append(slots[count > i + 1][:, [0, i, i + 1]])
    for i in range(CORNERS):
        alone = crosswise & ~near[:, i]
        triangle = numbers[:, i - 1] + 1, corners[:, i], numbers[:, i] + 1
        found.append(np.stack(triangle, axis=1)[alone])
    return found


def _crossings(grid: Grid, fine: Fine, keys: Array, faces: Array) -> Cuts:
    """Where the edge crosses sides. keys: (N,), twice a side's number, + 1 for the far vertex."""
    (height, width), full = grid.distance.shape, fine.distance.shape[1]
    first = (height - 1) * (width + 1)
    side, is_far = keys // 2, keys % 2 == 1
    down = side < first
    row = np.where(down, side // (width + 1), (side - first) // width)
    column = np.where(down, side % (width + 1), (side - first) % width)
    step = np.stack([down, ~down])
    at = [np.stack([row, column]) + i * step for i in (-1, 0, 1, 2)]
    known = [(p[0] >= 0) & (p[0] < height) for p in at]
    flat = [p[0].clip(0, height - 1) * width + p[1] % width for p in at]
    known = [k & grid.mask.ravel()[f] for k, f in zip(known, flat, strict=True)]
    inverse = [
        1 / np.where(k, grid.distance.ravel()[f], 1) for k, f in zip(known, flat, strict=True)
    ]
    places = np.append(fine.columns, fine.columns[0] + full)  # of closed columns
    start = fine.rows[row], places[column]
    gap = np.where(down, fine.rows[at[2][0].clip(0, height - 1)] - start[0], 0)
    gap = np.where(down, gap, places[(column + 1).clip(0, width)] - start[1])
    share = _share(grid, flat[1], flat[2])
    starts = (inverse[1] > inverse[2]) != is_far  # whether the vertex ends the start's surface
    inner, outer = (np.where(starts, inverse[a], inverse[b]) for a, b in ((1, 2), (0, 3)))
    slope = np.where(np.where(starts, known[0], known[3]), inner - outer, 0)
    slope = np.where(np.abs(slope) > grid.edge_threshold * inner, 0, slope)
    length = 1 / (inner + slope * np.where(starts, share, 1 - share))
    spot = np.stack([start[1] + share * gap * ~down, start[0] + share * gap * down], axis=-1)
    twin = np.where(down & (column == width), keys - 2 * width, keys)
    return Cuts((spot + 0.5) / [full, len(fine.distance)], length, twin, faces)


def _share(grid: Grid, start: Array, end: Array) -> Array:
    """(N,) how far along its side, from one pixel to another, the edge crosses it."""
    if grid.sides is None:
        return np.full(len(start), 0.5)
    a, b = np.abs(grid.sides.ravel()[start]), np.abs(grid.sides.ravel()[end])
    share = np.where(np.isnan(a) | np.isnan(b), 0.5, a / np.maximum(a + b, 1e-12))
    return np.asarray(share.clip(MARGIN, 1 - MARGIN))


def is_jump(distance: FloatArray, mask: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Whether the distance jumps, rather than goes on along a slanted surface: from each pixel of
    (h, w) to the one on its right (h, w), over the seam too, and to the one below (h - 1, w).
    """
    inverse = np.where(mask, 1 / np.where(mask, distance, 1), np.nan)
    right = np.roll(inverse, -1, axis=1) - inverse
    down = np.diff(inverse, axis=0)
    before, after = np.roll(right, 1, axis=1), np.roll(right, -1, axis=1)
    nothing = np.zeros_like(down[:1])
    above, below = np.concatenate([nothing, down[:-1]]), np.concatenate([down[1:], nothing])
    return ~_even(right, before, after), ~_even(down, above, below)


def _even(slope: Array, before: Array, after: Array) -> BoolArray:
    """Where a slope goes on before or after it. All (N,); returns (N,) bool."""
    sign = np.sign(slope)
    limit = EVEN * np.abs(slope)
    return np.asarray((before * sign > limit) | (after * sign > limit))

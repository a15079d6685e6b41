"""Depth edges, sharp: what a network blurs over several pixels lies on one side or the other.

Between a near and a far surface a smooth prediction leaves a ramp of pixels on neither. From each
of them the steepest way down ends on the near surface and the steepest way up on the far one; it
then takes the distance of the one that it is closer to, which is continued as a plane: along a line
in the picture the inverse distance of a plane changes evenly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.meshes.surface import Fine, Grid
from panodepth.types import BoolArray

Array = npt.NDArray[Any]

LONGEST_RAMP_LOG2 = 4  # 16 steps between pixels
STEP_SHARE = 1 / 3  # of the threshold's step: what a ramp climbs at least from pixel to pixel
SAME_RAMP = 0.15  # of the steepest step around: what is flatter belongs to the surface behind
EVEN = 0.5  # a surface that goes on this steeply beyond both ends of a ramp is no edge but slanted
REACH = 3  # samples to each side, when it is judged on which side of an edge a pixel lies ...
SAMPLES_PER_RAMP = 4  # ... and how many of them a ramp takes
SAME_SURFACE = 0.1  # of the inverse distance: what changes by more in a pixel is another one
LEAST_SPACING = 0.5  # [px]
NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


def sharpened(grid: Grid, torn: BoolArray, fine: Fine) -> Grid:
    """The grid, ramps at depth edges taken apart, with their sides. It goes on over the seam.

    torn: (h - 1, w), cells with a triangle that spans an edge. fine: the map it was taken from.
    """
    distance, mask, threshold = grid.distance, grid.mask, grid.edge_threshold
    width = distance.shape[1]
    corners = np.zeros_like(mask)
    for rows in (corners[:-1], corners[1:]):
        rows |= torn | np.roll(torn, 1, axis=1)
    log = np.log(np.where(mask, distance, 1).astype(np.float64)).ravel()
    places = np.flatnonzero(corners & mask)
    step = STEP_SHARE * np.log1p(threshold)
    ends = [_ends(log, mask, places, sign, step) for sign in (-1, 1)]
    found = np.logical_and.reduce([end >= 0 for end in ends])
    places, (near, far) = places[found], (end[found] for end in ends)
    jump = log[far] - log[near] > np.log1p(threshold)
    places, near, far = places[jump], near[jump], far[jump]
    inverse = np.exp(-log)
    slopes = _beyond(inverse, mask, near, far), _beyond(inverse, mask, far, near)
    rise = (inverse[near] - inverse[far]) / _apart(near, far, width)
    # Beyond the near end a slanted surface comes nearer still, beyond the far end it recedes.
    edge = (slopes[0] < EVEN * rise) & (-slopes[1] < EVEN * rise)
    places, near, far = places[edge], near[edge], far[edge]
    sides = np.full(log.shape, np.nan)
    middle, half = (log[near] + log[far]) / 2, (log[far] - log[near]) / 2
    spacing = np.maximum(_apart(near, far, width) / SAMPLES_PER_RAMP, LEAST_SPACING)
    sides[places] = _sides(fine, np.divmod(places, width), (middle, half), spacing)
    is_near = sides[places] < 0
    side = np.where(is_near, near, far)
    slope = np.where(is_near, slopes[0][edge], slopes[1][edge])
    slope[np.abs(slope) > SAME_SURFACE * inverse[side]] = 0
    change = -slope * _apart(places, side, width)
    limit = threshold / 2 * inverse[side]
    moved = inverse[side] + np.clip(change, -limit, limit)
    sharp = distance.copy()
    sharp.reshape(-1)[places] = np.where(side == places, distance.ravel()[places], 1 / moved)
    return Grid(sharp, mask, threshold, sides.reshape(distance.shape))


def _sides(
    fine: Fine, place: tuple[Array, Array], level: tuple[Array, Array], spacing: Array
) -> Array:
    """(K,) from -1, where all around a pixel is near, to 1, where all is far: an average, which
    makes a staircase of pixels straight.

    place: (K,) rows and columns. level: (K,) ln distance in the middle of the jump, and half of it.
    spacing: (K,) of the samples, in pixels of the grid.
    """
    height, width = fine.distance.shape
    middle, half = level
    row, column = fine.rows[place[0]], fine.columns[place[1]]
    total, weights = np.zeros(len(row)), 0.0
    steps = np.arange(-REACH, REACH + 1)
    moves = np.rint(steps[:, None] * spacing * fine.stride).astype(int)
    share = np.exp(-0.5 * (steps / (REACH / 2)) ** 2)
    for down, a in zip(moves, share, strict=True):
        rows = (row + down).clip(0, height - 1)
        for right, b in zip(moves, share, strict=True):
            distance = fine.distance[rows, (column + right) % width]
            with np.errstate(divide="ignore", invalid="ignore"):  # masked pixels may hold anything
                value = np.nan_to_num((np.log(distance) - middle) / half)
            total += a * b * value.clip(-1, 1)
            weights += a * b
    return np.where(total == 0, 1e-9, total / weights)


def _ends(log: Array, mask: BoolArray, places: Array, sign: int, step: float) -> Array:
    """(K,) where the steepest way from each place ends, down for sign -1, up for 1; -1 where it is
    longer than a ramp may be. log: (h * w,).
    """
    height, width = mask.shape
    row, column = np.divmod(places, width)
    others, slopes = [], []
    for down, right in NEIGHBOURS:
        other = (row + down).clip(0, height - 1) * width + (column + right) % width
        inside = (row + down >= 0) & (row + down < height) & mask.ravel()[other]
        others.append(other)
        slopes.append(np.where(inside, log[other] - log[places], 0) / np.hypot(down, right))
    steepest = np.argmax(np.stack(slopes) * sign, axis=0)[None]
    slope = np.take_along_axis(np.stack(slopes), steepest, axis=0)[0] * sign
    limit = np.maximum(step, SAME_RAMP * np.abs(np.stack(slopes)).max(axis=0))
    goal = np.where(
        slope > limit, np.take_along_axis(np.stack(others), steepest, axis=0)[0], places
    )
    pointer = np.arange(log.size)
    pointer[places] = goal
    for _ in range(LONGEST_RAMP_LOG2):
        pointer[places] = pointer[pointer[places]]
    end = pointer[places]
    return np.where(pointer[end] == end, end, -1)


def _offset(start: Array, goal: Array, width: int) -> tuple[Array, Array]:
    """(K,) rows and columns from one place to another, the short way round."""
    down = goal // width - start // width
    right = (goal % width - start % width + width // 2) % width - width // 2
    return down, right


def _apart(start: Array, goal: Array, width: int) -> Array:
    """(K,) pixels between two places, at least 1."""
    return np.maximum(np.hypot(*_offset(start, goal, width)), 1)


def _beyond(inverse: Array, mask: BoolArray, end: Array, other: Array) -> Array:
    """(K,) how the inverse distance grows per pixel beyond one end of a ramp, away from the other;
    0 where nothing is known.
    """
    height, width = mask.shape
    down, right = _offset(other, end, width)
    scale = 2 / np.maximum(np.hypot(down, right), 1)
    step_down, step_right = np.rint(down * scale).astype(int), np.rint(right * scale).astype(int)
    row = end // width + step_down
    goal = row.clip(0, height - 1) * width + (end % width + step_right) % width
    length = np.maximum(np.hypot(step_down, step_right), 1)
    change = inverse[goal] - inverse[end]
    known = (row >= 0) & (row < height) & mask.ravel()[goal]
    return np.where(known, change / length, 0)

"""What another eye sees of a panorama: for each of its pixels, the place in the panorama.

Eyes lie on a viewing circle and the light's longitude changes by an amount that depends on the row
and the distance alone, so each row is drawn by itself: pixels as pieces of a line with a depth
buffer, then what no piece covers from the background beside it.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from panodepth.export.meshes.triangles import EDGE_THRESHOLD, GRAZING_ANGLE_DEG
from panodepth.types import Float64Array, FloatArray

NETWORK_COLUMNS = 1092  # how fine predictions are at most
RAMP = 2  # of their pixels, to either side of a depth edge
STEPS = 1 << 30  # of a pixel: places are multiples of one, and their sums exact
WIDEST_SINE = 0.5  # what is nearer than the viewing circle's diameter is drawn at it


def depth_jump(width: int) -> float:
    """From which ratio - 1 on two neighbouring distances in a row are no one surface: as meshes
    are cut.
    """
    return max(EDGE_THRESHOLD, math.tan(math.radians(GRAZING_ANGLE_DEG)) * 2 * math.pi / width)


def sharpened(distance: FloatArray) -> FloatArray:
    """(H, W) distance, inf = sky, whose ramps at depth edges are steps.

    A network draws an edge as a ramp, which would be seen from the side as a sheet of stretched
    colours. Each value in a ramp becomes the nearest or the farthest one beside it; the nearer
    surface grows by a pixel of the network, so that the mixed colours at its border go with it.
    """
    width = distance.shape[1]
    pixel = max(1, round(width / NETWORK_COLUMNS))
    reach = min(RAMP * pixel, (width - 1) // 2)
    near = 1 / np.concatenate([distance[:, -2 * reach :], distance, distance[:, : 2 * reach]], 1)
    low, high = _extreme(near, cv2.erode, reach), _extreme(near, cv2.dilate, reach)
    edge = high > low * (1 + 2 * reach * depth_jump(width))
    # Halfway in 1 / distance, which is what disparity is.
    steps = np.where(edge, np.where(2 * near < low + high, low, high), near)
    grown = _extreme(steps, cv2.dilate, pixel)
    with np.errstate(divide="ignore"):
        found = 1 / np.where(edge, grown, near)[:, 2 * reach : 2 * reach + width]
    return np.where(edge[:, 2 * reach : 2 * reach + width], found, distance)


def _extreme(values: Any, operation: Any, reach: int) -> FloatArray:
    """(H, W) the least or the largest of each value and `reach` others to either side."""
    kernel = np.ones((1, 2 * reach + 1), np.uint8)
    return np.asarray(operation(values, kernel, borderType=cv2.BORDER_REPLICATE))


def eye_places(distance: Float64Array, latitude: Float64Array, radius: Float64Array) -> Any:
    """(2, h, W) column and row's latitude [rad] in the panorama that each pixel of an eye sees.

    distance: (h, W) of rows of a panorama, inf = sky. latitude: (h,) of these rows [rad]. radius:
    (h,) signed, of the circle that the eye is on: > 0 the right eye, < 0 the left one; in the unit
    of the distance. Columns count pixels from the middle of the first one and run on over the seam.
    """
    width = distance.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = np.abs(radius)[:, None] / (distance * np.cos(latitude)[:, None])
    sine = np.minimum(np.nan_to_num(sine), WIDEST_SINE)
    # A ray that leaves the circle's tangent in longitude a meets the point in a + asin(r / R).
    shift = -np.sign(radius)[:, None] * np.arcsin(sine) * (width / (2 * math.pi))
    # So that a column has the very same place from both sides of the seam.
    shift = np.rint(shift * STEPS) / STEPS
    columns, nearness = _drawn(shift, sine, depth_jump(width))
    columns, nearness = _filled(columns, nearness, depth_jump(width))
    # Seen from the circle, what is above or below the horizon is steeper than from its centre.
    flat = np.tan(latitude)[:, None] * np.sqrt(1 - nearness**2)
    return np.stack([columns, np.arctan(flat)])


def _drawn(shift: Float64Array, near: Float64Array, jump: float) -> tuple[Any, Any]:
    """(h, W) which column each pixel sees, NaN = none, and its `near`, 0 for none.

    shift: (h, W) by how many pixels each column moves. near: (h, W), larger = nearer, 0 = sky.
    """
    height, width = shift.shape
    here = np.arange(width, dtype=np.float64)
    x, after = here + shift, here + 1 + np.roll(shift, -1, 1)
    other = np.roll(near, -1, 1)
    torn = np.maximum(near, other) > (1 + jump) * np.minimum(near, other)
    columns = np.full(height * width, np.nan)
    depth = np.zeros(height * width)
    first = np.arange(height)[:, None] * width
    pieces: list[tuple[Any, Any, Any]] = []

    def draw(start: Any, end: Any, chosen: Any, values: Any) -> None:
        """Pixels between start and end (h, W); values: of their shares of the way."""
        pixel = np.ceil(start)
        while (chosen := chosen & (pixel < end)).any():
            share = (pixel - start)[chosen] / (end - start)[chosen]
            place = (first + np.mod(pixel, width).astype(np.int64))[chosen]
            pieces.append((place, *values(chosen, share)))
            pixel = pixel + 1

    def surface(chosen: Any, share: Any) -> tuple[Any, Any]:
        column = np.broadcast_to(here, chosen.shape)[chosen] + share
        return column, near[chosen] * (1 - share) + other[chosen] * share

    def border(step: float, depths: Any) -> Any:
        """Half a pixel at a torn place, at the distance of its own side."""
        return lambda chosen, share: (
            np.broadcast_to(here, chosen.shape)[chosen] + step + share / 2,
            depths[chosen],
        )

    draw(x, after, ~torn, surface)
    draw(x, x + 0.5, torn, border(0.0, near))
    draw(after - 0.5, after, torn, border(0.5, other))
    place, column, value = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    nearest = np.full(height * width, -1.0)
    np.maximum.at(nearest, place, value)
    won = value == nearest[place]
    columns[place[won]], depth[place[won]] = column[won], value[won]
    return columns.reshape(height, width), depth.reshape(height, width)


def _filled(columns: Float64Array, near: Float64Array, jump: float) -> tuple[Any, Any]:
    """(h, W) each, `_drawn` without gaps: they mirror the farther surface beside them."""
    hole = np.isnan(columns)
    if not hole.any():
        return columns, near
    width = columns.shape[1]
    # Three turns side by side: what lies beyond the seam needs no rule of its own.
    seen = np.tile(~hole, 3)
    depth, place = np.tile(near, 3), np.arange(3 * width)
    column = np.concatenate([columns - width, columns, columns + width], 1)
    last = np.maximum.accumulate(np.where(seen, place, 0), 1)
    following = np.minimum.accumulate(np.where(seen, place, 3 * width - 1)[:, ::-1], 1)[:, ::-1]
    row, gap = np.nonzero(hole)
    gap = gap + width
    left, right = last[row, gap], following[row, gap]
    use_left = depth[row, left] <= depth[row, right]
    edge = np.where(use_left, left, right)
    step = np.where(use_left, -1, 1)
    # How far the surface beside the gap goes on, so that the mirror image shows nothing else.
    joined = seen[:, 1:] & seen[:, :-1]
    joined &= np.maximum(depth[:, 1:], depth[:, :-1]) <= (1 + jump) * np.minimum(
        depth[:, 1:], depth[:, :-1]
    )
    ends = np.pad(~joined, ((0, 0), (1, 1)), constant_values=True)
    begin = np.maximum.accumulate(np.where(ends[:, :-1], place, 0), 1)[row, edge]
    end = np.minimum.accumulate(np.where(ends[:, 1:], place, 3 * width - 1)[:, ::-1], 1)[:, ::-1]
    length = np.where(use_left, edge - begin, end[row, edge] - edge) + 1
    away = np.abs(gap - edge) - 1
    turn = np.mod(away, 2 * length)
    mirrored = edge + step * np.where(turn < length, turn, 2 * length - 1 - turn)
    columns, near = columns.copy(), near.copy()
    columns[hole], near[hole] = column[row, mirrored], depth[row, edge]
    return columns, near

"""Depth steps as steps: what a network's coarse map, enlarged, makes slopes of.

A network says one distance for each of its pixels, and at an edge a few of them lie between what is
in front and what is behind; enlarged, they become a slope that stands in the air. Here each such
slope is found, with the two surfaces that it joins, and cut: every pixel of the picture then lies
where one of the two goes on to. Nothing is learned and nothing is asked of the picture; where
surfaces meet without a step, as a wall and its floor do, nothing changes.

All is done in 1 / distance, in which a plane is (nearly) linear on a panorama's grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.geometry.resizing import resize_erp
from panodepth.size import Size
from panodepth.types import BoolArray, FloatArray

HALF = 2.5  # pixels from a step's middle, on each side, to where its surfaces are read
LEAST_JUMP = 0.12  # of the lesser of the two values of 1 / distance that a step joins
LEAST_SHARE = 0.4  # of the change from one to the other, which their own slopes must leave
STEEPER = 1.5  # than either surface, a step is in its middle
CUT = 0.3  # of the jump from the far surface: what is said too far costs more than too near
MOST_LATITUDE_DEG = 65.0  # rows beyond are drawn out too much along themselves
BESIDE = 3  # pixels round what is no surface, where a network says anything
REACH, FADE = 3.0, 1.0  # pixels from a step that change, and over which that ends
PAST_END, END_FADE = 2.0, 1.0  # the same along it, past its last pixel
AROUND = range(-2, 3)  # pixels whose steps are evened out together
LEAST_ALIKE = 0.8  # cosine between the directions of such
MOST_PAST = 1.25  # times as near or far as both surfaces at the cut, a pixel may become
MARGIN = 8  # pixels put round a map
BAND_PIXELS = 1 << 18  # of the picture, at a time


class Steps(NamedTuple):
    """N steps of a map (h, w), and which of them is near.

    rows, columns: (N,) where each is cut, in pixels from the first one's centre. down, right: (N,)
    the unit direction to its near side. far, near: (N,) 1 / distance of its surfaces at the cut;
    far_slope, near_slope: (N,) their changes per pixel in that direction. nearest: (h, w) number
    of the step within REACH pixels of each, -1 = none.
    """

    rows: FloatArray
    columns: FloatArray
    down: FloatArray
    right: FloatArray
    far: FloatArray
    near: FloatArray
    far_slope: FloatArray
    near_slope: FloatArray
    nearest: npt.NDArray[np.int32]


def enlarged(distance: FloatArray, surface: BoolArray, size: Size) -> FloatArray:
    """A network's map (h, w) at the size (H, W) of its picture, with the steps that it means.

    surface: (h, w), False = sky or masked. At another size that is not larger it is resized alone.
    """
    larger = resize_erp(distance, size)
    steps = find_steps(distance, surface) if size[0] > len(distance) else None
    if steps is not None:
        cut_steps(larger, steps)
    return larger


def find_steps(distance: FloatArray, surface: BoolArray) -> Steps | None:
    """The steps of a network's map, None where there are none.

    distance: (h, w) > 0. surface: (h, w), False = sky or masked: there is nothing to part from.
    """
    inverse = _padded(1 / distance)
    smooth = cv2.GaussianBlur(inverse, (3, 3), 0.6)
    slopes = np.stack([cv2.Scharr(smooth, cv2.CV_32F, x, y) for x, y in ((0, 1), (1, 0))])
    slopes = np.asarray(slopes / 32, np.float32)
    steepness = np.hypot(*slopes)
    row, column = np.nonzero(_may_be_steps(steepness > LEAST_JUMP / 6 * inverse, surface))
    places = np.stack([row, column, *(slopes[:, row, column] / steepness[row, column])]).astype(
        np.float32
    )
    before, here, after = _along(steepness, places, (-1, 0, 1))
    places = places[:, (here >= before) & (here >= after)]
    # What the surfaces themselves change says nothing of where the edge between them goes.
    far, here, near = np.stack([_along(slope, places, (-HALF, 0, HALF)) for slope in slopes], 1)
    places[2:] = here - (far + near) / 2
    places[2:] /= np.maximum(np.hypot(*places[2:]), 1e-9)
    values, good = _measured(inverse, places)
    if not good.any():
        return None
    row, column = places[:2, good].astype(np.intp) - MARGIN
    height, width = distance.shape
    values = _evened(values[:, good], row, column, (height, width))
    down, right = values[:2] / np.hypot(*values[:2])
    off, far, near, far_slope, near_slope = values[2:]
    rows, columns = row + off * down, column + off * right
    nearest = _nearest(rows, columns, (height, width))
    return Steps(rows, columns, down, right, far, near, far_slope, near_slope, nearest)


def cut_steps(larger: FloatArray, steps: Steps) -> None:
    """Make steps of the slopes of the map, `larger` (H, W) by `resize_erp`, in place."""
    (height, width), (h, w) = larger.shape, steps.nearest.shape
    beside = steps.nearest >= 0
    of_row, of_column = _under(height, h), _under(width, w)
    rows = np.flatnonzero(beside[of_row].any(1))
    band = max(1, BAND_PIXELS // width)
    for start in range(0, len(rows), band):
        some = rows[start : start + band]
        flags = beside[of_row[some]][:, of_column]
        y, x = np.divmod(np.flatnonzero(flags), width)
        y = some[y]
        row = ((y + 0.5) * (h / height) - 0.5).astype(np.float32)
        column = ((x + 0.5) * (w / width) - 0.5).astype(np.float32)
        number = steps.nearest[of_row[y], of_column[x]]
        larger[y, x] = _cut(larger[y, x], row, column, steps, number)


def _padded(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(h, w) with MARGIN pixels round it: across the seam, and the outermost rows again."""
    wide = np.pad(values, ((0, 0), (MARGIN, MARGIN)), "wrap")
    return np.pad(wide, ((MARGIN, MARGIN), (0, 0)), "edge")


def _may_be_steps(steep: BoolArray, surface: BoolArray) -> BoolArray:
    """Steep pixels of the padded map but for its margin, the poles and what is no surface."""
    square = np.ones((2 * BESIDE + 1,) * 2, np.uint8)
    beside = cv2.dilate(_padded((~surface).astype(np.uint8)), square) > 0
    may = steep & ~beside
    latitude_deg = ((np.arange(len(may)) - MARGIN + 0.5) / len(surface) - 0.5) * 180
    may[np.abs(latitude_deg) > MOST_LATITUDE_DEG] = False
    may[:, :MARGIN] = may[:, -MARGIN:] = False
    return np.asarray(may)


def _along(values: FloatArray, places: FloatArray, pixels: Sequence[float]) -> FloatArray:
    """(len(pixels), N) values of the padded map, so many pixels in the direction of places (4, N).

    places: row, column, down, right. Bilinear.
    """
    far = np.asarray(pixels, np.float32)[:, None]
    row, column = (places[i] + far * places[i + 2] for i in (0, 1))
    top, left = np.floor(row), np.floor(column)
    part_down, part_right = row - top, column - left
    first = top.astype(np.intp) * values.shape[1] + left.astype(np.intp)
    flat = values.ravel()
    upper, lower = (
        flat.take(start) * (1 - part_right) + flat.take(start + 1) * part_right
        for start in (first, first + values.shape[1])
    )
    return np.asarray(upper + (lower - upper) * part_down, np.float32)


def _measured(inverse: FloatArray, places: FloatArray) -> tuple[FloatArray, BoolArray]:
    """(7, N) of places, down, right, how far on it is cut, and both surfaces; which are steps.

    places: (4, N) row, column, down, right.
    """
    pixels = (-HALF - 1, -HALF, -1, 0, 1, HALF, HALF + 1)
    before, far, back, here, forth, near, after = _along(inverse, places, pixels)
    far_slope, near_slope, steepness = far - before, after - near, (forth - back) / 2
    far_here, near_here = far + HALF * far_slope, near - HALF * near_slope
    jump = near_here - far_here
    good = jump > LEAST_JUMP * np.minimum(far, near)
    good &= jump > LEAST_SHARE * (near - far)
    good &= steepness > STEEPER * np.maximum(np.abs(far_slope), np.abs(near_slope))
    # Where the slope passes the share of the jump at which it is cut.
    off = ((far_here + CUT * jump - here) / np.maximum(steepness, 1e-9)).clip(-1, 1)
    far_here, near_here = far_here + off * far_slope, near_here + off * near_slope
    good &= np.minimum(far_here, near_here) > 0
    values = np.stack([*places[2:], off, far_here, near_here, far_slope, near_slope])
    return values.astype(np.float32), good


def _evened(
    values: FloatArray, row: npt.NDArray[np.intp], column: npt.NDArray[np.intp], size: Size
) -> FloatArray:
    """(n, N) mean of each step's values and those of steps around that go the same way.

    What a network says along an edge wavers from pixel to pixel, which would show as stripes.
    """
    numbers = np.full(size, -1, np.int32)
    numbers[row, column] = np.arange(len(row))
    numbers = _padded(numbers)
    total, weights = np.zeros_like(values), np.zeros(len(row), np.float32)
    for y in AROUND:
        for x in AROUND:
            other = numbers[row + MARGIN + y, column + MARGIN + x]
            theirs = values[:, other]
            alike = (values[:2] * theirs[:2]).sum(0) > LEAST_ALIKE
            weight = np.float32(math.exp(-(y * y + x * x) / 4)) * ((other >= 0) & alike)
            total += weight * theirs
            weights += weight
    return np.asarray(total / weights)


def _nearest(rows: FloatArray, columns: FloatArray, size: Size) -> npt.NDArray[np.int32]:
    """(h, w) number of the nearest of the places, -1 beyond REACH pixels."""
    numbers = np.full(size, -1, np.int32)
    row, column = np.rint(rows).astype(np.intp), np.rint(columns).astype(np.intp) % size[1]
    numbers[row, column] = np.arange(len(rows))
    numbers = _padded(numbers)
    away, labels = cv2.distanceTransformWithLabels(
        (numbers < 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_label = np.full(labels.max() + 1, -1, np.int32)
    of_label[labels[numbers >= 0]] = numbers[numbers >= 0]
    found = np.where(away < REACH, of_label[labels], np.int32(-1))
    return np.asarray(found[MARGIN:-MARGIN, MARGIN:-MARGIN])


def _under(count: int, length: int) -> npt.NDArray[np.intp]:
    """(count,) the pixel, of `length`, under the centre of each of `count` in the same place."""
    return np.asarray((2 * np.arange(count) + 1) * length // (2 * count))


def _cut(
    distance: FloatArray,
    row: FloatArray,
    column: FloatArray,
    steps: Steps,
    number: npt.NDArray[np.int32],
) -> FloatArray:
    """Distances (n,) at places of the map, (n,) each, beside the steps of those numbers."""
    width = steps.nearest.shape[1]
    down, right, far, near = (x[number] for x in (steps.down, steps.right, steps.far, steps.near))
    y = row - steps.rows[number]
    x = (column - steps.columns[number] + width / 2) % width - width / 2
    along, beside = y * down + x * right, np.abs(x * down - y * right)
    surface = np.where(
        along < 0, far + steps.far_slope[number] * along, near + steps.near_slope[number] * along
    )
    surface = surface.clip(np.minimum(far, near) / MOST_PAST, np.maximum(far, near) * MOST_PAST)
    weight = ((REACH - np.abs(along)) / FADE).clip(0, 1)
    weight *= ((PAST_END - beside) / END_FADE).clip(0, 1)
    return np.asarray(1 / ((1 - weight) / distance + weight * surface), np.float32)

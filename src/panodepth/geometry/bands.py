"""Normals of NumPy maps, fast: in bands of rows that stay in a core's cache.

The clear formula is that of `points`, with which the tests compare this. The normals are worked out
in the frame of each pixel's own ray r, east e and south s. There the rays of the neighbours are
constants per row, and the vertical tangent has no e: half the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from panodepth.geometry.arrays import Array
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.seam import half_turn

BAND_PIXELS = 1 << 15  # worked on at a time: a dozen arrays of them about fill a core's cache


def normals(distance: Array) -> Array:
    """(H, W) float32 or float64 ERP distance, finite and > 0, to (H, W, 3) unit normals.

    They face the camera (normal · ray < 0); 0 where neighbours give none, as in one row. With an
    odd W, what lies beyond the poles is the mean of two distances there, not of two points.
    """
    out = np.empty((*distance.shape, 3), distance.dtype)
    for _ in normal_bands(distance, out.transpose(2, 0, 1)):
        pass
    return out


def normal_bands(distance: Array, place: Array | None = None) -> Iterator[tuple[slice, Array]]:
    """The normals of `normals` band by band: rows from the top, and (3, h, W).

    Each array is the caller's to keep or change. place: a (3, H, W) array that takes them all.
    """
    height, width = distance.shape
    lon, lat = axis_angles(height, width)
    beyond = half_turn(distance[:1]), half_turn(distance[-1:])  # the poles
    cos_lon, sin_lon = np.cos(lon).astype(distance.dtype), np.sin(lon).astype(distance.dtype)
    for start, stop, step in row_bands(height, width, max(1, BAND_PIXELS // width)):
        rows = slice(start, stop)
        shape = (3, stop - start, width)
        out = np.empty(shape, distance.dtype) if place is None else place[:, rows]
        above = distance[start - 1 : start] if start else beyond[0]
        below = distance[stop : stop + 1] if stop < height else beyond[1]
        padded = np.concatenate([above, distance[rows], below])
        local = _band(padded, lat[rows], step, math.pi / height)
        _to_world(local, lat[rows], cos_lon, sin_lon, out)
        yield rows, out


def row_bands(height: int, width: int, rows_at_once: int) -> list[tuple[int, int, int]]:
    """(first row, end row, column step): the power of two nearest to 1 / cos lat, at most W / 4."""
    bands: list[tuple[int, int, int]] = []
    for row in range(height):
        ratio = 1 / math.sin(math.pi * (row + 0.5) / height)
        step = max(1, min(2 ** round(math.log2(ratio)), width // 4))
        if bands and bands[-1][2] == step and row - bands[-1][0] < rows_at_once:
            bands[-1] = (bands[-1][0], row + 1, step)
        else:
            bands.append((row, row + 1, step))
    return bands


def _band(padded: Array, lat: Array, step: int, down_rad: float) -> tuple[Array, Array, Array]:
    """Normals, not yet of unit length, along e, s and r, each (rows, W).

    padded: (rows + 2, W). Everything is in units of the pixel's own distance, so that neither tiny
    nor huge distances leave the range of float32. r' of a neighbour is (1 − less) r ± east e +
    south s to the sides, and (1 − less_down) r ± sin(down_rad) s above and below.
    """
    dtype = padded.dtype
    # 1 − cos as 2 sin² of half the angle: the difference would cancel, the angles are tiny.
    half_sine = math.sin(step * math.pi / padded.shape[1])
    less = (2 * np.cos(lat) ** 2 * half_sine**2)[:, None].astype(dtype)
    south = (2 * np.cos(lat) * np.sin(lat) * half_sine**2)[:, None].astype(dtype)
    east = (np.cos(lat) * math.sin(step * 2 * math.pi / padded.shape[1]))[:, None].astype(dtype)
    less_down = np.asarray(2 * math.sin(down_rad / 2) ** 2, dtype)

    centre = padded[1:-1]
    inverse = 1 / centre
    side = (np.roll(centre, -step, 1), np.roll(centre, step, 1))
    across_r, across_sum, across_difference = _tangent(side, centre, inverse, less)
    down_r, down_s, _ = _tangent((padded[2:], padded[:-2]), centre, inverse, less_down)
    # Left and right lie east and west, so e takes the sum of both; south of both, so s takes the
    # difference. Above and below lie on the meridian: down has no e.
    across_e, across_s = across_sum * east, across_difference * south
    down_s *= math.sin(down_rad)
    # normal = down × across, with down = (0, down_s, down_r) and across in the axes (e, s, r)
    normal_e = down_s * across_r
    normal_e -= down_r * across_s
    down_r *= across_e  # from here on the normal's part along s
    down_s *= across_e  # and, but for its sign, the one along r
    return normal_e, down_r, np.negative(down_s, out=down_s)


def _tangent(
    neighbours: tuple[Array, Array], centre: Array, inverse: Array, less: Array
) -> tuple[Array, Array, Array]:
    """The blend of both one-sided differences, in units of the pixel's distance, (rows, W) each.

    neighbours: distances of the pixels ahead and behind. inverse: 1 / centre. less: 1 − cosine of
    the angle to a neighbour's ray, (rows, 1) or ().
    Returns its part along r, and the sum and difference of the weighted distances, which the
    neighbours' rays turn into its parts across r. Weights: the inverse fourth power of a
    difference's length, up to a common factor.
    """
    # Each array below is reused as soon as it has served: the names follow what it holds.
    ahead = (neighbours[0] - centre) * inverse  # ratio − 1: exact where the neighbour is close
    behind = (neighbours[1] - centre) * inverse
    ahead_far, behind_far = ahead + 1, behind + 1  # the ratios q of the distances
    # Squared length of q r' − r by the law of cosines, (q − 1)² + 2 q (1 − cos): no term cancels.
    ahead_square = ahead * ahead
    ahead_square += (2 * less) * ahead_far
    behind_square = behind * behind
    behind_square += (2 * less) * behind_far
    # A difference weighs (the other's square / both squares)²: a jump over an edge weighs nothing.
    behind_square += ahead_square
    share = np.divide(ahead_square, behind_square, out=ahead_square)
    rest = 1 - share
    rest *= rest  # weight of what lies ahead
    share *= share  # weight of what lies behind
    # Along r a difference is q (1 − less) − 1 = (q − 1) − less q; first the parts without less,
    ahead *= rest
    behind *= share
    ahead -= behind
    # then the weighted ratios, whose difference goes with less here and whose sum goes across r.
    rest *= ahead_far
    share *= behind_far
    difference = rest - share
    rest += share
    ahead -= less * difference
    return ahead, rest, difference


def _to_world(
    local: tuple[Array, Array, Array], lat: Array, cos_lon: Array, sin_lon: Array, out: Array
) -> None:
    """Bring normals along e, s and r to unit length and into the camera frame; out (3, rows, W)."""
    normal_e, normal_s, normal_r = local
    with np.errstate(over="ignore"):  # of a wire before the sky: as endless it becomes 0, no normal
        length = normal_e * normal_e
        length += normal_s * normal_s
        length += normal_r * normal_r
    np.sqrt(length, out=length)
    if not length.all():  # no tangents, as in a single row
        length[length == 0] = np.inf
    for part in local:
        part /= length
    # e = (cos lon, 0, −sin lon), s = (−sin lat sin lon, cos lat, −sin lat cos lon), r is the ray:
    # s and r have their level parts in one direction, so they are added before they are turned.
    cos_lat = np.cos(lat)[:, None].astype(out.dtype)
    sin_lat = np.sin(lat)[:, None].astype(out.dtype)
    level = normal_r * cos_lat
    level -= normal_s * sin_lat
    normal_s *= cos_lat
    normal_r *= sin_lat
    np.add(normal_s, normal_r, out=out[1])
    x = normal_e * cos_lon
    x += level * sin_lon
    out[0] = x
    level *= cos_lon
    normal_e *= sin_lon
    np.subtract(level, normal_e, out=out[2])

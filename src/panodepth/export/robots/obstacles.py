"""What is in a robot's way, told from the floor: a level panorama looked through column by column.

A network's floor drifts up or down far away, its walls lean a little, and at depth edges it draws
surfaces that are not there. So the floor is followed outward as long as it is no steeper than
STEEPEST; what stands upright is put where its median is; and maps leave out what is seen at a
grazing angle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from panodepth.export.bands import row_bands
from panodepth.export.reprojection import reprojected
from panodepth.export.robots.ground import BandOptions, camera_height
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.lens import ERP, View
from panodepth.geometry.point_bands import BAND_PIXELS
from panodepth.types import BoolArray, Float64Array, FloatArray, Prediction

STEEPEST = 0.25  # rise of a floor over its run
ROUGH = 0.01  # [m] that it may rise besides, from one row to the next
LEAN = 0.1  # of a wall's distance
HIGHEST = 0.6  # [m] over the camera's own floor: what is higher is no floor
FLOOR = 0.1  # [m]: what is nearer to z = 0 is floor wherever it is
STAND = 0.3  # [m] around the camera, where the robot itself is
UNDERFOOT = 0.25  # [m]: straight below the camera what is no higher is floor, such as a rug
GRAZING = math.tan(math.radians(82))
ROWS = 1024  # of a panorama made of another lens


@dataclass(frozen=True)
class Seen:
    """wall: (N, 3) points in the way, x forward, y left, z up from the floor below the camera [m].
    surface: (N, 3) the same, not put upright.
    grazing: (N,) which of them may be drawn by the network between a near and a far surface.
    floor: (M, 3) points of the floor. columns: of the panorama that was looked through.
    height: of the camera over the floor [m].
    """

    wall: Float64Array
    surface: Float64Array
    grazing: BoolArray
    floor: Float64Array
    columns: int
    height: float


def seen_around(prediction: Prediction, path: Path, options: BandOptions) -> Seen:
    """What lies between `low` and `high` and is no floor, within `range_max`. Raises OutputError
    for a relative prediction, or where no floor says the camera's height.
    """
    height = camera_height(prediction, path, options)
    level = upright(prediction)
    distance, valid = level.solid, level.mask
    lon, lat = axis_angles(*distance.shape)
    run = distance * np.cos(lat)[:, None]
    z = distance * -np.sin(lat)[:, None]
    z += height
    floor, band = followed(run, z, valid), np.empty_like(valid)
    for rows in row_bands(distance.shape, BAND_PIXELS):
        near = valid[rows] & (run[rows] <= options.range_max)
        floor[rows] = near & (floor[rows] | (np.abs(z[rows]) < FLOOR))
        band[rows] = near & ~floor[rows] & (z[rows] >= options.low) & (z[rows] <= options.high)
    surface, ground = at(run, lon, z, band), at(run, lon, z, floor)
    wall = at(plumb(run, z, band), lon, z, band)
    return Seen(wall, surface, grazing(distance)[band], ground, len(lon), height)


def at(run: Float64Array, lon: Float64Array, z: Float64Array, mask: BoolArray) -> Float64Array:
    """(N, 3) points, x forward, y left, of the pixels in mask (H, W), by horizontal distance
    (H, W), azimuth (W,) and height (H, W).
    """
    away = run[mask]
    forward, left = (np.broadcast_to(f, mask.shape)[mask] for f in (np.cos(lon), -np.sin(lon)))
    return np.stack([away * forward, away * left, z[mask]]).T


def upright(prediction: Prediction) -> Prediction:
    """The prediction as a level panorama; itself if it is one."""
    if isinstance(prediction.lens, ERP) and prediction.rotation is None:
        return prediction
    rows = len(prediction.distance) if isinstance(prediction.lens, ERP) else ROWS
    return reprojected(prediction, View(ERP(), (rows, 2 * rows)))


def followed(run: Float64Array, z: Float64Array, valid: BoolArray) -> BoolArray:
    """(H, W) the floor, from below the camera outward, up each column as far as it goes on.

    run, z: (H, W) horizontal distance and height over the floor [m]. It begins at the height of
    what is straight below, up to UNDERFOOT, and is level within STAND: networks lift rugs, and mix
    the floor there with what stands beside the camera.
    """
    found = np.zeros(z.shape, np.bool_)
    below = float(np.median(z[-1][valid[-1]])) if valid[-1].any() else 0.0
    start = below if abs(below) <= UNDERFOOT else 0.0
    last_run, last_z = np.zeros(z.shape[1]), np.full(z.shape[1], start)
    highest = FLOOR + max(start, 0.0)
    for row in range(len(z) - 1, len(z) // 2 - 1, -1):
        rise, further = np.abs(z[row] - last_z), np.maximum(run[row] - last_run, 0)
        on = valid[row] & (z[row] < np.minimum(HIGHEST, highest + STEEPEST * run[row]))
        level = (np.abs(z[row]) < FLOOR) | ((np.abs(z[row] - start) < FLOOR) & (run[row] < STAND))
        on &= (rise <= STEEPEST * further + ROUGH) | level
        last_run, last_z = np.where(on, run[row], last_run), np.where(on, z[row], last_z)
        found[row] = on
    return found


def plumb(run: Float64Array, z: Float64Array, band: BoolArray) -> Float64Array:
    """`run` (H, W), in which what stands upright in a column of `band` has its median throughout,
    but where it is off by more than LEAN of it: that is no wall.

    Upright: from one row to the next steeper than 45°; there a surface ends otherwise.
    """
    straight = run.copy()
    for columns in row_bands(band.T.shape, BAND_PIXELS):
        down = band[:, columns].T
        kept, heights = run[:, columns].T[down], z[:, columns].T[down]
        pixel = np.flatnonzero(down)  # down the columns, in turn
        steep = np.abs(np.diff(heights)) > np.abs(np.diff(kept))
        goes_on = steep & (np.diff(pixel) == 1) & (pixel[1:] % len(band) > 0)
        first = np.flatnonzero(np.concatenate([[True], ~goes_on])[: len(kept)])
        count = np.diff(first, append=len(kept))
        # Sorted by real part, then by imaginary part: within each surface, and faster than lexsort.
        ordered = np.sort(np.repeat(np.arange(len(first)), count) + 1j * kept).imag
        median = np.repeat(ordered[first + count // 2], count)
        straight[:, columns].T[down] = np.where(
            np.abs(kept - median) <= LEAN * median, median, kept
        )
    return straight


def grazing(distance: FloatArray) -> BoolArray:
    """(H, W) whether the distance jumps from here to a neighbour, across the seam too."""
    most = GRAZING * 2 * math.pi / distance.shape[1]
    found = np.zeros(distance.shape, np.bool_)
    for rows in row_bands(distance.shape, BAND_PIXELS):
        logs = np.log(distance[rows.start : rows.stop + 1], dtype=np.float64)
        down = np.abs(np.diff(logs, axis=0)) > most  # the last row, to the next band's first
        across = np.abs(np.roll(logs, -1, 1) - logs)[: rows.stop - rows.start] > most
        found[rows] |= across | np.roll(across, 1, 1)
        found[rows.start : rows.start + len(down)] |= down
        found[rows.start + 1 : rows.stop + 1] |= down
    return found

"""From relative distance to metres: the floor below the camera lies at a known height.

A floor is what most of the downward view agrees on: the level that holds the most solid angle among
pixels that look down by more than 45° and whose surface faces up. The tripod, the photographer's
feet or a rug's edge are outvoted; a bed that fills the view below is taken for the floor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.geometry.grid import axis_angles, solid_angles
from panodepth.geometry.points import distance_to_normals

MIN_LATITUDE_RAD = math.radians(45.0)  # below this a bowl-shaped error of the network shows least
MAX_TILT_RAD = math.radians(30.0)  # a predicted floor's normals wobble; a wall's are 90° off
LEVEL_WIDTH = 1.08  # heights within this ratio are one level
MIN_SUPPORT = 0.3  # share of the valid downward solid angle that must agree on one level


Float64Array = npt.NDArray[np.float64]


def metres_per_unit(distance: npt.ArrayLike, valid: npt.ArrayLike, camera_height_m: float) -> float:
    """Return the factor that puts the floor `camera_height_m` metres below the camera.

    distance: (H, W) float > 0, any unit; valid: (H, W) bool, True = a surface is there.
    Raises InputError when no consistent floor is found.
    """
    return camera_height_m / floor_height(distance, valid)


def scale_facts(
    distance: npt.ArrayLike, valid: npt.ArrayLike, camera_height_m: float
) -> dict[str, Any]:
    """What a prediction in metres says of its scale; see `metres_per_unit`.

    distance: (H, W) float > 0; valid: (H, W) bool.
    """
    factor = metres_per_unit(distance, valid, camera_height_m)
    return {"unit": "m", "metres_per_unit": factor, "camera_height_m": camera_height_m}


def floor_height(distance: npt.ArrayLike, valid: npt.ArrayLike) -> float:
    """Return how far the floor lies below the camera, in the unit of `distance`.

    distance: (H, W) float > 0; valid: (H, W) bool. Raises InputError without a consistent floor.
    """
    exact = np.asarray(distance, np.float64)
    height_px, width_px = exact.shape
    down = np.sin(axis_angles(height_px, width_px)[1])[:, None]  # positive below the horizon
    looks_down = np.asarray(valid, np.bool_) & (down > math.sin(MIN_LATITUDE_RAD))
    # By the normal too: a wall's foot is as far below the camera as the floor it stands on.
    faces_up = distance_to_normals(exact)[..., 1] < -math.cos(MAX_TILT_RAD)
    weights = np.broadcast_to(solid_angles(height_px, width_px), exact.shape)
    seen = float(weights[looks_down].sum())
    floor_like = looks_down & faces_up
    if seen <= 0 or not floor_like.any():
        raise InputError("no floor found below the camera: leave out the camera height")
    level, support = _densest_level((exact * down)[floor_like], weights[floor_like])
    if support < MIN_SUPPORT * seen:
        raise InputError(
            f"no consistent floor below the camera: only {support / seen:.0%} of the downward view "
            "lies at one level; leave out the camera height"
        )
    return level


def _densest_level(heights: Float64Array, weights: Float64Array) -> tuple[float, float]:
    """Return (weighted median, weight) of the window [h, h * LEVEL_WIDTH] with the most weight.

    heights, weights: (N,) float64 > 0.
    """
    # A window in ratios, not metres: the unit is unknown. In sorted order a window is a range, and
    # its weight a difference of two cumulated weights.
    order = np.argsort(heights, kind="stable")
    heights, weights = heights[order], weights[order]
    before = np.concatenate([[0.0], np.cumsum(weights)])
    ends = np.searchsorted(heights, heights * LEVEL_WIDTH, side="right")
    mass = before[ends] - before[:-1]
    start = int(mass.argmax())
    end = int(ends[start])
    # The median, not the mean: what lies at the window's rim is often another surface.
    half = before[start] + mass[start] / 2
    middle = int(np.searchsorted(before[start + 1 : end + 1], half))
    return float(heights[start + min(middle, end - start - 1)]), float(mass[start])

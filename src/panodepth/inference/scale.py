"""From relative distance to metres: the floor below the camera lies at a known height.

A floor is what most of the downward view agrees on: the level that holds the most solid angle among
pixels that look down by more than 45° and whose surface faces up. The tripod, the photographer's
feet or a rug's edge are outvoted; a bed that fills the view below is taken for the floor.
"""

from __future__ import annotations

import math

import torch

from panodepth.errors import ConfigError, InputError
from panodepth.sphere import distance_to_normals, erp_rays, solid_angles

MIN_LATITUDE_RAD = math.radians(45.0)  # below this a bowl-shaped error of the network shows least
MAX_TILT_RAD = math.radians(30.0)  # a predicted floor's normals wobble; a wall's are 90° off
LEVEL_WIDTH = 1.08  # heights within this ratio are one level
MIN_SUPPORT = 0.3  # share of the valid downward solid angle that must agree on one level


def metres_per_unit(distance: torch.Tensor, valid: torch.Tensor, camera_height_m: float) -> float:
    """Return the factor that puts the floor `camera_height_m` metres below the camera.

    distance: (H, W) float > 0, any unit; valid: (H, W) bool, True = a surface is there.
    Raises ConfigError for an impossible height, InputError when no consistent floor is found.
    """
    if not (math.isfinite(camera_height_m) and camera_height_m > 0):
        raise ConfigError(f"camera height must be a positive number of metres: {camera_height_m}")
    return camera_height_m / floor_height(distance, valid)


def floor_height(distance: torch.Tensor, valid: torch.Tensor) -> float:
    """Return how far the floor lies below the camera, in the unit of `distance`.

    distance: (H, W) float > 0; valid: (H, W) bool. Raises InputError without a consistent floor.
    """
    height_px, width_px = distance.shape
    distance = distance.detach().to("cpu", torch.float64)
    rays = erp_rays(height_px, width_px, dtype=torch.float64)
    down = rays[..., 1]  # sin(latitude), positive below the horizon
    looks_down = valid.cpu() & (down > math.sin(MIN_LATITUDE_RAD))
    faces_up = distance_to_normals(distance)[..., 1] < -math.cos(MAX_TILT_RAD)
    weights = solid_angles(height_px, width_px, dtype=torch.float64).expand(height_px, width_px)
    seen = float(weights[looks_down].sum())
    chosen = looks_down & faces_up
    if seen <= 0 or not chosen.any():
        raise InputError("no floor found below the camera: leave out the camera height")
    level, support = _densest_level((distance * down)[chosen], weights[chosen])
    if support < MIN_SUPPORT * seen:
        raise InputError(
            f"no consistent floor below the camera: only {support / seen:.0%} of the downward view "
            "lies at one level; leave out the camera height"
        )
    return level


def _densest_level(heights: torch.Tensor, weights: torch.Tensor) -> tuple[float, float]:
    """Return (weighted median, weight) of the window [h, h * LEVEL_WIDTH] with the most weight.

    heights, weights: (N,) float64 > 0.
    """
    heights, order = torch.sort(heights)
    weights = weights[order]
    before = torch.cat([torch.zeros(1, dtype=weights.dtype), weights.cumsum(0)])
    ends = torch.searchsorted(heights, heights * LEVEL_WIDTH, right=True)
    mass = before[ends] - before[:-1]
    start = int(mass.argmax())
    end = int(ends[start])
    half = before[start] + mass[start] / 2
    middle = int(torch.searchsorted(before[start + 1 : end + 1], half))
    return float(heights[start + min(middle, end - start - 1)]), float(mass[start])

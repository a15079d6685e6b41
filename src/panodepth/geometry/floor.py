"""From relative distance to metres: the floor below the camera lies at a known height.

A floor is what most of the downward view agrees on: the level that holds the most solid angle among
pixels that look down by more than 45° and whose surface faces up. The tripod, the photographer's
feet or a rug's edge are outvoted; a bed that fills the view below is taken for the floor.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import axis_angles, solid_angles
from panodepth.geometry.lens import ERP
from panodepth.geometry.points import distance_to_normals
from panodepth.geometry.resizing import resize_erp

MIN_LATITUDE_RAD = math.radians(45.0)  # below this a bowl-shaped error of the network shows least
MAX_TILT_RAD = math.radians(30.0)  # a predicted floor's normals wobble; a wall's are 90° off
LEVEL_WIDTH = 1.08  # heights within this ratio are one level
MIN_SUPPORT = 0.3  # share of the valid downward solid angle that must agree on one level
MIN_CONTRAST = 2 / 255  # standard deviation of a picture's brightness
MAX_CAMERA_TILT_DEG = 6.0  # above it, "below" is not where the rows say
FLOOR_ROWS = 256  # of a prediction at most, when its floor is looked for
MIN_LIKENESS = 0.8  # correlation of neighbouring pixels

Float64Array = npt.NDArray[np.float64]


class Floor(NamedTuple):
    """height: how far it lies below the camera, in the distance's unit. support: the share of the
    valid downward view that agrees on it, in solid angle.
    """

    height: float
    support: float


def find_floor(distance: npt.ArrayLike, valid: npt.ArrayLike) -> Floor:
    """The floor below the camera.

    distance: (H, W) float > 0, any unit; valid: (H, W) bool, True = a surface is there. Raises
    InputError without a consistent floor.
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
    return Floor(level, support / seen)


def check_shows_something(picture: npt.NDArray[np.floating[Any]]) -> None:
    """Raise InputError for a picture without content: a network draws a floor in noise too.

    picture: (H, W) brightness in [0, 1] at about the network's size, where a photograph's
    neighbouring pixels are alike (0.94 or more of 1 on 8 panoramas; white noise had 0.05).
    """
    centred = picture - picture.mean()
    spread = float((centred * centred).mean())
    alike = float((centred * np.roll(centred, 1, axis=1)).mean())
    if spread < MIN_CONTRAST**2 or alike < MIN_LIKENESS * spread:
        kind = "one colour" if spread < MIN_CONTRAST**2 else "noise"
        raise InputError(
            f"the picture is {kind}, no floor can be seen: leave out the camera height"
        )


def floor_facts(
    distance: npt.ArrayLike,
    valid: npt.ArrayLike,
    brightness: npt.NDArray[np.floating[Any]],
    camera_height_m: float,
) -> dict[str, Any]:
    """What a prediction in metres says of its scale; raises InputError without a floor.

    distance, valid: (H, W), see `find_floor`. brightness: see `check_shows_something`.
    """
    check_shows_something(brightness)
    floor = find_floor(distance, valid)
    return {
        "unit": "m",
        "metres_per_unit": camera_height_m / floor.height,
        "camera_height_m": camera_height_m,
        "floor_support": floor.support,
    }


def scale_facts(
    prediction: Any, camera_height: float | None, scale: float | None
) -> tuple[np.float32, dict[str, Any]]:
    """What the distances are multiplied by, and what the metadata then say.

    prediction: a `Prediction`. camera_height [m] or scale: as `Prediction.to_metres` takes them.
    """
    given = [value for value in (camera_height, scale) if value is not None]
    if len(given) != 1 or not (math.isfinite(given[0]) and given[0] > 0):
        raise ConfigError("give camera_height=METRES or scale=METRES_PER_UNIT, one of both, > 0")
    facts: dict[str, Any] = {"unit": "m", "metres_per_unit": scale, "camera_height_m": None}
    if camera_height is not None:
        level = prediction.level
        if not isinstance(prediction.lens, ERP) or (level and level.tilt_deg > MAX_CAMERA_TILT_DEG):
            raise ConfigError("the floor is found under a level panorama: give it to predict")
        rows = min(FLOOR_ROWS, len(prediction.distance))
        size = (rows, 2 * rows)
        image = cv2.resize(prediction.image, (size[1], rows), interpolation=cv2.INTER_AREA)
        valid = resize_erp(prediction.mask.astype(np.float32), size) > 0.5
        distance = resize_erp(prediction.solid, size)
        facts = floor_facts(distance, valid, image.mean(-1) / 255, camera_height)
    factor = facts["metres_per_unit"]
    before = prediction.scale if prediction.unit == "m" else 1.0
    return np.float32(factor), {**facts, "metres_per_unit": before and before * factor}


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

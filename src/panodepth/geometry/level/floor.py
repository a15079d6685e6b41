"""From relative distance to metres by the floor: it lies at a known height below the camera.

The floor is the lowest of the levels that much of the downward view agrees on, so beds and tables
under the camera are not taken for it. Its plane is then fitted with a normal of its own: a camera
that is not level, and a network that tilts the floor, leave the height as it is.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import erp_rays, solid_angles
from panodepth.geometry.lens import ERP
from panodepth.geometry.level.up import Float64Array, estimate_up
from panodepth.geometry.points import distance_to_normals
from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.resizing import resize_erp
from panodepth.strict import positive

MOST_METRES = 1e9  # of one unit: farther is the sky in any file
MOST_TILT_DEG = 42.0  # beyond it walls are taken for floors
LOOKS_DOWN = math.sin(math.radians(20.0))  # farther floor is seen at a glancing angle
FACES_UP = math.cos(math.radians(30.0))  # a predicted floor's normals wobble; a wall's are 90° off
STEP = 0.01  # between the levels that are looked at, in natural logarithms of the height
WIDTH = 0.04  # of the kernel that gathers heights to a level, as a ratio
LEVEL_SHARE = 0.4  # of the fullest level's weight that makes a lower one the floor
PLANE_WIDTH = 0.12  # of the height: what is farther from the plane does not count
ROUNDS = 6  # of the plane's fit; it has settled by then
MIN_SUPPORT = 0.1  # share of the valid downward solid angle that lies on the plane
MOST_WOBBLE = math.cos(math.radians(15.0))  # of its normals; predicted floors 4-12°, a ball 20°
MIN_CONTRAST = 2 / 255  # standard deviation of a picture's brightness
FLOOR_ROWS = 256  # of a prediction at most, when its floor is looked for
MIN_LIKENESS = 0.8  # correlation of neighbouring pixels
# What metadata say of a scale, and no longer do once it is another one.
SCALE_FACTS = ("metres_by", "metres_spread", "camera_height_m", "floor_support", "other_metres")


class Floor(NamedTuple):
    """height: how far its plane is from the camera, in the distance's unit. support: the share of
    the valid downward view that lies on it, in solid angle. spread: the standard deviation of that
    from the plane, as a share of the height. plane: (3,), whose product with a point of it is 1.
    """

    height: float
    support: float
    spread: float
    plane: Float64Array


def find_floor(distance: npt.ArrayLike, valid: npt.ArrayLike) -> Floor:
    """The floor below the camera, at any tilt up to about 40°.

    distance: (H, W) float > 0, any unit; valid: (H, W) bool, True = a surface is there. Raises
    InputError without a consistent floor.
    """
    exact, valid = np.asarray(distance, np.float64), np.asarray(valid, np.bool_)
    found = estimate_up(exact, valid)
    told = found is not None and found.tilt_deg < MOST_TILT_DEG
    up = np.array(found.direction if found is not None and told else (0.0, -1.0, 0.0))
    rays = erp_rays(*exact.shape, dtype=np.float64)
    weights = np.broadcast_to(solid_angles(*exact.shape), exact.shape)
    looks_down = valid & (rays @ up < -LOOKS_DOWN)
    # By the normal too: a wall's foot is as far below the camera as the floor it stands on.
    normals = distance_to_normals(exact)
    floor_like = looks_down & (normals @ up > FACES_UP)
    if not floor_like.any():
        raise InputError("no floor found below the camera: leave out the camera height")
    points, weights_of = exact[floor_like][:, None] * rays[floor_like], weights[floor_like]
    plane = -up / _lowest_level(-(points @ up), weights_of)
    for _ in range(ROUNDS):
        # A plane a · P = 1 at distance 1 / |a|: linear in a, and a residual is a share of it.
        agree = np.clip(1 - ((points @ plane - 1) / PLANE_WIDTH) ** 2, 0, None) ** 2 * weights_of
        moments = (points.T * agree) @ points
        plane = np.linalg.lstsq(moments, points.T @ agree, rcond=None)[0]
    off = points @ plane - 1
    agree = weights_of * (np.abs(off) < PLANE_WIDTH / 2)
    support = float(agree.sum() / weights[looks_down].sum())
    length = float(np.linalg.norm(plane))
    facing = float(agree @ (normals[floor_like] @ -plane) / (length * max(agree.sum(), 1e-12)))
    level = -(plane @ up) > FACES_UP * length
    if not (support >= MIN_SUPPORT and facing > MOST_WOBBLE and level):
        raise InputError(
            f"no consistent floor below the camera: only {support:.0%} of the downward view lies "
            "on one plane; leave out the camera height"
        )
    spread = math.sqrt(float(agree @ off**2 / agree.sum()))
    return Floor(1 / length, support, spread, plane)


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
            f"the picture is {kind}, nothing in it tells metres: leave out what asks for them"
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
        "metres_by": "camera_height",
        "metres_spread": floor.spread,
        "floor_support": floor.support,
    }


def scale_facts(
    prediction: Any, camera_height: float | None, scale: float | None
) -> tuple[np.float32, dict[str, Any]]:
    """What the distances are multiplied by, and the metadata then.

    prediction: a `Prediction`. camera_height [m] or scale: as `Prediction.to_metres` takes them.
    """
    wanted = {"camera_height": camera_height, "scale": scale}
    given = {name: value for name, value in wanted.items() if value is not None}
    told = "give camera_height=METRES or scale=METRES_PER_UNIT, one of both, > 0"
    if len(given) != 1:
        raise ConfigError(told)
    [metres] = (positive(value, told) for value in given.values())
    camera_height, scale = (metres if name in given else None for name in wanted)
    facts: dict[str, Any] = {"unit": "m", "metres_per_unit": scale, "metres_by": "scale"}
    if camera_height is not None:
        if not isinstance(prediction.lens, ERP):
            raise ConfigError("the floor is found under a panorama: give camera_height to predict")
        rows = min(FLOOR_ROWS, len(prediction.distance))
        size = (rows, 2 * rows)
        image = cv2.resize(prediction.image, (size[1], rows), interpolation=cv2.INTER_AREA)
        valid = resize_erp(prediction.mask.astype(np.float32), size) > 0.5
        distance = resize_erp(prediction.solid, size)
        if prediction.rotation is not None:  # the floor is looked for below a level camera
            turn = np.asarray(prediction.rotation).T
            distance, valid = (
                rotate_erp(x[None].astype(np.float32), turn, mode="nearest")[0]
                for x in (distance, valid)
            )
            valid = valid > 0.5
        facts = floor_facts(distance, valid, image.mean(-1) / 255, camera_height)
    factor = facts["metres_per_unit"]
    if not 1 / MOST_METRES < factor < MOST_METRES:
        raise ConfigError(f"a unit of the map would be {factor:.3g} metres")
    before = prediction.scale if prediction.unit == "m" else 1.0
    kept = {key: value for key, value in prediction.meta.items() if key not in SCALE_FACTS}
    return np.float32(factor), kept | facts | {"metres_per_unit": before and before * factor}


def _lowest_level(heights: Float64Array, weights: Float64Array) -> float:
    """The largest of (N,) heights > 0 below the camera that holds a level's worth of weight."""
    logs = np.log(heights)
    bins = np.floor((logs - logs.min()) / STEP).astype(int)
    mass = np.bincount(bins, weights)
    reach = math.ceil(3 * WIDTH / STEP)
    kernel = np.exp(-((np.arange(-reach, reach + 1) * STEP / WIDTH) ** 2) / 2)
    # Ends that hold nothing: every level is then a maximum between two neighbours.
    density = np.convolve(np.pad(mass, reach), kernel, "same")
    inner = density[1:-1]
    top = (inner >= density[:-2]) & (inner > density[2:]) & (inner >= LEVEL_SHARE * inner.max())
    level = int(np.flatnonzero(top)[-1]) + 1 - reach
    return float(np.exp(logs.min() + (level + 0.5) * STEP))

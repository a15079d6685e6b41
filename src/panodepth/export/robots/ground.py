"""A prediction as points over the floor, level, in ROS's frame: x forward, y left, z up [m]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from panodepth.errors import ConfigError, InputError, OutputError
from panodepth.export.bands import row_bands
from panodepth.export.formats import NO_METRES
from panodepth.export.frames import FRAMES
from panodepth.export.reprojection import as_level_panorama, levelled_points
from panodepth.geometry.level.floor import find_floor
from panodepth.geometry.point_bands import BAND_PIXELS
from panodepth.strict import Positive, Range
from panodepth.types import Float64Array, Prediction

FRAME_ID = "panorama"  # of what is seen from the camera; level, the camera at its origin
MAP_FRAME = "map"  # of maps: the floor below the camera
ROS_FRAME = "x forward, y left, z up; angles counterclockwise about z from x"

SAME_HEIGHT = 0.01  # of a height, up to which two of them are one
Height = Annotated[float, Range(at_least=-100, at_most=100)]


@dataclass(frozen=True, kw_only=True)
class GroundOptions:
    """camera_height: from the floor to the camera [m]; 0 = what made the metres, else what the
    floor says. range_max: farther is not looked at [m].
    """

    camera_height: Annotated[float, Range(at_least=0, at_most=1000)] = 0.0
    range_max: Positive = 30.0


@dataclass(frozen=True, kw_only=True)
class BandOptions(GroundOptions):
    """low, high: heights over the floor [m] between which something is in a robot's way."""

    low: Height = 0.1
    high: Height = 1.8

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ConfigError(f"low = {self.low} must be below high = {self.high}")


def check_metres(prediction: Prediction, path: Path) -> None:
    """Raise OutputError, which names the ways to metres, for a relative prediction."""
    if prediction.unit != "m":
        raise OutputError(f"{path}: {NO_METRES}")


def over_ground(prediction: Prediction, height: float) -> Iterator[Float64Array]:
    """The points (N, 3) of the valid pixels in some rows, then in the next ones: the camera is at
    (0, 0, height), the floor at z = 0. Each coordinate is contiguous.
    """
    house = levelled_points(prediction)
    for rows in row_bands(house.shape, BAND_PIXELS):
        valid = house[rows].reshape(-1, 3).compress(prediction.mask[rows].ravel(), axis=0)
        points = FRAMES["ros"].points(valid).astype(np.float64, "F")
        points[:, 2] += height
        yield points


def camera_height(prediction: Prediction, path: Path, options: GroundOptions) -> float:
    """From the floor to the camera [m], as `GroundOptions` says.

    Raises OutputError for a relative prediction, or where no floor says the height.
    """
    check_metres(prediction, path)
    made = prediction.meta.get("camera_height_m")
    if made and options.camera_height and abs(options.camera_height / made - 1) > SAME_HEIGHT:
        raise OutputError(
            f"{path}: camera_height = {options.camera_height:g}, but the metres were made with "
            f"{made:g} m: leave out this one"
        )
    known = options.camera_height or made
    if known:
        return float(known)
    panorama = as_level_panorama(prediction)
    try:
        return find_floor(panorama.solid, panorama.mask).height
    except InputError as error:
        raise OutputError(f"{path}: {error}; or give the option camera_height") from error

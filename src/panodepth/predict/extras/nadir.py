"""What stands under the camera, a tripod or a cap over it, replaced by the floor around it.

The floor's plane is fitted to what surrounds the lowest point and continued below it, at the
height that the ring around the filled part has.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.geometry.grid import axis_angles, erp_rays, solid_angles
from panodepth.geometry.level.floor import FLOOR_ROWS, find_floor
from panodepth.geometry.point_bands import lonlat_points
from panodepth.geometry.resizing import resize_erp
from panodepth.types import BoolArray, Float64Array, Prediction

WIDEST_FOUND_DEG = 35  # "auto": what reaches farther may be a table
RING_DEG = 5  # around the filled part, which must be floor
OFF = 0.07  # of the plane's distance: what differs more does not lie on the plane
LEAST_OFF = 0.25  # of the part's solid angle, else there is nothing to fill
MOST_OFF = 0.1  # of the ring's


def filled(prediction: Prediction, nadir: str) -> Prediction:
    """A panorama with floor around its lowest point; itself where "auto" finds nothing to fill.

    nadir: as in `ExtraOptions`, not "none". Raises InputError where an angle was given and no floor
    surrounds it.
    """
    rows = min(FLOOR_ROWS, len(prediction.distance))
    size = (rows, 2 * rows)
    distance = resize_erp(prediction.solid, size)
    valid = resize_erp(prediction.mask.astype(np.float32), size) > 0.5
    angle = 90 - np.degrees(axis_angles(*size)[1])[:, None] + np.zeros(size)
    reach = WIDEST_FOUND_DEG if nadir == "auto" else float(nadir)
    try:
        plane = find_floor(distance, valid & (angle > reach)).plane
    except InputError as error:
        if nadir == "auto":
            return prediction
        raise InputError(f"--nadir {nadir}: no floor surrounds the lowest point") from error
    ratio = distance / _distance_to(plane, erp_rays(*size, dtype=np.float64))
    degrees = _reach(ratio, angle, valid) if nadir == "auto" else reach
    if degrees is None:
        return prediction
    ring = valid & (angle > degrees) & (angle < degrees + RING_DEG)
    height = float(np.median(ratio[ring])) if ring.any() else 1.0
    return _with_floor(prediction, plane / height, degrees)


def _with_floor(prediction: Prediction, plane: Float64Array, degrees: float) -> Prediction:
    """The rows up to so many degrees from the lowest point on a plane (3,), see `Floor`."""
    lon, lat = axis_angles(*prediction.distance.shape)
    first = int(np.searchsorted(lat, np.radians(90 - degrees)))
    # float64 in a band of rows alone: the map may be large
    rays = lonlat_points(np.ones((len(lat) - first, len(lon))), lon, lat[first:])
    floor = _distance_to(plane, rays).astype(np.float32)
    mask, distance = prediction.mask.copy(), prediction.distance.copy()
    raw = None if prediction.raw is None else prediction.raw.copy()
    sky = None if prediction.sky_mask is None else prediction.sky_mask.copy()
    for array, value in ((mask, True), (distance, floor), (raw, floor), (sky, False)):
        if array is not None:
            array[first:] = value
    meta = {**prediction.meta, "nadir_deg": degrees}
    return replace(prediction, distance=distance, mask=mask, raw=raw, sky_mask=sky, meta=meta)


def _distance_to(plane: Float64Array, rays: npt.NDArray[np.floating]) -> Float64Array:
    """(h, w) to the floor's plane along rays (h, w, 3), far where they hardly meet it."""
    return np.asarray(1 / np.maximum(rays @ plane, 1e-3 * np.linalg.norm(plane)), np.float64)


def _reach(ratio: Float64Array, angle: Float64Array, valid: BoolArray) -> float | None:
    """How far from the lowest point [deg] what is off the plane reaches, if floor is all round.

    ratio: (h, w) of the distance to the plane's.
    """
    weights = np.broadcast_to(solid_angles(*ratio.shape), ratio.shape)
    off = (np.abs(ratio - 1) > OFF) & valid

    def share(low: float, high: float) -> float:
        part = (angle >= low) & (angle < high)
        return float(weights[part & off].sum() / max(weights[part].sum(), 1e-12))

    for degrees in range(RING_DEG, WIDEST_FOUND_DEG + 1):
        if share(degrees, degrees + RING_DEG) < MOST_OFF:
            return float(degrees) if share(0, degrees) > LEAST_OFF else None
    return None

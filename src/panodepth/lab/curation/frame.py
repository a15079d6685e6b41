"""What passes between the stages of curation: a perspective frame; and why one is not used."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.points import z_depth_to_distance
from panodepth.images.distances import clean_distance
from panodepth.types import ByteArray, FloatArray

Matrix = npt.NDArray[np.float64]

FOV_RANGE_DEG = (5.0, 170.0)  # full angles that a pinhole picture can sensibly have
ASPECT_RANGE = (0.8, 1.25)  # fx / fy: pixels are about square
CENTRE_RANGE = (0.1, 0.9)  # of the principal point, in widths and heights
FOV_SLACK_DEG = 1.0  # a stated field of view may differ from the intrinsics by so much
RAY_SLACK = 0.01  # distance / z-depth may differ from the pixel's ray by so much

# Reason -> what it means; the report page and the documentation show this table.
UNREADABLE = "unreadable"  # the one reason that the next run tries again
REASONS = {
    UNREADABLE: "a file is missing, damaged or of another form",
    "size": "picture and depth are not of one size",
    "intrinsics": "no intrinsics or field of view is given",
    "lying_intrinsics": "the intrinsics contradict the picture, the depth or each other",
    "no_depth": "no depth is given and no estimator was asked for",
    "invalid_share": "too few pixels have a depth",
    "sky_share": "too much is sky",
    "depth_range": "the depths are too near, too far or all the same",
    "blank": "the picture has almost no contrast",
    "blur": "the picture is blurred",
    "flying_pixels": "too many pixels float between two surfaces",
    "edges": "the edges of the depth are not those of the picture",
    "coverage": "too little of the panorama would have a distance",
    "duplicate": "nearly the same picture as one before it",
    "inconsistent": "the views of one place contradict each other",
    "crashed": "the process died on it twice",
}


class SourceGoneError(InputError):
    """The frames' disk is gone, or fails: nothing is known of a frame, so the run must stop."""


class RejectedError(Exception):
    """A frame cannot be used, which is an outcome and no fault: the run records it and goes on.

    reason: a key of REASONS. detail: what was found, in one line.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Frame:
    """One perspective picture with its z-depth.

    name: of the frame in its source.
    image: (h, w, 3) uint8, sRGB.
    z_depth: (h, w) float32, along the camera's axis; 0 = not given, inf = sky. None = none is
        known; an estimator may give one.
    lens: its intrinsics, in pixels of this picture; the first pixel's centre is at (0.5, 0.5).
    unit: of z_depth, "m" or "relative".
    pose: (4, 4), camera to world, both x right, y down, z forward. level: whether the world's y
        axis is gravity.
    group: frames of one group show one place (for stitching).
    meta: plain JSON values for the provenance (licence, source files, ...).
    """

    name: str
    image: ByteArray
    z_depth: FloatArray | None
    lens: Pinhole
    unit: str = "m"
    pose: Matrix | None = None
    level: bool = False
    group: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the picture [px]."""
        return size_of(self.image)


def size_of(image: npt.NDArray[Any]) -> tuple[int, int]:
    """(h, w) of a picture (h, w, 3) or a map (h, w)."""
    return int(image.shape[0]), int(image.shape[1])


def pinhole_from_fov(fov_x_deg: float, size: tuple[int, int]) -> Pinhole:
    """The lens of a centred view of (h, w) with square pixels; fov_x_deg between its outer edges.

    Raises RejectedError for an angle that no such view has.
    """
    if not FOV_RANGE_DEG[0] <= fov_x_deg <= FOV_RANGE_DEG[1]:
        raise RejectedError("lying_intrinsics", f"field of view {fov_x_deg:.4g}°")
    return Pinhole.from_fov(math.radians(fov_x_deg), size)


def check_pinhole(
    lens: Pinhole,
    size: tuple[int, int],
    *,
    stated_size: tuple[int, int] | None = None,
    stated_fov_deg: float | None = None,
) -> Pinhole:
    """The lens for a picture of (h, w). Raises RejectedError when it cannot be true.

    stated_size: (h, w) for which it was given; the same shape at another resolution is scaled,
    another shape is a lie. stated_fov_deg: the horizontal angle given beside it; must agree. What
    is returned holds plain floats.
    """
    height, width = size
    if stated_size is not None and stated_size != size:
        down, right = height / stated_size[0], width / stated_size[1]
        if abs(down / right - 1) > 0.01:
            stated = f"{stated_size[1]}x{stated_size[0]}"
            text = f"given for {stated}, the picture is {width}x{height}"
            raise RejectedError("lying_intrinsics", text)
        lens = Pinhole(lens.fx * right, lens.fy * down, lens.cx * right, lens.cy * down)
    # A NumPy float64 would lift the float32 places of pixels to float64, which OpenCV refuses.
    fx, fy, cx, cy = (float(number) for number in (lens.fx, lens.fy, lens.cx, lens.cy))
    low, high = CENTRE_RANGE
    across, down_deg = (math.degrees(angle) for angle in lens.fov_rad(size))
    # Written so that a number that is NaN or infinite fails, too.
    if not (fx > 0 and fy > 0 and ASPECT_RANGE[0] <= fx / fy <= ASPECT_RANGE[1]):
        text = f"focal lengths {fx:.4g}, {fy:.4g} px"
    elif not (low * width <= cx <= high * width and low * height <= cy <= high * height):
        text = f"principal point ({cx:.4g}, {cy:.4g}) of {width}x{height}"
    elif not all(FOV_RANGE_DEG[0] <= angle <= FOV_RANGE_DEG[1] for angle in (across, down_deg)):
        text = f"field of view {across:.4g}° x {down_deg:.4g}°"
    elif stated_fov_deg is not None and abs(stated_fov_deg - across) > FOV_SLACK_DEG:
        text = f"field of view {stated_fov_deg:.4g}° is stated, the intrinsics give {across:.4g}°"
    else:
        return Pinhole(fx, fy, cx, cy)
    raise RejectedError("lying_intrinsics", text)


def check_z_depth(z_depth: FloatArray, distance: FloatArray, lens: Pinhole) -> None:
    """Raise RejectedError when the z-depth and distance (h, w) of a frame contradict its lens."""
    good = np.isfinite(distance) & np.isfinite(z_depth) & (distance > 0) & (z_depth > 0)
    if not good.any():
        return
    expected = z_depth_to_distance(z_depth, lens)
    error = float(np.median(np.abs(distance[good] / expected[good] - 1)))
    if error > RAY_SLACK:
        raise RejectedError(
            "lying_intrinsics", f"distance / z-depth is off by {error:.1%} from the pixels' rays"
        )


def clean_map(values: npt.NDArray[Any], sky: npt.NDArray[np.bool_] | None = None) -> FloatArray:
    """A new (h, w) float32 map: NaN and values that are not positive become 0, `sky` (h, w) inf.

    values: (h, w) z-depth or distance as stored: far sentinels become inf, see `clean_distance`.
    Raises RejectedError.
    """
    if values.ndim != 2 or values.dtype.kind not in "fuib":
        raise RejectedError(UNREADABLE, f"depth is {values.dtype} {values.shape}, not (H, W)")
    clean = clean_distance(values)
    if sky is not None:
        clean[sky] = np.inf
    return clean

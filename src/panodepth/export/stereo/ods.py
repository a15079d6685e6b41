"""`ods`: omnidirectional stereo, a panorama for each eye, the left one on top.

Each eye looks along tangents of a viewing circle: the ray of longitude a and latitude b starts at
±(IPD / 2) · (cos a, 0, -sin a), + for the right eye (Ishiguro, Yamamoto, Tsuji 1992; Google,
"Rendering Omni-directional Stereo Content"). Towards the poles the circle shrinks to a point, as in
Blender's spherical stereo: there eyes would be turned round each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np

from panodepth.atomic import atomic, write_atomic
from panodepth.errors import ConfigError, OutputError
from panodepth.export.bands import row_bands
from panodepth.export.formats import NO_METRES_EYES
from panodepth.export.jpeg import COMMENT, jpeg, with_segments
from panodepth.export.meshes.files import short_json
from panodepth.export.metadata import metadata, png_texts
from panodepth.export.rasters import png
from panodepth.export.reprojection import as_level_panorama
from panodepth.export.stereo.warp import eye_places, sharpened
from panodepth.geometry.grid import axis_angles
from panodepth.strict import Range
from panodepth.types import ByteArray, Float64Array, Prediction

TOP_BOTTOM = "omnidirectional, left eye on top"
LEFT, RIGHT = -1.0, 1.0  # sides of the viewing circle
BAND_PIXELS = 1 << 19
MARGIN = 3  # columns beyond the seam that interpolation may ask for [px]

Degrees = Annotated[float, Range(at_least=0, at_most=90)]


@dataclass(frozen=True, kw_only=True)
class StereoOptions:
    """ipd: from eye to eye [m]; 0 = both see the picture itself. fade_from, fade_to: stereo ends
    between these angles above and below the horizon [deg].
    """

    ipd: Annotated[float, Range(at_least=0, at_most=1)] = 0.064
    fade_from: Degrees = 60.0
    fade_to: Degrees = 75.0

    def __post_init__(self) -> None:
        if self.fade_from > self.fade_to:
            raise ConfigError(
                f"fade_from = {self.fade_from:g} must not be above fade_to = {self.fade_to:g}"
            )

    def radius(self, latitude: Float64Array) -> Float64Array:
        """(h,) of the viewing circle in rows of these latitudes [rad], in metres."""
        start, end = math.radians(self.fade_from), math.radians(self.fade_to)
        steep = np.abs(latitude)
        share = np.clip((steep - start) / max(end - start, 1e-9), 0, 1)
        return np.asarray(self.ipd / 2 * np.where(steep >= end, 0, np.cos(share * (math.pi / 2))))


def eye_picture(
    prediction: Prediction, side: float, options: StereoOptions = StereoOptions()
) -> ByteArray:
    """(H, W, 3) what an eye sees, side = LEFT or RIGHT, of a level panorama in metres."""
    return np.concatenate(list(_eye_bands(prediction, side, options)))


def ods_pair(
    prediction: Prediction, options: StereoOptions = StereoOptions(), path: Path = Path("ods")
) -> tuple[ByteArray, ByteArray]:
    """(H, W, 3) of the left and of the right eye. path: what errors name.

    What is not a level panorama is made one first. What no pixel of the picture shows, behind
    something near, is the mirror image of the background beside it. Raises OutputError for a
    relative prediction.
    """
    panorama = level_panorama(prediction, path)
    return eye_picture(panorama, LEFT, options), eye_picture(panorama, RIGHT, options)


def level_panorama(prediction: Prediction, path: Path) -> Prediction:
    """The prediction in metres as a level panorama; itself if it is one. Raises OutputError."""
    if prediction.unit != "m":
        raise OutputError(f"{path}: {NO_METRES_EYES}")
    return as_level_panorama(prediction)


def _eye_bands(prediction: Prediction, side: float, options: StereoOptions) -> Iterator[ByteArray]:
    """The rows of an eye's picture from the top, band by band."""
    height, width = prediction.distance.shape
    latitude = axis_angles(height, width)[1]
    radius = side * options.radius(latitude)
    wide = _beyond_the_seam(prediction.image)
    distance = np.where(prediction.sky, np.float32(np.inf), prediction.solid)
    for rows in row_bands((height, width), BAND_PIXELS):
        if not radius[rows].any():
            yield prediction.image[rows]
            continue
        sharp = sharpened(distance[rows]).astype(np.float64)
        columns, rising = eye_places(sharp, latitude[rows], radius[rows])
        row = (rising / math.pi + 0.5) * height - 0.5
        yield _sampled(wide, np.mod(columns + 0.5, width) - 0.5, row)


def _beyond_the_seam(image: ByteArray) -> ByteArray:
    """(H, W + 2 MARGIN, 3), some columns more on either side, of an image (H, W, 3)."""
    columns = np.arange(-MARGIN, image.shape[1] + MARGIN) % image.shape[1]
    return np.ascontiguousarray(image[:, columns])


def _sampled(wide: ByteArray, columns: Any, rows: Any) -> ByteArray:
    """(h, W, 3) colours at columns and rows, 0 = the middle of the first pixel."""
    x, y = (columns + MARGIN).astype(np.float32), rows.astype(np.float32)
    return np.asarray(
        cv2.remap(wide, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def write_ods(
    prediction: Prediction, path: Path, options: StereoOptions = StereoOptions()
) -> list[Path]:
    """PNG, twice as high as the panorama: the left eye's on top, the right eye's below."""
    panorama = level_panorama(prediction, path)
    height, width = panorama.distance.shape
    meta = stereo_meta(panorama, options, height=2 * height)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        bands = (band for side in (LEFT, RIGHT) for band in _eye_bands(panorama, side, options))
        png.write_png(file, (2 * height, width), bands, png_texts(meta))
    return [path]


def write_ods_jpeg(
    prediction: Prediction, path: Path, options: StereoOptions = StereoOptions()
) -> list[Path]:
    """`write_ods` as a JPEG, which more headsets show."""
    left, right = ods_pair(prediction, options, path)
    height, width = left.shape[:2]
    meta = stereo_meta(level_panorama(prediction, path), options, height=2 * height)
    picture = jpeg(np.concatenate([left, right]), width)
    said = short_json(meta).encode("ascii")
    write_atomic(path, with_segments(picture, [(COMMENT, said)]))
    return [path]


def stereo_meta(
    panorama: Prediction, options: StereoOptions, layout: str = TOP_BOTTOM, **more: Any
) -> dict[str, Any]:
    """What a file of two eyes says of itself."""
    facts = {"stereo": layout, "ipd_m": options.ipd, "unit": "1"}
    fade = {"fade_deg": [options.fade_from, options.fade_to]}
    return metadata(panorama, "what two eyes see", **facts, **fade, **more)

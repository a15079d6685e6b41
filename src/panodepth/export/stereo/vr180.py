"""`vr180`: half a turn for each eye in one JPEG file, as VR180 cameras write it.

The picture is the left eye's; the right eye's is a JPEG file in GImage:Data
(https://developers.google.com/vr/reference/cardboard-camera-vr-photo-format). GPano says which part
of the sphere both show.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from panodepth.atomic import write_atomic
from panodepth.export.jpeg import jpeg
from panodepth.export.meshes.files import short_json
from panodepth.export.stereo.ods import (
    LEFT,
    RIGHT,
    StereoOptions,
    eye_picture,
    level_panorama,
    stereo_meta,
)
from panodepth.export.stereo.xmp import full_panorama, with_xmp
from panodepth.strict import Range
from panodepth.types import Prediction


@dataclass(frozen=True, kw_only=True)
class Vr180Options(StereoOptions):
    """heading: where the middle of the half looks, to the right of the panorama's middle [deg]."""

    heading: Annotated[float, Range(at_least=-180, at_most=180)] = 0.0


def write_vr180(
    prediction: Prediction, path: Path, options: Vr180Options = Vr180Options()
) -> list[Path]:
    """JPEG: the left eye's half; the right eye's in Extended XMP. Raises OutputError."""
    panorama = level_panorama(prediction, path)
    height, width = panorama.distance.shape
    half = max(1, width // 2)
    first = (width - half) // 2
    columns = (np.arange(first, first + half) + round(options.heading / 360 * width)) % width
    left, right = (
        jpeg(np.ascontiguousarray(eye_picture(panorama, side, options)[:, columns]), half)
        for side in (LEFT, RIGHT)
    )
    tags = full_panorama(width, height)
    tags |= {"GPano:CroppedAreaLeftPixels": first, "GPano:CroppedAreaImageWidthPixels": half}
    tags |= {"GImage:Mime": "image/jpeg"}
    other = {"GImage:Data": b64encode(right).decode("ascii")}
    layout = "180 degrees, left eye; right eye in GImage:Data"
    meta = stereo_meta(panorama, options, layout, width=half, heading_deg=options.heading)
    write_atomic(path, with_xmp(left, tags, other, short_json(meta).encode("ascii")))
    return [path]

"""Pictures that hold those of two eyes: which part the first is, and telling them by their look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from panodepth.images import ImageData
from panodepth.predict.lenses.options import EYES, LensOptions
from panodepth.size import Size
from panodepth.types import FloatArray

FARTHEST = 1 / 16  # of a half's width: how far eyes 64 mm apart see a thing at 0.4 m shifted
# Correlation of the halves, less each row's mean, at the best shift. Where they are two eyes'
# views it is near 1; halves of a panorama look into opposite directions.
ALIKE = 0.85
LEAST = (2 / 255) ** 2  # of a pixel's square difference from its row's mean: less is a blank
BLANK = 2 / 255
NOTHING = "it is of one colour alone: there is nothing to see, and the distance is a guess"
NOTE = (
    "its halves show one view twice, as two eyes see it; if so, --stereo left-right "
    "reads the left one (--fov 180 with it for VR180)"
)


def eye_size(size: Size, options: LensOptions) -> Size:
    """(height, width) of the left eye's picture in one of a (height, width) [px]."""
    rows, columns = EYES[options.stereo]
    return size[0] // rows, size[1] // columns


def left_eye(data: ImageData, options: LensOptions) -> ImageData:
    """The left eye's picture: the left half, or the upper one."""
    if options.stereo == "none":
        return data
    height, width = eye_size(data.size, options)

    def part(array: Any) -> Any:
        return None if array is None else np.ascontiguousarray(array[:height, :width])

    note = f"of two eyes ({options.stereo}) the left one is read"
    return replace(
        data,
        pixels=part(data.pixels),
        valid=part(data.valid),
        light=part(data.light),
        notes=(*data.notes, note),
    )


def with_warning(data: ImageData, pixels: FloatArray) -> ImageData:
    """The picture, with a note where its halves are the views of two eyes, or where it is blank.

    pixels: (3, h, w), the picture at any small size.
    """
    if np.ptp(pixels.reshape(3, -1), axis=1).max() < BLANK:
        return replace(data, notes=(*data.notes, NOTHING))
    return replace(data, notes=(*data.notes, NOTE)) if likeness(pixels) >= ALIKE else data


def likeness(pixels: FloatArray) -> float:
    """Correlation of the halves of (3, h, w), -1 to 1, at the shift where it is highest."""
    grey = pixels.mean(axis=0)
    width = grey.shape[1] // 2
    left, right = grey[:, :width], grey[:, width : 2 * width]
    most = max(1, round(width * FARTHEST))
    found = []
    for shift in range(-most, most + 1):
        one = left[:, max(0, shift) : width + min(0, shift)]
        other = right[:, max(0, -shift) : width + min(0, -shift)]
        one, other = (half - half.mean(axis=1, keepdims=True) for half in (one, other))
        norm = float(np.linalg.norm(one) * np.linalg.norm(other))
        found.append(float(np.vdot(one, other)) / norm if norm > LEAST * one.size else 0.0)
    return max(found)

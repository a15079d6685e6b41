"""The picture of a frame: upright, of one eye, reduced, and where on the sphere its tags put it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from panodepth.errors import ConfigError, InputError
from panodepth.images import ImageData, check_aspect
from panodepth.images.formats.pillow import Decoded
from panodepth.images.gpano import Area, Pano, place_on_sphere
from panodepth.images.limits import ASPECT_TOLERANCE_PERCENT, check_size
from panodepth.predict.lenses.options import EYES, LensOptions
from panodepth.predict.lenses.sphere import on_sphere
from panodepth.size import Size
from panodepth.types import ByteArray
from panodepth.video.options import VideoOptions
from panodepth.video.spherical import Tags, side_data

if TYPE_CHECKING:
    from av import VideoFrame

UNSAID, BT_709, HD_ROWS = 2, 1, 720  # colour space of a frame that does not say; FFmpeg's numbers


@dataclass(frozen=True)
class Turn:
    """How a player shows what is coded: rows and columns exchanged, then each reversed or not."""

    exchanged: bool = False
    rows: bool = False
    columns: bool = False

    def shown(self, array: ByteArray) -> ByteArray:
        """(h, w, 3), of as many rows as columns before where they are exchanged."""
        array = array.transpose(1, 0, 2) if self.exchanged else array
        return array[:: -1 if self.rows else 1, :: -1 if self.columns else 1]


class Pictures:
    """Makes the pictures of the frames of a file, all of one size whatever size they are coded at.

    first: the first of them. pixel: width over height of its pixels. Raises InputError where they
    are no panoramas.
    """

    def __init__(
        self, path: Path, first: VideoFrame, pixel: float, tags: Tags, options: VideoOptions
    ) -> None:
        self.coded = (first.height, first.width)
        self.turn = _turn(first)
        height, width = self.coded[::-1] if self.turn.exchanged else self.coded
        check_size((height, width), str(path))
        rows, columns = EYES[tags.stereo]
        eye = height // rows, width // columns
        top, left = ((rows - 1) * eye[0], (columns - 1) * eye[1]) if tags.second else (0, 0)
        self.part = slice(top, top + eye[0]), slice(left, left + eye[1])
        self.path, self.tags, self.options = path, tags, options
        if not (tags.projection or options.counts_pixels):
            eye = _widened(eye, pixel, self.turn.exchanged)
        self.size, self.area = _reduced(eye, tags, options)
        canvas = self.size if self.area is None else self.area.size
        if tags.projection != "cubemap" and not options.has_lens:
            check_aspect(canvas, options.allow_any_aspect, name=str(path))
        self.plain = self.turn == Turn() and tags.stereo == "none"

    def of(self, frame: VideoFrame) -> ByteArray | ImageData:
        """(H, W, 3) uint8 sRGB; or, where there is more to say of it, all of that."""
        small = _rgb(frame, self.size if self.plain else self.coded)
        if not self.plain:
            eye: Any = self.turn.shown(small)[self.part]
            if eye.shape[:2] != self.size:
                eye = cv2.resize(eye, self.size[::-1], interpolation=cv2.INTER_AREA)
            small = np.ascontiguousarray(eye, np.uint8)
        if self.tags.projection == "cubemap":
            return self._of_cube(small)
        pano = Pano(self.area, self.tags.pose_deg)
        if pano == Pano():
            return small
        placed = Decoded(small) if self.area is None else place_on_sphere(Decoded(small), self.area)
        return ImageData(placed.pixels, placed.valid, source=str(self.path), pano=pano)

    def _of_cube(self, picture: ByteArray) -> ImageData:
        """(h, w, 3) of six faces, laid on the sphere."""
        data = ImageData(picture, source=str(self.path), pano=Pano(None, self.tags.pose_deg))
        try:
            found = on_sphere(data, None, LensOptions(projection="cubemap"))
        except ConfigError as error:
            raise InputError(f"{self.path}: its tags say a cubemap: {error}") from error
        return replace(found, pano=None)


def _turn(frame: VideoFrame) -> Turn:
    """What a frame's display matrix says, in quarter turns."""
    matrix = side_data(frame).get("DISPLAYMATRIX", b"")
    if len(matrix) < 36:
        return Turn()
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    if abs(b) > abs(a):
        return Turn(exchanged=True, rows=b < 0, columns=c < 0)
    return Turn(rows=d < 0, columns=a < 0)


def _widened(eye: Size, pixel: float, exchanged: bool) -> Size:
    """(height, width) of an eye's picture as it is shown, where only that is 2:1.

    pixel: width over height, before rows and columns are exchanged.
    """
    height, width = eye
    shown = round(width / pixel if exchanged else width * pixel)
    return (height, shown) if _is_whole(height, shown) and not _is_whole(*eye) else eye


def _is_whole(height: float, width: float) -> bool:
    """Whether a picture has the shape of the whole sphere."""
    return abs(width - 2 * height) * 100 <= ASPECT_TOLERANCE_PERCENT * height


def _reduced(eye: Size, tags: Tags, options: VideoOptions) -> tuple[Size, Area | None]:
    """(height, width) of pictures of an eye's (height, width), and their place on the sphere."""
    left, top, right, bottom = tags.lacks
    down, across = 1 - top - bottom, 1 - left - right
    height, width = eye[0] / down, eye[1] / across
    rows = round(height)
    if not options.counts_pixels:
        rows = min(rows, options.rows)
        if tags.projection == "erp" and not _is_whole(height, width):
            width = 2 * height  # as players show what is said to be the sphere
    columns = max(2, round(width * rows / height))
    if not any(tags.lacks):
        return (rows, columns), None
    size = max(1, round(rows * down)), max(1, round(columns * across))
    place = min(round(top * rows), rows - size[0]), min(round(left * columns), columns - size[1])
    return size, Area((rows, columns), *place, size)


def _rgb(frame: VideoFrame, size: Size) -> ByteArray:
    """(H, W, 3) sRGB of a frame, at a (height, width)."""
    guess = frame.colorspace == UNSAID and frame.height >= HD_ROWS
    given: dict[str, Any] = {"src_colorspace": BT_709} if guess else {}
    rgb = frame.reformat(size[1], size[0], "rgb24", interpolation="AREA", **given)
    return np.asarray(rgb.to_ndarray(), np.uint8)

"""Which cameras stand in the panorama's place, and what each of them sees."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError
from panodepth.export.jpeg import jpeg
from panodepth.export.rasters import png
from panodepth.export.rasters.distance import levels
from panodepth.export.reprojection import as_level_panorama, levelled_points, reprojected
from panodepth.geometry.lens import ERP, Lens, Pinhole, Size, View
from panodepth.geometry.lenses.cube import CUBE_FACES
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.strict import Count, Range
from panodepth.types import ByteArray, FloatArray, Prediction

FACE_FOV_DEG = 90.0
MOST_SIDE = 8192  # [px] of a picture; the faces of a panorama 16K wide have 5215
MILLIMETRE = 0.001  # of the distance's unit: the step of 16-bit depth, as RGB-D cameras have it


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """views: 0 = the six faces of a cube, else so many side by side round the horizon, each `fov`
    wide [deg] and square. size: of a picture's side [px], 0 = as sharp as the panorama, MOST_SIDE
    at most. picture: "jpg" or "png".
    """

    views: Annotated[int, Range(at_least=0, at_most=360)] = 0
    fov: Annotated[float, Range(at_least=1, at_most=170)] = FACE_FOV_DEG
    size: Annotated[int, Range(at_least=0, at_most=MOST_SIDE)] = 0
    picture: Literal["jpg", "png"] = "jpg"

    def __post_init__(self) -> None:
        if not self.views and self.fov != FACE_FOV_DEG:
            raise ConfigError("fov goes with views = N: the faces of a cube are 90° wide")


@dataclass(frozen=True, kw_only=True)
class ModelOptions(ViewOptions):
    """camera: "pinhole", as `views` says, or "equirectangular", the whole panorama as one picture.
    max_points: of the cloud beside the pictures.
    """

    camera: Literal["pinhole", "equirectangular"] = "pinhole"
    max_points: Count = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.camera == "equirectangular" and self.views:
            raise ConfigError("views goes with camera = pinhole; a panorama is one picture")


@dataclass(frozen=True)
class Camera:
    """rotation: (3, 3), directions of the camera (x right, y down, z forward) to the level world's.
    Every camera stands where the panorama's did, the origin.
    """

    name: str
    lens: Lens
    size: Size
    rotation: npt.NDArray[np.float64]

    @property
    def pose(self) -> npt.NDArray[np.float64]:
        """(4, 4), camera to world."""
        found = np.eye(4)
        found[:3, :3] = self.rotation
        return found

    def intrinsics(self) -> dict[str, float]:
        """width, height, fx, fy, cx, cy [px] of a pinhole; width and height of a panorama."""
        told: dict[str, float] = {"width": self.size[1], "height": self.size[0]}
        if isinstance(self.lens, Pinhole):
            told |= {key: float(getattr(self.lens, key)) for key in ("fx", "fy", "cx", "cy")}
        return told


@dataclass(frozen=True)
class Shot:
    """What a camera sees; `seen.distance` is along the ray."""

    camera: Camera
    seen: Prediction

    @property
    def distance(self) -> FloatArray:
        """(h, w) along the ray, 0 = no surface."""
        return np.where(self.seen.mask, self.seen.distance, np.float32(0))

    @property
    def z_depth(self) -> FloatArray:
        """(h, w) along the camera's axis, 0 = no surface."""
        ahead = self.camera.lens.rays(self.camera.size)[..., 2]
        return np.asarray(self.distance * ahead, np.float32)

    def encoded(self, picture: str) -> bytes:
        """The picture as a JPEG or PNG file."""
        if picture == "jpg":
            return jpeg(self.seen.image, self.camera.size[1])
        return _png(self.seen.image)


def cameras(width: int, options: ViewOptions) -> list[Camera]:
    """The pinholes for a panorama of so many columns."""
    fov = math.radians(options.fov)
    # As many pixels to a radian in the middle as the panorama has.
    sharp = round(width / math.pi * math.tan(fov / 2))
    side = options.size or min(max(1, sharp), MOST_SIDE)
    size = (side, side)
    lens = Pinhole.from_fov(fov, size)
    if options.views:
        turns = [2 * math.pi * number / options.views for number in range(options.views)]
        digits = len(str(options.views - 1))
        return [
            Camera(
                f"view_{i:0{digits}d}", lens, size, np.asarray(rotation_from_yaw_pitch_roll(yaw))
            )
            for i, yaw in enumerate(turns)
        ]
    return [
        Camera(name, lens, size, np.array(axes, np.float64).T) for name, axes in CUBE_FACES.items()
    ]


def shots(prediction: Prediction, options: ViewOptions) -> Iterator[Shot]:
    """What each camera sees, one after the other."""
    panorama = as_level_panorama(prediction)
    if isinstance(options, ModelOptions) and options.camera == "equirectangular":
        shape = panorama.distance.shape
        yield Shot(Camera("panorama", ERP(), (shape[0], shape[1]), np.eye(3)), panorama)
        return
    for camera in cameras(panorama.distance.shape[1], options):
        view = View(camera.lens, camera.size, camera.rotation)
        yield Shot(camera, reprojected(panorama, view))


@dataclass(frozen=True)
class Points:
    """xyz: (N, 3) in the level world. rgb: (N, 3). pixels: (N, 2) u, v in the picture of `shot`."""

    shot: Shot
    xyz: FloatArray
    rgb: ByteArray
    pixels: npt.NDArray[Any]


def seeds(taken: list[Shot], most: int) -> list[Points]:
    """Points of every n-th valid pixel of each picture, `most` together at most."""
    valid = sum(int(shot.seen.mask.sum()) for shot in taken)
    step = max(1, math.isqrt(valid // most))
    while sum(int(shot.seen.mask[_every(step)].sum()) for shot in taken) > most:
        step += 1
    found, thin = [], _every(step)
    for shot in taken:
        mask = shot.seen.mask[thin]
        rows, columns = np.nonzero(mask)
        pixels = np.stack([columns, rows], -1) * step + (step // 2 + 0.5)
        xyz = levelled_points(shot.seen)[thin][mask]
        found.append(Points(shot, xyz, shot.seen.image[thin][mask], pixels))
    return found


def _every(step: int) -> tuple[slice, slice]:
    """Rows and columns of every n-th pixel."""
    return (slice(step // 2, None, step),) * 2


def depth_step(prediction: Prediction) -> float:
    """What one step of 16-bit depth is: MILLIMETRE, more where it does not reach."""
    farthest = float(prediction.distance.max(where=prediction.mask, initial=0))
    return MILLIMETRE if farthest <= 65535 * MILLIMETRE else farthest / 65535


def depth_png(values: FloatArray, step: float, texts: dict[str, str]) -> bytes:
    """(h, w) lengths as a 16-bit PNG, value × step; 0 = no surface."""
    return _png(levels(values, np.float32(step)), texts)


def _png(values: Any, texts: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    png.write_png(file, values.shape[:2], [values], texts or {})
    return file.getvalue()

"""Several calibrated cameras in one place, told in a JSON file: their pictures as one panorama.

    {"radius_m": 8,
     "cameras": [{"image": "front.jpg", "model": "pinhole", "width": 1600, "height": 900,
                  "fx": 1266, "fy": 1266, "cx": 816, "cy": 491,
                  "yaw_deg": 0, "position_m": [0, 0, 1]},
                 {"image": "left.jpg", "model": "kb4", ..., "fov_deg": 190, "k1": 0.02,
                  "rotation": [[0, 0, -1], [0, 1, 0], [1, 0, 0]]}]}

Frame: x right, y down, z forward, for the rig and for each camera; `rotation` (camera to rig) or
yaw, pitch and roll turn the one into the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from panodepth.errors import ConfigError, DamageError, InputError
from panodepth.geometry.lens import Lens, Pinhole, Size, View
from panodepth.geometry.lenses import KB4, LENSES, BrownConrady
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.geometry.stitching import Camera, stitch
from panodepth.images import ImageData, read_image
from panodepth.predict.lenses.exposures import matched
from panodepth.predict.lenses.filling import continued
from panodepth.predict.lenses.sphere import sphere_size
from panodepth.strict import Positive, Range, build, parse_json, read_bounded

ORTHOGONAL = 1e-3  # how far R Rᵀ may be from 1: files keep few digits
Model = Literal["pinhole", "equidistant", "equisolid", "stereographic", "orthographic", "kb4"]
Degrees = Annotated[float, Range(at_least=-360, at_most=360)]
Fov = Annotated[float, Range(above=0, at_most=360)]
Vector = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class RigCamera:
    """One camera: its picture's name, its lens in pixels, and where it looks and stands.

    width, height: of the pictures that it was calibrated with [px]; others are scaled. fov_deg: of
    a fisheye's circle, beyond which it sees nothing. k1 to k4: of "kb4"; k1, k2, p1, p2, k3: of a
    "pinhole" with distortion, as OpenCV calibrates it.
    """

    image: str
    model: Model
    width: Positive
    height: Positive
    fx: Positive
    fy: Positive
    cx: float
    cy: float
    fov_deg: Fov = 180.0
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    yaw_deg: Degrees = 0.0
    pitch_deg: Degrees = 0.0
    roll_deg: Degrees = 0.0
    rotation: tuple[Vector, Vector, Vector] | None = None
    position_m: Vector = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Raises ConfigError for vectors that are none."""
        rows = ((0.0,) * 3,) * 3 if self.rotation is None else self.rotation
        if len(rows) != 3 or any(len(row) != 3 for row in (self.position_m, *rows)):
            raise ConfigError(
                f"camera {self.image}: position_m is 3 numbers, and rotation 3 rows of 3"
            )

    def camera(self, size: tuple[int, int]) -> Camera:
        """The camera of a picture of (height, width) [px]. Raises ConfigError."""
        right, down = size[1] / self.width, size[0] / self.height
        if abs(right / down - 1) > 0.02:
            raise ConfigError(
                f"camera {self.image}: its picture is {size[1]}x{size[0]}, of another shape than "
                f"{self.width:g}x{self.height:g}"
            )
        numbers = (self.fx * right, self.fy * down, self.cx * right, self.cy * down)
        try:
            lens = self._lens(numbers)
        except ValueError as error:
            raise ConfigError(f"camera {self.image}: {error}") from None
        return Camera(View(lens, size, self._turn()), self.position_m)

    def _lens(self, numbers: tuple[float, float, float, float]) -> Lens:
        bent = {name: getattr(self, name) for name in ("k1", "k2", "p1", "p2", "k3", "k4")}
        useful = {"pinhole": ("k1", "k2", "p1", "p2", "k3"), "kb4": ("k1", "k2", "k3", "k4")}
        for name, value in bent.items():
            if value and name not in useful.get(self.model, ()):
                raise ValueError(f"{name} says nothing about a {self.model} lens: leave it out")
        if self.model == "pinhole":
            distortion = [bent[name] for name in useful["pinhole"]]
            return BrownConrady(*numbers, *distortion) if any(distortion) else Pinhole(*numbers)
        kind: Any = LENSES[self.model]
        more = (self.k1, self.k2, self.k3, self.k4) if kind is KB4 else ()
        lens: Lens = kind(*numbers, math.radians(self.fov_deg), *more)
        return lens

    def _turn(self) -> Any:
        if self.rotation is None:
            angles = (math.radians(a) for a in (self.yaw_deg, self.pitch_deg, self.roll_deg))
            return rotation_from_yaw_pitch_roll(*angles)
        turn = np.array(self.rotation)
        wrong = np.abs(turn @ turn.T - np.eye(3)).max() > ORTHOGONAL
        if wrong or np.linalg.det(turn) < 0:
            raise ConfigError(f"camera {self.image}: its rotation is no rotation matrix")
        return turn


@dataclass(frozen=True, kw_only=True)
class Rig:
    """All cameras of a file. radius_m: how far the scene is taken to be; None = far away."""

    cameras: tuple[RigCamera, ...]
    radius_m: float | None = None

    @cached_property
    def names(self) -> list[str]:
        """Of the cameras' pictures."""
        return [camera.image for camera in self.cameras]

    def check_folder(self, folder: Path) -> None:
        """Raise InputError unless every camera's picture is there."""
        missing = [name for name in self.names if not (folder / name).is_file()]
        if missing:
            moments = [inner.parent for inner in folder.glob(f"*/{missing[0]}")]
            told = f"; name the folders of the moments, such as {min(moments)}" if moments else ""
            raise InputError(
                f"{folder}: no picture {', '.join(missing)}, which the rig names{told}"
            )

    def sphere(self, sizes: Sequence[Size]) -> Size:
        """(H, W) of the panorama of pictures of these (height, width), one of each camera. Raises
        ConfigError where one does not suit.
        """
        cameras = (own.camera(size) for own, size in zip(self.cameras, sizes, strict=True))
        return max(sphere_size(c.view.lens, s) for c, s in zip(cameras, sizes, strict=True))

    def panorama(self, folder: Path) -> ImageData:
        """The pictures in a folder as one panorama; what no camera sees is not valid.

        Nor is what is transparent in all pictures that show it.

        Raises InputError for a picture that is missing or bad, ConfigError where one does not suit.
        """
        self.check_folder(folder)
        pictures, valid, cameras = [], [], []
        for camera in self.cameras:
            data = read_image(folder / camera.image)
            cameras.append(camera.camera(data.size))
            pictures.append(np.ascontiguousarray(np.moveaxis(data.image, -1, 0)))
            valid.append(data.valid)
        size = self.sphere([camera.view.size for camera in cameras])
        pictures = matched(pictures, cameras, self.radius_m, valid)
        pixels, seen = stitch(pictures, cameras, size, self.radius_m, valid)
        if not seen.any():
            raise InputError(f"{folder}: no camera of the rig sees anything")
        image = np.ascontiguousarray(np.moveaxis(continued(pixels, seen), 0, -1))
        whole = None if seen.all() else seen
        return ImageData(np.clip(image, 0, 1), whole, folder.resolve().name, str(folder))


def read_rig(path: Path) -> Rig:
    """The rig in a JSON file. Raises ConfigError, one line, for what cannot be."""
    try:
        values = parse_json(read_bounded(path))
    except OSError as error:
        raise ConfigError(f"cannot read rig {path}: {error.strerror}") from None
    except DamageError as error:
        raise ConfigError(f"rig {path}: {error}") from None
    try:
        rig = build(Rig, values, f"rig {path}")
    except ConfigError as error:
        told = str(error)
        raise ConfigError(told if str(path) in told else f"rig {path}: {told}") from None
    if rig.radius_m is not None and not rig.radius_m > 0:
        raise ConfigError(f"rig {path}: radius_m must be above 0, not {rig.radius_m:g}")
    if not rig.cameras:
        raise ConfigError(f"rig {path} has no cameras")
    if len(set(rig.names)) < len(rig.names):
        raise ConfigError(f"rig {path} names a picture twice")
    return rig

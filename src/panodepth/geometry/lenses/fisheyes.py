"""Fisheyes by their formulas, and the fisheye that OpenCV calibrates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from panodepth.geometry.arrays import ArrayT, library
from panodepth.geometry.lenses.radial import Radial

_NEWTON_STEPS = 16  # float64 is reached after 5 to 8


@dataclass(frozen=True)
class EquidistantFisheye(Radial):
    """r = f · θ: equal angles are equally long."""

    def radius(self, theta: ArrayT) -> ArrayT:
        return theta

    def angle(self, radius: ArrayT) -> ArrayT:
        return radius


@dataclass(frozen=True)
class EquisolidFisheye(Radial):
    """r = 2 f · sin(θ / 2): equal solid angles are equally large."""

    def radius(self, theta: ArrayT) -> ArrayT:
        return 2 * library(theta).sin(theta / 2)

    def angle(self, radius: ArrayT) -> ArrayT:
        xp = library(radius)
        return 2 * xp.asin(xp.clip(radius / 2, max=1.0))


@dataclass(frozen=True)
class StereographicFisheye(Radial):
    """r = 2 f · tan(θ / 2): small circles stay circles; less than 360°."""

    def radius(self, theta: ArrayT) -> ArrayT:
        return 2 * library(theta).tan(theta / 2)

    def angle(self, radius: ArrayT) -> ArrayT:
        return 2 * library(radius).atan(radius / 2)


@dataclass(frozen=True)
class OrthographicFisheye(Radial):
    """r = f · sin θ: the hemisphere as seen from far away; at most 180°."""

    def __post_init__(self) -> None:
        if self.fov_rad > math.pi:
            raise ValueError("an orthographic fisheye sees 180° at most")

    def radius(self, theta: ArrayT) -> ArrayT:
        return library(theta).sin(theta)

    def angle(self, radius: ArrayT) -> ArrayT:
        xp = library(radius)
        return xp.asin(xp.clip(radius, max=1.0))


@dataclass(frozen=True)
class KB4(Radial):
    """r = f · (θ + k1 θ³ + k2 θ⁵ + k3 θ⁷ + k4 θ⁹): `cv2.fisheye`, COLMAP's OPENCV_FISHEYE.

    Source: J. Kannala, S. Brandt, "A generic camera model ...", PAMI 2006. Raises ValueError when
    the radius does not grow all the way to half of `fov_rad`: the calibration does not reach there.
    """

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0

    def __post_init__(self) -> None:
        theta = np.linspace(0, self.fov_rad / 2, 512)
        falls = self._slope(theta) <= 0
        if falls.any():
            limit = math.degrees(2 * float(theta[falls.argmax()]))
            raise ValueError(
                f"these coefficients hold for less than {limit:.0f}°, "
                f"not for {math.degrees(self.fov_rad):.0f}°: give a smaller field of view"
            )

    def radius(self, theta: ArrayT) -> ArrayT:
        square = theta * theta
        terms = self.k1 + square * (self.k2 + square * (self.k3 + square * self.k4))
        return theta * (1 + square * terms)

    def angle(self, radius: ArrayT) -> ArrayT:
        xp: Any = library(radius)
        theta = xp.clip(radius, max=self.fov_rad / 2)
        for _ in range(_NEWTON_STEPS):  # a fixed number: no waiting for a device
            step = (self.radius(theta) - radius) / xp.clip(self._slope(theta), min=1e-3)
            theta = xp.clip(theta - step, min=0.0, max=self.fov_rad / 2)
        return theta

    def _slope(self, theta: Any) -> Any:
        """How the radius grows at angles (...)."""
        square = theta * theta
        terms = 5 * self.k2 + square * (7 * self.k3 + square * 9 * self.k4)
        return 1 + square * (3 * self.k1 + square * terms)

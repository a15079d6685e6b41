"""Lenses whose image of a ray depends on its angle from the axis alone."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from panodepth.geometry.arrays import ArrayT, library, like, planes
from panodepth.geometry.lens import Focal, Size


@dataclass(frozen=True)
class Radial(Focal):
    """A lens that shows a ray at an angle θ from its axis at the radius f · radius(θ).

    fov_rad: full angle of the cone that it sees, up to 2π; pixels outside its circle see nothing.
    """

    fov_rad: float = math.pi
    partial = True

    @abstractmethod
    def radius(self, theta: ArrayT) -> ArrayT:
        """Radius for focal length 1 at angles (...) from the axis [rad], growing from 0."""

    @abstractmethod
    def angle(self, radius: ArrayT) -> ArrayT:
        """The inverse of `radius`: (...) [rad]."""

    @classmethod
    def from_fov(cls, fov_rad: float, size: Size) -> Self:
        """A centred lens whose circle of `fov_rad` touches the nearer edges of the image."""
        height, width = size
        focal = min(size) / 2 / float(cls(1, 1, 0, 0).radius(np.asarray(fov_rad / 2)))
        return cls(focal, focal, width / 2, height / 2, fov_rad)

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        xp = library(pixels)
        x, y = self._flat(pixels[..., 0], pixels[..., 1])
        radius, centre = _safe_hypot(xp, x, y)
        edge = self.radius(xp.full((), self.fov_rad / 2, **like(x)))
        # Clipped: beyond what the lens sees, there may be no angle for a radius.
        theta = xp.where(centre, 0.0, self.angle(xp.minimum(radius, edge)))
        across = xp.sin(theta) / radius
        rays = planes(xp, x * across, y * across, xp.cos(theta))
        return xp.where((centre | (radius <= edge))[..., None], rays, 0.0)

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        xp = library(rays)
        x, y, z = rays[..., 0], rays[..., 1], rays[..., 2]
        across, on_axis = _safe_hypot(xp, x, y)
        # atan2, not acos of z: exact near the axis and for rays of any length.
        theta = xp.atan2(xp.where(on_axis, 0.0, across), z)
        seen = (theta <= self.fov_rad / 2) & ~(on_axis & (z == 0))
        # Clipped here too: pixels are to be finite.
        scale = self.radius(xp.clip(theta, max=self.fov_rad / 2)) / across
        return self._pixels(x * scale, y * scale, seen, size)


def _safe_hypot(xp: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """√(x² + y²), 1 where it is 0, and where that is: its inverse and its gradient stay finite."""
    square = x * x + y * y
    zero = square == 0
    return xp.sqrt(xp.where(zero, 1.0, square)), zero

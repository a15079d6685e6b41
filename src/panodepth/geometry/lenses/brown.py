"""The pinhole with distortion that OpenCV calibrates: an ordinary camera's lens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from panodepth.geometry.arrays import ArrayT, library, planes
from panodepth.geometry.lens import Focal, Size

_NEWTON_STEPS = 20  # float64 is reached after 4 to 8, near the fold after more
_SOLVED = 1e-4  # of the focal length: a place that no ray is shown at is farther off
_FARTHEST = 1e6  # tangent of the angle from the axis, without a fold
_MIN_COSINE = 1e-6


@dataclass(frozen=True)
class BrownConrady(Focal):
    """`cv2.projectPoints` with the coefficients k1, k2, p1, p2, k3; COLMAP's OPENCV has four.

    With x, y in the plane at focal length 1 and s = x² + y²:
        x' = x (1 + k1 s + k2 s² + k3 s³) + 2 p1 x y + p2 (s + 2 x²), y' likewise.
    Where the radius would fall as the angle grows, the polynomial has left what was calibrated: the
    lens sees nothing there. Source: D. C. Brown, "Decentering distortion of lenses", 1966.
    """

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    partial = True

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        xp: Any = library(pixels)
        aim_x, aim_y = self._flat(pixels[..., 0], pixels[..., 1])
        x, y, limit = aim_x, aim_y, self._fold()
        for _ in range(_NEWTON_STEPS):  # a fixed number: no waiting for a device
            shrink = xp.sqrt(xp.clip(limit / xp.clip(x * x + y * y, min=1e-12), max=1.0))
            x, y = x * shrink, y * shrink
            (off_x, off_y), (xx, xy, yy) = self._distorted(x, y), self._slopes(x, y)
            off_x, off_y = off_x - aim_x, off_y - aim_y
            area = xx * yy - xy * xy
            area = xp.where(xp.abs(area) < 1e-6, 1e-6, area)
            x, y = x - (yy * off_x - xy * off_y) / area, y - (xx * off_y - xy * off_x) / area
        off_x, off_y = self._distorted(x, y)
        near = xp.abs(off_x - aim_x) + xp.abs(off_y - aim_y) < _SOLVED
        inverse = 1 / xp.sqrt(x * x + y * y + 1)
        rays = planes(xp, x * inverse, y * inverse, inverse)
        return xp.where((near & (x * x + y * y <= limit))[..., None], rays, 0.0)

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        xp, z = library(rays), rays[..., 2]
        in_front = z > _MIN_COSINE
        inverse = 1 / xp.where(in_front, z, 1.0)
        x, y = rays[..., 0] * inverse, rays[..., 1] * inverse
        seen = in_front & (x * x + y * y <= self._fold())
        x, y = xp.where(seen, x, 0.0), xp.where(seen, y, 0.0)  # pixels are to be finite
        return self._pixels(*self._distorted(x, y), seen, size)

    def _distorted(self, x: Any, y: Any) -> tuple[Any, Any]:
        s = x * x + y * y
        radial = 1 + s * (self.k1 + s * (self.k2 + s * self.k3))
        across = x * radial + 2 * self.p1 * x * y + self.p2 * (s + 2 * x * x)
        return across, y * radial + self.p1 * (s + 2 * y * y) + 2 * self.p2 * x * y

    def _slopes(self, x: Any, y: Any) -> tuple[Any, Any, Any]:
        """How x' grows with x, x' with y (as y' with x), and y' with y."""
        s = x * x + y * y
        radial = 1 + s * (self.k1 + s * (self.k2 + s * self.k3))
        slope = 2 * (self.k1 + s * (2 * self.k2 + s * 3 * self.k3))
        mixed = x * y * slope + 2 * self.p1 * x + 2 * self.p2 * y
        across = radial + x * x * slope + 2 * self.p1 * y + 6 * self.p2 * x
        return across, mixed, radial + y * y * slope + 6 * self.p1 * y + 2 * self.p2 * x

    def _fold(self) -> float:
        """The smallest s at which the radius no longer grows."""
        roots = np.roots([7 * self.k3, 5 * self.k2, 3 * self.k1, 1.0])
        positive = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
        return float(min(positive, default=_FARTHEST))

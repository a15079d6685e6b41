"""Two fisheyes back to back in one picture, as 360 cameras save it before stitching."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from panodepth.geometry.arrays import Array, ArrayT, library, planes
from panodepth.geometry.lens import Lens, Size, View
from panodepth.geometry.lenses.fisheyes import EquidistantFisheye
from panodepth.geometry.lenses.radial import Radial
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll


@dataclass(frozen=True)
class DualFisheye(Lens):
    """Two circles side by side; the right half looks ahead, the left one back (FFmpeg's dfisheye).

    left, right: their lenses, in pixels of the whole picture. yaw_rad, pitch_rad, roll_rad: how the
    left one is turned against the right one. Where both see a ray, `project` takes the one whose
    axis is nearer.
    """

    left: Radial
    right: Radial
    yaw_rad: float = math.pi
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    partial = True

    @classmethod
    def from_fov(
        cls, fov_rad: float, size: Size, kind: type[Radial] = EquidistantFisheye, **turned: float
    ) -> Self:
        """Two centred circles of `fov_rad` that touch the edges of their halves.

        turned: yaw_rad, pitch_rad, roll_rad of the left one.
        """
        height, width = size
        right = kind.from_fov(fov_rad, (height, width // 2))
        left, centre = right, right.cx
        return cls(left, replace(right, cx=centre + width / 2), **turned)

    @property
    def turn(self) -> Array:
        """(3, 3): directions of the left lens to those of the right one."""
        return rotation_from_yaw_pitch_roll(self.yaw_rad, self.pitch_rad, self.roll_rad)

    def halves(self, size: Size) -> list[tuple[slice, View]]:
        """The columns of each half, the right one first, and what its camera sees."""
        height, width = size
        middle = width // 2
        right = replace(self.right, cx=self.right.cx - middle)
        return [
            (slice(middle, width), View(right, (height, width - middle))),
            (slice(0, middle), View(self.left, (height, middle), self.turn)),
        ]

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        back = rotate_vectors(self.turn, _as_map(self.left.unproject(pixels, size)))
        ahead = self.right.unproject(pixels, size)
        in_left = pixels[..., 0] < size[1] / 2
        return library(pixels).where(in_left[..., None], back.reshape(ahead.shape), ahead)

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        xp = library(rays)
        behind = rotate_vectors(self.turn.T, _as_map(rays)).reshape(rays.shape)
        ahead_at, ahead = self.right.project(rays, size)
        back_at, back = self.left.project(behind, size)
        # Each circle ends where its half does, though the picture goes on.
        ahead = ahead & (ahead_at[..., 0] >= size[1] / 2)
        back = back & (back_at[..., 0] < size[1] / 2)
        take_left = back & (~ahead | (behind[..., 2] > rays[..., 2]))
        return xp.where(take_left[..., None], back_at, ahead_at), ahead | back

    def readable(self, pixels: ArrayT, size: Size) -> ArrayT:
        xp = library(pixels)
        middle = size[1] / 2
        u, v = pixels[..., 0], pixels[..., 1]
        u = xp.where(u < middle, xp.clip(u, max=middle - 0.5), xp.clip(u, min=middle + 0.5))
        return planes(xp, u, v)


def _as_map(vectors: Any) -> Any:
    """Vectors (..., 3) with the two axes of a map in front, (1, n, 3)."""
    return vectors.reshape(1, -1, 3)


# The lenses of one camera, measured: https://monochrome.sutic.nu (FORMATS: Ricoh Theta SC)
THETA_SC_SIZE = (1080, 1920)
_THETA_SC_FOV = math.radians(202.16)
_THETA_SC = EquidistantFisheye(
    480 / (_THETA_SC_FOV / 2), 480 / (_THETA_SC_FOV / 2), 480, 480, _THETA_SC_FOV
)
THETA_SC = DualFisheye(
    _THETA_SC, replace(_THETA_SC, cx=1440), *np.radians((178.8, 1.1, 0.7)).tolist()
)

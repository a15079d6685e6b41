"""Terrain: a grid of heights as bilinear cells, one primitive each, hit in closed form.

The grid may be uneven (fine near the camera, coarse far away); a few hundred cells cost the
ray-caster about as much as as many boxes, because tiles and hiding cull them alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.render.primitives import Scene, Solid
from panodepth.lab.worlds.render.shapes import PATCH, Array

_LEAST = 0.02  # metres, half the height of a level cell's box


def graded_axis(reach: float, count: int, finest: float) -> Array:
    """(2 count + 1,) grid lines [m] from −reach to reach, about `finest` apart at 0, wider out."""
    u = np.arange(count + 1) / count
    # Linear near the middle, cubic further out: few cells reach the horizon.
    base = min(finest * count / reach, 1.0)
    half = reach * (base * u + (1 - base) * u**3)
    return np.concatenate([-half[:0:-1], half])


@dataclass(frozen=True)
class HeightField:
    """Heights (Z, X) in metres over increasing grid lines x (X,) and z (Z,) of the y-up world.

    Raises ConfigError when the three do not fit together.
    """

    x: Array
    z: Array
    height: Array

    def __post_init__(self) -> None:
        if self.height.shape != (len(self.z), len(self.x)):
            raise ConfigError(
                f"heights {self.height.shape} do not fit {len(self.z)} z and {len(self.x)} x lines"
            )
        if (np.diff(self.x) <= 0).any() or (np.diff(self.z) <= 0).any():
            raise ConfigError("the grid lines of a height field must increase")

    def at(self, x: npt.ArrayLike, z: npt.ArrayLike) -> Array:
        """Surface height [m] at world x, z: (...) of a common shape; outside, that of the rim."""
        px = np.clip(np.asarray(x, float), self.x[0], self.x[-1])
        pz = np.clip(np.asarray(z, float), self.z[0], self.z[-1])
        i = np.clip(np.searchsorted(self.x, px, "right") - 1, 0, len(self.x) - 2)
        j = np.clip(np.searchsorted(self.z, pz, "right") - 1, 0, len(self.z) - 2)
        u = (px - self.x[i]) / (self.x[i + 1] - self.x[i])
        v = (pz - self.z[j]) / (self.z[j + 1] - self.z[j])
        h = self.height
        # Bilinear, as the cells are cast, so that things stand on what is seen.
        near = h[j, i] * (1 - u) + h[j, i + 1] * u
        far = h[j + 1, i] * (1 - u) + h[j + 1, i + 1] * u
        return np.asarray(near * (1 - v) + far * v)

    def add_to(self, scene: Scene, material: Material, label: int = 0) -> None:
        """Add every cell to `scene`; the texture runs on from cell to cell."""
        h = self.height
        corner = np.stack([h[:-1, :-1], h[:-1, 1:], h[1:, :-1], h[1:, 1:]], -1)
        low, high = corner.min(-1), corner.max(-1)
        middle, rise = (low + high) / 2, np.maximum((high - low) / 2, _LEAST)
        # The bilinear surface through the corners a b / c d of the cell −1..1, as `shapes` has it.
        a, b, c, d = np.moveaxis((corner - middle[..., None]) / rise[..., None], -1, 0)
        numbers = np.stack([a + b + c + d, b + d - a - c, c + d - a - b, a + d - b - c], -1) / 4
        mid_x, half_x = (self.x[:-1] + self.x[1:]) / 2, (self.x[1:] - self.x[:-1]) / 2
        mid_z, half_z = (self.z[:-1] + self.z[1:]) / 2, (self.z[1:] - self.z[:-1]) / 2
        (u, v), (repeat_u, repeat_v) = material.offset, material.scale
        # Shifts are kept within a repeat: large ones would cost the texture its float32 precision.
        for j, z in enumerate(mid_z):
            for i, x in enumerate(mid_x):
                shift = ((u + x / repeat_u) % 1.0, (v + z / repeat_v) % 1.0)
                half = (half_x[i], rise[j, i], half_z[j])
                cell = Solid(PATCH, half, shape=numbers[j, i])
                scene.add(cell, (x, middle[j, i], z), 0.0, replace(material, offset=shift), label)

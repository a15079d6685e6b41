"""Skies: a gradient from horizon to zenith, a sheet of clouds, the sun and its glow; haze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import torch
from torch import Tensor

from panodepth.lab.worlds.looks import textures
from panodepth.lab.worlds.render.primitives import Scene, camera_from_world
from panodepth.lab.worlds.render.shapes import Array
from panodepth.lab.worlds.render.surfaces import dot

_OVERHEAD = 0.12  # keeps the cloud sheet finite at the horizon


def sky(scenes: Sequence[Scene], rows: Tensor, direction: Tensor) -> Tensor:
    """Sky colours that rays see.

    rows: (R,) int64, which of the scenes each ray is in. direction: (3, R) unit, in the frames of
    their cameras. Returns (3, R) linear RGB.
    """
    numbers = np.stack([_numbers(s) for s in scenes], -1)
    table = torch.tensor(numbers, dtype=torch.float32, device=rows.device)
    of = table.index_select(1, rows)
    sun, axes, zenith, horizon = of[:3], of[3:12].view(3, 3, -1), of[12:15], of[15:18]
    gradient, texture, scale, offset, cover, white, power, _ = of[18:]
    world = torch.stack([dot(axis, direction) for axis in axes])
    high = world[1].clamp_min(0)
    # Clouds are a level sheet, seen in perspective: repeats and texels grow with 1 / sin(height).
    flat = scale / (world[1].abs() + _OVERHEAD)
    u, v = world[0] * flat + offset, world[2] * flat + offset
    cloud = textures.sample(texture, u, v, 6.0 / (high + _OVERHEAD))
    toward = dot(world, sun).clamp_min(0)
    halo = 8 * toward**1500 + 0.4 * toward**12  # the disc, and the light around it
    clear = torch.lerp(horizon, zenith, high**gradient)
    radiance: Tensor = (torch.lerp(clear, white, cloud * cover) + halo) * power
    return radiance


def _numbers(scene: Scene) -> Array:
    """(28,) the sun's direction (0 without a sun), world-from-camera rows, the sky's numbers."""
    toward = next((light.position for light in scene.lights if light.sun), (0.0, 0.0, 0.0))
    length = max(sum(t * t for t in toward) ** 0.5, 1e-9)
    sun, view = [t / length for t in toward], camera_from_world(scene).T.flatten()
    return np.hstack([sun, view, *astuple(scene.sky)])


def haze(scenes: Sequence[Scene], radiance: Tensor, distance: Tensor) -> Tensor:
    """Radiance through air, which turns into the horizon's colour with the distance.

    radiance: (3, b, R) linear RGB. distance: (b, R) metres. Returns (3, b, R).
    """
    skies = [s.sky for s in scenes]
    if not any(s.haze_m for s in skies):
        return radiance
    rates = [1.0 / s.haze_m if s.haze_m else 0.0 for s in skies]
    colours = [[s.horizon[k] * s.power for s in skies] for k in range(3)]
    rate, colour = (
        torch.tensor(n, dtype=torch.float32, device=distance.device) for n in (rates, colours)
    )
    lost = 1 - torch.exp(-distance * rate[:, None])  # Beer and Lambert's law
    return torch.lerp(radiance, colour[..., None], lost)

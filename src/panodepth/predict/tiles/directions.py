"""Where views look that cover the sphere together.

Twelve views of 90° look through the corners of an icosahedron; tiles that a panoramic network is
shown look along the horizon, up and down, so that level ground stays level in them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from panodepth.geometry.lens import Pinhole
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll

FOV_DEG = 90.0
# Corners: the two poles, and two rings of five at this latitude, half a step apart.
RING_DEG = math.degrees(math.atan(0.5))
FIFTH_DEG = 72.0


def view_angles() -> Tensor:
    """(12, 3) float64 yaw, pitch, roll [rad]: straight up, upper ring, lower ring, down."""
    angles = [(0.0, 90.0, 0.0)]
    angles += [(k * FIFTH_DEG, RING_DEG, 0.0) for k in range(5)]
    angles += [((k + 0.5) * FIFTH_DEG, -RING_DEG, 0.0) for k in range(5)]
    angles.append((0.0, -90.0, 0.0))
    return torch.deg2rad(torch.tensor(angles, dtype=torch.float64))


def view_rotations() -> Tensor:
    """(12, 3, 3) float32, view to panorama."""
    rotations: Tensor = rotation_from_yaw_pitch_roll(*view_angles().unbind(-1)).float()
    return rotations


def view_lens(size: int) -> Pinhole:
    """The lens of a square view of 90° with `size` pixels a side."""
    return Pinhole.from_fov(math.radians(FOV_DEG), (size, size))


def own_resolution(height: int) -> int:
    """Pixels a side at which a view's centre is as fine as a panorama of `height` rows."""
    return round(2 * height / math.pi * math.tan(math.radians(FOV_DEG / 2)))


def tile_rotations(around: int = 6) -> Tensor:
    """(around + 2, 3, 3) float32, tile to panorama: `around` along the horizon, up, and down."""
    turn = torch.arange(around, dtype=torch.float64) * (2 * math.pi / around)
    angles = torch.zeros(around + 2, 3, dtype=torch.float64)
    angles[:around, 0] = turn
    angles[around:, 1] = torch.tensor([math.pi / 2, -math.pi / 2], dtype=torch.float64)
    rotations: Tensor = rotation_from_yaw_pitch_roll(*angles.unbind(-1)).float()
    return rotations

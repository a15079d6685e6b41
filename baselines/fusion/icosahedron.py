"""Twelve views of 90° through the corners of an icosahedron, and their maps as one panorama."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from panodepth.geometry.lens import ERP, Pinhole, View
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.predict.tiles.merging import Blend, solve

LEAST = 1e-3  # weight at a view's very border, relative to its centre
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


def merge_views(log_distance: Tensor, lens: Pinhole, rotations: Tensor, height: int) -> Tensor:
    """(V, h, w) log distances along the rays to one (H, 2H) log distance of mean 0.

    lens: of all views. rotations: (V, 3, 3), view to panorama. Together the views must see
    every pixel; raises ValueError otherwise.
    """
    size = (height, 2 * height)
    share = border_share(*log_distance.shape[-2:]).to(log_distance)
    blend = Blend(size)
    for view, rotation in zip(log_distance, rotations, strict=True):
        both = torch.stack((view, share))
        laid, covered = resample(both, lens, View(ERP(), size, rotation.mT))
        blend.add(laid[0], torch.where(covered, laid[1], 0.0))
    return solve(blend.wishes()).float()


def border_share(height: int, width: int) -> Tensor:
    """(h, w) weight of a view's pixels: 1 at the centre, linear down to LEAST at the border."""
    rows, columns = (1 - ((torch.arange(n) + 0.5) / n * 2 - 1).abs() for n in (height, width))
    return torch.minimum(rows[:, None], columns).clamp_min(LEAST)

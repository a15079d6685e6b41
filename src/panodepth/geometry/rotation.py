"""Rotations of the camera, and a panorama as the rotated camera would have taken it.

A rotation R maps camera directions to world directions: ray_world = R ray_camera. Its columns are
the camera's right, down and forward axes in the world. All angles turn right-handed about
the axes of the frame: yaw about y turns right, pitch about x looks up, roll about z dips the right
side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panodepth.geometry.grid import broadcast, erp_rays
from panodepth.geometry.sampling import SampleMode, sample_erp


def rotate_vectors(rotation: Tensor, vectors: Tensor) -> Tensor:
    """R v for maps of vectors: (..., 3, 3) and (..., h, w, 3) to (..., h, w, 3).

    Written as three products: a matrix product may run in reduced precision (TF32, autocast).
    """
    right, down, forward = rotation[..., None, None, :, :].to(vectors.dtype).unbind(-1)
    return vectors[..., 0:1] * right + vectors[..., 1:2] * down + vectors[..., 2:3] * forward


def rotation_from_yaw_pitch_roll(
    yaw_rad: Tensor | float, pitch_rad: Tensor | float = 0.0, roll_rad: Tensor | float = 0.0
) -> Tensor:
    """R = R_y(yaw) R_x(pitch) R_z(roll), camera to world: angles (...) [rad] to (..., 3, 3).

    The camera first turns right by yaw, then looks up by pitch, then rolls its right side down.
    """
    angles = [torch.as_tensor(angle) for angle in (yaw_rad, pitch_rad, roll_rad)]
    yaw, pitch, roll = broadcast(*angles)
    cy, sy, cp, sp = yaw.cos(), yaw.sin(), pitch.cos(), pitch.sin()
    cr, sr = roll.cos(), roll.sin()
    rows = (
        (cy * cr + sy * sp * sr, sy * sp * cr - cy * sr, sy * cp),
        (cp * sr, cp * cr, -sp),
        (cy * sp * sr - sy * cr, sy * sr + cy * sp * cr, cy * cp),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def yaw_pitch_roll_from_rotation(rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(..., 3, 3) to yaw and roll in [-π, π] and pitch in [-π/2, π/2] [rad], each (...).

    Looking straight up or down only yaw ± roll is defined; the angles returned still give R.
    """
    r = rotation
    sin_pitch = -r[..., 1, 2]
    cos_pitch = torch.hypot(r[..., 0, 2], r[..., 2, 2])
    pitch = torch.atan2(sin_pitch, cos_pitch)
    vertical = cos_pitch < 1e-6 if r.dtype != torch.float64 else cos_pitch < 1e-14
    yaw = torch.atan2(r[..., 0, 2], r[..., 2, 2])
    roll = torch.atan2(r[..., 1, 0], r[..., 1, 1])
    free_yaw = torch.atan2(-r[..., 2, 0], r[..., 0, 0])
    return torch.where(vertical, free_yaw, yaw), pitch, torch.where(vertical, 0.0, roll)


def rotation_from_quaternion(quaternion: Tensor) -> Tensor:
    """(..., 4) quaternions (w, x, y, z) of any length > 0 to (..., 3, 3); -q gives the same R."""
    w, x, y, z = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def random_rotation(
    n: int, generator: torch.Generator | None = None, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """(n, 3, 3) rotations, uniform over all orientations, on the generator's device (else the CPU).

    Four normal numbers point in a uniform direction of four-space: a uniform unit quaternion.
    """
    device = generator.device if generator is not None else torch.device("cpu")
    quaternion = torch.randn(n, 4, generator=generator, device=device, dtype=torch.float32)
    return rotation_from_quaternion(quaternion.to(dtype))


def rotate_erp(image: Tensor, rotation: Tensor, *, mode: SampleMode = "bilinear") -> Tensor:
    """The panorama that the camera sees after it was rotated by R: out(ray) = image(R ray).

    image: (..., C, H, W) colours, distances, masks ("nearest" for anything with hard edges).
    rotation: (..., 3, 3). Returns (..., C, H, W). `rotate_erp(out, R^T)` turns it back.
    """
    rays = _grid_rays(image, *image.shape[-2:])
    return sample_erp(image, rotate_vectors(rotation, rays), mode)


def rotate_erp_vectors(
    vectors: Tensor, rotation: Tensor, *, mode: SampleMode = "bilinear"
) -> Tensor:
    """Points or normals as the rotated camera sees them: out(ray) = R^T vectors(R ray).

    vectors: (..., H, W, 3) in the frame of the old camera. rotation: (..., 3, 3).
    Returns (..., H, W, 3) in the frame of the new camera. Interpolated normals are not rescaled.
    """
    rays = _grid_rays(vectors, *vectors.shape[-3:-1])
    seen = sample_erp(vectors.movedim(-1, -3), rotate_vectors(rotation, rays), mode)
    return rotate_vectors(rotation.mT, seen.movedim(-3, -1))


def _grid_rays(like: Tensor, height: int, width: int) -> Tensor:
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    return erp_rays(height, width, dtype=dtype, device=like.device)

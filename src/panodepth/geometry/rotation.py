"""Rotations of the camera.

A rotation R maps camera directions to world directions: ray_world = R ray_camera. Its columns are
the camera's right, down and forward axes in the world. All angles turn right-handed about
the axes of the frame: yaw about y turns right, pitch about x looks up, roll about z dips the right
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panodepth.geometry.arrays import (
    Array,
    ArrayT,
    Scalar,
    broadcast,
    from_rows,
    library,
    match,
    planes,
    to_dtype,
)


def rotate_vectors(rotation: Array, vectors: ArrayT) -> ArrayT:
    """R v for maps of vectors: (..., 3, 3) and (..., h, w, 3) to (..., h, w, 3).

    Written as products: a matrix product may run in reduced precision (TF32, autocast).
    """
    r = match(rotation, vectors)[..., None, None]
    # Part by part, so that each product runs over a whole map, not over three numbers.
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    parts = (
        x * r[..., i, 0, :, :] + y * r[..., i, 1, :, :] + z * r[..., i, 2, :, :] for i in range(3)
    )
    return planes(library(vectors), *parts)


def rotation_from_yaw_pitch_roll(
    yaw_rad: Scalar, pitch_rad: Scalar = 0.0, roll_rad: Scalar = 0.0
) -> Array:
    """R = R_y(yaw) R_x(pitch) R_z(roll), camera to world: angles (...) [rad] to (..., 3, 3).

    The camera first turns right by yaw, then looks up by pitch, then rolls its right side down.
    Three floats give a NumPy float64 matrix.
    """
    xp, (yaw, pitch, roll) = broadcast(yaw_rad, pitch_rad, roll_rad)
    cy, sy, cp, sp = xp.cos(yaw), xp.sin(yaw), xp.cos(pitch), xp.sin(pitch)
    cr, sr = xp.cos(roll), xp.sin(roll)
    rows = (
        (cy * cr + sy * sp * sr, sy * sp * cr - cy * sr, sy * cp),
        (cp * sr, cp * cr, -sp),
        (cy * sp * sr - sy * cr, sy * sr + cy * sp * cr, cy * cp),
    )
    return from_rows(xp, rows)


def rotation_to_up(up: Sequence[float]) -> Array:
    """(3, 3) float64: the least rotation R that takes straight up, (0, -1, 0), to `up`, (3,) unit.

    A camera that sees up there is R away from a level one: ray_camera = R ray_level. Upside down,
    it is half a turn about z.
    """
    x, y, z = up
    level = x * x + z * z
    if y > 0 and level < 1e-30:
        return np.diag([-1.0, -1.0, 1.0])
    # Rodrigues' formula about (0, -1, 0) × up, divided through by 1 + cosine; that is 1 - y, which
    # cancels where up points down.
    k = 1 / (1 - y) if y < 0 else (1 + y) / level
    return np.array([[1 - k * x * x, -x, -k * x * z], [x, -y, z], [-k * x * z, -z, 1 - k * z * z]])


def rotation_from_quaternion(quaternion: ArrayT) -> ArrayT:
    """(..., 4) quaternions (w, x, y, z) of any length > 0 to (..., 3, 3); -q gives the same R."""
    xp = library(quaternion)
    # The usual product q v q*, written out for the three axes.
    unit = quaternion / xp.linalg.vector_norm(quaternion, axis=-1, keepdims=True)
    w, x, y, z = (unit[..., i] for i in range(4))
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return from_rows(xp, rows)


def quaternion_from_rotation(rotation: Array) -> Array:
    """(4,) unit quaternion (w, x, y, z), w >= 0, of a NumPy rotation (3, 3): Shepperd 1978."""
    r = np.asarray(rotation, np.float64)
    trace = np.trace(r)
    # 4 q qᵀ has the largest part's square on its diagonal, which is never near 0.
    outer = np.empty((4, 4))
    outer[0, 0] = 1 + trace
    outer[1:, 1:] = r + r.T + np.diag(np.full(3, 1 - trace))
    outer[0, 1:] = outer[1:, 0] = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    row = outer[np.argmax(np.diag(outer))]
    found = row / np.linalg.norm(row)
    return np.asarray(-found if found[0] < 0 else found)


def random_rotation(n: int, generator: Any, *, dtype: Any = None) -> Array:
    """(n, 3, 3) rotations, uniform over all orientations.

    generator: of NumPy (gives float64) or of torch (float32, on its device). dtype: another one.
    Four normal numbers point in a uniform direction of four-space: a uniform unit quaternion.
    """
    if isinstance(generator, np.random.Generator):
        quaternion: Any = generator.standard_normal((n, 4))
    else:
        import torch

        quaternion = torch.randn(n, 4, generator=generator, device=generator.device)
    return rotation_from_quaternion(to_dtype(quaternion, dtype or quaternion.dtype))

"""Rotations (3, 3) in NumPy float64, by the formulas of `geometry.rotation`."""

from __future__ import annotations

import numpy as np

from panodepth.lab.curation.frame import Matrix


def rotation_from_yaw_pitch_roll(yaw_rad: float, pitch_rad: float, roll_rad: float) -> Matrix:
    """R = R_y(yaw) R_x(pitch) R_z(roll), (3, 3), camera to world."""
    (cy, cp, cr), (sy, sp, sr) = (f([yaw_rad, pitch_rad, roll_rad]) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def rotation_from_quaternion(quaternion: Matrix) -> Matrix:
    """(3, 3) of a quaternion (w, x, y, z) of any length > 0."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def random_rotation(rng: np.random.Generator) -> Matrix:
    """(3, 3), uniform over all rotations: four normal numbers are a uniform unit quaternion."""
    return rotation_from_quaternion(rng.standard_normal(4))

"""Rotations as float64 numpy matrices, by the formulas of `geometry.rotation`."""

from __future__ import annotations

import numpy as np

from panodepth.lab.curation.frame import Matrix


def yaw_pitch_roll(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Matrix:
    """R = R_y(yaw) R_x(pitch) R_z(roll), (3, 3); the signs of `rotation_from_yaw_pitch_roll`."""
    (cy, cp, cr), (sy, sp, sr) = (
        f(np.radians([yaw_deg, pitch_deg, roll_deg])) for f in (np.cos, np.sin)
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def random_turn(rng: np.random.Generator) -> Matrix:
    """(3, 3), uniform over all rotations: a uniform unit quaternion."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )

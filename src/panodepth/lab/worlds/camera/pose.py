"""How a camera is held."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.render.primitives import yaw_matrix
from panodepth.lab.worlds.render.shapes import Array

TILT_RAD = np.radians(3.0)  # standard deviation of a tilt, each way


def camera_rotation(rng: Draws) -> Array:
    """(3, 3) world-from-camera: any yaw, and a small tilt now and then (y-up axes)."""
    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.7 else rng.integers(4) * np.pi / 2
    yaw = yaw_matrix(turn)
    if rng.random() < 0.6:
        return yaw
    a, b = rng.normal(0, TILT_RAD, 2)
    pitch = np.array([[1.0, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    roll = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1.0]])
    return np.asarray(yaw @ pitch @ roll)

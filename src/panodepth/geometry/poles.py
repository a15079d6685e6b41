"""What a panorama's distances at the poles cannot mean, where all longitudes meet."""

from __future__ import annotations

import math

import numpy as np

from panodepth.types import BoolArray, FloatArray

REACH_RAD = math.radians(30.0)  # from a pole: rows beyond stay as they are
BLUR = 3.0  # pixels of the equator, at the pole


def settle_poles(distance: FloatArray, valid: BoolArray) -> None:
    """Mend (H, W) distances > 0 of a network on the whole sphere at both poles, in place.

    A network's top row never learned what the zeros above the pole mean: see `level_zenith`. And
    columns crowd together where it resolves no more than elsewhere: what it makes of that are
    spokes round the poles. So each row at an angle t from a pole is smoothed along itself, as
    models of the atmosphere do: log distance by a Gaussian of BLUR · √(1 / sin² t - 1 / sin² REACH)
    columns, which is all of the row beside the pole and nothing from REACH_RAD on. What is level
    stays exactly as it is; planes that slope by 20°, 45° are changed by up to 1.2 %, 3.2 %. Only
    what is valid, (H, W), counts and changes: beside a lens's view a network says anything.
    """
    level_zenith(distance)
    height, width = distance.shape
    polar = (np.arange(height) + 0.5) * (math.pi / height)
    narrow = 1 / np.sin(polar) ** 2 - 1 / math.sin(REACH_RAD) ** 2
    rows = np.flatnonzero(narrow > 0)
    away = np.minimum(np.arange(width), width - np.arange(width))  # columns, round the circle
    weights = np.exp(-(away**2) / (2 * BLUR**2 * narrow[rows, None]))
    weights /= weights.sum(1, keepdims=True)
    known, both = valid[rows], np.fft.rfft(weights)
    logs, share = (
        np.fft.irfft(np.fft.rfft(np.where(known, x, 0)) * both, width)
        for x in (np.log(distance[rows]), 1.0)
    )
    smooth = np.exp(logs / np.where(known, share, 1))
    distance[rows] = np.where(known, smooth, distance[rows])


def level_zenith(distance: FloatArray) -> None:
    """Give the top row of (H, W) distances the height of the row below it, in place.

    What is overhead goes on level: height = distance · cos t, t the angle from the zenith [rad].
    Exact for a level plane; for one that slopes by 45° off by about the angle between the two
    rows, π / H. Nothing is done to a map of fewer than four rows.
    """
    if len(distance) > 3:
        half_pixel = math.pi / 2 / len(distance)
        distance[0] = distance[1] * (math.cos(3 * half_pixel) / math.cos(half_pixel))

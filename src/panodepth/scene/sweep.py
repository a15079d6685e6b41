"""How far the predicted distances are off, all over two panoramas whose places are known.

Each of many rays, spread evenly over the sphere, takes a patch round it along: at the right
distance it looks in the other picture as it does here. So also plain walls and floors tell how far
they are, not only what has features: of a network that takes a whole wall for too near, features
alone would tell what they happen to lie on.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.export.reprojection import as_panorama
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.sampling import sample_erp
from panodepth.scene.registration import Registration, tilted, turned
from panodepth.types import FloatArray, Prediction

ROWS = 256  # of the pictures that are compared
RAYS = 1000
AT_ONCE = 250  # of them
PATCH = np.arange(-4, 5) * math.radians(1.0)  # of a patch's rays in both directions
FACTORS = np.arange(-25, 26) * 0.02  # ln of true over predicted distance that are tried
NOISE = 2.0  # grey levels: a patch that differs less within itself is plain
LEAST_ALIKE = 0.8  # correlation of two patches
PRIOR = 0.36  # correlation that a factor of e must gain
AROUND = 4  # steps of FACTORS, from where a peak must have fallen by LEAST_DROP
LEAST_DROP, LEAST_LEAD = 0.04, 0.05  # the latter over any other peak


class Maps(NamedTuple):
    """Of a level panorama (ROWS, 2 ROWS): grey levels, ln distance, 1 where a surface is."""

    grey: FloatArray
    logs: FloatArray
    there: FloatArray


class Swept(NamedTuple):
    """N rays of a picture, spread evenly, and where the other picture sees what lies along them.

    rays: (N, 3) unit. factors: (N,) ln of the true over the predicted distance, NaN where it is not
    clear. other_rays: (N, 3), of any length, at that distance.
    """

    rays: FloatArray
    factors: FloatArray
    other_rays: FloatArray


def level_maps(prediction: Prediction) -> Maps:
    """What is compared."""
    panorama = as_panorama(prediction)
    grey = cv2.cvtColor(panorama.image, cv2.COLOR_RGB2GRAY)
    planes = np.stack([grey, np.log(panorama.solid), panorama.mask]).astype(np.float32)
    maps = resize_erp(planes, (ROWS, 2 * ROWS))
    if panorama.rotation is not None:
        level = erp_rays(ROWS, 2 * ROWS) @ np.asarray(panorama.rotation, np.float32)
        maps = sample_erp(maps, level)
    return Maps(*maps)


def to_second(found: Registration, points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Points (..., 3) of the first frame in the second one's axes and the first one's unit."""
    return tilted(found.tilt_rad, turned(-found.yaw_rad, points - found.position))


def to_first(found: Registration, points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Points (..., 3) of the second frame, in its unit, in the first one's."""
    untilted = tilted(-found.tilt_rad, points)
    return np.asarray(found.scale * turned(found.yaw_rad, untilted) + found.position)


def swept(one: Maps, other: Maps, found: Registration, *, back: bool) -> Swept:
    """Of `one`'s rays. back: `one` is the second of the two that were registered."""
    rays = even_rays(RAYS)
    parts = [
        _swept(one, other, found, rays[start : start + AT_ONCE], back)
        for start in range(0, RAYS, AT_ONCE)
    ]
    factors, seen = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Swept(rays, factors, seen)


def even_rays(count: int) -> FloatArray:
    """(count, 3) unit rays, each of which stands for as much of the sphere: Fibonacci's spiral."""
    number = np.arange(count) + 0.5
    down = 1 - 2 * number / count
    turn = number * (math.pi * (3 - math.sqrt(5)))
    flat = np.sqrt(1 - down**2)
    return np.stack([flat * np.sin(turn), down, flat * np.cos(turn)], -1).astype(np.float32)


def _swept(
    one: Maps, other: Maps, found: Registration, rays: FloatArray, back: bool
) -> tuple[FloatArray, FloatArray]:
    """Factors (N,) and the other's rays (N, 3)."""
    across = np.cross([0.0, 1.0, 0.0], rays)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    steps = np.stack(np.meshgrid(PATCH, PATCH), -1).reshape(-1, 2)
    patches = rays[:, None] + steps[:, :1] * across[:, None]
    patches = patches + steps[:, 1:] * np.cross(rays, across)[:, None]
    patches = (patches / np.linalg.norm(patches, axis=-1, keepdims=True)).astype(np.float32)
    shown, logs = sample_erp(np.stack([one.grey, one.logs]), patches)
    points = patches * np.exp(logs)[..., None]
    shown, spread = _centred(shown)
    alike = np.empty((len(FACTORS), len(rays)), np.float32)
    for row, factor in zip(alike, FACTORS, strict=True):
        seen, other_spread = _centred(
            sample_erp(other.grey[None], _seen(found, points, factor, back))[0]
        )
        row[:] = (shown * seen).mean(-1) / np.maximum(spread * other_spread, NOISE**2)
    factors, clear = _peaks(alike)
    middle = points[:, len(steps) // 2]
    seen_at = _seen(found, middle, factors[:, None], back)
    both = sample_erp(one.there[None], rays[None])[0, 0] > 0.5
    both &= sample_erp(other.there[None], seen_at[None])[0, 0] > 0.5
    return np.where(clear & both, factors, np.float32(np.nan)), seen_at


def _seen(found: Registration, points: FloatArray, factor: npt.ArrayLike, back: bool) -> FloatArray:
    """Where the other picture sees points (..., 3) that are farther by e^factor."""
    moved = points * np.exp(np.asarray(factor, np.float32))
    return np.asarray((to_first if back else to_second)(found, moved), np.float32)


def _centred(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Patches (N, P) less their means, and their standard deviations (N,)."""
    values = values - values.mean(-1, keepdims=True)
    return values, np.sqrt((values**2).mean(-1))


def _peaks(alike: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The factor (N,) of the highest peak of correlations (factors, N), and whether it is one."""
    steps, rays = np.arange(len(FACTORS)), np.arange(alike.shape[1])
    best = (alike - PRIOR * FACTORS[:, None] ** 2).argmax(0).clip(AROUND, len(FACTORS) - 1 - AROUND)
    top, before, after = (alike[best + step, rays] for step in (0, -1, 1))
    fallen = top - np.maximum(alike[best - AROUND, rays], alike[best + AROUND, rays])
    elsewhere = np.where(np.abs(steps[:, None] - best) > AROUND + 2, alike, -1).max(0)
    clear = (top > LEAST_ALIKE) & (fallen > LEAST_DROP) & (top > elsewhere + LEAST_LEAD)
    # A parabola through the three; at a peak it bends down.
    bend = np.minimum(before - 2 * top + after, -1e-6)
    part = (0.5 * (before - after) / bend).clip(-1, 1)
    clear &= (top >= before) & (top >= after)
    width = FACTORS[1] - FACTORS[0]
    return (FACTORS[best] + width * part).astype(np.float32), clear

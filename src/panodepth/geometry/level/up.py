"""Which way is up, from a distance map: floors, ceilings and walls vote with their normals.

A surface that faces up and lies below, one that faces down and lies above, and one that stands
upright each say where the vertical is. The direction that most solid angle agrees on is found among
directions all over the upper sphere and refined by robust least squares. How far the answer moves
when a quarter of the horizon is left out says how sure it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.geometry.grid import axis_angles, erp_rays, solid_angles
from panodepth.geometry.resizing import resize_erp

Float64Array = npt.NDArray[np.float64]
FloatingArray = npt.NDArray[np.floating]

LARGEST_TILT_RAD = math.radians(48.0)
USUAL_TILT_RAD = math.radians(40.0)  # where a candidate counts 1 / √e: walls are no floors
VOTING_ROWS = 64  # of the map that votes: more of them tell the same
COARSE_RAD = math.radians(20.0)  # a normal further than this from fitting does not vote
FINE_RAD = math.radians(10.0)
CANDIDATE_STEP_RAD = math.radians(8.0)
CANDIDATE_VOTERS = 1_500  # single precision does for them
ROUNDS = 6  # of the fine fit; it has settled by then
CEILING, WALL = 0.5, 0.3  # how much a steradian of each counts, against 1 of the floor
OVERHEAD = 0.2  # sine of the angle from the horizon at which floors and ceilings begin
SECTORS = 4  # of the horizon; each is left out once
FROM_DEG = 6.0  # a level picture's estimate is off by up to 3.5°
MOST_SPREAD = 0.25  # of the tilt
LEAST_SUPPORT = 0.3  # of the solid angle


@dataclass(frozen=True)
class Up:
    """A direction that points up, in the camera's frame.

    direction: (x, y, z) of length 1; (0, -1, 0) is a level camera's. spread_deg: its standard
    error. support: share of the valid solid angle that fits it. source: "estimate", or "given".
    """

    direction: tuple[float, float, float]
    spread_deg: float = 0.0
    support: float = 1.0
    source: str = "given"

    @property
    def tilt_deg(self) -> float:
        """How far the camera is from level, in [0, 180]."""
        x, y, z = self.direction
        return math.degrees(math.atan2(math.hypot(x, z), -y))

    def is_sure(self, from_deg: float = FROM_DEG) -> bool:
        """Whether the camera is tilted by so much, and floor and walls say so."""
        small = self.spread_deg <= MOST_SPREAD * self.tilt_deg
        return self.tilt_deg >= from_deg and small and self.support >= LEAST_SUPPORT

    def describe(self, **more: Any) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "up": [round(part, 5) for part in self.direction],
            "tilt_deg": round(self.tilt_deg, 2),
            "spread_deg": round(self.spread_deg, 2),
            "support": round(self.support, 3),
            "source": self.source,
            **more,
        }


def estimate_up(distance: npt.ArrayLike, valid: npt.ArrayLike) -> Up | None:
    """Return where up is, or None when no floor tells. Tilts up to about 45° are found.

    distance: (H, W) float > 0, any unit; valid: (H, W) bool, True = a surface is there.
    """
    normals, rays, weights = _voters(np.asarray(distance), np.asarray(valid))
    if weights.size == 0:
        return None
    some = slice(None, None, max(1, weights.size // CANDIDATE_VOTERS))
    candidates, usual = _candidates()
    some_normals, some_rays = normals[some].astype(np.float32), rays[some].astype(np.float32)
    level, upright = _votes(some_normals, some_rays, candidates.astype(np.float32), COARSE_RAD)
    start = candidates[(usual * (weights[some] @ (level + WALL * upright))).argmax()]
    up = _refined(normals, rays, weights, start, [COARSE_RAD, *[FINE_RAD] * ROUNDS])
    level, upright = _votes(normals, rays, up[None], FINE_RAD)
    fits = (level > 0) | (upright > 0)
    if not level.any() or -up[1] < math.cos(LARGEST_TILT_RAD):
        return None
    lon = np.arctan2(rays[:, 0], rays[:, 2])
    spread = spread_deg(lon, weights, lambda w: _refined(normals, rays, w, up, [FINE_RAD] * 3))
    x, y, z = up.tolist()
    return Up((x, y, z), spread, float(weights @ fits[:, 0]), "estimate")


def spread_deg(
    lon: Float64Array, weights: Float64Array, refined: Callable[[Float64Array], Float64Array]
) -> float:
    """Standard error of a direction [deg] by the jackknife: each estimate lacks one SECTOR.

    lon: (N,) [rad] and weights: (N,) of what votes. refined: the direction (3,) by other weights.
    """
    sector = np.floor(lon * (SECTORS / (2 * math.pi))) % SECTORS
    parts = np.array([refined(weights * (sector != s)) for s in range(SECTORS)])
    variance = (SECTORS - 1) / SECTORS * float(((parts - parts.mean(0)) ** 2).sum())
    return math.degrees(math.sqrt(variance))


def _voters(
    distance: npt.NDArray[np.floating], valid: npt.NDArray[np.bool_]
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Normals (N, 3), rays (N, 3) and weights (N,) that add up to 1, of (H, W) distance."""
    height, width = min(VOTING_ROWS, distance.shape[0]), min(2 * VOTING_ROWS, distance.shape[1])
    distance = resize_erp(distance, (height, width))
    valid = resize_erp(valid, (height, width), mode="nearest")
    rays = erp_rays(height, width, dtype=np.float64)
    points = distance[..., None] * rays
    # Towards the poles columns crowd: a step over several of them is as long as one over a row.
    reach = 1 / np.cos(axis_angles(height, width)[1])
    columns = np.arange(width) + np.minimum(reach, width / 8).astype(int)[:, None]
    ahead = np.take_along_axis(points, (columns % width)[..., None], 1)
    behind = np.take_along_axis(points, ((2 * np.arange(width) - columns) % width)[..., None], 1)
    normals = np.cross(np.gradient(points, axis=0), ahead - behind)
    length = np.linalg.norm(normals, axis=-1)
    area = solid_angles(height, width) * (valid & (length > 0))
    kept = area > 0
    normals = normals[kept] / length[kept][:, None]
    return normals, rays[kept], area[kept] / max(float(area.sum()), 1e-12)


def _candidates() -> tuple[Float64Array, Float64Array]:
    """(K, 3) directions, evenly spread around straight up, and how usual each is, (K,) to 1."""
    ups, usual = [], []
    for tilt in np.arange(0, LARGEST_TILT_RAD + 1e-6, CANDIDATE_STEP_RAD):
        count = max(1, round(2 * math.pi * math.sin(tilt) / CANDIDATE_STEP_RAD))
        turn = np.arange(count) * (2 * math.pi / count)
        out = math.sin(tilt)
        ups.append([out * np.cos(turn), np.full(count, -math.cos(tilt)), out * np.sin(turn)])
        usual.append(np.full(count, math.exp(-((tilt / USUAL_TILT_RAD) ** 2) / 2)))
    return np.concatenate(ups, axis=1).T, np.concatenate(usual)


def _votes(
    normals: FloatingArray, rays: FloatingArray, ups: FloatingArray, width_rad: float
) -> tuple[FloatingArray, FloatingArray]:
    """How well (N, 3) normals fit level surfaces, and upright ones: (N, K) in [0, 1] each.

    ups: (K, 3). Tukey's biweight of the sine of the angle that is left: 0 from `width_rad` on.
    """
    along, height = normals @ ups.T, rays @ ups.T
    square = along * along
    limit = math.sin(width_rad) ** 2
    level = np.maximum(1 - (1 - square) / limit, 0) ** 2
    # A floor faces up below the camera, a ceiling down above it; near the horizon noise decides.
    floor = (along > 0) & (height < -OVERHEAD)
    ceiling = (along < 0) & (height > OVERHEAD)
    return level * (floor + np.float32(CEILING) * ceiling), np.maximum(1 - square / limit, 0) ** 2


def _refined(
    normals: Float64Array,
    rays: Float64Array,
    weights: Float64Array,
    up: Float64Array,
    widths_rad: Sequence[float],
) -> Float64Array:
    """(3,) up nearest to `up` that fits best: reweighted least squares, one round per width."""
    for width in widths_rad:
        level, upright = _votes(normals, rays, up[None], width)
        signed = weights * (WALL * upright - level)[:, 0]
        # Σ level (1 - (n·u)²) + Σ upright (n·u)² is least along the first eigenvector of this.
        vector = np.linalg.eigh((normals.T * signed) @ normals)[1][:, 0]
        up = vector if vector @ up > 0 else -vector
    return up

"""Where a second panorama stands, from things seen in both: a turn, a place and a scale.

Up is nearly known, so a turn about the vertical, a shift and a scale are left, and a small tilt.
Two matches with their predicted distances give all but the tilt; of many such guesses the one that
most matches agree with is refined: each match may move along its ray, held by both predicted
distances, so that directions, which are exact, decide, and distances only where directions say
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from panodepth.scene.matching import Matches
from panodepth.types import Float64Array

GUESSES = 4_000
AT_ONCE = 250  # of them
COARSE_RAD = math.radians(5.0)  # what a guess may be off by, with distances 10 % wrong
FINE_RAD = math.radians(1.5)
MOST_RATIO = 8.0  # of the scales: each picture's distances end near 1
ROUNDS = 20
SIGMA_RAD = math.radians(0.3)  # of a direction
SIGMA_LOG, LEAST_LOG = 0.15, 0.01  # of a predicted distance, of an exact one
MAD_TO_STD = 1.4826
MIN_MATCHES = 12  # that agree, else the pictures do not show the same place
MIN_SHARE = 0.08  # of all matches
TILT_RAD = math.radians(2.0)  # of a camera that is held level
VALUES = 7  # yaw, position, log scale, tilt
NEAR_RAD = math.radians(12.0)  # directions that a network errs alike in
STEP = 1e-6  # of derivatives
_GOLDEN = (1 + math.sqrt(5)) / 2
_CORNERS = [(0, a, b * _GOLDEN) for a in (-1, 1) for b in (-1, 1)]
_TWELFTHS = np.array([np.roll(c, turn) for c in _CORNERS for turn in range(3)])  # an icosahedron's


class Registration(NamedTuple):
    """A point p of the second frame is scale · R_y(yaw) p + position in the first one's.

    matches: how many agree. yaw_spread_rad, position_spread: standard errors, the latter (3,).
    tilt_rad: (2,) how far the second camera was off the first one's level, about x and z.
    scale_spread: relative standard error; None = not known.
    """

    yaw_rad: float
    position: Float64Array
    scale: float
    matches: int
    yaw_spread_rad: float
    position_spread: Float64Array
    tilt_rad: Float64Array
    scale_spread: float | None = None


def register(matches: Matches) -> Registration | None:
    """The second picture in the first one's level frame and unit; None when too few agree."""
    if len(matches.rays) < MIN_MATCHES:
        return None
    start = _best_guess(matches, np.random.default_rng(0))
    return None if start is None else _registered(matches, start, MIN_SHARE)


def guesses(matches: Matches, count: int) -> Iterator[Registration]:
    """What most matches agree with roughly, then what most of the rest do, and so on."""
    for seed in range(count):
        start = _best_guess(matches, np.random.default_rng(seed)) if len(matches.rays) else None
        if start is None:
            return
        yaw = math.remainder(float(start[0]), 2 * math.pi)
        yield Registration(yaw, start[1:4], math.exp(start[4]), 0, 0, np.zeros(3), start[5:])
        rest = _off(matches, start[None])[0] >= COARSE_RAD
        matches = _only(matches, np.flatnonzero(rest))


def refined(matches: Matches, start: Registration) -> Registration | None:
    """The same from other matches and a place that is nearly right; None when too few agree."""
    values = [start.yaw_rad, *start.position, math.log(start.scale), *start.tilt_rad]
    return _registered(matches, np.array(values), 0.0)


def _registered(matches: Matches, start: Float64Array, share: float) -> Registration | None:
    """start: (7,), see `_refined`. share: of the matches that must agree."""
    inside = np.flatnonzero(_off(matches, start[None])[0] < COARSE_RAD)
    if len(inside) < MIN_MATCHES:
        return None
    values, spread, off, logs = _refined(_only(matches, inside), start)
    agree = int(((off < FINE_RAD) & (logs < 4 * SIGMA_LOG)).sum())
    if agree < max(MIN_MATCHES, share * len(matches.rays)):
        return None
    return Registration(
        math.remainder(float(values[0]), 2 * math.pi),
        values[1:4],
        math.exp(values[4]),
        agree,
        float(spread[0]),
        spread[1:4],
        values[5:],
    )


def turned(yaw_rad: npt.ArrayLike, vectors: Float64Array) -> Float64Array:
    """R_y(yaw) v: vectors (..., 3), turned to the right by yaw (...)."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.stack([cos * x + sin * z, y + 0 * cos, cos * z - sin * x], -1)


def tilted(tilt_rad: Float64Array, vectors: Float64Array) -> Float64Array:
    """Vectors (..., 3) turned by small angles about x and z; lengths grow by their square."""
    return np.asarray(vectors + np.cross([tilt_rad[0], 0.0, tilt_rad[1]], vectors))


def _only(matches: Matches, rows: npt.NDArray[np.intp]) -> Matches:
    """The matches at indices (M,)."""
    return Matches(*(array[rows] for array in matches))


def _best_guess(matches: Matches, rng: np.random.Generator) -> Float64Array | None:
    """(7,) yaw, position, log scale that most matches agree with, and no tilt."""
    here = matches.rays * matches.distance[:, None]
    there = matches.other_rays * matches.other_distance[:, None]
    i, j = rng.integers(0, len(here), (2, GUESSES))
    one, other = here[j] - here[i], there[j] - there[i]
    lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = lengths[0] / lengths[1]
        upright = np.abs(one[:, 1] - scale * other[:, 1]) < 0.2 * lengths[0]
        # What stands above each other does not tell the turn.
        wide = np.hypot(one[:, 0], one[:, 2]) > 0.3 * lengths[0]
        fit = upright & wide & (np.abs(np.log(scale)) < math.log(MOST_RATIO))
    i, j, scale = i[fit], j[fit], scale[fit]
    if not len(i):
        return None
    yaw = np.arctan2(one[fit, 0], one[fit, 2]) - np.arctan2(other[fit, 0], other[fit, 2])
    middle = (there[i] + there[j]) / 2
    position = (here[i] + here[j]) / 2 - scale[:, None] * turned(yaw, middle)
    guesses = np.column_stack([yaw, position, np.log(scale), np.zeros((len(yaw), 2))])
    scores = [
        np.clip(1 - (_off(matches, part) / COARSE_RAD) ** 2, 0, None).sum(1)
        for part in np.split(guesses, range(AT_ONCE, len(guesses), AT_ONCE))
    ]
    return np.asarray(guesses[np.concatenate(scores).argmax()])


def _off(matches: Matches, guesses: Float64Array) -> Float64Array:
    """(K, N) the larger of the angles [rad] by which matches miss each other in both pictures."""
    yaw, position, scale = guesses[:, :1], guesses[:, None, 1:4], np.exp(guesses[:, 4:5])[..., None]
    here = matches.rays * matches.distance[:, None]
    there = matches.other_rays * matches.other_distance[:, None]
    seen = scale * turned(yaw, there[None]) + position
    back = turned(-yaw, here - position)
    return np.maximum(_angle(seen, matches.rays), _angle(back, matches.other_rays))


def _angle(vectors: Float64Array, rays: Float64Array) -> Float64Array:
    """Between vectors and unit rays (..., 3) each, exact for small angles too [rad]: (...)."""
    along = (vectors * rays).sum(-1)
    across = np.linalg.norm(vectors - along[..., None] * rays, axis=-1)
    return np.asarray(np.arctan2(across, along))


def _refined(
    matches: Matches, start: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """(7,) yaw, position, log scale, tilt; standard errors; each match's angle [rad], and log.

    Reweighted Gauss-Newton; the distances of the matches are eliminated (Schur complement).
    """
    values, logs = start.copy(), np.log(matches.distance)
    evenly = np.ones((len(logs), 5))
    evenly[:, 3:] = np.stack([_alone(matches.rays), _alone(matches.other_rays)], -1)
    sigma = SIGMA_LOG
    for number in range(ROUNDS):
        residuals = _residuals(matches, values, logs, sigma)
        if number == ROUNDS // 2:  # exact distances are worth more than predicted ones
            found = MAD_TO_STD * float(np.median(np.abs(residuals[:, 3:]))) * sigma
            sigma = min(max(found, LEAST_LOG), SIGMA_LOG)
            residuals = _residuals(matches, values, logs, sigma)
        columns = [
            (_residuals(matches, values + step, logs, sigma) - residuals) / STEP
            for step in np.eye(VALUES) * STEP
        ]
        by_values = np.stack(columns, -1)  # (N, 5 residuals, 7 values)
        by_log = (_residuals(matches, values, logs + STEP, sigma) - residuals) / STEP
        weights = _weights(residuals) * evenly
        own = (weights * by_log**2).sum(1) + 1e-9
        mixed = np.einsum("nr,nr,nrv->nv", weights, by_log, by_values)
        normals = np.einsum("nr,nrv,nrw->nvw", weights, by_values, by_values)
        normals -= mixed[:, :, None] * (mixed / own[:, None])[:, None]
        own_slope = (weights * by_log * residuals).sum(1)
        slopes = np.einsum("nr,nr,nrv->nv", weights, residuals, by_values)
        slopes -= mixed * (own_slope / own)[:, None]
        normal = normals.sum(0)
        known = np.diag([0.0] * 5 + [1 / TILT_RAD**2] * 2) + 1e-6 * np.diag(np.diag(normal))
        slope = slopes.sum(0)
        slope[5:] += values[5:] / TILT_RAD**2
        step = -np.linalg.lstsq(normal + known, slope, rcond=None)[0]
        values = values + step
        logs = logs - (own_slope + mixed @ step) / own
    residuals = _residuals(matches, values, logs, SIGMA_LOG)
    off = np.linalg.norm(residuals[:, :3], axis=1) * SIGMA_RAD
    spread = _standard_errors(matches.rays, slopes, normals, known)
    return values, spread, off, np.abs(residuals[:, 3:]).max(1) * SIGMA_LOG


def _standard_errors(
    rays: Float64Array, slopes: Float64Array, normals: Float64Array, known: Float64Array
) -> Float64Array:
    """(7,) of the values, by each match's share of the slope (N, 7) and of the normal matrix
    (N, 7, 7), and what is known beforehand (7, 7).

    A network errs by regions, so matches that look the same way are not so many measurements: by
    the jackknife (Efron, 1982), how much the values move, to first order, when a twelfth of the
    sphere is left out. At least what independent matches of the assumed errors would give.
    """
    normal = normals.sum(0) + known
    region = (rays @ _TWELFTHS.T).argmax(1)
    moves = [
        np.linalg.pinv(normal - normals[region == number].sum(0)) @ slopes[region == number].sum(0)
        for number in np.unique(region)
    ]
    squares = (len(moves) - 1) * np.var(moves, axis=0)
    return np.asarray(np.sqrt(np.maximum(squares, np.diag(np.linalg.pinv(normal))).clip(0)))


def _alone(rays: Float64Array) -> Float64Array:
    """(N,) of mean 1: less for each of many rays that look the same way.

    A network errs by regions: one crowded with features would speak for the whole picture.
    """
    crowd = np.exp((rays @ rays.T - 1) / NEAR_RAD**2).sum(1)
    return np.asarray(1 / (crowd * (1 / crowd).mean()))


def _residuals(
    matches: Matches, values: Float64Array, logs: Float64Array, sigma: float
) -> Float64Array:
    """(N, 5) in standard deviations: the direction in the second picture, both distances."""
    point = matches.rays * np.exp(logs)[:, None]
    seen = tilted(values[5:], turned(-values[0], point - values[1:4]))
    length = np.maximum(np.linalg.norm(seen, axis=1), 1e-9)
    unit = seen / length[:, None]
    return np.column_stack(
        [
            (unit - matches.other_rays) / SIGMA_RAD,
            (logs - np.log(matches.distance)) / sigma,
            (np.log(length / matches.other_distance) - values[4]) / sigma,
        ]
    )


def _weights(residuals: Float64Array) -> Float64Array:
    """Cauchy's, (N, 5): what is off in its direction does not count, nor a distance that is."""
    direction = 1 / (1 + (residuals[:, :3] ** 2).sum(1, keepdims=True) / 9)
    distance = 1 / (1 + residuals[:, 3:] ** 2 / 4)
    return np.concatenate([direction.repeat(3, 1), direction * distance], axis=1)

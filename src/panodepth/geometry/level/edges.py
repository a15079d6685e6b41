"""Where up is by the vertical edges of a picture, near where a distance map has it.

A straight edge lies on a great circle; that of a vertical one goes through straight up, so the
circle's normal is level. The direction that the edges agree on best is found among those nearby,
then refined by reweighted least squares. Lines on floors and ceilings run to all sides and would
draw it towards their vanishing points: they do not vote, nor does what lies far down or up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.geometry.grid import axis_angles, erp_rays
from panodepth.geometry.level.up import Float64Array, Up, spread_deg
from panodepth.geometry.points import distance_to_normals
from panodepth.geometry.rotation import rotate_vectors, rotation_to_up
from panodepth.geometry.sampling import sample_erp

MOST_ROWS = 256  # of the picture whose edges are looked at
LOWEST_RAD, HIGHEST_RAD = math.radians(-35.0), math.radians(50.0)  # elevation of what votes
FACES_UP = 0.6  # cosine of the angle between a surface's normal and up: it is no wall
STRONG = 0.7  # quantile of the gradients; weaker ones are noise
FULL = 0.97  # quantile of the gradients; stronger ones count no more than that
LEAST_STEP = 2e-3  # of brightness, in [0, 1], from pixel to pixel
BESIDE, SLOWEST = 3, 0.8  # pixels from an edge's middle, and the share of its step left there
REACH_DEG, STEP_DEG = 12.0, 1.5  # of the directions that are tried, around the first
OFF_DEG, OFF_SHARE = 1.0, 0.13  # standard error of the first: fixed, and a share of the tilt
SURENESS = 20.0  # how many independent edges all of them are worth, against the first direction
COARSE_DEG = 4.0  # of the kernel that gathers edges to a direction
WIDTHS_DEG = (10.0, 8.0, 6.0, 5.0, 4.0, 4.0, 4.0)  # of the least squares, round by round
SOME = 6_000  # edges that choose the direction that is refined
LEAST_VOTERS = 200
MOST_SPREAD_DEG, LEAST_CONTRAST = 2.0, 1.3  # else the first direction stays


class Edges(NamedTuple):
    """normals: (N, 3) of the great circles of edges. lon: (N,) where they are. weights: (N,)."""

    normals: Float64Array
    lon: Float64Array
    weights: Float64Array


def by_edges(picture: npt.NDArray[np.float32], distance: npt.ArrayLike, near: Up) -> Up:
    """The up of a picture by its vertical edges; `near` itself where they do not tell.

    picture: (H, W) brightness in [0, 1]. distance: (h, w) > 0 that is predicted for it, any unit.
    near: up within 12° or so.
    """
    rows = min(MOST_ROWS, len(picture))
    small = np.asarray(cv2.resize(picture, (2 * rows, rows), interpolation=cv2.INTER_AREA))
    turn = rotation_to_up(near.direction)
    rays = rotate_vectors(turn, erp_rays(rows, 2 * rows))
    facing = distance_to_normals(np.asarray(distance, np.float64)) @ np.array(near.direction)
    walls = np.abs(sample_erp(facing[None], rays)[0]) < FACES_UP
    edges = _edges(sample_erp(small[None], rays)[0], walls)
    if edges.weights.size < LEAST_VOTERS:
        return near
    up = _refined(edges, _start(edges, OFF_DEG + OFF_SHARE * near.tilt_deg), WIDTHS_DEG)

    def again(weights: Float64Array) -> Float64Array:
        return _refined(edges._replace(weights=weights), up, WIDTHS_DEG[-3:])

    spread = spread_deg(edges.lon, edges.weights, again)
    if spread > MOST_SPREAD_DEG or _contrast(edges, up) < LEAST_CONTRAST:
        return near
    x, y, z = (turn @ up).tolist()
    return replace(near, direction=(x, y, z), spread_deg=spread)


def _edges(picture: npt.NDArray[np.float32], walls: npt.NDArray[np.bool_]) -> Edges:
    """The edges of a picture (h, w) that may be vertical, if it is about level; walls: (h, w)."""
    height, width = picture.shape
    closed = cv2.GaussianBlur(np.pad(picture, ((0, 0), (6, 6)), mode="wrap"), (0, 0), height / 256)
    down, right = (part[:, 6:-6] for part in np.gradient(closed))
    lon, lat = axis_angles(height, width)
    rows = np.flatnonzero((-lat > LOWEST_RAD) & (-lat < HIGHEST_RAD))
    cosine = np.cos(lat[rows])[:, None]
    right, down = right[rows] / cosine, down[rows]
    strength = np.hypot(right, down)
    # Shading changes slowly: it has no edges, and the lines along it are nobody's.
    beside = [np.roll(right, columns, 1) * np.sign(right) for columns in (-BESIDE, BESIDE)]
    steps = np.maximum(*beside) < SLOWEST * np.abs(right)
    usual, most = np.quantile(strength, (STRONG, FULL))
    # The gradient, in the frame, is the normal of the great circle along the edge.
    leaning = np.abs(down * cosine) / np.maximum(strength, 1e-9)
    upright = leaning < math.sin(math.radians(REACH_DEG + max(WIDTHS_DEG) / 2))
    row, column = np.nonzero(walls[rows] & upright & steps & (strength > max(usual, LEAST_STEP)))
    lon, lat = lon[column], lat[rows][row]
    size = strength[row, column]
    a, b = right[row, column] / size, down[row, column] / size
    inwards = -b * np.sin(lat)
    x = a * np.cos(lon) + inwards * np.sin(lon)
    z = -a * np.sin(lon) + inwards * np.cos(lon)
    normals = np.stack([x, b * np.cos(lat), z], -1)
    return Edges(normals, lon, np.minimum(size, most) * np.cos(lat))


def _start(edges: Edges, off_deg: float) -> Float64Array:
    """The best (3,) of the directions around straight up, which is `off_deg` wrong or so."""
    reach, step = math.tan(math.radians(REACH_DEG)), math.tan(math.radians(STEP_DEG))
    x, z = np.mgrid[-reach : reach + 1e-9 : step, -reach : reach + 1e-9 : step].reshape(2, -1)
    near = np.hypot(x, z) <= reach
    ups = np.stack([x[near], -np.ones(near.sum()), z[near]], -1)
    ups /= np.linalg.norm(ups, axis=1)[:, None]
    some = slice(None, None, max(1, len(edges.weights) // SOME))
    weights = edges.weights[some]
    leaning = (edges.normals[some] @ ups.T) / math.sin(math.radians(COARSE_DEG))
    agree = weights @ np.exp(-(leaning**2) / 2) / weights.sum()
    turned = np.degrees(np.arccos(-ups[:, 1])) / off_deg
    return np.asarray(ups[(SURENESS * np.log(agree) - turned**2 / 2).argmax()])


def _refined(edges: Edges, up: Float64Array, widths_deg: tuple[float, ...]) -> Float64Array:
    """(3,) up nearest to `up` that the edges fit best, one round per width of Tukey's biweight."""
    for width in widths_deg:
        share = edges.normals @ up / math.sin(math.radians(width))
        agree = edges.weights * np.clip(1 - share**2, 0, None) ** 2
        vector = np.linalg.eigh((edges.normals.T * agree) @ edges.normals)[1][:, 0]
        up = vector if vector @ up > 0 else -vector
    return up


def _contrast(edges: Edges, up: Float64Array) -> float:
    """How many edges lean by less than 2° for one that leans by 6 to 14°, degree for degree."""
    leaning = np.degrees(np.arcsin(np.clip(np.abs(edges.normals @ up), 0, 1)))
    upright = edges.weights[leaning < 2].sum() / 2
    leans = edges.weights[(leaning > 6) & (leaning < 14)].sum() / 8
    return float(upright / max(leans, 1e-12))

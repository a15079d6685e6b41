"""Makers of solids: prisms, ramps, roofs, tapered blocks, cones, arches and basins.

Each returns a `Solid` in its own frame (x right, y up, z to the front; metres), to be placed with
`Scene.add`. They lie exactly in their bounding box, which culling and clearance rely on.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError
from panodepth.lab.worlds.render import shapes
from panodepth.lab.worlds.render.primitives import Solid
from panodepth.lab.worlds.render.shapes import Array

_CROSSED = "a footprint's outline crosses itself; give a simple polygon"
_SKIP = (0.0, 0.0, 0.0, 1e6)  # a half-space that keeps everything


def cut_box(half: npt.ArrayLike, normals: npt.ArrayLike, offsets: npt.ArrayLike) -> Solid:
    """The box ±half (3,) [m] where normals (K, 3) · p ≤ offsets (K,) [m]; K ≤ 8.

    Raises ConfigError for more than 8 cuts.
    """
    size = np.asarray(half, float)
    n, limit = np.atleast_2d(np.asarray(normals, float)), np.asarray(offsets, float)
    length = np.linalg.norm(n, axis=1)
    count = len(n)
    if count > shapes.PLANES:
        raise ConfigError(f"a convex solid has {count} cuts, at most {shapes.PLANES} are possible")
    # In the unit box −1..1, but still measuring in metres: n · (half u) ≤ limit with unit n.
    rows = np.tile(_SKIP, (shapes.PLANES, 1))
    rows[:count, :3] = n / length[:, None] * size
    rows[:count, 3] = limit / length
    kind = shapes.CONVEX if count <= 4 else shapes.CONVEX8
    return Solid(kind, size, shape=rows.reshape(-1))


def prism(polygon: npt.ArrayLike, low: float, high: float) -> Solid:
    """A convex polygon (K, 2) of (x, z) [m], either way round, extruded from y = low to high.

    Sides along the bounding box are free; raises ConfigError for more than 8 others.
    """
    points = np.asarray(polygon, float)
    if signed_area(points) < 0:
        points = points[::-1]
    least, most = points.min(0), points.max(0)
    centre, half = (least + most) / 2, (most - least) / 2
    edge = np.roll(points, -1, 0) - points
    outward = np.stack([edge[:, 1], -edge[:, 0]], 1)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12)
    # The box itself cuts along the axes, so that only slanted sides need a half-space.
    slanted = np.abs(outward).max(1) < 1 - 1e-9
    normals = np.zeros((int(slanted.sum()), 3))
    normals[:, [0, 2]] = outward[slanted]
    offsets = ((points - centre) * outward).sum(1)[slanted]
    solid = cut_box((half[0], (high - low) / 2, half[1]), normals, offsets)
    return solid._replace(centre=(centre[0], (low + high) / 2, centre[1]))


def octagon(radius: float, height: float) -> Solid:
    """An upright prism over y = 0 with eight sides and its corners `radius` [m] out."""
    turn = (np.arange(8) + 0.5) * np.pi / 4
    return prism(radius * np.stack([np.cos(turn), np.sin(turn)], 1), 0.0, height)


def wedge(half: npt.ArrayLike) -> Solid:
    """A ramp in the box ±half (3,) [m]: nothing high at z = −half, full height at z = +half."""
    x, y, z = np.asarray(half, float)
    return cut_box((x, y, z), [(0.0, z, -y)], [0.0])


def gable(half: npt.ArrayLike) -> Solid:
    """A roof with a triangular section in the box ±half (3,) [m], its ridge along x on top."""
    return roof(half, 1.0)


def roof(half: npt.ArrayLike, ridge: float) -> Solid:
    """A hip roof in the box ±half (3,) [m].

    ridge: share of x that its ridge spans; 0 = a pyramid.
    """
    x, y, z = np.asarray(half, float)
    normals, offsets = [(0.0, z, 2 * y), (0.0, z, -2 * y)], [y * z, y * z]
    run = x * (1 - ridge)  # metres that each hipped end takes of the ridge
    if run > 1e-6:
        normals += [(2 * y, run, 0.0), (-2 * y, run, 0.0)]
        offsets += [2 * y * x - y * run] * 2
    return cut_box((x, y, z), normals, offsets)


def tapered(half: npt.ArrayLike, top: float) -> Solid:
    """A block in the box ±half (3,) [m].

    top: how wide and deep its top is, as a share (0..1) of its foot.
    """
    x, y, z = np.asarray(half, float)
    normals, offsets = [], []
    # Each side leans inward by `run` over the height 2 y, through the foot at (x, −y) or (z, −y).
    for sign in (-1.0, 1.0):
        run_x, run_z = x * (1 - top), z * (1 - top)
        normals += [(sign * 2 * y, run_x, 0.0), (0.0, run_z, sign * 2 * y)]
        offsets += [2 * y * x - y * run_x, 2 * y * z - y * run_z]
    return cut_box((x, y, z), normals, offsets)


def cone(radius: float, height: float) -> Solid:
    """An upright cone on y = 0 with its tip at y = height."""
    return Solid(shapes.CYLINDER, (radius, height / 2, radius), (0.0, height / 2, 0.0), taper=0.0)


def arch(half: npt.ArrayLike, opening: tuple[float, float]) -> Solid:
    """The box ±half (3,) [m] with a tunnel along z.

    opening: half width and rise [m] of an ellipse about its foot. Legs below it are boxes of their
    own. With a long z it is a vaulted ceiling.
    """
    x, y, z = np.asarray(half, float)
    wide, rise = opening
    return Solid(shapes.HOLLOW, (x, y, z), shape=((x / wide) ** 2, (y / rise) ** 2, 0.0))


def dome(half: npt.ArrayLike, opening: tuple[float, float, float]) -> Solid:
    """The box ±half (3,) [m] hollowed from below by half an ellipsoid, half axes `opening` [m].

    Turned over about x it is a basin.
    """
    x, y, z = np.asarray(half, float)
    a, b, c = opening
    return Solid(shapes.HOLLOW, (x, y, z), shape=((x / a) ** 2, (y / b) ** 2, (z / c) ** 2))


def signed_area(polygon: npt.ArrayLike) -> float:
    """Area [m²] of a polygon (K, 2), positive when it turns from the first axis to the second."""
    a = np.asarray(polygon, float)
    b = np.roll(a, -1, 0)
    return float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2)


def convex_parts(polygon: npt.ArrayLike) -> list[Array]:
    """A simple polygon (K, 2), either way round, cut into convex ones: ears, merged where possible.

    Ear clipping, then Hertel and Mehlhorn's merge: at most four times the least number of parts.
    Raises ConfigError for an outline that crosses itself.
    """
    points = np.asarray(polygon, float)
    if signed_area(points) < 0:
        points = points[::-1]
    parts = [list(t) for t in _ears(points)]
    while found := _first_pair(points, parts):
        i, j, joined = found
        parts[i] = joined
        del parts[j]
    return [points[p] for p in parts]


def _first_pair(points: Array, parts: list[list[int]]) -> tuple[int, int, list[int]] | None:
    """The first two parts that make a convex one, and that one. points: (K, 2)."""
    for i, j in combinations(range(len(parts)), 2):
        joined = _joined(points, parts[i], parts[j])
        if joined is not None:
            return i, j, joined
    return None


def _turn(a: Array, b: Array, c: Array) -> float:
    """Twice the area of the triangle of points (2,) each; positive as in `signed_area`."""
    return float((b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]))


def _ears(points: Array) -> list[tuple[int, int, int]]:
    """Triangles, as numbers of the points (K, 2), that a simple polygon is cut into.

    Raises ConfigError when its outline crosses itself.
    """
    left, out = list(range(len(points))), []
    while len(left) > 3:
        for k in range(len(left)):
            i, j, m = left[k - 1], left[k], left[(k + 1) % len(left)]
            a, b, c = points[i], points[j], points[m]
            if _turn(a, b, c) <= 1e-12:
                continue  # a notch, or flat: no ear
            # An ear holds no other corner, else cutting it off would cut through the rest.
            others = [points[n] for n in left if n not in (i, j, m)]
            if not any(min(_turn(a, b, p), _turn(b, c, p), _turn(c, a, p)) >= 0 for p in others):
                out.append((i, j, m))
                del left[k]
                break
        else:
            raise ConfigError(_CROSSED)
    if _turn(*points[left]) <= 0:
        raise ConfigError(_CROSSED)
    return [*out, (left[0], left[1], left[2])]


def _joined(points: Array, one: list[int], other: list[int]) -> list[int] | None:
    """Both parts as one convex part across a shared edge, or None. points: (K, 2)."""
    for k in range(len(one)):
        a, b = one[k], one[(k + 1) % len(one)]
        # Both go round the same way, so that a shared edge runs one way in each.
        if a in other and b in other and other[(other.index(b) + 1) % len(other)] == a:
            start = other.index(a)
            around = other[start:] + other[:start]  # a ... b
            whole = one[k + 1 :] + one[: k + 1] + around[1:-1]
            n = len(whole)
            corner = (
                _turn(points[whole[i - 1]], points[whole[i]], points[whole[(i + 1) % n]])
                for i in range(n)
            )
            if all(c >= -1e-9 for c in corner):  # still convex
                return whole
    return None

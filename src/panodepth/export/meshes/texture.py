"""Texture coordinates of any triangles seen from the origin.

A panorama is not flat on a triangle: its coordinates are exact at the corners alone. So triangles
are divided, which does not change the surface, until the picture is nowhere off by more than
TOLERANCE; and each pole gets a vertex, round which the picture turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.meshes.surface import Mesh

Array = npt.NDArray[Any]

TOLERANCE = 2 * np.pi / 4096  # [rad], a pixel of a panorama 4096 wide
ROUNDS = 12  # of divisions at most
AT_POLE = 1e-6  # of the length: how near the axis a vertex is the pole


def textured(mesh: Mesh, points: Array, faces: Array, at_most: int | None = None) -> Mesh:
    """A mesh of (N, 3) points and (M, 3) faces with texture coordinates; at_most: faces.

    mesh: gives the rest. Without room for more faces the picture is less exact.
    """
    for side in (-1.0, 1.0):
        points, faces = _with_pole(points, faces, side)
    for _ in range(ROUNDS):
        uv, _ = _corners(points, faces)
        marked = _off(points, faces, uv) > TOLERANCE
        if not marked.any():
            break
        finer = divided(points, faces, marked)
        if at_most is not None and len(finer[1]) > at_most:
            break
        points, faces = finer
    uv, poles = _corners(points, faces)
    # A vertex is there once for each of its turns round the sphere; a pole for each triangle.
    turn = np.rint(uv[..., 0] - _lonlat(points)[0][faces]).astype(np.int64) + 1
    code = faces.astype(np.int64) * 4 + turn
    code = np.where(poles, 4 * len(points) + np.arange(code.size).reshape(code.shape), code)
    _, first, number = np.unique(code.ravel(), return_index=True, return_inverse=True)
    return replace(
        mesh,
        positions=points[faces.ravel()[first]].astype(np.float32),
        uv=uv.reshape(-1, 2)[first].astype(np.float32),
        faces=number.reshape(-1, 3).astype(np.uint32),
        twins=faces.ravel()[first].astype(np.uint32),
    )


def _lonlat(points: Array) -> tuple[Array, Array]:
    """u and v, in [0, 1], of (..., 3) points."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.arctan2(x, z) / (2 * np.pi) + 0.5, np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5


def _corners(points: Array, faces: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """(M, 3, 2) texture coordinates, u without a jump inside a triangle and >= 0; (M, 3), which
    corners are poles.
    """
    u, v = (values[faces] for values in _lonlat(points))
    length = np.linalg.norm(points, axis=1)
    poles = (np.hypot(points[:, 0], points[:, 2]) < AT_POLE * length)[faces]
    first = np.where(poles[:, 0], u[:, 1], u[:, 0])[:, None]
    u = u + np.rint(first - u)
    others = np.where(poles, 0, u).sum(axis=1) / np.maximum((~poles).sum(axis=1), 1)
    u = np.where(poles, others[:, None], u)
    u = u + (u.min(axis=1) < 0)[:, None]
    return np.stack([u, v], axis=-1), poles


def _off(points: Array, faces: Array, uv: Array) -> Array:
    """(M, 3) how far the picture is off in the middle of each edge, corner to next corner [rad]."""
    middle = (points[faces] + points[np.roll(faces, -1, axis=1)]) / 2
    u, v = np.moveaxis((uv + np.roll(uv, -1, axis=1)) / 2, -1, 0)
    lon, lat = (u - 0.5) * 2 * np.pi, (v - 0.5) * np.pi
    shown = np.stack([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], axis=-1)
    true = middle / np.maximum(np.linalg.norm(middle, axis=-1), 1e-150)[..., None]
    return np.asarray(np.linalg.norm(shown - true, axis=-1))


def _middle(start: Array, end: Array) -> Array:
    """(N, 3) each; returns (N, 3)."""
    return np.asarray((start + end) / 2)


def divided(
    points: Array,
    faces: Array,
    marked: Array,
    between: Callable[[Array, Array], Array] = _middle,
) -> tuple[Array, Array]:
    """(N, C) points and (M, 3) faces with every edge cut that is marked, (M, 3), in one of its
    triangles. between: gives the (K, C) points where edges are cut, of their two ends.
    """
    a, b = faces, np.roll(faces, -1, axis=1)
    key = np.minimum(a, b).astype(np.int64) * len(points) + np.maximum(a, b)
    keys = np.unique(key[marked])
    place = np.searchsorted(keys, key).clip(0, len(keys) - 1)
    cut = keys[place] == key
    middle = len(points) + place
    added = between(points[keys // len(points)], points[keys % len(points)])
    done = [faces[~cut.any(axis=1)]]
    for turn in range(3):
        p, q, r = np.roll(faces, -turn, axis=1).T
        pq, qr, rp = np.roll(middle, -turn, axis=1).T
        first, second, third = np.roll(cut, -turn, axis=1).T
        one, two = first & ~second & ~third, first & second & ~third
        done += [_stacked(one, (p, pq, r), (pq, q, r))]
        done += [_stacked(two, (pq, q, qr), (p, pq, qr), (p, qr, r))]
        if turn == 0:
            every = first & second & third
            done += [_stacked(every, (p, pq, rp), (pq, q, qr), (rp, qr, r), (pq, qr, rp))]
    return np.concatenate([points, added]), np.concatenate(done).astype(faces.dtype)


def _stacked(chosen: Array, *triangles: tuple[Array, Array, Array]) -> Array:
    """(K, 3) triangles of the chosen faces."""
    return np.concatenate([np.stack(corners, axis=1)[chosen] for corners in triangles])


def _with_pole(points: Array, faces: Array, side: float) -> tuple[Array, Array]:
    """(N, 3) points and (M, 3) faces with a vertex where the axis leaves the surface.

    side: -1 above, 1 below.
    """
    axis = np.array([0, side, 0])
    near = np.hypot(points[:, 0], points[:, 2]) < AT_POLE * np.linalg.norm(points, axis=1)
    if (near & (points[:, 1] * side > 0)).any():
        return points, faces
    p, q, r = (points[faces[:, i]] for i in range(3))
    parts = [np.cross(q, r) @ axis, np.cross(r, p) @ axis, np.cross(p, q) @ axis]
    ahead = (p + q + r)[:, 1] * side > 0
    inside = (np.stack(parts) < 0).all(axis=0) | (np.stack(parts) > 0).all(axis=0)
    for face in np.flatnonzero(inside & ahead)[:1]:
        shares = np.array([part[face] for part in parts])
        shares /= shares.sum()
        added = (shares[:, None] * points[faces[face]]).sum(axis=0)
        added[[0, 2]] = 0
        a, b, c = faces[face]
        new = len(points)
        fan = np.array([[a, b, new], [b, c, new], [c, a, new]], faces.dtype)
        faces = np.concatenate([np.delete(faces, face, axis=0), fan])
        points = np.concatenate([points, added[None]])
    return points, faces

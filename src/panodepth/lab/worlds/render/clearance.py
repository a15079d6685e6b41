"""How much room there is around a point: lower bounds of its distance to solids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from panodepth.lab.worlds.render.shapes import CONVEX, CONVEX8, HOLLOW, PATCH, PLANES, Array


def clearances(kind: npt.NDArray[np.int64], local: Array, half: Array, shape: Array) -> Array:
    """Lower bounds of the distance between a point and N primitives.

    kind: (N,). local: (N, 3) metres, the point in each primitive's frame. half: (N, 3) metres.
    shape: (N, NUMBERS), see `shapes`. Returns (N,) metres; exact for boxes, round shapes count as
    their boxes.
    """
    bound: Array = np.linalg.norm(np.maximum(np.abs(local) - half, 0.0), axis=1)
    unit = local / half
    cut = (kind == CONVEX) | (kind == CONVEX8)
    finer = ((cut, _beyond_cuts), (kind == HOLLOW, _inside_bore), (kind == PATCH, _off_patch))
    for some, metres in finer:
        if some.any():
            # The greater of two lower bounds is one too.
            bound[some] = np.maximum(bound[some], metres(unit[some], half[some], shape[some]))
    return bound


def _beyond_cuts(unit: Array, half: Array, shape: Array) -> Array:
    """Metres (n,) by which points lie outside the half-spaces of a convex solid.

    unit, half, shape: as `_inside_bore`.
    """
    planes = shape.reshape(-1, PLANES, 4)  # scaled so that the left side is metres
    return np.asarray(((planes[..., :3] * unit[:, None]).sum(-1) - planes[..., 3]).max(1))


def _inside_bore(unit: Array, half: Array, shape: Array) -> Array:
    """Metres (n,) from points inside the removed ellipsoid to its wall, at least; else 0.

    unit: (n, 3) points in the local box. half: (n, 3) metres. shape: (n, NUMBERS).
    """
    away = unit + [0.0, 1.0, 0.0]
    radius = np.sqrt((shape[:, :3] * away**2).sum(1))
    axes = half / np.sqrt(np.maximum(shape[:, :3], 1e-12))  # metres; huge along a tunnel
    return np.asarray(np.maximum(1.0 - radius, 0.0) * axes.min(1))


def _off_patch(unit: Array, half: Array, shape: Array) -> Array:
    """Metres (n,) from points above or below a cell to its surface, at least; else 0.

    unit, half, shape: as `_inside_bore`.
    """
    k0, k1, k2, k3 = shape[:, :4].T
    x, y, z = unit.T
    gap = np.abs(y - k0 - k1 * x - k2 * z - k3 * x * z) * half[:, 1]
    steep_x, steep_z = (np.abs(k) + np.abs(k3) for k in (k1, k2))
    slope = np.hypot(steep_x / half[:, 0], steep_z / half[:, 2]) * half[:, 1]
    over = (np.abs(x) <= 1) & (np.abs(z) <= 1)
    return np.asarray(np.where(over, gap / np.hypot(1.0, slope), 0.0))

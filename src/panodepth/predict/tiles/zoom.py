"""A part of the sphere, magnified, and the rest of it around: how a panoramic network sees a tile.

A network for panoramas wants a whole sphere. So the sphere is drawn out from the tile's centre by
the one map that keeps all angles: in the stereographic projection from the opposite point every
place moves k times as far out. What lies around the centre is seen k times as large and all else
shrinks towards the opposite point; nothing is cut, and small things keep their shape.
"""

from __future__ import annotations

import numpy as np

from panodepth.types import FloatArray


def zoomed(rays: FloatArray, factor: float) -> FloatArray:
    """Unit rays (h, w, 3), `factor` (> 0) times as far out from straight ahead, z.

    tan(θ' / 2) = factor · tan(θ / 2), with θ the angle from straight ahead before and θ' after;
    1 / factor undoes it.
    """
    x, y, z = rays[..., 0], rays[..., 1], rays[..., 2]
    ahead, behind = 1 + z, np.float32(factor * factor) * (1 - z)
    total = ahead + behind
    scale = np.float32(2 * factor) / total
    return np.stack((x * scale, y * scale, (ahead - behind) / total), -1)

"""The grid of `geometry.grid` in NumPy: pixel centres, latitude positive down."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


def axis_angles(height: int, width: int) -> tuple[Float64Array, Float64Array]:
    """Longitudes (W,) and latitudes (H,) of pixel centres, float64 [rad], latitude positive down.

    Raises ValueError for an empty grid.
    """
    if height < 1 or width < 1:
        raise ValueError(f"an ERP grid needs at least one row and one column, not {height}×{width}")
    lon = (np.arange(width) + (0.5 - width / 2)) * (2 * math.pi / width)
    lat = (np.arange(height) + (0.5 - height / 2)) * (math.pi / height)
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64)


def erp_rays(
    height: int, width: int, *, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[np.floating[Any]]:
    """Unit ray of every pixel centre: (H, W, 3)."""
    lon, lat = axis_angles(height, width)
    cos_lat = np.cos(lat).astype(dtype)[:, None]
    rays = np.empty((height, width, 3), dtype)
    np.multiply(cos_lat, np.sin(lon).astype(dtype), out=rays[..., 0])
    rays[..., 1] = np.sin(lat).astype(dtype)[:, None]
    np.multiply(cos_lat, np.cos(lon).astype(dtype), out=rays[..., 2])
    return rays


def solid_angles(height: int, width: int) -> Float64Array:
    """Exact solid angle of one pixel per row: (H, 1) float64 steradians; over all pixels 4π."""
    _, lat = axis_angles(height, width)
    area = np.cos(lat) * (4 * math.pi / width * math.sin(math.pi / (2 * height)))
    return np.asarray(area[:, None], np.float64)

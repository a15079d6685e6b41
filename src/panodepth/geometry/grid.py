"""The one grid: angle, ray and solid angle of every pixel. Other points: `coordinates`.

Frame: x right, y down, z forward. Continuous pixel coordinates (u, v) put the centre of the pixel
in row y, column x at (x + 0.5, y + 0.5), so u runs over [0, W] and v over [0, H]:

    lon = (u / W - 0.5) 2π    lat = (v / H - 0.5) π
    ray = (cos lat sin lon, sin lat, cos lat cos lon)

Latitude is positive downwards; the image centre looks along +z (docs/conventions.md). Functions
that make arrays take a dtype of NumPy or of torch, which says whose arrays they make.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from panodepth.geometry.arrays import Array, exact_indices, library, planes, to_dtype


def axis_angles(
    height: int,
    width: int,
    *,
    offset: tuple[float, float] = (0.0, 0.0),
    dtype: Any = np.float64,
    device: Any = None,
) -> tuple[Array, Array]:
    """Longitudes (W,) and latitudes (H,) of pixel centres [rad], latitude positive down.

    offset: (right, down) from the pixel centre, in pixels. dtype: its library makes the arrays,
    which are float64 whatever it is (float32 on a device without). Raises ValueError for an empty
    grid.
    """
    if height < 1 or width < 1:
        raise ValueError(f"an ERP grid needs at least one row and one column, not {height}×{width}")
    columns, rows = exact_indices(width, dtype, device), exact_indices(height, dtype, device)
    # Centred before it is scaled: the angles of mirrored pixels are then equal to the last bit.
    lon = (columns + (0.5 + offset[0] - width / 2)) * (2 * math.pi / width)
    lat = (rows + (0.5 + offset[1] - height / 2)) * (math.pi / height)
    return lon, lat


def erp_rays(
    height: int,
    width: int,
    *,
    offset: tuple[float, float] = (0.0, 0.0),
    dtype: Any = np.float32,
    device: Any = None,
) -> Array:
    """Unit ray of every pixel centre: (H, W, 3). Trigonometry is per row and column: cheap.

    offset: (right, down) from the pixel centre, in pixels. dtype: float32 or float64 of NumPy or
    torch; device: of the tensor.
    """
    lon, lat = axis_angles(height, width, offset=offset, dtype=dtype, device=device)
    xp = library(lon)
    # Sines of exact angles, rounded once: float32 angles would be off by up to 0.12 µrad.
    cos_lat = to_dtype(xp.cos(lat), dtype)[:, None]
    x = cos_lat * to_dtype(xp.sin(lon), dtype)
    y = xp.broadcast_to(to_dtype(xp.sin(lat), dtype)[:, None], x.shape)
    z = cos_lat * to_dtype(xp.cos(lon), dtype)
    return planes(xp, x, y, z)


def solid_angles(height: int, width: int, *, dtype: Any = np.float64, device: Any = None) -> Array:
    """Exact solid angle of one pixel per row: (H, 1) steradians; over all H·W pixels 4π.

    The area between two parallels, (2π / W)(sin(lat + a) - sin(lat - a)) with a = π / 2H, written
    as a product because the difference cancels near the poles.
    """
    lat = axis_angles(height, width, dtype=dtype, device=device)[1]
    area = library(lat).cos(lat) * (4 * math.pi / width * math.sin(math.pi / (2 * height)))
    return to_dtype(area, dtype)[:, None]

"""The one grid: ERP pixel <-> longitude/latitude <-> unit ray, and the solid angle of a pixel.

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

from panodepth.geometry.arrays import Array, ArrayT, exact_indices, library, planes, to_dtype


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


def lonlat_to_rays(lonlat: ArrayT) -> ArrayT:
    """(..., 2) longitude and latitude [rad] to (..., 3) unit rays."""
    xp = library(lonlat)
    lon, lat = lonlat[..., 0], lonlat[..., 1]
    cos_lat = xp.cos(lat)
    return planes(xp, cos_lat * xp.sin(lon), xp.sin(lat), cos_lat * xp.cos(lon))


def rays_to_lonlat(rays: ArrayT) -> ArrayT:
    """(..., 3) rays of any length to (..., 2) longitude and latitude [rad].

    Longitude lies in [-π, π], latitude in [-π/2, π/2]. On the vertical axis longitude is 0 by
    definition; a zero ray gives (0, 0). Gradients are finite there too (0 for the angle that is not
    defined).
    """
    xp = library(rays)
    x, y, z = rays[..., 0], rays[..., 1], rays[..., 2]
    square = x * x + z * z
    on_axis = square == 0
    # atan2 for both angles: exact near the poles, where the arcsine of y is not.
    zero, one = xp.zeros_like(x), xp.ones_like(x)
    # Replaced before atan2 and sqrt, not after: a NaN gradient stays NaN behind `where`.
    lon = xp.atan2(xp.where(on_axis, zero, x), xp.where(on_axis, one, z))
    horizontal = xp.sqrt(xp.where(on_axis, one, square))
    horizontal = xp.where(on_axis, xp.astype(y == 0, y.dtype), horizontal)
    return planes(xp, lon, xp.atan2(y, horizontal))


def lonlat_to_pixels(lonlat: ArrayT, height: int, width: int) -> ArrayT:
    """(..., 2) longitude and latitude [rad] to (..., 2) continuous pixel coordinates (u, v)."""
    u = (lonlat[..., 0] * (0.5 / math.pi) + 0.5) * width
    v = (lonlat[..., 1] * (1 / math.pi) + 0.5) * height
    return planes(library(lonlat), u, v)


def pixels_to_lonlat(uv: ArrayT, height: int, width: int) -> ArrayT:
    """(..., 2) continuous pixel coordinates (u, v) to (..., 2) longitude and latitude [rad]."""
    lon = (uv[..., 0] / width - 0.5) * (2 * math.pi)
    lat = (uv[..., 1] / height - 0.5) * math.pi
    return planes(library(uv), lon, lat)


def pixels_to_rays(uv: ArrayT, height: int, width: int) -> ArrayT:
    """(..., 2) continuous ERP pixel coordinates (u, v) to (..., 3) unit rays."""
    return lonlat_to_rays(pixels_to_lonlat(uv, height, width))


def rays_to_pixels(rays: ArrayT, height: int, width: int) -> ArrayT:
    """(..., 3) rays of any length to (..., 2) continuous coordinates, u in [0, W], v in [0, H]."""
    return lonlat_to_pixels(rays_to_lonlat(rays), height, width)


def solid_angles(height: int, width: int, *, dtype: Any = np.float64, device: Any = None) -> Array:
    """Exact solid angle of one pixel per row: (H, 1) steradians; over all H·W pixels 4π.

    The area between two parallels, (2π / W)(sin(lat + a) - sin(lat - a)) with a = π / 2H, written
    as a product because the difference cancels near the poles.
    """
    lat = axis_angles(height, width, dtype=dtype, device=device)[1]
    area = library(lat).cos(lat) * (4 * math.pi / width * math.sin(math.pi / (2 * height)))
    return to_dtype(area, dtype)[:, None]

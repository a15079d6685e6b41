"""ERP pixel <-> longitude/latitude <-> ray, for any points of the sphere; the grid is in `grid`."""

from __future__ import annotations

import math

from panodepth.geometry.arrays import ArrayT, library, planes


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

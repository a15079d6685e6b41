"""The one grid: ERP pixel <-> longitude/latitude <-> unit ray, and the solid angle of a pixel.

Frame: x right, y down, z forward. Continuous pixel coordinates (u, v) put the centre of the pixel
in row y, column x at (x + 0.5, y + 0.5), so u runs over [0, W] and v over [0, H]:

    lon = (u / W - 0.5) 2π    lat = (v / H - 0.5) π
    ray = (cos lat sin lon, sin lat, cos lat cos lon)

Latitude is positive downwards; the image centre looks along +z (docs/conventions.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def exact_dtype(device: torch.device | str | None) -> torch.dtype:
    """The dtype in which tables are computed before rounding: float64 where the device has it."""
    if device is None:
        device = torch.get_default_device()
    return torch.float32 if torch.device(device).type == "mps" else torch.float64


def broadcast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    return tuple(torch.broadcast_tensors(*tensors))  # type: ignore[no-untyped-call]


def _axis_angles(
    count: int, span: float, device: torch.device | str | None, offset: float = 0.0
) -> Tensor:
    """(count,) angles of pixel centres along one axis that spans `span` radians, centred on 0."""
    if count < 1:
        raise ValueError(f"an ERP grid needs at least one row and one column, not {count}")
    index = torch.arange(count, dtype=exact_dtype(device), device=device)
    return (index + (0.5 + offset - count / 2)) * (span / count)


def erp_lonlat(
    height: int,
    width: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Longitude and latitude of every pixel centre: (H, W, 2), radians, latitude positive down."""
    lon = _axis_angles(width, 2 * math.pi, device)
    lat = _axis_angles(height, math.pi, device)
    grid = torch.meshgrid(lat.to(dtype), lon.to(dtype), indexing="ij")
    return torch.stack((grid[1], grid[0]), dim=-1)


def erp_rays(
    height: int,
    width: int,
    *,
    offset: tuple[float, float] = (0.0, 0.0),
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Unit ray of every pixel centre: (H, W, 3). Trigonometry is per row and column: cheap.

    offset: (right, down) from the pixel centre, in pixels.
    """
    lon = _axis_angles(width, 2 * math.pi, device, offset[0])
    lat = _axis_angles(height, math.pi, device, offset[1])
    cos_lat = lat.cos().to(dtype)[:, None]
    x = cos_lat * lon.sin().to(dtype)
    y = lat.sin().to(dtype)[:, None].expand_as(x)
    z = cos_lat * lon.cos().to(dtype)
    return torch.stack((x, y, z), dim=-1)


def lonlat_to_rays(lonlat: Tensor) -> Tensor:
    """(..., 2) longitude and latitude [rad] to (..., 3) unit rays."""
    lon, lat = lonlat.unbind(-1)
    cos_lat = lat.cos()
    return torch.stack((cos_lat * lon.sin(), lat.sin(), cos_lat * lon.cos()), dim=-1)


def rays_to_lonlat(rays: Tensor) -> Tensor:
    """(..., 3) rays of any length to (..., 2) longitude and latitude [rad].

    Longitude lies in [-π, π], latitude in [-π/2, π/2]. On the vertical axis longitude is 0 by
    definition; a zero ray gives (0, 0). Gradients are finite there too (0 for the angle that is not
    defined).
    """
    x, y, z = rays.unbind(-1)
    square = x * x + z * z
    on_axis = square == 0
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    lon = torch.atan2(torch.where(on_axis, zero, x), torch.where(on_axis, one, z))
    horizontal = torch.where(on_axis, one, square).sqrt()
    horizontal = torch.where(on_axis, (y == 0).to(y.dtype), horizontal)
    return torch.stack((lon, torch.atan2(y, horizontal)), dim=-1)


def lonlat_to_pixels(lonlat: Tensor, height: int, width: int) -> Tensor:
    """(..., 2) longitude and latitude [rad] to (..., 2) continuous pixel coordinates (u, v)."""
    lon, lat = lonlat.unbind(-1)
    u = (lon * (0.5 / math.pi) + 0.5) * width
    v = (lat * (1 / math.pi) + 0.5) * height
    return torch.stack((u, v), dim=-1)


def pixels_to_lonlat(uv: Tensor, height: int, width: int) -> Tensor:
    """(..., 2) continuous pixel coordinates (u, v) to (..., 2) longitude and latitude [rad]."""
    u, v = uv.unbind(-1)
    lon = (u / width - 0.5) * (2 * math.pi)
    lat = (v / height - 0.5) * math.pi
    return torch.stack((lon, lat), dim=-1)


def pixels_to_rays(uv: Tensor, height: int, width: int) -> Tensor:
    """(..., 2) continuous ERP pixel coordinates (u, v) to (..., 3) unit rays."""
    return lonlat_to_rays(pixels_to_lonlat(uv, height, width))


def rays_to_pixels(rays: Tensor, height: int, width: int) -> Tensor:
    """(..., 3) rays of any length to (..., 2) continuous coordinates, u in [0, W], v in [0, H]."""
    return lonlat_to_pixels(rays_to_lonlat(rays), height, width)


def solid_angles(
    height: int,
    width: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Exact solid angle of one pixel per row: (H, 1) steradians; over all H·W pixels 4π.

    The area between two parallels, (2π / W)(sin(lat + a) - sin(lat - a)) with a = π / 2H, written
    as a product because the difference cancels near the poles.
    """
    lat = _axis_angles(height, math.pi, device)
    area = lat.cos() * (4 * math.pi / width * math.sin(math.pi / (2 * height)))
    return area.to(dtype)[:, None]

"""A part of a panorama: longitudes across and latitudes down, but not all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from panodepth.geometry.arrays import ArrayT, library, planes
from panodepth.geometry.coordinates import lonlat_to_rays, rays_to_lonlat
from panodepth.geometry.lens import Lens, Size, within


@dataclass(frozen=True)
class ERPPart(Lens):
    """Equirectangular between two meridians and two parallels.

    x_fov_rad: from the left edge to the right one, up to 2π; lon_rad: of the middle. top_rad,
    bottom_rad: latitudes of the edges, positive down, in [-π/2, π/2].
    Raises ValueError for edges that cannot be.
    """

    x_fov_rad: float = 2 * math.pi
    top_rad: float = -math.pi / 2
    bottom_rad: float = math.pi / 2
    lon_rad: float = 0.0

    def __post_init__(self) -> None:
        slack = 1e-9  # half a turn in degrees and back
        if not 0 < self.x_fov_rad <= 2 * math.pi + slack:
            raise ValueError("a panorama is more than 0° and at most 360° wide")
        poles = math.pi / 2 + slack
        if not -poles <= self.top_rad < self.bottom_rad <= poles:
            raise ValueError("the top edge must lie above the bottom edge, both within 90°")

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        height, width = size
        lon = (pixels[..., 0] / width - 0.5) * self.x_fov_rad + self.lon_rad
        lat = pixels[..., 1] / height * (self.bottom_rad - self.top_rad) + self.top_rad
        return lonlat_to_rays(planes(library(pixels), lon, lat))

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        xp = library(rays)
        lonlat = rays_to_lonlat(rays)
        turn = 2 * math.pi
        # The nearest copy of the meridian to the middle one.
        lon = lonlat[..., 0] - self.lon_rad
        lon = lon - turn * xp.floor(lon / turn + 0.5)
        height, width = size
        u = (lon / self.x_fov_rad + 0.5) * width
        v = (lonlat[..., 1] - self.top_rad) * (height / (self.bottom_rad - self.top_rad))
        there = (rays[..., 0] != 0) | (rays[..., 1] != 0) | (rays[..., 2] != 0)
        return within(u, v, there, size)

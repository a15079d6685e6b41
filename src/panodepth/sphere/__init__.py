"""Geometry of the panorama: pure torch functions, leading batch axes "...", one grid.

The frame and the grid are defined once, in `grid.py` and docs/conventions.md.
"""

from panodepth.sphere.grid import (
    erp_lonlat,
    erp_rays,
    lonlat_to_pixels,
    lonlat_to_rays,
    pixels_to_lonlat,
    pixels_to_rays,
    rays_to_lonlat,
    rays_to_pixels,
    solid_angles,
)
from panodepth.sphere.points import (
    distance_to_normals,
    distance_to_points,
    distance_to_z_depth,
    points_to_normals,
    z_depth_to_distance,
)
from panodepth.sphere.sampling import pad_erp, resize_erp, sample_erp, sample_image

__all__ = [
    "distance_to_normals",
    "distance_to_points",
    "distance_to_z_depth",
    "erp_lonlat",
    "erp_rays",
    "lonlat_to_pixels",
    "lonlat_to_rays",
    "pad_erp",
    "pixels_to_lonlat",
    "pixels_to_rays",
    "points_to_normals",
    "rays_to_lonlat",
    "rays_to_pixels",
    "resize_erp",
    "sample_erp",
    "sample_image",
    "solid_angles",
    "z_depth_to_distance",
]

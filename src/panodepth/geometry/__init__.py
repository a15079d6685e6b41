"""Geometry of the panorama: pure functions, leading batch axes "...", one grid.

The frame and the grid are defined once, in `grid.py` and docs/conventions.md. `geometry.erp` is
the NumPy twin; importing it loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panodepth.geometry.cubemap import (
        CUBE_FACES,
        cube_rays,
        cubemap_to_erp,
        erp_to_cubemap,
        sample_cubemap,
    )
    from panodepth.geometry.grid import (
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
    from panodepth.geometry.perspective import (
        erp_to_perspective,
        fov_from_intrinsics,
        intrinsics_from_fov,
        perspective_rays,
        perspective_to_erp,
    )
    from panodepth.geometry.points import (
        distance_to_normals,
        distance_to_points,
        distance_to_z_depth,
        points_to_normals,
        z_depth_to_distance,
    )
    from panodepth.geometry.resizing import resize_erp
    from panodepth.geometry.rotation import (
        random_rotation,
        rotate_erp,
        rotate_erp_vectors,
        rotate_vectors,
        rotation_from_quaternion,
        rotation_from_yaw_pitch_roll,
        yaw_pitch_roll_from_rotation,
    )
    from panodepth.geometry.sampling import SampleMode, pad_erp, sample_erp, sample_image

__all__ = [
    "CUBE_FACES",
    "SampleMode",
    "cube_rays",
    "cubemap_to_erp",
    "distance_to_normals",
    "distance_to_points",
    "distance_to_z_depth",
    "erp_lonlat",
    "erp_rays",
    "erp_to_cubemap",
    "erp_to_perspective",
    "fov_from_intrinsics",
    "intrinsics_from_fov",
    "lonlat_to_pixels",
    "lonlat_to_rays",
    "pad_erp",
    "perspective_rays",
    "perspective_to_erp",
    "pixels_to_lonlat",
    "pixels_to_rays",
    "points_to_normals",
    "random_rotation",
    "rays_to_lonlat",
    "rays_to_pixels",
    "resize_erp",
    "rotate_erp",
    "rotate_erp_vectors",
    "rotate_vectors",
    "rotation_from_quaternion",
    "rotation_from_yaw_pitch_roll",
    "sample_cubemap",
    "sample_erp",
    "sample_image",
    "solid_angles",
    "yaw_pitch_roll_from_rotation",
    "z_depth_to_distance",
]

_HOMES = {
    "CUBE_FACES": "cubemap",
    "SampleMode": "sampling",
    "cube_rays": "cubemap",
    "cubemap_to_erp": "cubemap",
    "distance_to_normals": "points",
    "distance_to_points": "points",
    "distance_to_z_depth": "points",
    "erp_lonlat": "grid",
    "erp_rays": "grid",
    "erp_to_cubemap": "cubemap",
    "erp_to_perspective": "perspective",
    "fov_from_intrinsics": "perspective",
    "intrinsics_from_fov": "perspective",
    "lonlat_to_pixels": "grid",
    "lonlat_to_rays": "grid",
    "pad_erp": "sampling",
    "perspective_rays": "perspective",
    "perspective_to_erp": "perspective",
    "pixels_to_lonlat": "grid",
    "pixels_to_rays": "grid",
    "points_to_normals": "points",
    "random_rotation": "rotation",
    "rays_to_lonlat": "grid",
    "rays_to_pixels": "grid",
    "resize_erp": "resizing",
    "rotate_erp": "rotation",
    "rotate_erp_vectors": "rotation",
    "rotate_vectors": "rotation",
    "rotation_from_quaternion": "rotation",
    "rotation_from_yaw_pitch_roll": "rotation",
    "sample_cubemap": "cubemap",
    "sample_erp": "sampling",
    "sample_image": "sampling",
    "solid_angles": "grid",
    "yaw_pitch_roll_from_rotation": "rotation",
    "z_depth_to_distance": "points",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'panodepth.geometry' has no attribute {name!r}")
    return getattr(import_module(f"panodepth.geometry.{_HOMES[name]}"), name)

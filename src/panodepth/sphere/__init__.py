"""Geometry of the panorama: pure torch functions, leading batch axes "...", one grid.

The frame and the grid are defined once, in `grid.py` and docs/conventions.md.
"""

from panodepth.sphere.cubemap import (
    CUBE_FACES,
    cube_rays,
    cubemap_to_erp,
    erp_to_cubemap,
    sample_cubemap,
)
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
from panodepth.sphere.perspective import (
    erp_to_perspective,
    fov_from_intrinsics,
    intrinsics_from_fov,
    perspective_rays,
    perspective_to_erp,
)
from panodepth.sphere.points import (
    distance_to_normals,
    distance_to_points,
    distance_to_z_depth,
    points_to_normals,
    z_depth_to_distance,
)
from panodepth.sphere.resizing import resize_erp
from panodepth.sphere.rotation import (
    random_rotation,
    rotate_erp,
    rotate_erp_vectors,
    rotate_vectors,
    rotation_from_quaternion,
    rotation_from_yaw_pitch_roll,
    yaw_pitch_roll_from_rotation,
)
from panodepth.sphere.sampling import (
    SampleMode,
    pad_erp,
    sample_erp,
    sample_image,
)

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

"""The sphere in NumPy: what a prediction and its files need of `sphere`, without loading torch.

Same frame, same grid, same names (docs/conventions.md); tests/erp holds each function to its twin.
"""

from panodepth.geometry.erp.grid import axis_angles, erp_rays, solid_angles
from panodepth.geometry.erp.points import (
    distance_to_normals,
    distance_to_points,
    lonlat_points,
    normal_bands,
    point_bands,
)
from panodepth.geometry.erp.resizing import Edges, resize_erp

__all__ = [
    "Edges",
    "axis_angles",
    "distance_to_normals",
    "distance_to_points",
    "erp_rays",
    "lonlat_points",
    "normal_bands",
    "point_bands",
    "resize_erp",
    "solid_angles",
]

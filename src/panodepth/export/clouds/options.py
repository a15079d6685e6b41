"""Options of point clouds."""

from __future__ import annotations

from dataclasses import dataclass

from panodepth.export.formats import Up
from panodepth.strict import Amount, Count

# 8.4 M points are 126 MB of PLY, and the network sees 0.6 M pixels at most.
MAX_CLOUD_POINTS = 4096 * 2048


@dataclass(frozen=True, kw_only=True)
class CloudOptions:
    """Which pixels become points.

    max_points: larger clouds are thinned by a whole stride in both axes. voxel: edge of the cubes
    of which each keeps one point, in the distance's unit; 0 = all. edge_threshold: leaves out the
    points at depth edges, where a mesh of this `edge_threshold` has no triangle; 0 = all.
    """

    max_points: Count = MAX_CLOUD_POINTS
    voxel: Amount = 0.0
    edge_threshold: Amount = 0.0


@dataclass(frozen=True, kw_only=True)
class PlyOptions(CloudOptions):
    """up: the frame. normals: write the unit normal of each point, facing the camera."""

    up: Up = "house"
    normals: bool = False

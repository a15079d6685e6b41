"""A coloured point cloud as Universal Scene Description. Extra: panodepth[usd]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from panodepth.export.clouds.ply import QUANTITY
from panodepth.export.clouds.selection import PointsOptions, chosen, cloud_normals, gathered
from panodepth.export.formats import check_installed
from panodepth.export.meshes.usd_stage import write_package
from panodepth.export.metadata import GLTF_FRAME, metadata
from panodepth.images import srgb_to_linear
from panodepth.types import Prediction


def write_points_usdz(
    prediction: Prediction, path: Path, options: PointsOptions = PointsOptions()
) -> list[Path]:
    """USDZ of one UsdGeomPoints, Y up, in metres (a relative prediction as it is), thinned as
    `write_ply` does.

    `displayColor` is linear light. `widths` are what a pixel covers at its point's distance, or the
    edge of a voxel, so that surfaces look closed from the camera.
    """
    check_installed(["points-usdz"])
    cloud = chosen(prediction, path, options, "y")
    points = gathered(cloud)
    linear = srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
    pixel_rad = 2 * np.pi / cloud.mask.shape[1]
    widths = np.maximum(np.linalg.norm(points.xyz, axis=1) * pixel_rad, options.voxel)
    normals = cloud_normals(prediction, cloud) if options.normals else None

    def fill(stage: Any, root: str) -> None:
        from pxr import UsdGeom, Vt

        shown = UsdGeom.Points.Define(stage, f"{root}/points")
        places = Vt.Vec3fArray.FromNumpy(points.xyz)
        sizes = Vt.FloatArray.FromNumpy(widths.astype(np.float32))
        shown.CreatePointsAttr(places)
        shown.CreateWidthsAttr(sizes)
        shown.CreateExtentAttr(UsdGeom.Points.ComputeExtent(places, sizes))
        shown.SetWidthsInterpolation(UsdGeom.Tokens.vertex)
        colours = shown.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
        colours.Set(Vt.Vec3fArray.FromNumpy(linear[points.rgb]))
        if normals is not None:
            shown.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(normals)))
            shown.SetNormalsInterpolation(UsdGeom.Tokens.vertex)

    meta = metadata(prediction, QUANTITY, frame=GLTF_FRAME, stride=cloud.stride)
    return write_package(path, meta, fill, {})

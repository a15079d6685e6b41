"""A coloured point cloud as binary glTF, Y up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.export.bands import row_bands
from panodepth.export.clouds.ply import QUANTITY
from panodepth.export.clouds.rows import kept_rows
from panodepth.export.clouds.selection import PointsOptions, chosen, cloud_normals
from panodepth.export.glb import POINTS, Glb
from panodepth.export.metadata import GLTF_FRAME, metadata
from panodepth.export.thinning import BAND_PIXELS, Cloud
from panodepth.images import srgb_to_linear
from panodepth.types import FloatArray, Prediction


def write_points_glb(
    prediction: Prediction, path: Path, options: PointsOptions = PointsOptions()
) -> list[Path]:
    """One POINTS primitive, without sky and masked pixels, thinned as `write_ply` does.

    COLOR_0 is linear light, as glTF defines it, in 16 bits; alpha is 1.
    """
    cloud = chosen(prediction, path, options, "y")
    glb = Glb(metadata(prediction, QUANTITY, frame=GLTF_FRAME, stride=cloud.stride))
    attributes = {
        "POSITION": glb.positions(_points(cloud), cloud.count, *_extent(cloud)),
        "COLOR_0": glb.streamed(
            _colours(cloud), (cloud.count, 4), np.uint16, more={"normalized": True}
        ),
    }
    if options.normals:
        attributes["NORMAL"] = glb.accessor(cloud_normals(prediction, cloud))
    glb.write(path, {"attributes": attributes, "mode": POINTS})
    return [path]


def _extent(cloud: Cloud) -> tuple[list[float], list[float]]:
    """The smallest and largest x, y, z."""
    low, high = [np.inf] * 3, [-np.inf] * 3
    for planes, mask, _ in cloud.bands():
        if mask.any():
            for i, plane in enumerate(planes):
                values = plane if mask.all() else plane[mask]
                low[i], high[i] = min(low[i], values.min()), max(high[i], values.max())
    return low, high


def _points(cloud: Cloud) -> Iterator[FloatArray]:
    """(n, 3) points in bands; each is overwritten by the next."""
    points = np.empty((0, 3), np.float32)
    for planes, mask, _ in cloud.bands():
        if len(points) != mask.size:
            points = np.empty((mask.size, 3), np.float32)
        grid = points.reshape(*mask.shape, 3)
        for i, plane in enumerate(planes):
            grid[..., i] = plane
        yield kept_rows(points, mask.ravel())


def _colours(cloud: Cloud) -> Iterator[npt.NDArray[np.uint16]]:
    """(n, 4) linear red, green, blue and alpha in bands, 65535 = 1."""
    linear = srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
    table = np.rint(linear * 65535).astype(np.uint16)  # white, and so opaque alpha, is 65535
    for rows in row_bands(cloud.mask.shape, BAND_PIXELS):
        rgba = cv2.cvtColor(np.ascontiguousarray(cloud.image[rows]), cv2.COLOR_RGB2RGBA)
        yield kept_rows(cv2.LUT(rgba, table).reshape(-1, 4), cloud.mask[rows].ravel())

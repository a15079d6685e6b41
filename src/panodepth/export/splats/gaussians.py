"""A prediction as 3D Gaussians: discs on the surface, as large as a pixel's footprint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.export.clouds.options import CloudOptions
from panodepth.export.clouds.selection import chosen, cloud_normals, gathered
from panodepth.export.frames import FRAMES, stored
from panodepth.export.metadata import metadata
from panodepth.strict import Count
from panodepth.types import ByteArray, FloatArray, Prediction

SIGMA = 0.6  # of a pixel's step: neighbours overlap without blurring the picture
FLATNESS = 0.1  # thickness to width
STEEPEST = 0.2  # cosine of the angle to the normal, beyond which discs do not grow
OPACITY = 0.99


@dataclass(frozen=True, kw_only=True)
class SplatOptions(CloudOptions):
    """As of clouds; a viewer of splats holds a few million."""

    max_points: Count = 1 << 20


@dataclass(frozen=True)
class Gaussians:
    """xyz: (N, 3). sigma: (N, 3), along the disc's own axes, the last one its normal. turn: (N, 4)
    quaternions w, x, y, z from those axes to the frame. rgb: (N, 3) uint8 sRGB. meta: of the file.
    """

    xyz: FloatArray
    sigma: FloatArray
    turn: FloatArray
    rgb: ByteArray
    meta: dict[str, Any]


def gaussians(prediction: Prediction, path: Path, options: CloudOptions, up: str) -> Gaussians:
    """One Gaussian for each point of the cloud. OutputError without a point."""
    cloud = chosen(prediction, path, options, up)
    points, normals = gathered(cloud), cloud_normals(prediction, cloud)
    length = np.linalg.norm(points.xyz, axis=1)
    facing = np.abs((points.xyz * normals).sum(axis=1)) / np.maximum(length, 1e-12)
    step = cloud.stride * np.pi / prediction.distance.shape[0]
    # Of a panorama pixels are closer together toward the poles; of one area, as wide as high.
    house = points.xyz @ FRAMES[up].matrix / FRAMES[up].per_unit ** 2
    level = np.hypot(house[:, 0], house[:, 2]) / np.maximum(np.linalg.norm(house, axis=1), 1e-12)
    narrow = np.sqrt(np.maximum(level, step / 2))
    width = SIGMA * step * length * narrow / np.sqrt(np.maximum(facing, STEEPEST))
    if options.voxel:
        width = np.maximum(width, options.voxel * SIGMA)
    sigma = np.stack([width, width, width * FLATNESS], axis=1).astype(np.float32)
    meta = metadata(prediction, "Gaussian splats", stride=cloud.stride, **stored(up))
    return Gaussians(points.xyz, sigma, _turns(normals), points.rgb, meta)


def _turns(normals: FloatArray) -> FloatArray:
    """(N, 4) the shortest rotation of the third axis onto each normal, w >= 0."""
    x, y, z = normals.T.astype(np.float64)
    found = np.stack([1 + z, -y, x, np.zeros_like(x)], axis=1)
    found[z < -1 + 1e-6] = (0, 1, 0, 0)
    return np.asarray(found / np.linalg.norm(found, axis=1)[:, None], np.float32)

"""A prediction as 3D Gaussians: discs on the surface, as large as a pixel's footprint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.clouds.options import CloudOptions
from panodepth.export.clouds.selection import chosen, cloud_normals, gathered
from panodepth.export.formats import Reach
from panodepth.export.frames import stored
from panodepth.export.metadata import metadata
from panodepth.export.reprojection import as_panorama
from panodepth.export.thinning import every_nth
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.lens import ERP
from panodepth.strict import Count
from panodepth.types import ByteArray, FloatArray, Prediction

SIGMA = 0.6  # of a pixel's step: neighbours overlap without blurring the picture
FLATNESS = 0.1  # thickness to width
STEEPEST = 0.2  # cosine of the angle to the normal, beyond which discs do not grow
OPACITY = 0.99


@dataclass(frozen=True, kw_only=True)
class SplatOptions(CloudOptions):
    """As of clouds; a viewer of splats holds a few million. behind: surfaces go on behind nearer
    ones, a guess, up to this angle from the edge [deg]; 0 = not.
    """

    max_points: Count = 1 << 20
    behind: Reach = 0.0


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


def gaussians(prediction: Prediction, path: Path, options: SplatOptions, up: str) -> Gaussians:
    """One for each point of the cloud, and of what is guessed behind. OutputError without any."""
    if not options.behind:
        return _gaussians(prediction, path, options, up)
    from panodepth.export.meshes.hidden import behind

    back = behind(as_panorama(prediction), options.behind)
    fewer = options.max_points - (0 if back is None else int(np.count_nonzero(back.mask)))
    if back is None or fewer < 1:
        return _gaussians(prediction, path, options, up)
    front = _gaussians(prediction, path, replace(options, max_points=fewer), up)
    rest = _gaussians(back, path, options, up)
    names = ("xyz", "sigma", "turn", "rgb")
    both = {n: np.concatenate([getattr(front, n), getattr(rest, n)]) for n in names}
    return Gaussians(**both, meta={**front.meta, "behind_deg": options.behind})


def _gaussians(prediction: Prediction, path: Path, options: CloudOptions, up: str) -> Gaussians:
    cloud = chosen(prediction, path, options, up)
    points, normals = gathered(cloud), cloud_normals(prediction, cloud)
    length = np.linalg.norm(points.xyz, axis=1)
    facing = np.abs((points.xyz * normals).sum(axis=1)) / np.maximum(length, 1e-12)
    thin = tuple(every_nth(count, cloud.stride) for count in prediction.distance.shape)
    step = cloud.stride * _footprints(prediction)[thin][cloud.mask]
    width = SIGMA * step * length / np.sqrt(np.maximum(facing, STEEPEST))
    if options.voxel:
        width = np.maximum(width, options.voxel * SIGMA)
    sigma = np.stack([width, width, width * FLATNESS], axis=1).astype(np.float32)
    meta = metadata(prediction, "Gaussian splats", stride=cloud.stride, **stored(up))
    return Gaussians(points.xyz, sigma, _turns(normals), points.rgb, meta)


def _footprints(prediction: Prediction) -> npt.NDArray[np.float64]:
    """(H, W) angles [rad], each of a disc's square that covers as much of the view as its pixel."""
    height, width = prediction.distance.shape
    if isinstance(prediction.lens, ERP):
        # Of a panorama pixels are closer together toward the poles; of one area, as wide as high.
        step = np.pi / height
        latitude = axis_angles(height, width)[1]
        rows = step * np.sqrt(np.maximum(np.cos(latitude), step / 2))
        return np.broadcast_to(rows[:, None], (height, width))
    rays = np.asarray(prediction.lens.rays((height, width)), np.float64)
    sides = []
    for axis in (0, 1):
        apart = np.linalg.norm(np.diff(rays, axis=axis), axis=-1)
        edge = [(0, 0), (0, 0)]
        edge[axis] = (1, 1)
        both = np.pad(apart, edge, constant_values=np.inf)
        # The nearer neighbour: the other one may be on another face, or beyond the lens's rim.
        sides.append(np.minimum(*(np.delete(both, at, axis) for at in (0, -1))))
    return np.asarray(np.sqrt(sides[0] * sides[1]))


def _turns(normals: FloatArray) -> FloatArray:
    """(N, 4) the shortest rotation of the third axis onto each normal, w >= 0."""
    x, y, z = normals.T.astype(np.float64)
    found = np.stack([1 + z, -y, x, np.zeros_like(x)], axis=1)
    found[z < -1 + 1e-6] = (0, 1, 0, 0)
    return np.asarray(found / np.linalg.norm(found, axis=1)[:, None], np.float32)

"""Fewer points: one for each voxel, none at depth edges; and all of them as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import OutputError
from panodepth.export.clouds.options import CloudOptions
from panodepth.export.formats import Up
from panodepth.export.frames import FRAMES
from panodepth.export.meshes.triangles import Limits, Vertices, triangulate
from panodepth.export.thinning import Cloud, every_nth, thinned
from panodepth.types import BoolArray, ByteArray, FloatArray, Prediction


@dataclass(frozen=True, kw_only=True)
class ScanOptions(CloudOptions):
    """up: the frame, see `frames.FRAMES`."""

    up: Up = "ros"


@dataclass(frozen=True, kw_only=True)
class PointsOptions(CloudOptions):
    """normals: write the unit normal of each point, facing the camera."""

    normals: bool = False


@dataclass(frozen=True)
class Points:
    """xyz: (N, 3) float32 in the cloud's frame. rgb: (N, 3) uint8. pixels: (N, 2), the row and
    column of each in the picture.
    """

    xyz: FloatArray
    rgb: ByteArray
    pixels: npt.NDArray[np.int64]


def gathered(cloud: Cloud) -> Points:
    """All points of a cloud."""
    xyz = np.empty((*cloud.mask.shape, 3), np.float32)
    top = 0
    for planes, mask, _ in cloud.bands():
        for i, plane in enumerate(planes):
            xyz[top : top + len(mask), :, i] = plane
        top += len(mask)
    first = cloud.stride // 2
    pixels = np.argwhere(cloud.mask) * cloud.stride + first
    return Points(xyz[cloud.mask], cloud.image[cloud.mask], pixels)


def gathered_in_metres(cloud: Cloud) -> Points:
    """As `gathered`, along the same axes, but in the unit of the distance: see `in_metres`."""
    points = gathered(cloud)
    return replace(points, xyz=points.xyz / np.float32(FRAMES[cloud.up].per_unit))


def cloud_normals(prediction: Prediction, cloud: Cloud) -> FloatArray:
    """(N, 3) float32 unit normals of a cloud's points, in its frame, facing the camera."""
    from panodepth.export.reprojection import levelled

    thin = tuple(every_nth(count, cloud.stride) for count in prediction.distance.shape)
    house = levelled(prediction, prediction.normals[thin][cloud.mask])
    return FRAMES[cloud.up].directions(house)


def chosen(prediction: Prediction, path: Path, options: CloudOptions, up: str) -> Cloud:
    """The cloud that the options ask for, in a frame; OutputError when it has no point."""
    return selected(thinned(prediction, path, options.max_points, up), options, path)


def selected(cloud: Cloud, options: CloudOptions, path: Path) -> Cloud:
    """The cloud without what `edge_threshold` and `voxel` leave out; OutputError if that is all."""
    mask = cloud.mask
    if options.edge_threshold:
        mask = off_edges(cloud, options.edge_threshold)
    if options.voxel:
        mask = one_per_voxel(replace(cloud, mask=mask, up="house"), options.voxel)
    count = int(np.count_nonzero(mask))
    if not count:
        raise OutputError(f"{path}: edge_threshold leaves no point; give a larger one")
    return replace(cloud, mask=mask, count=count)


def one_per_voxel(cloud: Cloud, edge: float) -> BoolArray:
    """(h, w) True for the valid pixel whose point is nearest to the centre of its cube."""
    kept = np.zeros(cloud.mask.shape, np.bool_)
    kept[cloud.mask] = nearest_centres(gathered(cloud).xyz.astype(np.float64), edge)
    return kept


def nearest_centres(xyz: npt.NDArray[np.float64], edge: float) -> BoolArray:
    """(N,) True for the point (N, 3) of each cube of this edge that is nearest to its centre."""
    cubes = xyz / edge
    cell = np.floor(cubes)
    off_centre = ((cubes - cell - 0.5) ** 2).sum(axis=1)
    order = np.lexsort((off_centre, *cell.T))
    ordered = cell[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    kept = np.zeros(len(xyz), np.bool_)
    kept[order[first]] = True
    return kept


def off_edges(cloud: Cloud, threshold: float) -> BoolArray:
    """(h, w) True for the valid pixels that a triangle of the mesh with this threshold touches."""
    distance, mask = (np.concatenate([g, g[:, :1]], axis=1) for g in (cloud.distance, cloud.mask))
    house = replace(cloud, mask=np.ones_like(cloud.mask), up="house")
    xyz = gathered(house).xyz.reshape(*cloud.mask.shape, 3)
    points = np.concatenate([xyz, xyz[:, :1]], axis=1).reshape(-1, 3)
    none: Any = np.zeros(2 * cloud.mask.shape[1])  # no pole: what touches it touches more
    vertices = Vertices(
        np.concatenate([points, np.zeros((len(none), 3), np.float32)]),
        np.concatenate([distance.ravel(), none.astype(np.float32)]),
        np.concatenate([mask.ravel(), none.astype(np.bool_)]),
    )
    used = triangulate(vertices, distance.shape, Limits.of(threshold))[1]
    grid = used[: distance.size].reshape(distance.shape)
    kept = grid[:, :-1].copy()
    kept[:, 0] |= grid[:, -1]
    return kept

"""`octomap`: what is occupied, free and unknown, in cubes, as OctoMap's binary tree (.bt)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import write_atomic
from panodepth.errors import OutputError
from panodepth.export.frames import FRAMES
from panodepth.export.metadata import metadata, ply_comments
from panodepth.export.robots.ground import ROS_FRAME, GroundOptions, camera_height, over_ground
from panodepth.strict import Positive, Range
from panodepth.types import BoolArray, Float64Array, Prediction

Codes = npt.NDArray[np.int64]

LEVELS = 16  # of OctoMap's tree: 2^16 cubes along each axis, the origin in the middle
FREE, OCCUPIED, INNER = 1, 2, 3  # what two bits of the file say of one of eight children
MOST_CUBES = 1 << 25
# Shifts, and which bits stay, that move 16 bits three places apart.
SPREAD = (
    (16, 0x0000FF0000FF),
    (8, 0x00F00F00F00F),
    (4, 0x0C30C30C30C3),
    (2, 0x249249249249),
)
HAIR = 1e-3  # of a cube, behind the surface: else rounding fills free cubes before walls on faces


@dataclass(frozen=True, kw_only=True)
class OctomapOptions(GroundOptions):
    """resolution: edge of a cube [m]."""

    resolution: Annotated[float, Range(at_least=0.005, at_most=10)] = 0.1
    range_max: Positive = 10.0


@dataclass(frozen=True)
class Cubes:
    """cubes: (N, 3) numbers of cubes along x, y and z: from n to n + 1 times the resolution [m],
    the floor below the camera at 0. occupied: (N,), else free; what is not here is unknown.
    """

    resolution: float
    cubes: Codes
    occupied: BoolArray


def occupied_cubes(
    prediction: Prediction, options: OctomapOptions = OctomapOptions(), path: Path = Path("cubes")
) -> Cubes:
    """Occupied is where a surface is, free what lies half a cube or more before it. OutputError."""
    height = camera_height(prediction, path, options)
    points = over_ground(prediction, height)
    surface = np.concatenate([_surface_cubes(some, height, options) for some in points])
    if not surface.size:
        raise OutputError(f"{path}: nothing lies within range_max = {options.range_max:g} m")
    camera = np.floor(np.array([[0, 0, height]]) / options.resolution).astype(np.int64)
    around = np.concatenate([surface, camera])
    low, high = around.min(0), around.max(0)
    count = int(np.prod(high - low + 1))
    if count > MOST_CUBES or np.abs(around).max() >= 1 << (LEVELS - 1):
        raise OutputError(f"{path}: {count} cubes; give a larger resolution or a smaller range_max")
    filled = np.zeros(high - low + 1, np.uint8)
    reach = np.where(prediction.mask, prediction.solid, np.where(prediction.sky, np.inf, 0))
    for layer in range(filled.shape[2]):
        number = np.array([0, 0, layer]) + low
        place = number, filled.shape[:2]
        filled[:, :, layer] = _free_layer(prediction, reach, options, height, place)
    filled[tuple((surface - low).T)] = OCCUPIED
    cubes = np.argwhere(filled)
    return Cubes(options.resolution, cubes + low, filled[tuple(cubes.T)] == OCCUPIED)


def _surface_cubes(points: Float64Array, height: float, options: OctomapOptions) -> Codes:
    """(M, 3) cubes that points (N, 3) lie in; points in turn that lie in one give it once."""
    seen = points - [0, 0, height]
    away = np.linalg.norm(seen, axis=1, keepdims=True)
    near = away[:, 0] <= options.range_max
    behind = points + seen / away * (HAIR * options.resolution)
    cubes = np.floor(behind[near] / options.resolution).astype(np.int64)
    changed = np.diff(cubes, axis=0, prepend=cubes[:1] - 1).any(1)
    return np.asarray(cubes[changed], np.int64)


def _free_layer(
    prediction: Prediction,
    reach: Float64Array,
    options: OctomapOptions,
    height: float,
    layer: tuple[Codes, tuple[int, ...]],
) -> Any:
    """(nx, ny) whether the cubes of a layer are seen through. reach: (H, W) how far each pixel
    sees [m]. layer: its first cube, its size.
    """
    first, (nx, ny) = layer
    numbers = np.stack(np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij"), -1)
    middles = np.concatenate([numbers, np.zeros((nx, ny, 1))], -1) + first + 0.5
    rays = (middles * options.resolution - [0, 0, height]) @ FRAMES["ros"].matrix
    if prediction.rotation is not None:
        rays = rays @ np.asarray(prediction.rotation)
    away = np.linalg.norm(rays, axis=-1)
    rows, columns = prediction.distance.shape
    pixels, seen = prediction.lens.project(rays, (rows, columns))
    column = np.clip(np.floor(pixels[..., 0]).astype(int), 0, columns - 1)
    row = np.clip(np.floor(pixels[..., 1]).astype(int), 0, rows - 1)
    before = away < reach[row, column] - options.resolution / 2
    return seen & before & (away <= options.range_max)


def write_octomap(
    prediction: Prediction, path: Path, options: OctomapOptions = OctomapOptions()
) -> list[Path]:
    """A .bt file, the floor below the camera at z = 0; the metadata are in its comments."""
    tree, nodes = tree_bytes(occupied_cubes(prediction, options, path))
    meta = metadata(prediction, "occupied, free and unknown cubes", unit="1", frame=ROS_FRAME)
    header = [
        "# Octomap OcTree binary file",
        *(line.replace("comment ", "# ", 1) for line in ply_comments(meta)),
        "id OcTree",
        f"size {nodes}",
        f"res {options.resolution:g}",
        "data\n",
    ]
    write_atomic(path, "\n".join(header).encode("ascii") + tree)
    return [path]


def tree_bytes(found: Cubes) -> tuple[bytes, int]:
    """The nodes of OctoMap's binary file, and how many the tree has.

    From the root on, parents before children, an inner node is 16 bits, little-endian: two for each
    child (0 = unknown), whose number is 1 for the upper half in x, 2 in y, 4 in z. Eight free or
    eight occupied children are one leaf. (Hornung and others, "OctoMap", Autonomous Robots 2013.)
    """
    codes = interleaved(found.cubes + (1 << (LEVELS - 1)))
    order = np.argsort(codes)
    codes, states = codes[order], np.where(found.occupied, OCCUPIED, FREE)[order]
    inner: list[tuple[Codes, Codes]] = []
    nodes = 1
    for level in range(LEVELS):
        parents, place = np.unique(codes >> 3, return_inverse=True)
        children = np.zeros((len(parents), 8), np.int64)
        children[place, codes & 7] = states
        whole = (children == children[:, :1]).all(1) & (children[:, 0] != INNER)
        words = (children << np.arange(0, 16, 2)).sum(1)
        inner.append(((parents << 3 * (level + 1))[~whole], words[~whole]))
        nodes += int(np.count_nonzero(children[~whole]))
        codes, states = parents, np.where(whole, children[:, 0], INNER)
    starts = np.concatenate([start for start, _ in reversed(inner)])
    words = np.concatenate([word for _, word in reversed(inner)])
    order = np.argsort(starts, kind="stable")  # parents first: they come from higher levels
    return words[order].astype("<u2").tobytes(), nodes


def interleaved(keys: Codes) -> Codes:
    """(N,) the bits of (N, 3) keys below 2^16 in turn: x lowest, then y, then z."""
    spread = keys.astype(np.int64)
    for shift, mask in SPREAD:
        spread = (spread | spread << shift) & mask
    return np.asarray(spread[:, 0] | spread[:, 1] << 1 | spread[:, 2] << 2, np.int64)

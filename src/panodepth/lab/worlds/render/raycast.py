"""Exact ray casting of solid primitives, batched over scenes; the same code on CPU and GPU.

Rays come in tiles. Each tile has a bounding pyramid, primitives outside it are dropped by the
half-space test on their boxes, and the surviving (scene, tile, primitive) triples are intersected
in flat lists and reduced with a packed minimum: first what fills much of the view, then whatever
that does not hide. No loop over primitives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import normalize

from panodepth.geometry.grid import erp_rays
from panodepth.lab.worlds.render.primitives import Primitives
from panodepth.lab.worlds.render.shapes import KINDS, Axes, intersect

LARGE = 0.2  # boxes whose face spans more than about this solid angle are cast first
_MISS = torch.iinfo(torch.int64).max
_CHUNK = 150_000  # ray-primitive tests per step: keeps the temporaries inside a CPU cache


@dataclass(frozen=True)
class Rays:
    """Tiled rays: T tiles of P rays each, all from the origin or each from its own.

    direction: (T, P, 3) unit. planes: (T, 4, 3) outward normals and limits: (T, 4), so that a point
    q is outside a tile's pyramid when q · plane > limit. origin: (T, P, 3) metres, None = 0.
    """

    direction: Tensor
    planes: Tensor
    limits: Tensor
    origin: Tensor | None = None

    @classmethod
    def from_origin(cls, direction: Tensor, planes: Tensor, device: str) -> Rays:
        """Float32 rays from the origin, on which the planes of their pyramids stand.

        direction: (T, P, 3). planes: (T, 4, 3).
        """
        real, limits = direction.float().to(device), torch.zeros(planes.shape[:2], device=device)
        return cls(real, planes.float().to(device), limits)


@dataclass(frozen=True)
class Hits:
    """distance: (B, T, P) metres, inf = nothing hit; index: (B, T, P) int64 primitive or 0."""

    distance: Tensor
    index: Tensor


def tile_size(height: int, width: int) -> tuple[int, int]:
    """The tile (rows, columns) used for a picture of this size: near 14 pixels and dividing it."""

    def near(n: int) -> int:
        return min((d for d in range(1, n + 1) if n % d == 0), key=lambda d: (abs(d - 14), d))

    return near(height), near(width)


def to_tiles(image: Tensor, tile: tuple[int, int]) -> Tensor:
    """(..., H, W, C) → (..., T, P, C)."""
    *lead, height, width, channels = image.shape
    th, tw = tile
    x = image.reshape(*lead, height // th, th, width // tw, tw, channels)
    return x.movedim(-4, -3).reshape(*lead, -1, th * tw, channels)


def from_tiles(tiles: Tensor, size: tuple[int, int], tile: tuple[int, int]) -> Tensor:
    """(..., T, P) → (..., H, W)."""
    (height, width), (th, tw), lead = size, tile, tiles.shape[:-2]
    x = tiles.reshape(*lead, height // th, width // tw, th, tw)
    return x.movedim(-2, -3).reshape(*lead, height, width)


@lru_cache(maxsize=16)
def panorama_rays(height: int, width: int, device: str = "cpu") -> Rays:
    """The rays of an ERP panorama from the origin, with each tile's bounding pyramid."""
    direction = to_tiles(erp_rays(height, width, dtype=torch.float64), tile_size(height, width))
    axis = normalize(direction.mean(1), dim=-1)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand_as(axis)
    side = normalize(torch.linalg.cross(up, axis), dim=-1)
    forward = (direction * axis[:, None]).sum(-1)
    planes = []
    for across in (side, torch.linalg.cross(axis, side)):
        # The widest angle to either side of the axis gives a plane through the origin.
        slope = torch.atan2((direction * across[:, None]).sum(-1), forward)
        for sign in (1.0, -1.0):
            edge = ((sign * slope).amax(1) + 1e-4)[:, None]
            planes.append(sign * across * torch.cos(edge) - axis * torch.sin(edge))
    # A pyramid wider than a half turn (polar tiles of coarse grids) must not cut anything.
    wide = (forward.amin(1) < 0.2)[:, None, None]
    return Rays.from_origin(direction, torch.stack(planes, 1).masked_fill(wide, 0.0), device)


def parallel_rays(toward: Tensor, extent: float, count: int) -> Rays:
    """A square of parallel rays for sun shadows, `count` × `count` over ±extent [m].

    toward: (3,) unit. Rays start 4 extents back. `square_axes(toward)` gives the two axes the
    square is laid on, of its rows and of its columns.
    """
    u, v = square_axes(toward)
    steps = ((torch.arange(count, device=toward.device) + 0.5) / count * 2 - 1) * extent
    tiles = to_tiles(torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1), (16, 16))
    start = tiles[..., :1] * u + tiles[..., 1:] * v - toward * (4 * extent)
    low, high = tiles.amin(1), tiles.amax(1)
    # A tile's "pyramid" is a square column: two pairs of parallel planes.
    planes = torch.stack([u, -u, v, -v]).expand(len(tiles), 4, 3)
    limits = torch.stack([high[:, 0], -low[:, 0], high[:, 1], -low[:, 1]], 1)
    return Rays(toward.expand_as(start), planes, limits, start)


def square_axes(toward: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit axes (3,) that complete the unit vector `toward` to an orthonormal frame."""
    helper = torch.tensor([0.36, 0.48, 0.8], device=toward.device)
    u = normalize(torch.linalg.cross(toward, helper), dim=0)
    return u, torch.linalg.cross(toward, u)


def cast(primitives: Primitives, rays: Rays) -> Hits:
    """First hit of every ray in every scene."""
    batch = len(primitives.kind)
    tiles, pixels = rays.direction.shape[:2]
    keep = _in_view(primitives, rays)
    # Distance and primitive in one integer, distance first: the minimum is the nearest hit. The
    # bits of positive floats sort as the floats do.
    best = torch.full((batch * tiles, pixels), _MISS, device=rays.direction.device)
    if rays.origin is None:
        # Walls and fronts first: what lies behind them in the whole tile need not be cast.
        nearest, large = _nearest(primitives)
        _cast_some(primitives, rays, keep & large[..., None], best)
        far = _distance(best.amax(1)).view(batch, 1, tiles)
        keep &= ~large[..., None] & (nearest[..., None] < far)
    _cast_some(primitives, rays, keep, best)
    index = torch.where(best != _MISS, best & 0xFFFFFFFF, 0)
    return Hits(_distance(best).view(batch, tiles, pixels), index.view(batch, tiles, pixels))


def _distance(key: Tensor) -> Tensor:
    """Metres (...) packed in the upper half of `key` (...) int64, inf for a miss."""
    return torch.where(key != _MISS, (key >> 32).to(torch.int32).view(torch.float32), torch.inf)


def _in_view(p: Primitives, rays: Rays) -> Tensor:
    """(B, N, T) bool: the primitive's box is not wholly outside one of the tile's four planes."""
    planes = rays.planes.reshape(-1, 3).T
    reach: Tensor = p.centre @ planes  # least value of q · plane over the box, (B, N, 4T)
    for axis in range(3):
        reach -= (p.extent[:, :, axis] @ planes).abs_()
    inside = (reach <= rays.limits.reshape(-1)).view(*p.kind.shape, -1, 4)
    return inside.all(-1) & (p.kind >= 0)[..., None]


def _nearest(p: Primitives) -> tuple[Tensor, Tensor]:
    """(B, N) metres from the origin to each box, and whether it fills much of the view."""
    local = (p.to_local @ -p.centre[..., None])[..., 0]
    near = torch.linalg.vector_norm((local.abs() - 1.0).clamp_min(0.0) * p.half, dim=-1)
    size = p.half.sort(-1).values
    return near, size[..., 2] * size[..., 1] > LARGE * near.clamp_min(0.3) ** 2


def _cast_some(p: Primitives, rays: Rays, keep: Tensor, best: Tensor) -> None:
    """Lower `best` (B·T, P) by the hits of the (B, N, T) chosen pairs."""
    tiles, pixels = rays.direction.shape[:2]
    step = max(1, _CHUNK // pixels) if best.device.type == "cpu" else 1 << 17
    scenes, rows, columns = keep.nonzero(as_tuple=True)
    kinds = p.kind[scenes, rows]
    for kind in KINDS:
        chosen = (kinds == kind).nonzero()[:, 0]
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            s, n, t = scenes[part], rows[part], columns[part]
            o, d = _local_rays(p.to_local[s, n], p.centre[s, n], rays, t)
            distance = intersect(kind, o, d, p.taper[s, n][:, None], p.shape[s, n])
            key = (distance.view(torch.int32).to(torch.int64) << 32) | n[:, None]
            key = torch.where(torch.isfinite(distance), key, _MISS)
            index = (s * tiles + t)[:, None].expand_as(key)
            best.scatter_reduce_(0, index, key, "amin")


def _local_rays(matrix: Tensor, centre: Tensor, rays: Rays, tile: Tensor) -> tuple[Axes, Axes]:
    """Origins and directions of the rays of M tiles in the local boxes of M primitives.

    matrix: (M, 3, 3) into the box. centre: (M, 3) metres. tile: (M,). Returns three (M, P)
    coordinates each; of the origins (M, 1) where all are the same.
    """

    def turned(v: tuple[Tensor, ...]) -> Axes:
        m = matrix[..., None]
        return [m[:, i, 0] * v[0] + m[:, i, 1] * v[1] + m[:, i, 2] * v[2] for i in range(3)]

    d = turned(rays.direction[tile].unbind(-1))
    if rays.origin is not None:
        return turned((rays.origin[tile] - centre[:, None]).unbind(-1)), d
    start = -(matrix @ centre[:, :, None])[..., 0]
    return [start[:, i, None] for i in range(3)], d

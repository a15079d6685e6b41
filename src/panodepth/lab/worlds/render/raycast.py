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

from panodepth.geometry.grid import erp_rays
from panodepth.lab.worlds.render.primitives import Primitives
from panodepth.lab.worlds.render.shapes import KINDS, intersect

LARGE = 0.2  # boxes whose face spans more than about this solid angle are cast first
_MISS = torch.iinfo(torch.int64).max
_CHUNK = 150_000  # ray-primitive tests per step: keeps the temporaries inside a CPU cache


@dataclass(frozen=True)
class Rays:
    """Tiled rays. Per tile either the origins are all zero (`origin` None) or given.

    direction: (T, P, 3). origin: (T, P, 3) metres or None. planes: (T, 4, 3) outward normals and
    limits: (T, 4) so that a point q is outside the tile when q · plane > limit.
    """

    direction: Tensor
    origin: Tensor | None
    planes: Tensor
    limits: Tensor


@dataclass(frozen=True)
class Hits:
    """distance: (B, T, P) metres, inf = nothing hit; index: (B, T, P) int64 primitive or 0."""

    distance: Tensor
    index: Tensor


def tile_size(height: int, width: int) -> tuple[int, int]:
    """The tile (rows, columns) used for an ERP of this size: near 14 pixels and dividing it."""

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
    """Tiled ERP rays from the origin, with each tile's bounding pyramid."""
    rays = erp_rays(height, width, dtype=torch.float64)
    direction = to_tiles(rays, tile_size(height, width))
    axis = torch.nn.functional.normalize(direction.mean(1), dim=-1)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand_as(axis)
    side = torch.nn.functional.normalize(torch.linalg.cross(up, axis), dim=-1)
    third = torch.linalg.cross(axis, side)
    forward = (direction * axis[:, None]).sum(-1)
    planes = []
    for across in (side, third):
        slope = torch.atan2((direction * across[:, None]).sum(-1), forward)
        for sign in (1.0, -1.0):
            edge = ((sign * slope).amax(1) + 1e-4)[:, None]
            planes.append(sign * across * torch.cos(edge) - axis * torch.sin(edge))
    stacked = torch.stack(planes, 1)
    # A pyramid wider than a half turn (polar tiles of coarse grids) must not cut anything.
    wide = (forward.amin(1) < 0.2)[:, None, None]
    stacked = torch.where(wide, torch.zeros_like(stacked), stacked)
    limits = torch.zeros(stacked.shape[:2])
    return Rays(direction.float().to(device), None, stacked.float().to(device), limits.to(device))


def parallel_rays(toward: Tensor, extent: float, count: int, tile: int = 16) -> Rays:
    """A square of parallel rays along `toward` (3,), for sun shadows; count × count over ±extent m.

    Rays start 4 extents back. `square_axes(toward)` gives the two axes the square is laid on.
    """
    u, v = square_axes(toward)
    steps = ((torch.arange(count, device=toward.device) + 0.5) / count * 2 - 1) * extent
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)
    tiles = to_tiles(grid, (tile, tile))
    start = tiles[..., :1] * u + tiles[..., 1:] * v - toward * (4 * extent)
    low, high = tiles.amin(1), tiles.amax(1)
    planes = torch.stack([u, -u, v, -v]).expand(len(tiles), 4, 3)
    limits = torch.stack([high[:, 0], -low[:, 0], high[:, 1], -low[:, 1]], 1)
    return Rays(toward.expand_as(start), start, planes, limits)


def square_axes(toward: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit axes (3,) that complete the unit vector `toward` to an orthonormal frame."""
    helper = torch.tensor([0.36, 0.48, 0.8], device=toward.device)
    u = torch.nn.functional.normalize(torch.linalg.cross(toward, helper), dim=0)
    return u, torch.linalg.cross(toward, u)


def cast(primitives: Primitives, rays: Rays) -> Hits:
    """First hit of every ray in every scene. Distances are along unit directions, in metres."""
    batch = len(primitives.kind)
    tiles, pixels = rays.direction.shape[:2]
    keep = _in_view(primitives, rays)
    best = torch.full((batch * tiles, pixels), _MISS, device=rays.direction.device)
    if rays.origin is None:
        nearest, large = _nearest(primitives)
        _cast_some(primitives, rays, keep & large[..., None], best)
        far = _distance(best.amax(1)).view(batch, 1, tiles)
        keep &= ~large[..., None] & (nearest[..., None] < far)
    _cast_some(primitives, rays, keep, best)
    index = torch.where(best != _MISS, best & 0xFFFFFFFF, 0)
    return Hits(_distance(best).view(batch, tiles, pixels), index.view(batch, tiles, pixels))


def _distance(key: Tensor) -> Tensor:
    """Metres packed in the upper half of `key`, inf for a miss."""
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
            distance = _intersect(kind, p, rays, (s, n, t))
            key = (distance.view(torch.int32).to(torch.int64) << 32) | n[:, None]
            key = torch.where(torch.isfinite(distance), key, _MISS)
            index = (s * tiles + t)[:, None].expand_as(key)
            best.scatter_reduce_(0, index, key, "amin")


def _intersect(
    kind: int, p: Primitives, rays: Rays, triple: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """(M, P) distances of M (scene, primitive, tile) triples, inf where missed."""
    scene, row, tile = triple
    matrix, centre = p.to_local[scene, row], p.centre[scene, row]
    ray = rays.direction[tile].unbind(-1)
    d = _transform(matrix, ray)
    if rays.origin is None:
        start = -(matrix @ centre[:, :, None])[..., 0]
        o = [start[:, i, None] for i in range(3)]
    else:
        away = (rays.origin[tile] - centre[:, None]).unbind(-1)
        o = _transform(matrix, away)
    return intersect(kind, o, d, p.taper[scene, row][:, None], p.shape[scene, row])


def _transform(matrix: Tensor, v: tuple[Tensor, ...]) -> list[Tensor]:
    m = matrix[..., None]
    return [m[:, i, 0] * v[0] + m[:, i, 1] * v[1] + m[:, i, 2] * v[2] for i in range(3)]

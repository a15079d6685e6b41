"""Exact ray casting of solid primitives, batched over scenes; the same code on CPU and GPU.

Rays come in tiles. Each tile has a bounding pyramid, primitives outside it are dropped by the
half-space test on their box corners, and the surviving (scene, tile, primitive) triples are
intersected in one flat list and reduced with a packed minimum. No loop over primitives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from panodepth.scenes.primitives import BOX, CYLINDER, ELLIPSOID, Primitives
from panodepth.sphere import erp_rays

NEAR = 1e-3  # metres; hits nearer than this are ignored
_MISS = torch.iinfo(torch.int64).max
_CHUNK = 400_000  # ray-primitive tests per step: keeps the temporaries inside a CPU cache


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


def from_tiles(tiles: Tensor, height: int, width: int, tile: tuple[int, int]) -> Tensor:
    """(..., T, P, C) → (..., H, W, C)."""
    *lead, _, _, channels = tiles.shape
    th, tw = tile
    x = tiles.reshape(*lead, height // th, width // tw, th, tw, channels)
    return x.movedim(-3, -4).reshape(*lead, height, width, channels)


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
    reach = torch.einsum("bnkc,tqc->bntqk", primitives.corners, rays.planes)
    outside = (reach > rays.limits[:, :, None]).all(-1).any(-1)  # (B, N, T)
    keep = ~outside & (primitives.kind >= 0)[:, :, None]
    best = torch.full((batch * tiles, pixels), _MISS, device=rays.direction.device)
    for kind in (BOX, ELLIPSOID, CYLINDER):
        scene, row, tile = (keep & (primitives.kind == kind)[:, :, None]).nonzero(as_tuple=True)
        step = max(1, _CHUNK // pixels) if best.device.type == "cpu" else 1 << 17
        for start in range(0, len(scene), step):
            part = slice(start, start + step)
            s, n, t = scene[part], row[part], tile[part]
            distance = _intersect(kind, primitives, rays, (s, n, t))
            key = (distance.view(torch.int32).to(torch.int64) << 32) | n[:, None]
            key = torch.where(torch.isfinite(distance), key, _MISS)
            index = (s * tiles + t)[:, None].expand_as(key)
            best.scatter_reduce_(0, index, key, "amin")
    hit = best != _MISS
    distance = (best >> 32).to(torch.int32).view(torch.float32)
    distance = torch.where(hit, distance, torch.inf)
    index = torch.where(hit, best & 0xFFFFFFFF, 0)
    return Hits(distance.view(batch, tiles, pixels), index.view(batch, tiles, pixels))


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
    if kind == BOX:
        return _box(o, d)
    if kind == ELLIPSOID:
        return _ellipsoid(o, d)
    return _frustum(o, d, p.taper[scene, row][:, None])


def _transform(matrix: Tensor, v: tuple[Tensor, ...]) -> list[Tensor]:
    m = matrix[..., None]
    return [m[:, i, 0] * v[0] + m[:, i, 1] * v[1] + m[:, i, 2] * v[2] for i in range(3)]


def _first(near: Tensor, far: Tensor, hit: Tensor) -> Tensor:
    t = torch.where(near > NEAR, near, far)
    return torch.where(hit & (t > NEAR), t, torch.inf)


def _box(o: list[Tensor], d: list[Tensor]) -> Tensor:
    near, far = None, None
    for oi, di in zip(o, d, strict=True):
        inverse = 1.0 / torch.where(di.abs() < 1e-12, 1e-12, di)
        middle, reach = -oi * inverse, inverse.abs()
        low, high = middle - reach, middle + reach
        near = low if near is None else torch.maximum(near, low)
        far = high if far is None else torch.minimum(far, high)
    assert near is not None
    assert far is not None
    return _first(near, far, near < far)


def _ellipsoid(o: list[Tensor], d: list[Tensor]) -> Tensor:
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1.0
    root = b * b - a * c
    spread = root.clamp_min(0).sqrt()
    return _first((-b - spread) / a, (-b + spread) / a, root > 0)


def _frustum(o: list[Tensor], d: list[Tensor], taper: Tensor) -> Tensor:
    """Axis along local y (up in the world): radius 1 at y = −1, `taper` at y = +1, with caps."""
    slope = (taper - 1.0) / 2.0
    middle = (taper + 1.0) / 2.0
    ro, rd = middle + slope * o[1], slope * d[1]  # radius along the ray
    a = d[0] * d[0] + d[2] * d[2] - rd * rd
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    b = o[0] * d[0] + o[2] * d[2] - ro * rd
    c = o[0] * o[0] + o[2] * o[2] - ro * ro
    root = b * b - a * c
    spread = root.clamp_min(0).sqrt()
    best = torch.full_like(root, torch.inf)
    for sign in (-1.0, 1.0):
        t = (-b + sign * spread) / a
        y = o[1] + t * d[1]
        ok = (root > 0) & (t > NEAR) & (y.abs() <= 1.0)
        best = torch.minimum(best, torch.where(ok, t, torch.inf))
    inverse = 1.0 / torch.where(d[1].abs() < 1e-12, 1e-12, d[1])
    for cap in (-1.0, 1.0):
        t = (cap - o[1]) * inverse
        x, z = o[0] + t * d[0], o[2] + t * d[2]
        radius = middle + slope * cap
        ok = (t > NEAR) & (x * x + z * z <= radius * radius)
        best = torch.minimum(best, torch.where(ok, t, torch.inf))
    return best

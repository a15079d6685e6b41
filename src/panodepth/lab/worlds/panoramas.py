"""Render batches of synthetic panoramas with exact distance, normals and sky mask."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor

from panodepth.geometry.grid import erp_rays
from panodepth.lab.worlds.camera.photograph import Camera, photograph
from panodepth.lab.worlds.looks.sky import haze, sky
from panodepth.lab.worlds.priors import USUAL, Priors
from panodepth.lab.worlds.render.lighting import Lights, illuminate, occlusion, prepare
from panodepth.lab.worlds.render.primitives import Scene, pack
from panodepth.lab.worlds.render.raycast import Rays, cast, from_tiles, panorama_rays, tile_size
from panodepth.lab.worlds.render.reflections import reflections
from panodepth.lab.worlds.render.surfaces import Surface, surface_table, surfaces
from panodepth.lab.worlds.scenes import make_camera, make_scene

_CPU_PIXELS = 1 << 16  # shaded at once on the CPU: temporaries stay in its cache


@dataclass(frozen=True)
class SceneBatch:
    """B rendered panoramas, or views.

    image: (B, 3, H, W) sRGB in [0, 1]. distance: (B, H, W) metres, 0 in the sky. normals:
    (B, H, W, 3) unit, facing the camera, 0 in the sky. sky: (B, H, W) bool. label: (B, H, W) int64
    semantic ids. indoor: (B,) bool.
    """

    image: Tensor
    distance: Tensor
    normals: Tensor
    sky: Tensor
    label: Tensor
    indoor: Tensor

    @property
    def valid(self) -> Tensor:
        """(B, H, W) bool, True = a surface with known distance."""
        return ~self.sky


@dataclass(frozen=True)
class PixelGrid:
    """The pixels of a picture, and where they look.

    rays: the same rays tiled, for casting, in tiles of `tile` (rows, columns). direction: (3, H, W)
    unit. pixel_rad: mean angle between neighbours. wrap: left and right edges meet, as in a
    panorama.
    """

    rays: Rays
    direction: Tensor
    tile: tuple[int, int]
    pixel_rad: float
    wrap: bool = True

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.direction.shape[1:]
        return height, width


@lru_cache(maxsize=8)
def panorama_grid(height: int, width: int, device: str = "cpu") -> PixelGrid:
    """The pixels of an ERP panorama."""
    direction = erp_rays(height, width, dtype=torch.float32, device=device)
    planes = direction.permute(2, 0, 1).contiguous()
    rays = panorama_rays(height, width, device)
    return PixelGrid(rays, planes, tile_size(height, width), 2 * math.pi / width)


def render_batch(
    seed: int,
    indices: Sequence[int],
    height: int,
    width: int,
    *,
    kind: str = "mixed",
    device: torch.device | str = "cpu",
    camera: bool = True,
    priors: Priors = USUAL,
) -> SceneBatch:
    """Render the worlds `indices` of `seed` as (height, width) panoramas with width = 2 height.

    kind: "mixed", "indoor" or "outdoor". camera: with the faults of lens, stitching, sensor and
    file; without, only exposure and tone curve. priors: of the worlds, and their version. Each
    panorama depends on (seed, index, kind, priors) alone. Raises ConfigError for another kind.
    """
    scenes = [make_scene(seed, i, kind, priors) for i in indices]
    grid = panorama_grid(height, width, str(device))
    return render_scenes(scenes, grid, [make_camera(seed, i, priors, camera) for i in indices])


@torch.no_grad()
def render_scenes(
    scenes: Sequence[Scene], grid: PixelGrid, cameras: Sequence[Camera]
) -> SceneBatch:
    """Render given worlds on one grid, each with its camera."""
    parts: list[SceneBatch] = []
    order: list[int] = []
    # Lamps and sun are lit by different passes, so indoor and outdoor worlds go apart.
    for inside in (True, False):
        rows = [i for i, s in enumerate(scenes) if s.indoor == inside]
        if rows:
            order += rows
            parts += _rendered([scenes[i] for i in rows], grid)
    back = torch.tensor(order, device=grid.direction.device).argsort()
    joined = {
        f.name: torch.cat([getattr(p, f.name) for p in parts])[back] for f in fields(parts[0])
    }
    joined["image"] = photograph(joined["image"], cameras, wrap=grid.wrap)
    return SceneBatch(**joined)


def _rendered(scenes: Sequence[Scene], grid: PixelGrid) -> Iterator[SceneBatch]:
    """Scenes that are all indoor or all outdoor, a few at a time; images are linear radiance."""
    primitives = pack(scenes, grid.direction.device)
    hits = cast(primitives, grid.rays)
    tiled = (hits.distance, hits.index)
    distance, index = (from_tiles(x, grid.size, grid.tile).flatten(1) for x in tiled)
    count, most = primitives.kind.shape
    place = index + torch.arange(count, device=index.device)[:, None] * most
    lights, table = prepare(primitives, scenes), surface_table(primitives)
    # Casting takes all scenes together, shading as many as fit the cache.
    rays, at_once = grid.direction.flatten(1), count
    if rays.device.type == "cpu":
        at_once = max(1, _CPU_PIXELS // rays.shape[1])
    for start in range(0, count, at_once):
        rows = slice(start, start + at_once)
        seen = surfaces(table, distance[rows], place[rows], rays, grid.pixel_rad)
        yield _shaded(scenes[rows], grid, lights, rows, seen)


def _shaded(
    scenes: Sequence[Scene], grid: PixelGrid, lights: Lights, rows: slice, seen: Surface
) -> SceneBatch:
    """Light on what is seen of `scenes`, the `rows` of those that the lights are of."""
    picture = (len(scenes), *grid.size)
    shape, rays = (3, *picture), grid.direction.flatten(1)
    light, overhead = illuminate(lights, rows, seen)
    # Sky rays have a stand-in point at 1 m; push it away so that it occludes nothing.
    point = torch.where(seen.hit, seen.point, seen.point * 1e4)
    near = occlusion(point.view(shape), seen.normal.view(shape), grid.pixel_rad, wrap=grid.wrap)
    # More of the ambient light comes from above (y points down), outdoors more so.
    flat, up = (0.8, 0.2) if lights.indoor else (0.62, 0.38)
    hemisphere = (flat - up * seen.normal[1]) * overhead * near.flatten(1)
    ambient = lights.ambient[rows].T[:, :, None]
    radiance = seen.albedo * (light + ambient * hemisphere + seen.emission)
    if not lights.indoor:
        radiance = haze(scenes, radiance, seen.distance)
    scene, pixel = (~seen.hit).nonzero(as_tuple=True)
    if len(scene):
        radiance[:, scene, pixel] = sky(scenes, scene, rays[:, pixel])
    radiance = radiance.view(shape)
    if grid.wrap:  # a view does not show what its mirrors do
        radiance = reflections(radiance, seen)
    return SceneBatch(
        image=radiance.transpose(0, 1),
        distance=torch.where(seen.hit, seen.distance, 0.0).view(picture),
        normals=torch.where(seen.hit, seen.normal, 0.0).permute(1, 2, 0).view(*picture, 3),
        sky=~seen.hit.view(picture),
        label=torch.where(seen.hit, seen.label, 0).view(picture),
        indoor=torch.full((len(scenes),), lights.indoor, device=rays.device),
    )

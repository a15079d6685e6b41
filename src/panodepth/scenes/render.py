"""Render batches of synthetic panoramas with exact distance, normals and sky mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import ConfigError
from panodepth.scenes.outdoor import outdoor_scene
from panodepth.scenes.primitives import Scene, pack
from panodepth.scenes.raycast import cast, from_tiles, panorama_rays, tile_size
from panodepth.scenes.rooms import indoor_scene
from panodepth.scenes.shading import expose, lighting, occlusion, sky, surfaces

INDOOR_SHARE = 0.6  # of a "mixed" batch
_KINDS = ("mixed", "indoor", "outdoor")


@dataclass(frozen=True)
class SceneBatch:
    """B rendered panoramas.

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


def make_scene(seed: int, index: int, kind: str = "mixed") -> Scene:
    """The world number `index` of `seed`; the same on every machine and worker."""
    if kind not in _KINDS:
        raise ConfigError(f"scene kind is {kind!r}, expected one of {', '.join(_KINDS)}")
    rng = np.random.default_rng([seed, index])
    indoor = kind == "indoor" if kind != "mixed" else rng.random() < INDOOR_SHARE
    return indoor_scene(rng) if indoor else outdoor_scene(rng)


def render_batch(
    seed: int,
    indices: Sequence[int],
    height: int,
    width: int,
    *,
    kind: str = "mixed",
    device: torch.device | str = "cpu",
) -> SceneBatch:
    """Render the worlds `indices` of `seed` as (height, width) panoramas with width = 2 height.

    kind: "mixed", "indoor" or "outdoor". Each panorama depends on (seed, index, kind) alone.
    Raises ConfigError for another kind.
    """
    scenes = [make_scene(seed, i, kind) for i in indices]
    looks = torch.stack([_look(seed, i) for i in indices]).to(device)
    indoor = torch.tensor([s.indoor for s in scenes])
    out: list[SceneBatch | None] = [None] * len(scenes)
    # Lamps and sun are lit by different passes, so indoor and outdoor worlds go apart.
    for inside in (True, False):
        rows = [i for i, s in enumerate(scenes) if s.indoor == inside]
        if rows:
            part = render_scenes([scenes[i] for i in rows], height, width, looks[rows])
            for k, i in enumerate(rows):
                out[i] = _pick(part, k)
    parts = [p for p in out if p is not None]
    joined = {n: torch.cat([getattr(p, n) for p in parts]) for n in SceneBatch.__annotations__}
    joined["indoor"] = indoor.to(device)
    return SceneBatch(**joined)


def _pick(batch: SceneBatch, row: int) -> SceneBatch:
    return SceneBatch(*(getattr(batch, n)[row : row + 1] for n in SceneBatch.__annotations__))


def _look(seed: int, index: int) -> Tensor:
    """(8,) exposure target, shoulder, contrast, saturation, white balance (3), spare."""
    rng = np.random.default_rng([seed, index, 7])
    warm, green = 0.08 * rng.normal(), 0.025 * rng.normal()
    balance = np.exp([warm - green, green, -warm - green])
    values = [
        rng.uniform(0.2, 0.75),
        rng.uniform(1.5, 4.0),
        rng.uniform(0.95, 1.25),
        rng.uniform(0.7, 1.3),
        *(balance / balance.mean()),
        0.0,
    ]
    return torch.tensor(values, dtype=torch.float32)


@torch.no_grad()
def render_scenes(scenes: Sequence[Scene], height: int, width: int, looks: Tensor) -> SceneBatch:
    """Render given worlds, all indoor or all outdoor; looks (B, 8) as for `shading.expose`."""
    device = looks.device
    primitives = pack(scenes, device)
    rays = panorama_rays(height, width, str(device))
    tile = tile_size(height, width)
    hits = cast(primitives, rays)
    seen = surfaces(primitives, hits, rays.direction, 2 * math.pi / width)

    def picture(x: Tensor) -> Tensor:
        shape = (len(scenes), *rays.direction.shape[:2], -1)
        return from_tiles(x.reshape(shape), height, width, tile)

    point, normal = picture(seen.point), picture(seen.normal)
    hit = picture(seen.hit[..., None])[..., 0]
    # Sky rays have a stand-in point at 1 m; push it away so that it occludes nothing.
    point = torch.where(hit[..., None], point, point * 1e4)
    ambient = torch.tensor([s.ambient for s in scenes], device=device)[:, None, None]
    up = -normal[..., 1:2]
    hemisphere = 0.8 + 0.2 * up if scenes[0].indoor else 0.62 + 0.38 * up
    light = picture(lighting(primitives, scenes, seen))
    light = light + ambient * hemisphere * occlusion(point, normal)[..., None]
    albedo, emission = picture(seen.albedo), picture(seen.emission[..., None])
    radiance = albedo * (light + emission)
    above = picture(sky(scenes, rays.direction))
    radiance = torch.where(hit[..., None], radiance, above)
    return SceneBatch(
        image=expose(radiance, looks),
        distance=torch.where(hit, picture(seen.distance[..., None])[..., 0], 0.0),
        normals=torch.where(hit[..., None], normal, 0.0),
        sky=~hit,
        label=torch.where(hit, picture(seen.label[..., None])[..., 0], 0),
        indoor=torch.tensor([s.indoor for s in scenes], device=device),
    )

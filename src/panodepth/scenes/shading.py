"""From ray hits to pictures: textures, lights with soft shadows, ambient occlusion, sky, exposure.

This is a stand-in for photographs, not physics: cheap terms that give the cues depth is read from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.scenes import textures
from panodepth.scenes.primitives import Array, Light, Primitives, Scene, camera_from_world
from panodepth.scenes.raycast import (
    Hits,
    cast,
    from_tiles,
    panorama_rays,
    parallel_rays,
    square_axes,
    tile_size,
)
from panodepth.scenes.shapes import local_normals, texture_coordinates
from panodepth.sphere import rays_to_pixels

SHADOW_SIZE = (56, 112)  # ERP shadow map of a point light
SUN_EXTENT = 16.0  # metres around the camera that cast sun shadows
SUN_COUNT = 144  # rays across the sun's shadow map


@dataclass(frozen=True)
class Surface:
    """What a batch of hit pixels sees; all (B, R, ...) with R = T·P pixels in tile order."""

    point: Tensor  # (B, R, 3) metres, camera frame
    normal: Tensor  # (B, R, 3) unit, facing the camera
    albedo: Tensor  # (B, R, 3) linear RGB
    emission: Tensor  # (B, R)
    gloss: Tensor  # (B, R)
    label: Tensor  # (B, R) int64
    hit: Tensor  # (B, R) bool
    distance: Tensor  # (B, R) metres, inf where nothing was hit


def surfaces(primitives: Primitives, hits: Hits, direction: Tensor, pixel_rad: float) -> Surface:
    """Look up geometry and material at the first hits; direction (T, P, 3)."""
    batch = len(primitives.kind)
    rays = direction.reshape(1, -1, 3)
    distance = hits.distance.reshape(batch, -1)
    hit = torch.isfinite(distance)
    reach = torch.where(hit, distance, 1.0)
    index = hits.index.reshape(batch, -1)
    row = torch.arange(batch, device=index.device)[:, None]
    matrix, centre = primitives.to_local[row, index], primitives.centre[row, index]
    half, kind = primitives.half[row, index], primitives.kind[row, index]
    point = rays * reach[..., None]
    local = (matrix * (point - centre)[..., None, :]).sum(-1)
    flat = (kind.flatten(), local.flatten(0, 1), half.flatten(0, 1))
    numbers = primitives.shape.flatten(0, 1)  # wide: `local_normals` picks the rows it needs
    place = (row * primitives.shape.shape[1] + index).flatten()
    local_normal = local_normals(
        *flat, primitives.taper[row, index].flatten(), (numbers, place)
    ).view_as(local)
    normal = F.normalize((matrix * local_normal[..., None]).sum(-2), dim=-1)
    facing = (normal * rays).sum(-1)
    normal = normal * -torch.sign(facing)[..., None]
    uv_scale = primitives.uv[row, index]
    metric, slope = (local * half).flatten(0, 1), (local_normal / half).flatten(0, 1)
    uv = texture_coordinates(kind.flatten(), metric, slope).view(*kind.shape, 2)
    uv = uv / uv_scale[..., :2] + uv_scale[..., 2:]
    footprint = reach * pixel_rad / facing.abs().clamp_min(0.15)
    texels = footprint * textures.SIZE / uv_scale[..., :2].amin(-1)
    colour = textures.sample(
        primitives.texture[row, index].reshape(-1), uv.reshape(-1, 2), texels.reshape(-1)
    ).view_as(point)
    look = primitives.surface[row, index]
    return Surface(
        point=point,
        normal=normal,
        albedo=colour * primitives.tint[row, index],
        emission=look[..., 0],
        gloss=look[..., 1],
        label=primitives.label[row, index],
        hit=hit,
        distance=distance,
    )


def lighting(primitives: Primitives, scenes: Sequence[Scene], surface: Surface) -> Tensor:
    """(B, R, 3) light arriving at each surface point from all lamps and the sun."""
    device = surface.point.device
    total = torch.zeros_like(surface.point)
    for slot in range(max((len(s.lights) for s in scenes), default=0)):
        lights = [s.lights[slot] if slot < len(s.lights) else None for s in scenes]
        position = torch.tensor(
            np.stack([_in_camera(s, m) for s, m in zip(scenes, lights, strict=True)]),
            dtype=torch.float32,
            device=device,
        )
        colour = torch.tensor([m.colour if m else (0.0, 0.0, 0.0) for m in lights], device=device)[
            :, None
        ]
        if any(m is not None and m.sun for m in lights):
            total += colour * _sunlight(primitives, surface, position)[..., None]
        else:
            shadow = any(m is not None and m.shadow for m in lights)
            total += colour * _lamplight(primitives, surface, position, shadow)[..., None]
    return total


def _in_camera(scene: Scene, light: Light | None) -> Array:
    if light is None:
        return np.zeros(3)
    offset = np.zeros(3) if light.sun else scene.camera
    return np.asarray(camera_from_world(scene) @ (np.asarray(light.position) - offset))


def _lamplight(primitives: Primitives, surface: Surface, position: Tensor, shadow: bool) -> Tensor:
    """(B, R) light of one point lamp per scene at `position` (B, 3), with a soft shadow."""
    toward = position[:, None] - surface.point
    far = torch.linalg.vector_norm(toward, dim=-1).clamp_min(1e-3)
    cosine = ((surface.normal * toward).sum(-1) / far).clamp_min(0)
    light: Tensor = cosine / (0.4 + far * far) + surface.gloss * _highlight(
        surface, toward / far[..., None]
    )
    if not shadow:
        return light
    height, width = SHADOW_SIZE
    rays = panorama_rays(height, width, str(position.device))
    hits = cast(primitives.moved(position), rays)
    depth = from_tiles(hits.distance[..., None], height, width, tile_size(height, width))[..., 0]
    uv = rays_to_pixels(-toward / far[..., None], height, width)
    slack = 0.03 + 0.06 * far / cosine.clamp_min(0.15)  # a texel seen at a slant spans more depth
    return light * _percentage_closer(depth, uv, far - slack, wrap=True)


def _sunlight(primitives: Primitives, surface: Surface, toward_sun: Tensor) -> Tensor:
    """(B, R) parallel light from the unit directions `toward_sun` (B, 3), with a soft shadow."""
    out = []
    for b in range(len(toward_sun)):  # each scene has its own direction, hence its own ray set
        sun = F.normalize(toward_sun[b], dim=0)
        down = -sun
        one = Primitives(
            *(getattr(primitives, f)[b : b + 1] for f in primitives.__dataclass_fields__)
        )
        rays = parallel_rays(down, SUN_EXTENT, SUN_COUNT)
        hits = cast(one, rays)
        depth = from_tiles(hits.distance[..., None], SUN_COUNT, SUN_COUNT, (16, 16))[..., 0]
        u, v = square_axes(down)
        point = surface.point[b : b + 1]
        uv = torch.stack([point @ v, point @ u], -1) / SUN_EXTENT  # columns run along v
        inside = (uv.abs() < 1).all(-1)
        along = point @ down + 4 * SUN_EXTENT
        lit = _percentage_closer(depth, (uv + 1) / 2 * SUN_COUNT, along - 0.15, wrap=False)
        cosine = (surface.normal[b : b + 1] @ sun).clamp_min(0)
        out.append(cosine * torch.where(inside, lit, 1.0))
    return torch.cat(out)


def _highlight(surface: Surface, toward: Tensor) -> Tensor:
    view = F.normalize(surface.point, dim=-1)
    middle = F.normalize(toward - view, dim=-1)
    return 0.6 * (surface.normal * middle).sum(-1).clamp_min(0) ** 60


def _percentage_closer(depth: Tensor, uv: Tensor, reach: Tensor, *, wrap: bool) -> Tensor:
    """(B, R) share of the four nearest shadow-map texels that see the point; depth (B, h, w)."""
    batch, height, width = depth.shape
    corner = (uv - 0.5).floor()
    fraction = uv - 0.5 - corner
    x, y = corner.to(torch.int64).unbind(-1)
    row = torch.arange(batch, device=depth.device)[:, None]
    lit = torch.zeros_like(reach)
    for dy in (0, 1):
        for dx in (0, 1):
            xi = (x + dx) % width if wrap else (x + dx).clamp(0, width - 1)
            seen = (depth[row, (y + dy).clamp(0, height - 1), xi] > reach).to(reach)
            wx = fraction[..., 0] if dx else 1 - fraction[..., 0]
            wy = fraction[..., 1] if dy else 1 - fraction[..., 1]
            lit = lit + seen * wx * wy
    return lit


def occlusion(point: Tensor, normal: Tensor) -> Tensor:
    """(B, H, W) ambient visibility in 0..1 from picture neighbours that rise above a surface.

    point, normal: (B, H, W, 3). A screen-space stand-in for ambient occlusion.
    """
    width = point.shape[2]
    near, far = max(1, round(width / 90)), max(2, round(width / 28))
    total = torch.zeros_like(point[..., 0])
    taps = [(near, 0), (-near, 0), (0, near), (0, -near)]
    taps += [(far, far), (far, -far), (-far, far), (-far, -far)]
    for dy, dx in taps:
        other = torch.roll(point, dx, dims=2)
        rows = (torch.arange(point.shape[1], device=point.device) - dy).clamp(0, point.shape[1] - 1)
        away = other[:, rows] - point
        squared = (away * away).sum(-1) + 1e-4
        rise = (away * normal).sum(-1) * torch.rsqrt(squared) - 0.08
        total = total + rise.clamp_min(0) / (1 + 1.5 * squared)
    return (1 - 1.6 * total / len(taps)).clamp(0.15, 1)


def sky(scenes: Sequence[Scene], direction: Tensor) -> Tensor:
    """(B, R, 3) linear sky colours; direction (T, P, 3) in the camera frame."""
    out = []
    for scene in scenes:
        view = torch.tensor(camera_from_world(scene), dtype=torch.float32, device=direction.device)
        world = direction.reshape(-1, 3) @ view
        s = scene.sky
        up = world[:, 1].clamp_min(0)
        blend = (up ** s.get("gradient", 0.5))[:, None]
        zenith = torch.tensor([s.get("r", 0.3), s.get("g", 0.5), s.get("b", 0.9)]).to(world)
        horizon = torch.tensor([s.get("hr", 0.9), s.get("hg", 0.93), s.get("hb", 1.0)]).to(world)
        colour = torch.lerp(horizon, zenith, blend)
        uv = world[:, [0, 2]] / (world[:, 1:2].abs() + 0.12) * s.get("cloud_scale", 0.15)
        texture = torch.full_like(up, s.get("cloud", 0.0)).to(torch.int64)
        texels = 6.0 / (up + 0.12)
        cloud = textures.sample(texture, uv + s.get("cloud_offset", 0.0), texels) * s.get(
            "cover", 0.5
        )
        colour = torch.lerp(colour, torch.full_like(colour, s.get("white", 1.0)), cloud)
        sun = next((m for m in scene.lights if m.sun), None)
        if sun is not None:
            toward = torch.tensor(sun.position, dtype=torch.float32, device=world.device)
            angle = (world @ F.normalize(toward, dim=0)).clamp_min(0)
            colour = colour + (8 * angle**1500 + 0.4 * angle**12)[:, None] * s.get("glow", 1.0)
        out.append(colour * s.get("power", 1.0))
    return torch.stack(out)


def expose(linear: Tensor, looks: Tensor) -> Tensor:
    """(B, 3, H, W) sRGB in [0, 1] from linear (B, H, W, 3) radiance.

    looks: (B, 8) per scene: exposure target, shoulder, contrast, saturation, white balance r, g, b,
    vignette; random numbers of the scene.
    """
    target, shoulder, contrast, saturation = (looks[:, i, None, None, None] for i in range(4))
    balance = looks[:, None, None, 4:7]
    grid = linear.mean(-1)[:, 2::5, 2::5].flatten(1)  # metering on a grid is enough
    level = (0.5 * grid.median(1).values + 0.5 * grid.mean(1)).clamp_min(1e-4)[:, None, None, None]
    x = linear * balance * (target / level)
    x = x * (1 + x / (shoulder * shoulder)) / (1 + x)  # extended Reinhard
    grey = x.mean(-1, keepdim=True)
    x = (grey + (x - grey) * saturation).clamp(0, 1)
    coded = torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x.clamp_min(1e-6) ** (1 / 2.4) - 0.055)
    coded = coded + (contrast - 1) * (coded - 0.5)
    return coded.clamp(0, 1).permute(0, 3, 1, 2)

"""Light on surfaces: lamps and sun with soft shadows, and what the surroundings take from ambient.

Shadow maps hold mean distance and mean squared distance of a few texels; Chebyshev's inequality
turns them into a soft shadow (variance shadow maps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.worlds.render.primitives import Light, Primitives, Scene, camera_from_world
from panodepth.lab.worlds.render.raycast import (
    cast,
    from_tiles,
    panorama_rays,
    parallel_rays,
    square_axes,
    tile_size,
)
from panodepth.lab.worlds.render.shapes import Array
from panodepth.lab.worlds.render.surfaces import Surface

LAMP_MAP = (56, 112)  # ERP shadow map of a lamp
LAMP_REACH = 40.0  # metres; nothing is darker for what lies behind
SUN_EXTENT = 16.0  # metres around the camera that cast shadows outdoors
SUN_COUNT = 112  # texels across the sun's map, a multiple of 16
OVERCAST_BLUR = 9  # texels averaged twice: the penumbra under a grey sky is about 2.5 m wide
OVERCAST_SHARE = 0.55  # of the ambient light that things overhead can take
NEAR_RAD, FAR_RAD = 0.07, 0.224  # how far away neighbours are looked for, 4° and 13°
BLEED = 0.25  # the least lit share of a shadow, taken as dark: hides light that leaks
_PI = float(np.pi)


@dataclass(frozen=True)
class Lamps:
    """The n-th lamp of each scene: position (B, 3) in the camera frame, colour (B, 3), its map
    (B, 2, h, w + 2) with one column continued on either side, or None when nothing is shaded.
    """

    position: Tensor
    colour: Tensor
    moments: Tensor | None


@dataclass(frozen=True)
class Parallel:
    """Light from one direction per scene: frame (B, 3, 3) whose third row points along the light,
    colour (B, 3), moments (B, 2, n, n), overcast (B,) bool: no sun, the direction is straight down.
    """

    frame: Tensor
    colour: Tensor
    moments: Tensor
    overcast: Tensor


@dataclass(frozen=True)
class Lights:
    """All lights of a batch of scenes with their shadow maps; ambient (B, 3)."""

    lamps: tuple[Lamps, ...]
    sun: Parallel | None
    ambient: Tensor
    indoor: bool


def _in_camera(scene: Scene, light: Light | None) -> Array:
    """A lamp's position, or a sun's direction, in the camera frame."""
    if light is None:
        return np.zeros(3)
    offset = np.zeros(3) if light.sun else scene.camera
    return np.asarray(camera_from_world(scene) @ (np.asarray(light.position) - offset))


def prepare(primitives: Primitives, scenes: Sequence[Scene]) -> Lights:
    """Cast the shadow maps of a batch of scenes, all indoor or all outdoor."""
    device = primitives.centre.device
    lamps = [[light for light in s.lights if not light.sun] for s in scenes]
    slots = []
    for slot in range(max((len(some) for some in lamps), default=0)):
        slots.append(_lamps(primitives, scenes, [_get(some, slot) for some in lamps]))
    ambient = torch.tensor([s.ambient for s in scenes], dtype=torch.float32, device=device)
    indoor = scenes[0].indoor
    sun = None if indoor else _parallel(primitives, scenes, ambient)
    return Lights(tuple(slots), sun, ambient, indoor)


def _get(lights: Sequence[Light], slot: int) -> Light | None:
    return lights[slot] if slot < len(lights) else None


def _lamps(p: Primitives, scenes: Sequence[Scene], lights: Sequence[Light | None]) -> Lamps:
    device = p.centre.device
    places = np.stack([_in_camera(s, m) for s, m in zip(scenes, lights, strict=True)])
    position = torch.tensor(places, dtype=torch.float32, device=device)
    colours = [m.colour if m else (0.0, 0.0, 0.0) for m in lights]
    colour = torch.tensor(colours, dtype=torch.float32, device=device)
    if not any(m is not None and m.shadow for m in lights):
        return Lamps(position, colour, None)
    height, width = LAMP_MAP
    hits = cast(p.moved(position), panorama_rays(height, width, str(device)))
    depth = from_tiles(hits.distance[..., None], height, width, tile_size(height, width))[..., 0]
    depth = depth.clamp_max(LAMP_REACH)
    moments = torch.stack([depth, depth * depth], 1)
    moments = torch.cat([moments[..., -2:], moments, moments[..., :2]], -1)
    moments = F.pad(moments, (0, 0, 1, 1), mode="replicate")
    return Lamps(position, colour, F.avg_pool2d(moments, 3, 1))


def _parallel(p: Primitives, scenes: Sequence[Scene], ambient: Tensor) -> Parallel:
    """The sun; where there is none, the part of a grey sky's light that comes from above."""
    device = p.centre.device
    suns = [next((m for m in s.lights if m.sun), None) for s in scenes]
    frames, colours = [], []
    for scene, sun in zip(scenes, suns, strict=True):
        up = Light((0.0, 1.0, 0.0), (1.0, 1.0, 1.0), sun=True)
        along = -_in_camera(scene, sun or up)
        along /= np.linalg.norm(along)
        right = np.cross(along, [0.36, 0.48, 0.8])
        right /= np.linalg.norm(right)
        frames.append(np.stack([right, np.cross(along, right), along]))
        colours.append(sun.colour if sun else (0.0, 0.0, 0.0))
    frame = torch.tensor(np.stack(frames), dtype=torch.float32, device=device)
    turned = replace(
        p,
        to_local=p.to_local @ frame.transpose(1, 2)[:, None],
        centre=p.centre @ frame.transpose(1, 2),
        extent=p.extent @ frame.transpose(1, 2)[:, None],
    )
    toward = torch.tensor([0.0, 0.0, 1.0], device=device)
    hits = cast(turned, parallel_rays(toward, SUN_EXTENT, SUN_COUNT))
    depth = from_tiles(hits.distance[..., None], SUN_COUNT, SUN_COUNT, (16, 16))[..., 0]
    depth = depth.clamp_max(8 * SUN_EXTENT) - 4 * SUN_EXTENT
    moments = torch.stack([depth, depth * depth], 1)
    sharp = F.avg_pool2d(moments, 3, 1, 1, count_include_pad=False)
    grey = [i for i, s in enumerate(suns) if s is None]
    if grey:
        index = torch.tensor(grey, device=device)
        soft = moments[index]
        for _ in range(2):
            soft = F.avg_pool2d(soft, OVERCAST_BLUR, 1, OVERCAST_BLUR // 2, count_include_pad=False)
        sharp = sharp.index_copy(0, index, soft)
    down, across = square_axes(toward)  # rows and columns of the map
    return Parallel(
        frame=torch.stack([across, down, toward]) @ frame,
        colour=torch.tensor(colours, dtype=torch.float32, device=device),
        moments=sharp,
        overcast=torch.tensor([m is None for m in suns], device=device),
    )


def illuminate(lights: Lights, rows: slice, surface: Surface) -> tuple[Tensor, Tensor]:
    """Light on the surfaces of scenes `rows`: (3, b, R) from lamps and sun, and (b, R) in 0..1,
    how much of the ambient light the things overhead leave.
    """
    total = torch.zeros_like(surface.point)
    for lamps in lights.lamps:
        amount = _lamplight(lamps, rows, surface)
        total += lamps.colour[rows].T[:, :, None] * amount
    overhead = torch.ones_like(surface.distance)
    if lights.sun is not None:
        lit, cosine = _parallel_light(lights.sun, rows, surface)
        total += lights.sun.colour[rows].T[:, :, None] * (lit * cosine)
        share = OVERCAST_SHARE * lights.sun.overcast[rows].to(lit)[:, None]
        overhead = 1 - share * (1 - lit)
    return total, overhead


def _lamplight(lamps: Lamps, rows: slice, surface: Surface) -> Tensor:
    """(b, R) light of one point lamp per scene, with a soft shadow and a highlight."""
    toward = lamps.position[rows].T[:, :, None] - surface.point
    far = _norm(toward).clamp_min(1e-3)
    toward = toward / far
    cosine = _dot(surface.normal, toward).clamp_min(0)
    light = cosine / (0.4 + far * far) + surface.gloss * _highlight(surface, toward)
    if lamps.moments is None:
        return light
    width = LAMP_MAP[1]
    u = (torch.atan2(-toward[0], -toward[2]) / (2 * _PI) + 0.5) * width + 1
    v = torch.asin((-toward[1]).clamp(-1, 1)) * (2 / _PI)
    grid = torch.stack([u * (2 / (width + 2)) - 1, v], -1)[:, None]
    mean, square = _sample(lamps.moments[rows], grid)
    return light * _chebyshev(mean, square, far, (0.02 + 0.02 * far) ** 2, BLEED)


def _parallel_light(sun: Parallel, rows: slice, surface: Surface) -> tuple[Tensor, Tensor]:
    """(b, R) share of the light that arrives, and its cosine with the surface."""
    frame = sun.frame[rows]
    right, down, along = (
        frame[:, k, 0, None] * surface.point[0]
        + frame[:, k, 1, None] * surface.point[1]
        + frame[:, k, 2, None] * surface.point[2]
        for k in range(3)
    )
    grid = torch.stack([right, down], -1)[:, None] / SUN_EXTENT
    mean, square = _sample(sun.moments[rows], grid)
    overcast = sun.overcast[rows].to(mean)[:, None]
    floor = 0.02 + 0.5 * overcast
    lit = _chebyshev(mean, square, along - 0.1, floor, BLEED * (1 - overcast))
    edge = torch.maximum(right.abs(), down.abs()) / SUN_EXTENT
    lit = torch.lerp(lit, torch.ones_like(lit), ((edge - 0.8) * 5).clamp(0, 1))
    toward = -frame[:, 2].T[:, :, None]
    return lit, _dot(surface.normal, toward).clamp_min(0)


def _sample(moments: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    found = F.grid_sample(moments, grid, padding_mode="border", align_corners=False)
    return found[:, 0, 0], found[:, 1, 0]


def _chebyshev(
    mean: Tensor, square: Tensor, reach: Tensor, least: Tensor | float, bleed: Tensor | float
) -> Tensor:
    """Upper bound of the share of texels that lie at `reach` or beyond, with its tail cut off."""
    variance = torch.maximum(square - mean * mean, torch.as_tensor(least, device=mean.device))
    behind = (reach - mean).clamp_min(0)
    bound = variance / (variance + behind * behind)
    return ((bound - bleed) / (1 - bleed)).clamp_min(0)


def _highlight(surface: Surface, toward: Tensor) -> Tensor:
    """(b, R) Blinn's highlight of a light in the unit directions `toward` (3, b, R)."""
    middle = toward - surface.point / surface.distance
    return 0.6 * (_dot(surface.normal, middle) / _norm(middle)).clamp_min(0) ** 60


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _norm(a: Tensor) -> Tensor:
    return _dot(a, a).clamp_min(1e-12).sqrt()


def occlusion(point: Tensor, normal: Tensor, pixel_rad: float, *, wrap: bool = True) -> Tensor:
    """(b, H, W) ambient visibility in 0..1 from picture neighbours that rise above a surface.

    point, normal: (3, b, H, W). pixel_rad: angle between pixels. wrap: as in a panorama. A
    screen-space stand-in for ambient occlusion.
    """
    height, width = point.shape[-2:]
    near, far = (max(k, round(a / pixel_rad)) for k, a in ((1, NEAR_RAD), (2, FAR_RAD)))
    far = min(far, width // 2)
    if wrap:
        around = torch.cat([point[..., -far:], point, point[..., :far]], -1)
    else:
        around = F.pad(point.flatten(0, 1), (far, far, 0, 0), mode="replicate")
        around = around.view(3, -1, *around.shape[1:])
    top, bottom = (around[..., r : r + 1, :].expand(-1, -1, far, -1) for r in (0, height - 1))
    around = torch.cat([top, around, bottom], -2)
    total = torch.zeros_like(point[0])
    taps = [(near, 0), (-near, 0), (0, near), (0, -near)]
    taps += [(far, far), (far, -far), (-far, far), (-far, -far)]
    for dy, dx in taps:
        y, x = far + dy, far + dx
        away = around[..., y : y + height, x : x + width] - point
        squared = _dot(away, away) + 1e-4
        rise = _dot(away, normal) * torch.rsqrt(squared) - 0.08
        total += rise.clamp_min(0) / (1 + 1.5 * squared)
    return (1 - (1.6 / len(taps)) * total).clamp(0.15, 1)

"""Light on surfaces: lamps and sun with soft shadows, and what the surroundings take from ambient.

Shadow maps hold mean distance and mean squared distance of a few texels; Chebyshev's inequality
turns them into a soft shadow (variance shadow maps, Donnelly and Lauritzen 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.worlds.render import raycast
from panodepth.lab.worlds.render.primitives import Light, Primitives, Scene, camera_from_world
from panodepth.lab.worlds.render.shapes import Array
from panodepth.lab.worlds.render.surfaces import Surface, dot

LAMP_MAP = (56, 112)  # ERP shadow map of a lamp
LAMP_REACH = 40.0  # metres; nothing is darker for what lies behind
SUN_EXTENT = 16.0  # metres around the camera that cast shadows outdoors
SUN_COUNT = 112  # texels across the sun's map, a multiple of 16
OVERCAST_BLUR = 9  # texels averaged twice: the penumbra under a grey sky is about 2.5 m wide
OVERCAST_SHARE = 0.55  # of the ambient light that things overhead can take
NEAR_RAD, FAR_RAD = 0.07, 0.224  # how far away neighbours are looked for, 4° and 13°
BLEED = 0.25  # the least lit share of a shadow, taken as dark: hides light that leaks
_PI = float(np.pi)
_DARK = (0.0, 0.0, 0.0)
_OVERHEAD = Light((0.0, 1.0, 0.0), (1.0, 1.0, 1.0), sun=True)


@dataclass(frozen=True)
class Lamps:
    """The n-th lamp of each of B scenes, of no colour where a scene has fewer.

    position: (B, 3) metres, camera frame. colour: (B, 3) linear RGB. moments: (B, 2, h, w + 2) mean
    distance [m] and mean squared distance [m²] around each lamp, an ERP map with one column
    continued on either side.
    """

    position: Tensor
    colour: Tensor
    moments: Tensor


@dataclass(frozen=True)
class Parallel:
    """Light from one direction per scene.

    frame: (B, 3, 3) rows across and down the shadow map, and along the light; camera frame. colour:
    (B, 3) linear RGB. moments: (B, 2, n, n), as in `Lamps`. overcast: (B,) bool, True = no sun: the
    direction is straight down, the colour 0.
    """

    frame: Tensor
    colour: Tensor
    moments: Tensor
    overcast: Tensor


@dataclass(frozen=True)
class Lights:
    """All lights of B scenes with their shadow maps. ambient: (B, 3) linear RGB."""

    lamps: tuple[Lamps, ...]
    sun: Parallel | None
    ambient: Tensor
    indoor: bool


def prepare(primitives: Primitives, scenes: Sequence[Scene]) -> Lights:
    """Cast the shadow maps of a batch of scenes, all indoor or all outdoor."""
    own = [[light for light in s.lights if not light.sun] for s in scenes]
    lamps = tuple(_lamps(primitives, scenes, slot) for slot in zip_longest(*own))
    ambient = _row_per_scene([s.ambient for s in scenes], primitives.centre)
    indoor = scenes[0].indoor
    return Lights(lamps, None if indoor else _parallel(primitives, scenes), ambient, indoor)


def _row_per_scene(rows: object, like: Tensor) -> Tensor:
    """rows: B rows of numbers. Returns (B, ...) float32 on the device of `like`."""
    return torch.tensor(np.array(rows), dtype=torch.float32, device=like.device)


def _in_camera(scene: Scene, light: Light | None) -> Array:
    """A lamp's position, or a sun's direction, in the camera frame."""
    if light is None:
        return np.zeros(3)
    offset = np.zeros(3) if light.sun else scene.camera
    return np.asarray(camera_from_world(scene) @ (np.asarray(light.position) - offset))


def _moments(distance: Tensor) -> Tensor:
    """(B, 2, h, w): distance (B, h, w) [m] and its square."""
    return torch.stack([distance, distance * distance], 1)


def _lamps(p: Primitives, scenes: Sequence[Scene], lights: Sequence[Light | None]) -> Lamps:
    places = [_in_camera(s, m) for s, m in zip(scenes, lights, strict=True)]
    position = _row_per_scene(places, p.centre)
    colour = _row_per_scene([m.colour if m else _DARK for m in lights], p.centre)
    hits = raycast.cast(p.moved(position), raycast.panorama_rays(*LAMP_MAP, str(p.centre.device)))
    distance = raycast.from_tiles(hits.distance, LAMP_MAP, raycast.tile_size(*LAMP_MAP))
    moments = _moments(distance.clamp_max(LAMP_REACH))
    # Averages of 3 x 3 texels, one column more on either side than the map has: lookups at its
    # left and right edges find their neighbours.
    moments = torch.cat([moments[..., -2:], moments, moments[..., :2]], -1)
    moments = F.pad(moments, (0, 0, 1, 1), mode="replicate")
    return Lamps(position, colour, F.avg_pool2d(moments, 3, 1))


def _parallel(p: Primitives, scenes: Sequence[Scene]) -> Parallel:
    """The sun; where there is none, the part of a grey sky's light that comes from above."""
    suns = [next((m for m in s.lights if m.sun), None) for s in scenes]
    frames = []
    for scene, sun in zip(scenes, suns, strict=True):
        along = -_in_camera(scene, sun or _OVERHEAD)
        along /= np.linalg.norm(along)
        right = np.cross(along, [0.36, 0.48, 0.8])  # any axis that is not along the light
        right /= np.linalg.norm(right)
        frames.append(np.stack([right, np.cross(along, right), along]))
    frame = _row_per_scene(frames, p.centre)
    back = frame.transpose(1, 2)
    turned = replace(  # the scenes with the light along z, so that all share one set of rays
        p,
        to_local=p.to_local @ back[:, None],
        centre=p.centre @ back,
        extent=p.extent @ back[:, None],
    )
    toward = torch.tensor([0.0, 0.0, 1.0], device=frame.device)
    hits = raycast.cast(turned, raycast.parallel_rays(toward, SUN_EXTENT, SUN_COUNT))
    distance = raycast.from_tiles(hits.distance, (SUN_COUNT, SUN_COUNT), (16, 16))
    # Rays start 4 extents before the camera; what lies as far behind it shades nothing.
    moments = _moments(distance.clamp_max(8 * SUN_EXTENT) - 4 * SUN_EXTENT)
    down, across = raycast.square_axes(toward)  # rows and columns of the map
    return Parallel(
        frame=torch.stack([across, down, toward]) @ frame,
        colour=_row_per_scene([sun.colour if sun else _DARK for sun in suns], p.centre),
        moments=_blurred(moments, [sun is None for sun in suns]),
        overcast=torch.tensor([sun is None for sun in suns], device=frame.device),
    )


def _blurred(moments: Tensor, overcast: Sequence[bool]) -> Tensor:
    """(B, 2, n, n) moments averaged over a few texels, over many where the sky is grey."""

    def mean(x: Tensor, size: int) -> Tensor:
        return F.avg_pool2d(x, size, 1, size // 2, count_include_pad=False)

    sharp = mean(moments, 3)
    index = torch.tensor(overcast, device=moments.device).nonzero()[:, 0]
    if not len(index):
        return sharp
    # Two boxes are nearly a triangle, the penumbra of a wide sky.
    soft = mean(mean(moments[index], OVERCAST_BLUR), OVERCAST_BLUR)
    return sharp.index_copy(0, index, soft)


def illuminate(lights: Lights, rows: slice, surface: Surface) -> tuple[Tensor, Tensor]:
    """Light on the surfaces of scenes `rows`, b of the B that the lights are of.

    Returns (3, b, R) linear RGB from lamps and sun, and (b, R) in 0..1, how much of the ambient
    light the things overhead leave.
    """
    total = torch.zeros_like(surface.point)
    for lamps in lights.lamps:
        total += lamps.colour[rows].T[:, :, None] * _lamplight(lamps, rows, surface)
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
    cosine = dot(surface.normal, toward).clamp_min(0)
    # Inverse squares, but for the last half metre: lamps are no points.
    light = cosine / (0.4 + far * far)
    light = light + surface.gloss.clamp_max(1.0) * _highlight(surface, toward)
    width = LAMP_MAP[1]
    # Column and row of the map in the lamp's direction, as `grid_sample` counts them, −1..1; one
    # column was added on the left.
    u = (torch.atan2(-toward[0], -toward[2]) / (2 * _PI) + 0.5) * width + 1
    v = torch.asin((-toward[1]).clamp(-1, 1)) * (2 / _PI)
    grid = torch.stack([u * (2 / (width + 2)) - 1, v], -1)[:, None]
    # A surface shades itself by what its own texel spans, which grows with the distance.
    return light * _chebyshev(lamps.moments[rows], grid, far, (0.02 + 0.02 * far) ** 2, BLEED)


def _parallel_light(sun: Parallel, rows: slice, surface: Surface) -> tuple[Tensor, Tensor]:
    """(b, R) share of the light that arrives, and its cosine with the surface."""
    frame = sun.frame[rows].permute(1, 2, 0)[..., None]  # (3, 3, b, 1)
    right, down, along = (dot(axis, surface.point) for axis in frame)
    grid = torch.stack([right, down], -1)[:, None] / SUN_EXTENT
    overcast = sun.overcast[rows].to(along)[:, None]
    floor, bleed = 0.02 + 0.5 * overcast, BLEED * (1 - overcast)
    lit = _chebyshev(sun.moments[rows], grid, along - 0.1, floor, bleed)
    # Beyond the map everything is lit; the last tenth fades to that.
    edge = torch.maximum(right.abs(), down.abs()) / SUN_EXTENT
    lit = torch.lerp(lit, torch.ones_like(lit), ((edge - 0.8) * 5).clamp(0, 1))
    return lit, dot(surface.normal, -frame[2]).clamp_min(0)


def _chebyshev(
    moments: Tensor, grid: Tensor, reach: Tensor, least: Tensor, bleed: Tensor | float
) -> Tensor:
    """Upper bound of the share of a map's texels that lie at `reach` or beyond: the lit share.

    moments: (b, 2, h, w). grid: (b, 1, R, 2) places in the map, −1..1. reach: (b, R) metres. least:
    variance [m²] below which texels count as one distance. bleed: lit share that is taken as dark.
    """
    found = F.grid_sample(moments, grid, padding_mode="border", align_corners=False)
    mean, square = found[:, 0, 0], found[:, 1, 0]
    variance = torch.maximum(square - mean * mean, least)
    behind = (reach - mean).clamp_min(0)
    bound = variance / (variance + behind * behind)
    return ((bound - bleed) / (1 - bleed)).clamp_min(0)


def _highlight(surface: Surface, toward: Tensor) -> Tensor:
    """(b, R) Blinn's highlight of a light in the unit directions `toward` (3, b, R)."""
    middle = toward - surface.point / surface.distance
    return 0.6 * (dot(surface.normal, middle) / _norm(middle)).clamp_min(0) ** 60


def _norm(a: Tensor) -> Tensor:
    """Lengths (...) of vectors (3, ...), at least 1e-6."""
    return dot(a, a).clamp_min(1e-12).sqrt()


def occlusion(point: Tensor, normal: Tensor, pixel_rad: float, *, wrap: bool = True) -> Tensor:
    """Ambient visibility from picture neighbours that rise above a surface: a screen-space stand-in
    for ambient occlusion.

    point: (3, b, H, W) metres, camera frame. normal: (3, b, H, W) unit. pixel_rad: angle between
    pixels. wrap: left and right edges meet, as in a panorama. Returns (b, H, W) in 0.15..1.
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
        squared = dot(away, away) + 1e-4
        # The sine of the angle by which the neighbour rises; a few degrees are rounding.
        rise = dot(away, normal) * torch.rsqrt(squared) - 0.08
        total += rise.clamp_min(0) / (1 + 1.5 * squared)  # what is metres away takes little
    return (1 - (1.6 / len(taps)) * total).clamp(0.15, 1)

"""Mirror images in polished surfaces, looked up in the panorama itself.

The panorama shows what surrounds the camera, not the surface, so the reflected ray is first carried
to where it would meet what the panorama shows. What the camera cannot see is not reflected.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.worlds.render.surfaces import Surface

LEAST_GLOSS = 0.05
STEPS = 2  # corrections of the place that a reflected ray meets
FAR = 60.0  # metres; stands for the sky


def reflections(radiance: Tensor, seen: Surface) -> Tensor:
    """Radiance with the mirror images of glossy surfaces added.

    radiance: (3, b, H, W) linear RGB of panoramas, changed in place. seen: their surfaces. Returns
    (3, b, H, W).
    """
    height, width = radiance.shape[-2:]
    scene, pixel = ((seen.gloss > LEAST_GLOSS) & seen.hit).nonzero(as_tuple=True)
    if not len(scene):
        return radiance
    point, normal = seen.point[:, scene, pixel], seen.normal[:, scene, pixel]
    view = point / seen.distance[scene, pixel]
    facing = -(view * normal).sum(0)
    mirrored = view + 2 * facing * normal
    gloss = seen.gloss[scene, pixel]
    # Schlick's law: 5 % head-on, everything at grazing angles.
    share = (gloss * (0.05 + 0.95 * (1 - facing).clamp(0, 1) ** 4)).clamp_max(1.0)
    reach = torch.where(seen.hit, seen.distance, FAR).flatten()
    start = scene * (height * width)
    # A guess of what the mirrored ray meets, 2 m off, is corrected by what the panorama knows in
    # its direction: the ray is as long as the way from the mirror to what is seen there.
    # Head-on, that is the mirror still: what a mirror shows lies behind the camera.
    guess = torch.where(gloss > 1.0, 2.0 * seen.distance[scene, pixel], 2.0)
    there = point + guess * mirrored
    for _ in range(STEPS):
        length = (there * there).sum(0).sqrt().clamp_min(1e-6)
        column, row = _pixel(there / length, height, width)
        known = reach[start + row.to(torch.int64) * width + column.to(torch.int64)]
        meets = there / length * known
        there = point + (meets - point).square().sum(0).sqrt().clamp_min(0.05) * mirrored
    length = (there * there).sum(0).sqrt().clamp_min(1e-6)
    column, row = _pixel(there / length, height, width)
    image = _lookup(radiance, scene, column, row)
    out = radiance.flatten(2)
    # A lamp is far brighter than white; its image in a floor must not drown the picture.
    out[:, scene, pixel] += share * image.clamp_max(8.0)
    return out.view_as(radiance)


def _pixel(ray: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Continuous column and row (M,), below width and height, of unit rays (3, M)."""
    u = (torch.atan2(ray[0], ray[2]) / (2 * math.pi) + 0.5) * width
    v = (torch.asin(ray[1].clamp(-1, 1)) / math.pi + 0.5) * height
    return u.clamp(0, width - 1e-2), v.clamp(0, height - 1e-2)


def _lookup(radiance: Tensor, scene: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Colours of panoramas at places in them.

    radiance: (3, b, H, W). scene: (M,) which panorama. column, row: (M,) pixels. Returns (3, M).
    """
    # Halved, hence a little rough, and stacked into one picture: one lookup for all scenes.
    small = F.avg_pool2d(radiance.transpose(0, 1), 2, ceil_mode=True)
    count, _, height, width = small.shape
    small = torch.cat([small[..., -1:], small, small[..., :1]], -1)
    tall = small.transpose(0, 1).reshape(1, 3, count * height, width + 2)
    x = column / 2 + 1
    y = (row / 2).clamp(0.5, height - 0.5) + scene * height  # never between two panoramas
    grid = torch.stack([x * (2 / (width + 2)) - 1, y * (2 / (count * height)) - 1], -1)
    found = F.grid_sample(tall, grid[None, None], padding_mode="border", align_corners=False)
    return found[0, :, 0]

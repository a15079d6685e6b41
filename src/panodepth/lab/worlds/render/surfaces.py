"""What every pixel sees: place, normal and material of the surface it hits.

Coordinates come first, (3, b, R): arithmetic on whole planes of pixels is several times as fast as
on triples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panodepth.lab.worlds.looks import textures
from panodepth.lab.worlds.looks.patterns import SIZE
from panodepth.lab.worlds.render.primitives import Primitives
from panodepth.lab.worlds.render.shapes import local_normals, texture_coordinates

GRIME_REPEAT = 7.0  # metres
GRIME_STRENGTH = 0.45
_SLANT = 0.15  # least cosine for which a pixel's footprint is stretched


@dataclass(frozen=True)
class Surface:
    """What a batch of pixels sees; b scenes, R pixels each. Where nothing is hit: a point 1 m away.

    point: (3, b, R) metres, camera frame. normal: (3, b, R) unit, facing the camera. albedo:
    (3, b, R) linear RGB. emission, gloss, distance: (b, R). label: (b, R) int64. hit: (b, R) bool.
    """

    point: Tensor
    normal: Tensor
    albedo: Tensor
    emission: Tensor
    gloss: Tensor
    label: Tensor
    hit: Tensor
    distance: Tensor


@dataclass(frozen=True)
class SurfaceTable:
    """The primitives of a batch with one row per number: values (K, B·N), kind and label (B·N,)."""

    values: Tensor
    kind: Tensor
    label: Tensor
    shape: Tensor
    count: int


def surface_table(p: Primitives) -> SurfaceTable:
    """Lay out what `surfaces` looks up."""
    parts = (
        p.to_local.flatten(2),
        p.centre,
        p.half,
        p.uv,
        p.tint,
        p.surface,
        p.taper[..., None],
        p.texture[..., None].float(),
    )
    values = torch.cat(parts, -1).flatten(0, 1).T.contiguous()
    count = p.kind.shape[1]
    return SurfaceTable(values, p.kind.flatten(), p.label.flatten(), p.shape.flatten(0, 1), count)


def surfaces(
    table: SurfaceTable,
    hits: tuple[Tensor, Tensor],
    first: int,
    rays: Tensor,
    pixel_rad: float,
) -> Surface:
    """Geometry and material at the first hits of scenes first .. first + b − 1.

    hits: distance and primitive, (b, R). rays: (3, R) unit directions. pixel_rad: angle between
    neighbouring pixels.
    """
    distance, index = hits
    batch = len(distance)
    hit = torch.isfinite(distance)
    reach = torch.where(hit, distance, 1.0)
    start = torch.arange(first, first + batch, device=index.device)[:, None] * table.count
    place = (index + start).flatten()
    of = table.values.index_select(1, place).view(-1, *index.shape)
    kind = table.kind.index_select(0, place)
    matrix, centre, half, uv, tint = of[:9], of[9:12], of[12:15], of[15:19], of[19:22]
    emission, gloss, taper, texture = of[22:]
    point = rays[:, None] * reach
    away = point - centre
    local = torch.stack(
        [
            matrix[3 * i] * away[0] + matrix[3 * i + 1] * away[1] + matrix[3 * i + 2] * away[2]
            for i in range(3)
        ]
    )
    flat, size = local.flatten(1), half.flatten(1)
    outward = local_normals(kind, flat, size, taper.flatten(), (table.shape, place))
    axes = texture_coordinates(kind, flat * size, outward / size).view(2, *index.shape)
    outward = outward.view_as(local)
    normal = torch.stack(
        [
            matrix[i] * outward[0] + matrix[3 + i] * outward[1] + matrix[6 + i] * outward[2]
            for i in range(3)
        ]
    )
    length = (normal * normal).sum(0).clamp_min(1e-20).rsqrt()
    facing = (normal[0] * rays[0] + normal[1] * rays[1] + normal[2] * rays[2]) * length
    normal = normal * torch.where(facing > 0, -length, length)
    u, v = axes[0] / uv[0] + uv[2], axes[1] / uv[1] + uv[3]
    footprint = reach * pixel_rad / facing.abs().clamp_min(_SLANT)
    texels = footprint * SIZE / torch.minimum(uv[0], uv[1])
    flat_inputs = (x.reshape(-1) for x in (texture, u, v, texels))
    albedo = textures.sample(*flat_inputs).view_as(point) * tint
    albedo = albedo * _unevenness(axes, uv, texture, footprint)
    return Surface(
        point=point,
        normal=normal,
        albedo=albedo,
        emission=emission,
        gloss=gloss,
        label=table.label.index_select(0, place).view_as(index),
        hit=hit,
        distance=reach,
    )


def _unevenness(axes: Tensor, uv: Tensor, texture: Tensor, footprint: Tensor) -> Tensor:
    """(b, R) factors near 1: stains and shades that are larger than a texture's repeat."""
    number = textures.GROUPS["grime"].start + torch.remainder(texture, textures.GRIMES)
    u = axes[0] / GRIME_REPEAT + 0.37 * texture + uv[2]
    v = axes[1] / GRIME_REPEAT + 0.61 * texture + uv[3]
    texels = footprint * (SIZE / GRIME_REPEAT)
    value = textures.sample(*(x.reshape(-1) for x in (number, u, v, texels)))[0]
    return 1 + GRIME_STRENGTH * (value.view_as(footprint) - 0.5)

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


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products (...) of vectors (3, ...)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


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
    """The B·N primitives of a batch as columns, to be looked up by number.

    values: (26, B·N), what `surfaces` takes apart. kind, label: (B·N,). shape: (B·N, NUMBERS).
    """

    values: Tensor
    kind: Tensor
    label: Tensor
    shape: Tensor


def surface_table(p: Primitives) -> SurfaceTable:
    """Lay out what `surfaces` looks up."""
    parts = (p.to_local.flatten(2), p.centre, p.half, p.look, p.taper[..., None])
    values = torch.cat(parts, -1).flatten(0, 1).T.contiguous()
    return SurfaceTable(values, p.kind.flatten(), p.label.flatten(), p.shape.flatten(0, 1))


def surfaces(
    table: SurfaceTable, distance: Tensor, place: Tensor, rays: Tensor, pixel_rad: float
) -> Surface:
    """Geometry and material where rays end.

    distance: (b, R) metres along the rays, inf = nothing hit. place: (b, R) int64 columns of the
    table. rays: (3, R) unit directions. pixel_rad: angle between neighbouring pixels.
    """
    hit = torch.isfinite(distance)
    reach = torch.where(hit, distance, 1.0)
    flat_place = place.flatten()
    of = table.values.index_select(1, flat_place).view(-1, *place.shape)
    kind = table.kind.index_select(0, flat_place)
    matrix, centre, half, uv, tint = of[:9], of[9:12], of[12:15], of[15:19], of[19:22]
    emission, gloss, texture, taper = of[22:]
    point = rays[:, None] * reach
    away = point - centre
    local = torch.stack([dot(row, away) for row in matrix.view(3, 3, *place.shape)])
    flat, size = local.flatten(1), half.flatten(1)
    outward = local_normals(kind, flat, size, taper.flatten(), (table.shape, flat_place))
    axes = texture_coordinates(kind, flat * size, outward / size).view(2, *place.shape)
    outward = outward.view_as(local)
    # Normals are covectors: the transposed matrix takes them back, lengths are lost on the way.
    normal = torch.stack([dot(matrix[i::3], outward) for i in range(3)])
    length = (normal * normal).sum(0).clamp_min(1e-20).rsqrt()
    facing = dot(normal, rays) * length
    normal = normal * torch.where(facing > 0, -length, length)
    # A pixel covers more of a surface that it looks at askance, so a coarser mip level is right.
    footprint = reach * pixel_rad / facing.abs().clamp_min(_SLANT)
    texels = footprint * SIZE / torch.minimum(uv[0], uv[1])
    u, v = axes[0] / uv[0] + uv[2], axes[1] / uv[1] + uv[3]
    albedo = textures.sample(texture, u, v, texels) * tint
    albedo = albedo * _unevenness(axes, uv, texture, footprint)
    label = table.label.index_select(0, flat_place).view_as(place)
    return Surface(point, normal, albedo, emission, gloss, label, hit, reach)


def _unevenness(axes: Tensor, uv: Tensor, texture: Tensor, footprint: Tensor) -> Tensor:
    """Factors near 1: stains and shades that are larger than a texture's repeat.

    axes: (2, b, R) texture coordinates [m]. uv: (4, b, R), its shift last. texture: (b, R) index.
    footprint: (b, R) metres of a pixel. Returns (b, R).
    """
    number = textures.GROUPS["grime"].start + torch.remainder(texture, textures.GRIMES)
    # Shifts by texture and object, else all things that meet would share their stains.
    u = axes[0] / GRIME_REPEAT + 0.37 * texture + uv[2]
    v = axes[1] / GRIME_REPEAT + 0.61 * texture + uv[3]
    value = textures.sample(number, u, v, footprint * (SIZE / GRIME_REPEAT))[0]
    return 1 + GRIME_STRENGTH * (value - 0.5)

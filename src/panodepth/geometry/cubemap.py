"""ERP <-> cubemap: six square faces of 90°, in the order of CUBE_FACES.

front, right, back, left look along +z, +x, -z, -x with y down, as in a panorama read from left to
right. up is the camera pitched up from front (its bottom edge touches front's top edge), down is
pitched down (its top edge touches front's bottom edge). Face pixels follow the one rule: centres
at + 0.5, so the first is at (1 / s - 1, 1 / s - 1) in the face's [-1, 1] square.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from panodepth.geometry.arrays import Array, library, like
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import pixel_centres
from panodepth.geometry.lenses.cube import CUBE_FACES, face_to_world
from panodepth.geometry.sampling import (
    TAPS_BEYOND_EDGE,
    SampleMode,
    check_interpolation,
    sample_erp,
    sample_image,
)


def cube_rays(face_size: int, *, pad: int = 0, **options: Any) -> Array:
    """Rays through the pixels of the six faces, of length 1 at face centres: (6, n, n, 3).

    pad: pixels by which every face plane is continued beyond its border; n = face_size + 2 pad.
    options: dtype and device, as for `pixel_centres`. The rays end on the cube of half-width 1, so
    their length is distance / z-depth of the face.
    """
    padded = face_size + 2 * pad
    centres = pixel_centres((padded, padded), offset=(-pad, -pad), **options)
    side = centres * (2 / face_size) - 1
    xp = library(side)
    plane = xp.stack((side[..., 0], side[..., 1], xp.ones_like(side[..., 0])), axis=-1)
    return xp.stack([face_to_world(face, plane) for face in CUBE_FACES])


def erp_to_cubemap(image: Tensor, face_size: int, *, mode: SampleMode = "bilinear") -> Tensor:
    """(..., C, H, W) panorama to (..., 6, C, s, s) faces. Distances stay distances."""
    rays = cube_rays(face_size, **like(image))
    return sample_erp(image[..., None, :, :, :], rays, mode)


def cubemap_to_erp(
    faces: Tensor, size: tuple[int, int], *, mode: SampleMode = "bilinear"
) -> Tensor:
    """(..., 6, C, s, s) faces to a (..., C, H, W) panorama of size (H, W)."""
    return sample_cubemap(faces, erp_rays(*size, **like(faces)), mode)


def sample_cubemap(faces: Tensor, rays: Tensor, mode: SampleMode = "bilinear") -> Tensor:
    """Values of a cubemap along rays, smooth across the cube's edges: (..., C, h, w).

    faces: (..., 6, C, s, s); any dtype for "nearest", floating for the rest.
    rays: (..., h, w, 3) of any length > 0; leading axes of both broadcast.
    """
    check_interpolation(faces, mode)
    pad = TAPS_BEYOND_EDGE[mode]
    return _lookup(_pad_faces(faces, pad) if pad else faces, rays, mode, pad)


def _pad_faces(faces: Tensor, pad: int) -> Tensor:
    """Continue every face plane by `pad` pixels read from its neighbours: (..., 6, C, n, n)."""
    face_size = faces.shape[-1]
    rays = cube_rays(face_size, pad=pad, **like(faces))
    around = _lookup(faces[..., None, :, :, :, :], rays, "bilinear", 0)
    # A face keeps its own pixels to the last bit; only the padding is interpolated.
    own = torch.ones(face_size, face_size, dtype=torch.bool, device=faces.device)
    border = [pad] * 4
    padded = functional.pad(faces.flatten(0, -4), border).reshape(around.shape)
    return torch.where(functional.pad(own, border), padded, around)


def _lookup(faces: Tensor, rays: Tensor, mode: SampleMode, pad: int) -> Tensor:
    """`sample_cubemap` of faces (..., 6, C, n, n) that carry `pad` extra pixels on every side."""
    padded_size = faces.shape[-1]
    face_size = padded_size - 2 * pad
    face, right, down = _face_coordinates(rays)
    # Clamped where taps would leave the padding: they never reach into the next face.
    inner = (0.5 - pad, face_size - 0.5 + pad)
    u = ((right + 1) * (face_size / 2)).clamp(*inner) + pad
    v = ((down + 1) * (face_size / 2)).clamp(*inner) + pad
    # The six faces as one tall image, so that one sampling serves all rays.
    column_of_faces = faces.movedim(-4, -3).flatten(-3, -2)
    return sample_image(column_of_faces, torch.stack((u, v + face * padded_size), dim=-1), mode)


def _face_coordinates(rays: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index of the face that a ray (..., 3) hits and the place there, right and down in [-1, 1]."""
    # The face is that of the longest component, the place the other two divided by it.
    x, y, z = rays.unbind(-1)
    along_x, along_y, along_z = x.abs(), y.abs(), z.abs()
    reach = torch.maximum(torch.maximum(along_x, along_y), along_z)
    polar = along_y > torch.maximum(along_x, along_z)
    lateral = along_x > along_z
    side = torch.where(lateral, torch.where(x > 0, 1, 3), torch.where(z > 0, 0, 2))
    face = torch.where(polar, torch.where(y < 0, 4, 5), side)
    right = torch.where(polar, x, torch.where(lateral, -z * x.sign(), x * z.sign()))
    down = torch.where(polar, -z * y.sign(), y)
    return face, right / reach, down / reach

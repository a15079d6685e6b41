"""Cubemaps: order and orientation of the faces, no seam along the cube's edges."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panodepth.geometry.cubemap import cube_rays, cubemap_to_erp, erp_to_cubemap, sample_cubemap
from panodepth.geometry.lens import ERP, Pinhole, View
from panodepth.geometry.lenses.cube import CUBE_FACES, CubeFace
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll

properties = settings(deadline=None, max_examples=25, derandomize=True)
QUARTER = math.pi / 2
FACE_ANGLES = {  # yaw, pitch
    "front": (0.0, 0.0),
    "right": (QUARTER, 0.0),
    "back": (2 * QUARTER, 0.0),
    "left": (-QUARTER, 0.0),
    "up": (0.0, QUARTER),
    "down": (0.0, -QUARTER),
}


def test_faces_are_right_angled_views_in_the_documented_order() -> None:
    image = torch.rand(3, 16, 32, generator=torch.Generator().manual_seed(0))
    faces = erp_to_cubemap(image, 8)
    assert faces.shape == (6, 3, 8, 8)
    for face, name in zip(faces, CUBE_FACES, strict=True):
        r = rotation_from_yaw_pitch_roll(*FACE_ANGLES[name])
        turned = View(Pinhole.from_fov(QUARTER, (8, 8)), (8, 8), r)
        for view in (turned, View(CubeFace(name), (8, 8))):
            torch.testing.assert_close(face, resample(image, ERP(), view)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [128, 256])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_accuracy_there_and_back(
    side: int, mode: str, ray_image: Tensor, error_px: Callable[..., Tensor]
) -> None:
    faces = erp_to_cubemap(ray_image, side, mode=mode)
    there = error_px(faces.movedim(-3, -1), cube_rays(side, dtype=torch.float32), 1024)
    back = error_px(
        cubemap_to_erp(faces, (512, 1024), mode=mode).movedim(0, -1),
        ray_image.movedim(0, -1),
        1024,
    )
    assert there.mean() < 0.001
    assert back.mean() < 0.005
    assert back.max() < 0.05  # no seam: the worst pixels lie along the cube's edges


def test_rays_end_on_the_cube() -> None:
    """Their length turns a face's z-depth into distance; padding continues the planes."""
    rays = cube_rays(4, dtype=torch.float32)
    torch.testing.assert_close(rays.abs().amax(-1), torch.ones(6, 4, 4))
    padded = cube_rays(4, pad=2, dtype=torch.float32)
    assert padded.shape == (6, 8, 8, 3)
    assert torch.equal(padded[:, 2:-2, 2:-2], rays)


@properties
@given(st.integers(0, 2**32 - 1), st.floats(-3.1, 3.1), st.sampled_from([-1.0, 1.0]))
def test_continuous_over_the_edges(seed: int, lon: float, pole: float) -> None:
    """A smooth cubemap has no step along the edges of its upper and lower faces, corners included.

    (Clamping every face at its own border would make steps of up to 0.04 here.)
    """
    slope = torch.rand(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    rays = cube_rays(32, dtype=torch.float64)
    faces = ((rays / rays.norm(dim=-1, keepdim=True)) @ slope).movedim(-1, -3)
    x, z = math.sin(lon), math.cos(lon)
    side = max(abs(x), abs(z))
    steps = [[x / side, pole * step, z / side] for step in (1 - 1e-9, 1 + 1e-9)]
    across = torch.tensor(steps, dtype=torch.float64)
    values = sample_cubemap(faces, across[:, None])
    assert (values[:, 0] - values[:, 1]).abs().max() < 0.01


@properties
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_nearest_face_pixels_come_back(seed: int, side: int) -> None:
    labels = torch.randint(
        0, 99, (2, 6, 1, side, side), generator=torch.Generator().manual_seed(seed)
    )
    rays = cube_rays(side, dtype=torch.float32).reshape(1, -1, 3)
    seen = sample_cubemap(labels, rays, "nearest")
    assert torch.equal(seen.reshape(2, -1), labels.reshape(2, -1))


def test_batches_and_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    faces = torch.rand(2, 6, 1, 3, 3, dtype=torch.float64, generator=generator)
    both = cubemap_to_erp(faces, (4, 8))
    torch.testing.assert_close(both[1], cubemap_to_erp(faces[1], (4, 8)))
    assert torch.autograd.gradcheck(lambda f: cubemap_to_erp(f, (4, 8)), faces.requires_grad_())
    with pytest.raises(ValueError, match="use nearest"):
        cubemap_to_erp(torch.zeros(6, 1, 3, 3, dtype=torch.bool), (4, 8))

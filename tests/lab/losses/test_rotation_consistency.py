"""The prediction of a rotated panorama against that of the original."""

import pytest
import torch
from tests.drawn import drawn

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.rotation import random_rotation, rotate_vectors
from panodepth.lab.losses import rotation_consistency

from .conftest import H, W


def bumpy(rays):
    """A smooth log distance as a function on the sphere: (..., 3) to (...)."""
    x, y, z = rays.unbind(-1)
    return 0.4 * x - 0.3 * y * z + 0.5 * (2.0 * z + 1.0 * x).sin()


class TestRotationConsistency:
    """The prediction of a rotated panorama against that of the original."""

    @drawn(15, seed=(0, 10_000), offset=(-3.0, 3))
    def test_zero_for_what_turns_with_the_panorama(self, seed, offset):
        """Up to interpolation (second order in the pixel), for any rotation and any scale."""
        rotation = random_rotation(2, torch.Generator().manual_seed(seed))
        rays = erp_rays(64, 128, dtype=torch.float32)
        original = bumpy(rays).expand(2, 64, 128)
        rotated = bumpy(rotate_vectors(rotation, rays)) + offset
        mask = torch.ones(2, 64, 128, dtype=torch.bool)
        value = rotation_consistency(original, rotated, rotation, mask)
        assert value.max() < 1e-3

    @drawn(10, seed=(0, 10_000))
    def test_positive_for_what_does_not(self, seed):
        """A prediction that stays where it is when the panorama turns."""
        rotation = random_rotation(1, torch.Generator().manual_seed(seed))
        angle = torch.acos(((rotation.diagonal(dim1=-2, dim2=-1).sum() - 1) / 2).clamp(-1, 1))
        original = bumpy(erp_rays(64, 128, dtype=torch.float32))[None]
        mask = torch.ones(1, 64, 128, dtype=torch.bool)
        value = rotation_consistency(original, original, rotation, mask)
        assert value.item() > 0.02 * min(1.0, angle.item())

    def test_by_hand_for_half_a_turn(self):
        """Left half 0, right half 1, and the same again after half a turn: all is off by 1, and
        by 1 the other way; the median (the lower middle) is -1, so the halves cost 0 and 2."""
        original = torch.zeros(1, H, W)
        original[..., W // 2 :] = 1.0
        half_turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))[None]
        mask = torch.ones(1, H, W, dtype=torch.bool)
        value = rotation_consistency(original, original, half_turn, mask)
        assert value.item() == pytest.approx(1.0, abs=1e-3)

    def test_only_masked_pixels_pull_and_only_on_the_rotated_view(self):
        g = torch.Generator().manual_seed(2)
        rotation = random_rotation(1, g)
        original = torch.randn(1, H, W, generator=g, requires_grad=True)
        rotated = torch.randn(1, H, W, generator=g, requires_grad=True)
        mask = torch.zeros(1, H, W, dtype=torch.bool)
        mask[:, 8:20, 10:30] = True
        rotation_consistency(original, rotated, rotation, mask).sum().backward()
        assert original.grad is None, "the upright prediction teaches and is not taught"
        # where the masked pixels lie in the rotated view, one pixel more for the interpolation
        seen = rotate_erp(mask[:, None].float(), rotation, mode="bilinear")[:, 0]
        near = torch.nn.functional.max_pool2d(
            torch.nn.functional.pad(seen[:, None], (3, 3, 3, 3), mode="circular"), 7, 1
        )[:, 0]
        assert rotated.grad[near > 0].abs().sum() > 0
        poles = torch.zeros(H, dtype=torch.bool)
        poles[:3] = poles[-3:] = True
        assert not rotated.grad[(near == 0) & ~poles[None, :, None]].any()

    def test_an_empty_mask_costs_nothing(self):
        g = torch.Generator().manual_seed(0)
        rotated = torch.randn(1, H, W, generator=g, requires_grad=True)
        mask = torch.zeros(1, H, W, dtype=torch.bool)
        value = rotation_consistency(torch.zeros(1, H, W), rotated, random_rotation(1, g), mask)
        value.sum().backward()
        assert value.item() == 0.0
        assert not rotated.grad.any()

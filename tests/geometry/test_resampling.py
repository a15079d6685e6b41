"""From one lens to another: E2P, P2E, and exactly what a view covers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panodepth.geometry.grid import erp_rays, solid_angles
from panodepth.geometry.lens import ERP, Pinhole, View
from panodepth.geometry.lenses.fisheyes import EquidistantFisheye
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import random_rotation, rotation_from_yaw_pitch_roll

properties = settings(deadline=None, max_examples=25, derandomize=True)
fovs = st.floats(0.2, 2.8)
seeds = st.integers(0, 2**32 - 1)
VIEWS = [(90.0, 256, (0.0, 0.0, 0.0)), (70.0, 512, (3.0, 0.2, 0.1)), (120.0, 384, (1.0, 1.4, 0.3))]


def panorama(size: tuple[int, int], rotation: Tensor | None) -> View:
    """A panorama that a camera turned by `rotation` is laid onto."""
    return View(ERP(), size, None if rotation is None else rotation.mT)


@pytest.mark.parametrize(("fov_deg", "side", "angles"), VIEWS)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_accuracy_of_both_projections(
    fov_deg: float,
    side: int,
    angles: tuple[float, float, float],
    mode: str,
    ray_image: Tensor,
    error_px: Callable[..., Tensor],
) -> None:
    """The bound is 0.05 panorama pixels in the mean; the third view contains a pole."""
    lens = Pinhole.from_fov(math.radians(fov_deg), (side, side))
    r = rotation_from_yaw_pitch_roll(*torch.tensor(angles))
    view = View(lens, (side, side), r)
    seen, _ = resample(ray_image, ERP(), view, mode=mode)  # type: ignore[arg-type]
    there = error_px(seen.movedim(0, -1), view.rays(dtype=torch.float32), 1024)
    back, coverage = resample(seen, lens, panorama((512, 1024), r), mode=mode)  # type: ignore[arg-type]
    again = error_px(back.movedim(0, -1), ray_image.movedim(0, -1), 1024)[coverage]
    assert there.mean() < 0.001
    assert there.max() < 0.005
    assert again.mean() < 0.005
    assert again.max() < 0.5  # half a view pixel at its outermost border, where taps are clamped
    assert (back[:, ~coverage] == 0).all()


@properties
@given(fovs, seeds)
def test_coverage_is_the_pyramid_of_the_view(fov: float, seed: int) -> None:
    """A ray is inside iff it lies on the inner side of the pyramid's four planes."""
    height, width = 24, 48
    lens = Pinhole.from_fov(fov, (6, 10))
    r = random_rotation(1, torch.Generator().manual_seed(seed), dtype=torch.float64)[0]
    picture = torch.ones(1, 6, 10, dtype=torch.float64)
    image, coverage = resample(picture, lens, panorama((height, width), r))
    rays = erp_rays(height, width, dtype=np.float64) @ r.numpy()  # = R^T ray
    tan_x = math.tan(fov / 2)
    tan_y = tan_x * 6 / 10
    inside = (np.abs(rays[..., 0]) <= tan_x * rays[..., 2]) & (
        np.abs(rays[..., 1]) <= tan_y * rays[..., 2]
    )
    np.testing.assert_array_equal(coverage.numpy(), inside)
    torch.testing.assert_close(image[0], coverage.double())


@pytest.mark.parametrize("pitch", [0.0, 0.6, 1.5])
def test_a_square_right_angled_view_covers_a_sixth_of_the_sphere(pitch: float) -> None:
    lens = Pinhole.from_fov(math.pi / 2, (8, 8))
    turn = rotation_from_yaw_pitch_roll(0.3, pitch, 0.2)
    _, coverage = resample(np.zeros((1, 8, 8)), lens, View(ERP(), (256, 512), turn.T))
    area = (coverage * solid_angles(256, 512)).sum()
    assert area == pytest.approx(4 * math.pi / 6, rel=0.005)


def test_supersampling_averages_what_one_ray_aliases() -> None:
    """A fine checkerboard is grey; single rays at coarse pixels see black and white."""
    board = (torch.arange(256)[:, None] + torch.arange(256)).remainder(2).float()[None]
    lens = Pinhole.from_fov(math.pi / 2, (256, 256))
    single, coverage = resample(board, lens, View(ERP(), (64, 128)))
    smooth, same = resample(board, lens, View(ERP(), (64, 128)), supersample=8)
    assert torch.equal(coverage, same)
    assert single[0][coverage].std() > 0.15
    assert smooth[0][coverage].std() < 0.05
    assert smooth[0][coverage].mean() == pytest.approx(0.5, abs=0.01)
    fine = (torch.arange(512)[:, None] + torch.arange(1024)).remainder(2).float()[None]
    coarse = View(Pinhole.from_fov(math.pi / 2, (32, 32)), (32, 32))
    assert resample(fine, ERP(), coarse)[0].std() > 0.15
    assert resample(fine, ERP(), coarse, supersample=8)[0].std() < 0.05


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_what_a_lens_does_not_see_is_not_mixed_in(supersample: int) -> None:
    """Outside a fisheye's circle there is nothing; a white panorama gives a white circle."""
    lens = EquidistantFisheye.from_fov(math.pi, (31, 31))
    white = torch.ones(1, 16, 32)
    seen, valid = resample(white, ERP(), View(lens, (31, 31)), supersample=supersample)
    torch.testing.assert_close(seen[0], valid.float())
    assert 0.7 < valid.float().mean() < 0.8
    back, covered = resample(seen, lens, View(ERP(), (16, 32)), supersample=supersample)
    assert covered.float().mean() == pytest.approx(0.5)
    assert back[0][covered].min() > 0.4  # at the circle's very edge a tap falls outside


def test_distances_are_never_mixed() -> None:
    distance = torch.where(torch.arange(32) < 16, 1.0, 50.0).expand(1, 32, 32)
    lens = Pinhole.from_fov(1.2, (32, 32))
    view = View(ERP(), (64, 128), rotation_from_yaw_pitch_roll(0.4, 0.3, 0.2).T)
    image, coverage = resample(distance, lens, view, mode="nearest")
    assert set(image[0][coverage].tolist()) == {1.0, 50.0}
    assert coverage.dtype == torch.bool
    with pytest.raises(ValueError, match="supersample"):
        resample(distance, lens, view, mode="nearest", supersample=2)
    with pytest.raises(ValueError, match="supersample"):
        resample(distance, lens, view, supersample=0)


def test_batches_equal_single_views() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 32, 64, generator=generator)
    fov = torch.tensor([1.0, 2.0])
    r = random_rotation(2, generator)
    lens = Pinhole.from_fov(fov, (9, 12))
    views, _ = resample(images, ERP(), View(lens, (9, 12), r))
    back, coverage = resample(views, lens, panorama((16, 32), r))
    for i in range(2):
        own = Pinhole.from_fov(fov[i], (9, 12))
        view, _ = resample(images[i], ERP(), View(own, (9, 12), r[i]))
        torch.testing.assert_close(views[i], view)
        single, seen = resample(view, own, panorama((16, 32), r[i]))
        torch.testing.assert_close(back[i], single)
        assert torch.equal(coverage[i], seen)


def test_gradients_reach_image_and_camera() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 6, 12, dtype=torch.float64, generator=generator).requires_grad_()
    fov = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    yaw = torch.tensor(0.21, dtype=torch.float64, requires_grad=True)

    def there_and_back(image: Tensor, fov: Tensor, yaw: Tensor) -> Tensor:
        lens = Pinhole.from_fov(fov, (3, 4))
        r = rotation_from_yaw_pitch_roll(yaw)
        picture, _ = resample(image, ERP(), View(lens, (3, 4), r))
        return resample(picture, lens, panorama((6, 12), r))[0]

    assert torch.autograd.gradcheck(there_and_back, (image, fov, yaw))

"""Padding and sampling: no seam, no hole at the poles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panodepth.geometry.coordinates import lonlat_to_rays, pixels_to_rays
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.sampling import sample_erp, sample_image
from panodepth.geometry.seam import pad_erp

properties = settings(deadline=None, max_examples=40, derandomize=True)
modes = st.sampled_from(["bilinear", "nearest", "bicubic"])
seeds = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, dtype=torch.float64, generator=generator)


def clear_pad(x: Tensor, rows: int, columns: int) -> Tensor:
    """Pixel by pixel: walk over the poles along the great circle, then round the parallel."""
    height, width = x.shape[-2:]
    padded = x.new_empty(*x.shape[:-2], height + 2 * rows, width + 2 * columns)
    for i in range(-rows, height + rows):
        for j in range(-columns, width + columns):
            row, crossings = i, 0
            while not 0 <= row < height:
                row = -1 - row if row < 0 else 2 * height - 1 - row
                crossings += 1
            column = (j + (width // 2 if crossings % 2 else 0)) % width
            padded[..., i + rows, j + columns] = x[..., row, column]
    return padded


@properties
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 14), st.integers(0, 14), seeds)
def test_padding_walks_over_the_poles(h: int, half: int, rows: int, cols: int, seed: int) -> None:
    x = noise(seed, 2, h, 2 * half)
    assert torch.equal(pad_erp(x, (rows, cols)), clear_pad(x, rows, cols))


def test_padding_continues_the_rays_smoothly() -> None:
    """The padded ray image is the ray formula itself beyond the borders, for odd widths too."""
    for height, width, atol in ((32, 64, 1e-12), (33, 67, 2e-3)):
        rays = erp_rays(height, width, dtype=torch.float64).movedim(-1, 0)
        v, u = torch.meshgrid(
            torch.arange(-3, height + 3).double() + 0.5,
            torch.arange(-3, width + 3).double() + 0.5,
            indexing="ij",
        )
        expected = pixels_to_rays(torch.stack((u, v), -1), height, width).movedim(-1, 0)
        torch.testing.assert_close(pad_erp(rays, 3), expected, atol=atol, rtol=0)


def test_padding_of_masks_and_bad_padding() -> None:
    mask = torch.tensor([[True, False, False], [False, False, False]])
    assert pad_erp(mask, (1, 0)).dtype == torch.bool
    with pytest.raises(ValueError, match="negative"):
        pad_erp(mask, -1)


@properties
@given(modes, st.integers(0, 30), st.integers(3, 9), st.integers(4, 16), seeds)
def test_rolling_the_panorama_rolls_what_is_seen(
    mode: str, shift: int, h: int, w: int, seed: int
) -> None:
    image = noise(seed, 2, h, w)
    uv = noise(seed + 1, 5, 6, 2) * torch.tensor([w, h])
    turned = uv + torch.tensor([shift, 0])
    plain = sample_erp(image, pixels_to_rays(uv, h, w), mode)
    rolled = sample_erp(image.roll(shift, -1), pixels_to_rays(turned, h, w), mode)
    torch.testing.assert_close(rolled, plain, atol=1e-9, rtol=0)


@properties
@given(st.sampled_from(["bilinear", "bicubic"]), st.floats(-3, 3), seeds)
def test_crossing_a_pole_or_the_seam_is_continuous(mode: str, lon: float, seed: int) -> None:
    image = noise(seed, 2, 6, 12)
    step = 1e-7
    before = torch.tensor([[[lon, math.pi / 2 - step], [math.pi - step, lon / 2]]]).double()
    after = torch.tensor([[[lon + math.pi, math.pi / 2 - step], [step - math.pi, lon / 2]]])
    near = sample_erp(image, lonlat_to_rays(before), mode)
    far = sample_erp(image, lonlat_to_rays(after.double()), mode)
    torch.testing.assert_close(near, far, atol=1e-5, rtol=0)


@properties
@given(modes, st.integers(2, 9), st.integers(4, 16), seeds)
def test_pixel_centres_give_the_image_back(mode: str, h: int, w: int, seed: int) -> None:
    image = noise(seed, 2, h, w)
    rays = erp_rays(h, w, dtype=torch.float64)
    torch.testing.assert_close(sample_erp(image, rays, mode), image, atol=1e-9, rtol=0)


@properties
@given(modes, seeds)
def test_leading_axes_broadcast(mode: str, seed: int) -> None:
    images, rays = noise(seed, 2, 1, 3, 6, 12), noise(seed + 1, 4, 5, 7, 3) - 0.5
    together = sample_erp(images, rays, mode)
    assert together.shape == (2, 4, 3, 5, 7)
    for i in range(2):
        for j in range(4):
            alone = sample_erp(images[i, 0], rays[j], mode)
            torch.testing.assert_close(together[i, j], alone, atol=1e-12, rtol=0)
    views = sample_erp(images[0, 0], rays, mode)  # one image, many views
    torch.testing.assert_close(views, together[0], atol=1e-12, rtol=0)


def test_bicubic_is_exact_on_quadratic_images() -> None:
    v, u = torch.meshgrid(
        torch.arange(9).double() + 0.5, torch.arange(12).double() + 0.5, indexing="ij"
    )
    image = (0.3 * u * u - 0.2 * u * v + 0.1 * v * v + u - 2 * v)[None]
    uv = noise(0, 1, 50, 2) * torch.tensor([8.0, 5.0]) + 2
    x, y = uv.unbind(-1)
    expected = (0.3 * x * x - 0.2 * x * y + 0.1 * y * y + x - 2 * y)[None]
    torch.testing.assert_close(sample_image(image, uv, "bicubic"), expected)


def test_bilinear_is_the_textbook_formula() -> None:
    image = noise(2, 1, 4, 5)
    u, v = 2.8, 1.1  # between columns 2 and 3 (centres 2.5, 3.5), rows 0 and 1 (0.5, 1.5)
    fx, fy = 0.3, 0.6
    expected = (1 - fy) * ((1 - fx) * image[0, 0, 2] + fx * image[0, 0, 3])
    expected = expected + fy * ((1 - fx) * image[0, 1, 2] + fx * image[0, 1, 3])
    got = sample_image(image, torch.tensor([[[u, v]]]).double())
    torch.testing.assert_close(got[0, 0, 0], expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.bfloat16])
def test_nearest_keeps_every_type(dtype: torch.dtype) -> None:
    image = (noise(1, 1, 6, 12) * 2).to(dtype)
    assert torch.equal(sample_erp(image, erp_rays(6, 12, dtype=torch.float32), "nearest"), image)


def test_half_precision_images_are_interpolated_in_full() -> None:
    image = noise(1, 1, 6, 12).half()
    rays = lonlat_to_rays(torch.tensor([[[0.1, 0.2]]]))
    full = sample_erp(image.float(), rays)
    assert torch.equal(sample_erp(image, rays), full.half())


def test_what_cannot_be_sampled_is_refused() -> None:
    rays = erp_rays(2, 4, dtype=torch.float32)
    with pytest.raises(ValueError, match="use nearest"):
        sample_erp(torch.zeros(1, 4, 8, dtype=torch.bool), rays)
    with pytest.raises(ValueError, match="unknown sampling mode 'cubic'"):
        sample_erp(torch.zeros(1, 4, 8), rays, "cubic")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_gradients(mode: str) -> None:
    image = noise(3, 1, 4, 8).requires_grad_()
    rays = (noise(4, 2, 3, 3) - 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda i, r: sample_erp(i, r, mode), (image, rays))
    assert torch.autograd.gradcheck(lambda i: sample_erp(i, rays.detach(), "nearest"), image)
    assert torch.autograd.gradcheck(lambda i: pad_erp(i, 3), image)

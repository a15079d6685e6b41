"""Resizing a panorama: by its definition in both libraries, the same at any roll."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.resizing import resize_erp

properties = settings(deadline=None, max_examples=40, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, dtype=torch.float64, generator=generator)


def clear_resize(x: Tensor, size: tuple[int, int], antialias: bool) -> Tensor:
    """One output pixel at a time from the definition; x (H, W) with even W."""
    (height, width), (h, w) = x.shape, size
    filters = []
    for count, out_count in ((height, h), (width, w)):
        scale = count / out_count
        reach = max(1.0, scale) if antialias else 1.0
        rows = []
        for i in range(out_count):
            centre = (i + 0.5) * scale
            taps = range(int(centre - reach) - 2, int(centre + reach) + 3)
            weights = {j: max(0.0, 1 - abs(j + 0.5 - centre) / reach) for j in taps}
            total = sum(weights.values())
            rows.append({j: weight / total for j, weight in weights.items() if weight > 0})
        filters.append(rows)
    out = x.new_zeros(size)
    for y, row_filter in enumerate(filters[0]):
        for x_out, column_filter in enumerate(filters[1]):
            for i, a in row_filter.items():
                row, half = i % (2 * height), 0
                if row >= height:
                    row, half = 2 * height - 1 - row, width // 2
                for j, b in column_filter.items():
                    out[y, x_out] += a * b * x[row, (j + half) % width]
    return out


@properties
@given(
    st.integers(1, 7),
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 14),
    st.booleans(),
    seeds,
)
def test_equals_the_definition(
    h: int, half_w: int, out_h: int, out_w: int, antialias: bool, seed: int
) -> None:
    x = noise(seed, h, 2 * half_w)
    expected = clear_resize(x, (out_h, out_w), antialias)
    resized = resize_erp(x, (out_h, out_w), antialias=antialias)
    torch.testing.assert_close(resized, expected, atol=1e-9, rtol=0)
    banded = resize_erp(x.numpy(), (out_h, out_w), antialias=antialias)
    np.testing.assert_allclose(banded, expected, atol=1e-9)


SIZES = [(32, 64), (128, 256), (37, 75), (70, 140), (30, 200), (63, 127), (64, 33), (14, 28)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("antialias", [True, False])
def test_the_interior_is_that_of_torch(size: tuple[int, int], antialias: bool) -> None:
    x = noise(0, 2, 3, 64, 128).float()
    resized = resize_erp(x, size, antialias=antialias)
    plain = functional.interpolate(x, size, mode="bilinear", antialias=antialias)
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(resized[inner], plain[inner], atol=2e-5, rtol=0)


@pytest.mark.parametrize(("size", "step"), [((16, 32), 4), ((64, 128), 1), ((20, 48), 4)])
@pytest.mark.parametrize("antialias", [True, False])
def test_roll_property(size: tuple[int, int], step: int, antialias: bool) -> None:
    """f(roll(x)) == roll(f(x)) for every turn that is a whole number of pixels on both grids."""
    x = noise(1, 32, 64)
    for turn in range(step, 64, step):
        rolled = resize_erp(x.roll(turn, -1), size, antialias=antialias)
        expected = resize_erp(x, size, antialias=antialias).roll(turn * size[1] // 64, -1)
        torch.testing.assert_close(rolled, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("size", [(16, 32), (64, 128), (21, 46)])
def test_turned_upside_down(size: tuple[int, int]) -> None:
    x = noise(2, 32, 64)
    looped = resize_erp(x.flip(-1, -2).roll(32, -1), size)
    expected = resize_erp(x, size).flip(-1, -2).roll(size[1] // 2, -1)
    torch.testing.assert_close(looped, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("size", [(128, 256), (256, 512), (273, 546), (546, 1092), (300, 601)])
def test_resized_rays_are_the_rays_of_the_new_grid(
    size: tuple[int, int], error_px: Callable[..., Tensor], ray_image: Tensor
) -> None:
    """In the border as inside. (Torch's antialiasing filter is no exact ramp at odd ratios.)"""
    rays = resize_erp(ray_image, size).movedim(0, -1)
    error = error_px(rays, erp_rays(*size, dtype=torch.float32), size[1])
    assert error.mean() < 0.05
    border = torch.cat((error[0], error[-1], error[:, 0], error[:, -1]))
    assert border.max() < 1.1 * error[2:-2, 2:-2].max() + 0.001


@properties
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 9), st.integers(1, 12), seeds)
def test_nearest_takes_the_pixel_under_the_centre(
    h: int, w: int, out_h: int, out_w: int, seed: int
) -> None:
    labels = torch.randint(0, 9, (h, w), generator=torch.Generator().manual_seed(seed))
    resized = resize_erp(labels, (out_h, out_w), mode="nearest")
    for y in range(out_h):
        for x in range(out_w):
            row, column = (2 * y + 1) * h // (2 * out_h), (2 * x + 1) * w // (2 * out_w)
            assert resized[y, x] == labels[row, column]


@properties
@given(st.integers(1, 8), st.integers(1, 15), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_a_constant_stays_constant(h: int, w: int, out_h: int, out_w: int, aa: bool) -> None:
    resized = resize_erp(torch.full((h, w), 0.7), (out_h, out_w), antialias=aa)
    torch.testing.assert_close(resized, torch.full((out_h, out_w), 0.7))


def test_types_and_refusals() -> None:
    x = noise(3, 4, 8)
    assert resize_erp(x.bfloat16(), (8, 16)).dtype == torch.bfloat16
    assert resize_erp(x > 0.5, (8, 16), mode="nearest").dtype == torch.bool
    assert torch.equal(resize_erp(x, (4, 8)), x)
    with pytest.raises(ValueError, match="use bilinear or nearest"):
        resize_erp(x > 0.5, (8, 16))
    with pytest.raises(ValueError, match="cannot resize a panorama to 0×8"):
        resize_erp(x, (0, 8))


@pytest.mark.parametrize("size", [(2, 5), (8, 16), (3, 6)])
def test_gradients(size: tuple[int, int]) -> None:
    x = noise(4, 5, 10).requires_grad_()
    assert torch.autograd.gradcheck(lambda i: resize_erp(i, size), x)

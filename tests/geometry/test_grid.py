"""The grid: the spec's formulas, round trips, exact areas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.geometry.coordinates import (
    lonlat_to_rays,
    pixels_to_lonlat,
    pixels_to_rays,
    rays_to_lonlat,
    rays_to_pixels,
)
from panodepth.geometry.grid import axis_angles, erp_rays, solid_angles

properties = settings(deadline=None, max_examples=40, derandomize=True)
sides = st.integers(1, 40)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_ray_follows_the_formula_of_the_conventions(dtype: torch.dtype) -> None:
    height, width = 14, 28
    rays = erp_rays(height, width, dtype=dtype).numpy()
    for y in range(height):
        for x in range(width):
            lon = ((x + 0.5) / width - 0.5) * 2 * math.pi
            lat = ((y + 0.5) / height - 0.5) * math.pi
            expected = [math.cos(lat) * math.sin(lon), math.sin(lat), math.cos(lat) * math.cos(lon)]
            np.testing.assert_allclose(rays[y, x], expected, atol=1e-7)
    assert erp_rays(height, width, dtype=dtype).dtype == dtype


def test_directions() -> None:
    """Centre forward, three quarters to the right is right, top is up (negative y), edges back."""
    uv = torch.tensor([[4.0, 2.0], [6.0, 2.0], [2.0, 2.0], [0.0, 2.0], [8.0, 2.0], [4.0, 0.0]])
    expected = torch.tensor(
        [[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 0, -1], [0, 0, -1], [0, -1, 0]], dtype=torch.float32
    )
    torch.testing.assert_close(pixels_to_rays(uv, 4, 8), expected, atol=1e-6, rtol=0)


@properties
@given(sides, sides, st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.floats(0.01, 100))
def test_pixel_to_ray_and_back(h: int, w: int, x: float, y: float, length: float) -> None:
    uv = torch.tensor([x * w, y * h], dtype=torch.float64)
    rays = pixels_to_rays(uv, h, w)
    assert rays.norm().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(rays_to_pixels(rays * length, h, w), uv, atol=1e-9, rtol=1e-9)
    lonlat = pixels_to_lonlat(uv, h, w)
    torch.testing.assert_close(rays_to_lonlat(lonlat_to_rays(lonlat)), lonlat, atol=1e-9, rtol=0)


@properties
@given(sides, sides)
def test_grid_functions_agree(h: int, w: int) -> None:
    lon, lat = axis_angles(h, w, dtype=torch.float64)
    lonlat = torch.stack(torch.meshgrid(lon, lat, indexing="xy"), -1)
    rays = erp_rays(h, w, dtype=torch.float64)
    torch.testing.assert_close(lonlat_to_rays(lonlat), rays, atol=1e-12, rtol=0)
    centres = rays_to_pixels(rays, h, w)
    columns = torch.arange(w, dtype=torch.float64) + 0.5
    rows = torch.arange(h, dtype=torch.float64) + 0.5
    if h > 1:
        torch.testing.assert_close(centres[..., 0], columns.expand(h, w), atol=1e-9, rtol=0)
    torch.testing.assert_close(centres[..., 1], rows[:, None].expand(h, w), atol=1e-9, rtol=0)


def test_offset_moves_within_the_pixel() -> None:
    uv = rays_to_pixels(erp_rays(6, 12, offset=(0.25, -0.5), dtype=torch.float64), 6, 12)
    torch.testing.assert_close(uv[3, 5], torch.tensor([5.75, 3.0], dtype=torch.float64))


@properties
@given(sides, sides)
def test_solid_angles_tile_the_sphere(h: int, w: int) -> None:
    areas = solid_angles(h, w, dtype=torch.float64)
    assert areas.shape == (h, 1)
    assert (areas.sum() * w).item() == pytest.approx(4 * math.pi, rel=1e-12)


def test_solid_angle_is_the_area_between_parallels() -> None:
    h, w = 9, 18
    edges = np.sin((np.arange(h + 1) / h - 0.5) * np.pi)
    expected = (edges[1:] - edges[:-1]) * 2 * np.pi / w
    np.testing.assert_allclose(solid_angles(h, w, dtype=torch.float64)[:, 0], expected, rtol=1e-12)


def test_poles_and_zero_have_finite_angles_and_gradients() -> None:
    rays = torch.tensor(
        [[0.0, -1, 0], [0, 1, 0], [0, 0, 0], [0, 0, -1], [1e-12, 1, 0]], requires_grad=True
    )
    lonlat = rays_to_lonlat(rays)
    expected = torch.tensor([[0, -math.pi / 2], [0, math.pi / 2], [0, 0], [math.pi, 0]])
    torch.testing.assert_close(lonlat[:4], expected)
    lonlat.sum().backward()
    assert rays.grad is not None
    assert rays.grad.isfinite().all()


def test_angles_are_differentiable() -> None:
    rays = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(rays_to_lonlat, rays.requires_grad_())
    assert torch.autograd.gradcheck(lonlat_to_rays, rays[:, :2].detach().requires_grad_())


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        erp_rays(0, 8)

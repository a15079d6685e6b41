"""What the network knows about the sphere, against closed forms."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.model import PRESETS
from panodepth.model.embedding import (
    KNOTS,
    GreatCircleBias,
    bias_basis,
    great_circle_angles,
    periodic_embedding,
    pixel_rays,
    released_embedding,
)

TINY = PRESETS["tiny"]
GRIDS = st.tuples(st.integers(1, 6), st.integers(1, 9))


def token_rays(rows: int, cols: int) -> torch.Tensor:
    """(rows·cols, 3) float64 rays through the centres of the tokens."""
    lon = ((torch.arange(cols, dtype=torch.float64) + 0.5) / cols - 0.5) * 2 * math.pi
    lat = ((torch.arange(rows, dtype=torch.float64) + 0.5) / rows - 0.5) * math.pi
    lat, lon = torch.meshgrid(lat, lon, indexing="ij")
    rays = torch.stack([lat.cos() * lon.sin(), lat.sin(), lat.cos() * lon.cos()], -1)
    return rays.reshape(-1, 3)


def all_angles(rows: int, cols: int) -> torch.Tensor:
    """(N, N) angles between tokens, spread out from the compact table."""
    table = great_circle_angles(rows, cols)
    n = torch.arange(rows * cols)
    i, j = n[:, None], n[None]
    return table[i // cols, j // cols, (j - i) % cols]


@given(GRIDS)
@settings(max_examples=25, deadline=None)
def test_great_circle_angles_are_those_between_rays(grid: tuple[int, int]) -> None:
    rays, angles = token_rays(*grid), all_angles(*grid)
    chord = (rays[:, None] - rays[None]).norm(dim=-1)
    assert torch.allclose(2 * (angles / 2).sin(), chord, atol=1e-12)
    assert angles.diagonal().abs().max() < 1e-12


def test_great_circle_knows_seam_and_poles() -> None:
    angles = all_angles(20, 40).reshape(20, 40, 20, 40)
    assert angles[10, 0, 10, 39] == pytest.approx(angles[10, 0, 10, 1].item())
    assert angles[0, 0, 0, 20] == pytest.approx(math.pi / 20)  # opposite sides of the pole


@given(GRIDS)
@settings(max_examples=25, deadline=None)
def test_bias_of_every_pair(grid: tuple[int, int]) -> None:
    rows, cols = grid
    torch.manual_seed(0)
    bias = GreatCircleBias(heads=2)
    torch.nn.init.normal_(bias.weight)
    found = bias(bias_basis(rows, cols), leading=1)
    assert found.shape == (1, 2, 1 + rows * cols, 1 + rows * cols)
    assert found[..., 0, :].abs().max() == 0
    assert found[..., :, 0].abs().max() == 0
    place = all_angles(rows, cols) / math.pi * (KNOTS - 1)
    low = place.floor().clamp(0, KNOTS - 2).long()
    part = (place - low).float()
    values, slope = bias.weight[:, :-1], bias.weight[:, -1]
    lat = (((torch.arange(rows) + 0.5) / rows - 0.5) * math.pi).repeat_interleave(cols)
    expected = values[:, low] * (1 - part) + values[:, low + 1] * part
    expected = expected + slope[:, None, None] * (lat[None] - lat[:, None])
    assert torch.allclose(found[0, :, 1:, 1:], expected, atol=1e-5)


def test_keys_alike_within_rows_need_one_key_per_row() -> None:
    rows, cols = 4, 6
    bias, basis = GreatCircleBias(heads=2), bias_basis(rows, cols)
    torch.nn.init.normal_(bias.weight)
    q = torch.randn(3, 2, rows * cols, 8)
    k, v = torch.randn(1, 2, rows, 8), torch.randn(1, 2, rows, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    short = attend(q, k.expand(3, -1, -1, -1), v.expand(3, -1, -1, -1), bias.by_row(basis))
    k, v = (t.repeat_interleave(cols, 2).expand(3, -1, -1, -1) for t in (k, v))
    assert torch.allclose(short, attend(q, k, v, bias(basis)), atol=1e-5)


def test_released_embedding_quirks() -> None:
    rows, cols = 8, 16
    embedding = released_embedding(rows, cols, TINY)
    # The ray of the patch's top-left pixel, not of its centre.
    rays = pixel_rays(112, 224, (6.2832, 3.1416)).reshape(112, 224, 3)[::14, ::14]
    polar = torch.asin(rays[..., 1])
    frequency = 2 ** (3 * torch.arange(32) / 31)  # up to the longer side's half
    expected = torch.sin(polar[..., None] * math.pi * frequency).reshape(128, 32)
    assert torch.allclose(embedding[:, :32], expected, atol=2e-5)
    exact = dataclasses.replace(TINY, sphere_extent=(2 * math.pi, math.pi))
    assert (embedding - released_embedding(rows, cols, exact)).abs().max() > 1e-4


def test_rays_follow_the_true_size() -> None:
    for height, width in ((28, 56), (42, 84), (14, 28)):
        rays = pixel_rays(height, width, (2 * math.pi, math.pi))
        assert torch.allclose(rays, token_rays(height, width).float(), atol=1e-6)


def test_periodic_embedding_has_no_seam() -> None:
    config = dataclasses.replace(TINY, periodic_embedding=True)
    rows, cols = 6, 64
    waves = periodic_embedding(rows, cols, config).reshape(rows, cols, -1)
    steps = (waves.roll(-1, 1) - waves).norm(dim=-1)
    assert torch.allclose(steps, steps[:, :1].expand(rows, cols), atol=1e-4)
    lat = ((torch.arange(rows) + 0.5) / rows - 0.5) * math.pi
    assert torch.allclose(waves[:, 0, 0], lat.cos(), atol=1e-6)  # at the patches' centres


def test_azimuth_free_embedding_is_one_row_per_latitude() -> None:
    config = dataclasses.replace(TINY, periodic_embedding=True, azimuth_free_embedding=True)
    assert periodic_embedding(6, 12, config).shape == (6, config.embedding_dim)

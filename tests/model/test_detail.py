"""The detail network: what it may make of a coarse map, whatever its weights, and its file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from panodepth.errors import ModelError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.seam import pad_erp
from panodepth.model.detail import (
    DetailConfig,
    DetailNetwork,
    Doubling,
    Rows,
    load_detail,
    planes,
)
from panodepth.model.helpers import save_helper

SIZE = (24, 48)
SMALL = DetailConfig(channels=6, first_dilations=(1, 2), first_rings=(1, 3), next_dilations=(1,))


def network(seed: int = 0) -> DetailNetwork:
    """With weights that choose wildly."""
    torch.manual_seed(seed)
    made = DetailNetwork(SMALL).eval().requires_grad_(False)
    for step in (made.first, made.next):
        torch.nn.init.normal_(step.head.weight, std=2)
    return made


def doubled(step: Doubling, image: Tensor, log: Tensor, sky: Tensor) -> tuple[Tensor, Tensor]:
    """A whole map (h, w), closed over seam and poles."""
    halo, (height, width) = step.halo, log.shape
    rows = Rows.of((height, width), torch.tensor([-halo]), height + 2 * halo)
    maps = [pad_erp(x[None], halo) for x in (log, sky)]
    log, sky = step(pad_erp(image[None], 2 * halo), *maps, rows)
    return log[0], sky[0]


def picture(seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 2 * SIZE[0], 2 * SIZE[1], generator=generator)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_no_distance_is_invented(seed: int, first: bool) -> None:
    step = network(seed).step(0 if first else 1)
    torch.manual_seed(seed)
    log, sky = torch.randn(SIZE), 3 * torch.randn(SIZE)
    fine, fine_sky = doubled(step, picture(seed), log, sky)
    assert fine.shape == fine_sky.shape == (2 * SIZE[0], 2 * SIZE[1])
    for values, result in ((log, fine), (sky.clamp(-4, 4), fine_sky)):
        wide = pad_erp(values[None], step.reach)
        high, low = (s * functional.max_pool2d(s * wide, 2 * step.reach + 1, 1)[0] for s in (1, -1))
        high, low = (x.repeat_interleave(2, 0).repeat_interleave(2, 1) for x in (high, low))
        assert bool((result <= high + 1e-5).all())
        assert bool((result >= low - 1e-5).all())


@pytest.mark.parametrize("number", [0, 1])
def test_a_sphere_round_the_camera_is_left_exactly(number: int) -> None:
    log = torch.full(SIZE, 0.7)
    fine, _ = doubled(network().step(number), picture(), log, torch.zeros(SIZE))
    torch.testing.assert_close(fine, torch.full_like(fine, 0.7), atol=1e-6, rtol=0)


@pytest.mark.parametrize("number", [0, 1])
def test_a_plane_is_left_exactly(number: int) -> None:
    """A slanted floor, on the rows whose candidates all lie on it."""
    step, normal = network().step(number), torch.tensor([0.3, 1.0, 0.2])
    inverse, truth = (torch.from_numpy(erp_rays(h, 2 * h)) @ normal for h in (SIZE[0], 2 * SIZE[0]))
    log = -inverse.clamp(min=0.05).log()
    fine, _ = doubled(step, picture(), log, torch.zeros(SIZE))
    rows = slice(2 * (SIZE[0] - step.reach - 2), 2 * SIZE[0] - 8)  # the last hold the extremum
    torch.testing.assert_close(torch.exp(-fine[rows]), truth[rows], atol=2e-5, rtol=0)


def test_planes_of_two_walls_do_not_cross_the_edge_between_them() -> None:
    normals = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.4]])  # one at 1 m, one at 2.5 m
    rays = torch.from_numpy(erp_rays(*SIZE))
    columns = slice(20, 28)
    side = (torch.arange(SIZE[1]) >= 24).long()[columns]
    inverse = (rays[:, columns] * normals[side]).sum(-1)[None]
    rows = Rows.of(SIZE, torch.tensor([0]), SIZE[0])
    found = planes(inverse, rows)[0, :, 6:-6]  # level with the camera
    # Longitude 0 is that of the first column here, of the image's middle in `rays`.
    turn = torch.tensor((20 - 23.5) * rows.step[1])
    for column, wall in ((0, 0), (1, 0), (4, 1), (5, 1)):  # not beside the edge: both slopes agree
        x, z = found[0, :, column], found[2, :, column]
        level = torch.stack((x * turn.cos() + z * turn.sin(), z * turn.cos() - x * turn.sin()), -1)
        torch.testing.assert_close(level, normals[wall, [0, 2]].expand_as(level), atol=1e-5, rtol=0)
    for column, wall in ((2, 0), (3, 1)):  # beside it: never steeper than its own wall
        steepness = found[:, :, column].norm(dim=0)
        assert bool((steepness <= normals[wall].norm() + 1e-5).all())


def test_a_file_gives_the_same_network(tmp_path: Path) -> None:
    made = network()
    made = made.half().float()  # what the file keeps
    path = tmp_path / "detail.safetensors"
    save_helper("detail", SMALL, made.state_dict(), path, {"steps": "1"})
    loaded = load_detail(path)
    assert loaded.config == SMALL
    assert all(
        torch.equal(a, b)
        for a, b in zip(made.state_dict().values(), loaded.state_dict().values(), strict=True)
    )


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {n: t.contiguous() for n, t in network().state_dict().items()}
    save_file(tensors, path)
    with pytest.raises(ModelError, match="not a detail network"):
        load_detail(path)
    save_file(tensors, path, {"detail": '{"chanels": 6}'})
    with pytest.raises(ModelError, match="chanels"):
        load_detail(path)
    for damaged in ("{", "[" * 100_000):
        save_file(tensors, path, {"detail": damaged})
        with pytest.raises(ModelError, match=r"x\.safetensors"):
            load_detail(path)
    save_file(tensors, path, {"detail": json.dumps(asdict(DetailConfig()))})
    with pytest.raises(ModelError, match="missing"):
        load_detail(path)
    tensors["first.head.bias"] = torch.full_like(tensors["first.head.bias"], torch.nan)
    save_file(tensors, path, {"detail": json.dumps(asdict(SMALL))})
    with pytest.raises(ModelError, match="not finite"):
        load_detail(path)

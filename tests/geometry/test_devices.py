"""No function may wait for the device: "meta" tensors have no values, so reading one fails."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from panodepth import geometry as sphere

IMAGE = (2, 3, 12, 24)


def views(image: Tensor) -> tuple[Tensor, Tensor]:
    k = sphere.intrinsics_from_fov(image.new_full((2,), math.pi / 2), 5, 6)
    zero = image.new_zeros(2)
    return k, sphere.rotation_from_yaw_pitch_roll(zero + 0.3, zero + 0.2, zero + 0.1)


CALLS: dict[str, Callable[[Tensor], object]] = {
    "sample bilinear": lambda x: sphere.sample_erp(x, x.movedim(-3, -1), "bilinear"),
    "sample nearest": lambda x: sphere.sample_erp(x, x.movedim(-3, -1), "nearest"),
    "sample bicubic": lambda x: sphere.sample_erp(x, x.movedim(-3, -1), "bicubic"),
    "pad": lambda x: sphere.pad_erp(x, (2, 30)),
    "shrink": lambda x: sphere.resize_erp(x, (7, 15)),
    "enlarge": lambda x: sphere.resize_erp(x, (24, 48)),
    "nearest": lambda x: sphere.resize_erp(x, (24, 48), mode="nearest"),
    "rotate": lambda x: sphere.rotate_erp(x, views(x)[1]),
    "rotate vectors": lambda x: sphere.rotate_erp_vectors(x.movedim(-3, -1), views(x)[1]),
    "angles": lambda x: sphere.yaw_pitch_roll_from_rotation(views(x)[1]),
    "E2P": lambda x: sphere.erp_to_perspective(x, *views(x), (5, 6), supersample=2),
    "P2E": lambda x: sphere.perspective_to_erp(x[..., :5, :6], *views(x), (12, 24)),
    "cubemap": lambda x: sphere.cubemap_to_erp(sphere.erp_to_cubemap(x, 4), (8, 16)),
    "normals": lambda x: sphere.distance_to_normals(x[:, 0]),
    "z-depth": lambda x: sphere.z_depth_to_distance(x[:, 0], views(x)[0][:, None]),
    "areas": lambda x: sphere.solid_angles(8, 16, device=x.device),
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_reads_values_back(name: str) -> None:
    CALLS[name](torch.empty(IMAGE, device="meta"))


@pytest.mark.parametrize("name", CALLS)
def test_nothing_changes_its_input(name: str) -> None:
    image = torch.rand(IMAGE, generator=torch.Generator().manual_seed(0)) + 0.1
    before = image.clone()
    CALLS[name](image)
    assert torch.equal(image, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", CALLS)
def test_no_synchronisation_on_cuda(name: str) -> None:
    image = torch.rand(IMAGE, generator=torch.Generator().manual_seed(0)) + 0.1
    expected = CALLS[name](image)
    on_device = image.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = CALLS[name](on_device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for got, wanted in zip(
        result if isinstance(result, tuple) else (result,),
        expected if isinstance(expected, tuple) else (expected,),
        strict=True,
    ):
        torch.testing.assert_close(got.cpu(), wanted, atol=1e-4, rtol=1e-4)

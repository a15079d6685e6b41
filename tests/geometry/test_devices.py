"""No function may wait for the device: "meta" tensors have no values, so reading one fails."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from panodepth.geometry.cubemap import cubemap_to_erp, erp_to_cubemap
from panodepth.geometry.grid import solid_angles
from panodepth.geometry.lens import ERP, Pinhole, View
from panodepth.geometry.lenses.fisheyes import EquidistantFisheye
from panodepth.geometry.points import distance_to_normals, z_depth_to_distance
from panodepth.geometry.resampling import resample, rotate_erp, rotate_erp_vectors
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.geometry.sampling import sample_erp
from panodepth.geometry.seam import pad_erp

IMAGE = (2, 3, 12, 24)


def turns(image: Tensor) -> Tensor:
    return rotation_from_yaw_pitch_roll(image.new_zeros(2) + 0.3, 0.2, 0.1)


def lens(image: Tensor) -> Pinhole:
    return Pinhole.from_fov(image.new_full((2,), math.pi / 2), (5, 6))


FISHEYE = EquidistantFisheye.from_fov(3.0, (5, 6))


CALLS: dict[str, Callable[[Tensor], object]] = {
    "sample bilinear": lambda x: sample_erp(x, x.movedim(-3, -1), "bilinear"),
    "sample nearest": lambda x: sample_erp(x, x.movedim(-3, -1), "nearest"),
    "sample bicubic": lambda x: sample_erp(x, x.movedim(-3, -1), "bicubic"),
    "pad": lambda x: pad_erp(x, (2, 30)),
    "shrink": lambda x: resize_erp(x, (7, 15)),
    "enlarge": lambda x: resize_erp(x, (24, 48)),
    "nearest": lambda x: resize_erp(x, (24, 48), mode="nearest"),
    "rotate": lambda x: rotate_erp(x, turns(x)),
    "rotate vectors": lambda x: rotate_erp_vectors(x.movedim(-3, -1), turns(x)),
    "E2P": lambda x: resample(x, ERP(), View(lens(x), (5, 6), turns(x)), supersample=2),
    "P2E": lambda x: resample(x[..., :5, :6], lens(x), View(ERP(), (12, 24), turns(x))),
    "fisheye": lambda x: resample(x[..., :5, :6], FISHEYE, View(FISHEYE, (4, 4), turns(x))),
    "cubemap": lambda x: cubemap_to_erp(erp_to_cubemap(x, 4), (8, 16)),
    "normals": lambda x: distance_to_normals(x[:, 0]),
    "z-depth": lambda x: z_depth_to_distance(x[:, 0], lens(x)),
    "areas": lambda x: solid_angles(8, 16, dtype=x.dtype, device=x.device),
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

"""Linear layers of 8 bits: rounding, the layer, the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import panodepth
from panodepth.errors import ConfigError
from panodepth.model import SphereViT, prepare
from panodepth.model.fast.int8 import Int8Linear, int8_works, quantise

Build = Callable[..., SphereViT]
BFLOAT16 = torch.bfloat16
needs_int8 = pytest.mark.skipif(not int8_works(), reason="no oneDNN products of 8-bit integers")


def test_levels() -> None:
    x = torch.randn(20, 30) + 0.5
    levels, scale, zero = quantise(x.clone())
    assert levels.dtype == torch.uint8
    assert (scale * (levels.float() - zero) - x).abs().max() <= 0.5001 * scale
    assert scale == pytest.approx((x.max() - x.min()).item() / 254)
    assert quantise(x.bfloat16())[1] == pytest.approx(scale, rel=0.02)


def test_one_sided_and_constant_inputs() -> None:
    for x in (torch.zeros(3, 4), torch.full((3, 4), 2.5), torch.full((3, 4), -2.5)):
        levels, scale, zero = quantise(x.clone())
        assert torch.allclose(scale * (levels.float() - zero), x, atol=1e-6)


@needs_int8
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_shows(value: float) -> None:
    """As NaN, in its picture alone; the predictor then says that the network returned NaN."""
    layer, x = Int8Linear(torch.randn(8, 16), None), torch.randn(2, 30, 16)
    x[1, 3, 4] = value
    with torch.inference_mode():
        for found in (layer(x), layer.gelu(x), layer.plus(x, torch.zeros(2, 30, 8))):
            assert found[0].isfinite().all()
            assert found[1].isnan().all()


@needs_int8
def test_sums_of_the_largest_products_are_not_clipped() -> None:
    """As processors clip them that add two in 16 bits; `int8_works` says no there."""
    x = torch.linspace(0, 1, 640).view(20, 32)
    with torch.inference_mode():
        found = Int8Linear(torch.ones(16, 32), None)(x)
    assert (found - x.sum(1, keepdim=True)).abs().max() < 0.2


def test_input_stays() -> None:
    x = torch.randn(3, 4)
    before = x.clone()
    quantise(x)
    assert torch.equal(x, before)


@needs_int8
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
def test_linear(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 48)
    x, other = torch.randn(2, 700, 64).to(dtype), torch.randn(2, 700, 48).to(dtype)
    int8 = Int8Linear(layer.weight, layer.bias)
    with torch.inference_mode():
        exact = layer(x.float())
        for found, expected in (
            (int8(x), exact),
            (int8.gelu(x), F.gelu(exact)),
            (int8.plus(x, other), exact + other.float()),
        ):
            assert found.dtype == dtype
            assert 0 < (found.float() - expected).norm() / expected.norm() < 0.015


@needs_int8
def test_pictures_of_a_batch_are_independent() -> None:
    layer = Int8Linear(torch.randn(8, 16), None)
    x = torch.randn(2, 30, 16)
    x[1] *= 100
    with torch.inference_mode():
        assert torch.equal(layer(x)[0], layer(x[:1])[0])
        assert torch.equal(layer(x.view(2, 5, 6, 16))[0].flatten(0, 1), layer(x[:1])[0])


@needs_int8
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
def test_network(
    build: Build, fields: dict[str, Any], panorama: Tensor, dtype: torch.dtype
) -> None:
    with torch.inference_mode():
        exact = build(**fields)(panorama).log_distance
        model = prepare(build(**fields).to(dtype), int8=True)
        found = model(panorama).log_distance
    assert model.prepared
    assert model.int8
    assert isinstance(model.backbone.blocks[0].qkv, Int8Linear)
    assert 0 < (found - exact).abs().mean() < 0.02


def test_not_on_other_devices(build: Build) -> None:
    with pytest.raises(ConfigError, match="int8 needs a CPU"):
        prepare(build().to("meta"), int8=True)


@needs_int8
def test_what_load_returns(model_file: Path) -> None:
    predictor = panodepth.load(model_file, device="cpu", dtype="int8")
    assert predictor.describe()["dtype"] == "int8"
    assert isinstance(predictor.model.backbone.blocks[0].qkv, Int8Linear)
    with pytest.raises(ConfigError, match="cannot be compiled"):
        panodepth.load(model_file, device="cpu", dtype="int8", compile=True)

"""The fast route against its clear twin: attention by blocks, packed layers, a prepared network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import panodepth
from panodepth.errors import ModelError
from panodepth.model import (
    SphereViT,
    load_model,
    load_prepared,
    prepare,
    save_model,
    scale_invariant_distance,
)
from panodepth.model.backbones.conv import ConvBlock
from panodepth.model.fast import attention, blocks
from panodepth.model.fast.int8 import int8_works
from panodepth.model.fast.packed import PackedLinear, packing_works
from panodepth.model.spherevit import Head

Build = Callable[..., SphereViT]
BFLOAT16 = torch.bfloat16
needs_int8 = pytest.mark.skipif(not int8_works(), reason="no oneDNN products of 8-bit integers")
needs_packing = pytest.mark.skipif(not packing_works(), reason="no oneDNN bfloat16 kernels here")


def twin(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The formula in float64."""
    q, k, v = q.double(), k.double(), v.double()
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


class TestAttention:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, BFLOAT16])
    @pytest.mark.parametrize("shape", [(1, 2, 700, 600, 16), (2, 3, 37, 41, 8), (1, 1, 1, 1, 4)])
    def test_blocks_are_exact(
        self, shape: tuple[int, ...], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch, heads, queries, keys, width = shape
        q = torch.randn(batch, heads, queries, width).to(dtype)
        k, v = torch.randn(2, batch, heads, keys, width).to(dtype).unbind(0)
        limit = {torch.float64: 1e-12, torch.float32: 1e-5, BFLOAT16: 0.03}[dtype]
        for rows, elements in ((512, 2**20), (16, 2**20), (16, 1)):  # the last: head by head
            monkeypatch.setattr(attention, "BLOCK_ROWS", rows)
            monkeypatch.setattr(attention, "BLOCK_ELEMENTS", elements)
            found = attention.blocked(q, k, v)
            assert found.dtype == dtype
            assert (found.double() - twin(q, k, v)).abs().max() < limit

    @pytest.mark.parametrize("dtype", [BFLOAT16, torch.float32, torch.float64])
    def test_softmax_in_place_is_softmax(self, dtype: torch.dtype) -> None:
        scores = (4 * torch.randn(3, 65, 771)).to(dtype)
        expected = scores.softmax(-1)
        torch.softmax(scores, -1, out=scores)
        assert torch.equal(scores, expected)

    def test_route(self) -> None:
        q = torch.zeros(1, 2, 8, 4, dtype=BFLOAT16)
        k = torch.zeros(1, 2, attention.MIN_KEYS, 4, dtype=BFLOAT16)
        bias = torch.zeros(1, 2, 8, attention.MIN_KEYS)
        assert attention.prefers_products(q, k, k)
        assert not attention.prefers_products(q.float(), k.float(), k.float())
        assert not attention.prefers_products(q, k[:, :, 1:], k[:, :, 1:])
        assert not attention.prefers_products(q, k, k, bias)
        assert attention.prefers_products(q, k[:, :, 1:], k[:, :, 1:], bias[..., 1:])
        learned = bias[..., 1:].clone().requires_grad_()
        assert not attention.prefers_products(q, k[:, :, 1:], k[:, :, 1:], learned)
        assert not attention.prefers_products(q.to("meta"), k, k)
        wanted = q.clone().requires_grad_()
        assert not attention.prefers_products(wanted, k, k)
        with torch.no_grad():
            assert attention.prefers_products(wanted, k, k)

    def test_both_routes_agree(self, monkeypatch: pytest.MonkeyPatch) -> None:
        q, k, v = torch.randn(3, 2, 2, 600, 16).to(BFLOAT16).unbind(0)
        fast = attention.attend(q, k, v).float()
        monkeypatch.setattr(attention, "prefers_products", lambda *_: False)
        plain = attention.attend(q, k, v).float()
        assert not torch.equal(fast, plain)  # it did take the other route
        assert (fast - plain).abs().max() < 0.02

    @pytest.mark.parametrize("dtype", [BFLOAT16, torch.float64])
    @pytest.mark.parametrize("biases", [1, 2])
    def test_at_once_is_exact(self, biases: int, dtype: torch.dtype) -> None:
        q = torch.randn(2, 3, 30, 8).to(dtype)
        k, v = torch.randn(2, 2, 3, 9, 8).to(dtype).unbind(0)
        bias = torch.randn(biases, 3, 30, 9).to(dtype)
        scores = q.double() @ k.double().transpose(-1, -2) / 8**0.5 + bias.double()
        expected = (scores.softmax(-1) @ v.double()).transpose(1, 2).flatten(2)
        found = attention.at_once(q, k, v, bias)
        assert found.dtype == dtype
        assert (found.double() - expected).abs().max() < (0.03 if dtype == BFLOAT16 else 1e-12)
        assert torch.equal(found, attention.attend(q, k, v, bias)) == (dtype == BFLOAT16)

    def test_with_a_bias(self) -> None:
        q, k, v = torch.randn(3, 2, 2, 30, 8).unbind(0)
        bias = torch.randn(1, 2, 30, 30)
        weights = (q @ k.transpose(-1, -2) / 8**0.5 + bias).softmax(-1)
        expected = (weights @ v).transpose(1, 2).flatten(2)
        assert torch.allclose(attention.attend(q, k, v, bias), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "limit"), [pytest.param(BFLOAT16, 0.05, marks=needs_packing), (torch.float32, 3e-6)]
)
def test_block_of_convolutions(dtype: torch.dtype, limit: float) -> None:
    block = ConvBlock(32, "wrap", 0.5).to(dtype)
    x = torch.randn(2, 32, 7, 14).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        exact = copy.deepcopy(block).float()(x.float())
        blocks.fold_unit(block, partial(PackedLinear, tokens=98))
        found = block(x)
    assert type(block) is blocks.FusedConvBlock
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found.float() - exact).abs().max() < limit


class TestHead:
    @pytest.mark.parametrize("elements", [1, 3000, 2**30])  # row by row, some, all at once
    @pytest.mark.parametrize("size", [(14, 28), (37, 70), (2, 3)])
    def test_bands_are_the_whole(
        self, build: Build, size: tuple[int, int], elements: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blocks, "BAND_ELEMENTS", elements)
        head = prepare(build(sky_head=True)).head
        x = torch.randn(2, 8, 8, 16)
        with torch.inference_mode():
            expected, sky, _ = Head.forward(head, x, size)
            monkeypatch.setattr(Head, "forward", None)  # the bands must not need it
            found, found_sky, _ = head(x, size)
        assert sky is not None
        assert found_sky is not None
        assert found.shape == (2, *size)
        assert torch.allclose(found, expected, atol=1e-5)
        assert torch.allclose(found_sky, sky, atol=1e-5)

    def test_gradients_take_the_whole(self, build: Build) -> None:
        head, x = prepare(build()).head, torch.randn(1, 8, 8, 16, requires_grad=True)
        head(x, (14, 28)).raw.sum().backward()
        assert x.grad is not None


class TestPacked:
    @pytest.mark.parametrize(
        ("dtype", "limit"),
        [pytest.param(BFLOAT16, 0.03, marks=needs_packing), (torch.float32, 3e-6)],
    )
    def test_linear(self, dtype: torch.dtype, limit: float) -> None:
        layer = torch.nn.Linear(48, 40).to(dtype)
        x, other = torch.randn(2, 7, 48).to(dtype), torch.randn(2, 7, 40).to(dtype)
        packed = copy.deepcopy(PackedLinear(layer.weight, layer.bias, 100))
        exact = F.linear(x.float(), layer.weight.float(), layer.bias.float())
        for found, expected in (
            (packed(x), exact),
            (packed.gelu(x), F.gelu(exact)),
            (packed.plus(x, other), exact + other.float()),
        ):
            assert found.dtype == dtype
            assert (found.float() - expected).abs().max() < limit

    def test_precisions(self) -> None:
        assert packing_works(torch.float32) == torch.backends.mkldnn.is_available()
        assert not packing_works(torch.float64)


@needs_packing
class TestPrepare:
    @pytest.mark.parametrize("size", [(56, 112), (224, 448)])  # without and with blocks of rows
    def test_same_network(
        self, build: Build, fields: dict[str, Any], size: tuple[int, int]
    ) -> None:
        fields = {**fields, "size": size}
        image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            exact = build(**fields)(image)
            plain = build(**fields).to(BFLOAT16)(image)
            model = prepare(build(**fields).to(BFLOAT16))
            fast = model(image)
        assert model.prepared
        error = (fast.log_distance - exact.log_distance).abs().mean()
        rounding = (plain.log_distance - exact.log_distance).abs().mean()
        assert 0 < error < max(2 * rounding, torch.tensor(0.005))
        assert (fast.sky_logit is None) == (exact.sky_logit is None)

    def test_float32_is_exact(self, build: Build, fields: dict[str, Any], panorama: Tensor) -> None:
        model = build(**fields)
        with torch.inference_mode():
            before = model(panorama).log_distance
            found = prepare(model)(panorama).log_distance
        assert isinstance(model.backbone.blocks[0].qkv, PackedLinear)
        assert (found - before).abs().mean() < 3e-6
        assert torch.allclose(found, before, atol=1e-5)

    def test_other_precisions_stay_plain(self, build: Build, panorama: Tensor) -> None:
        model = build().double()
        with torch.inference_mode():
            before = model(panorama.double()).log_distance
            after = prepare(model)(panorama.double()).log_distance
            assert torch.allclose(after, before, atol=1e-5)
        assert type(model.backbone.blocks[0].qkv) is torch.nn.Linear
        assert not model.prepared

    def test_packs_every_large_layer(self, build: Build) -> None:
        model = prepare(build(size=(224, 448)).to(BFLOAT16))
        for block in model.backbone.blocks:
            assert isinstance(block, blocks.FusedBlock)
            layers = (block.qkv, block.out, block.mlp_in, block.mlp_out)
            assert all(isinstance(layer, PackedLinear) for layer in layers)

    def test_is_final(self, build: Build, tmp_path: Path) -> None:
        model = prepare(build().to(BFLOAT16))
        assert prepare(model) is model  # twice changes nothing
        for forbidden in (
            model.train,
            model.float,
            lambda: save_model(model, tmp_path / "m.safetensors"),
        ):
            with pytest.raises(ModelError, match="load it again"):
                forbidden()

    def test_parameters_are_counted_before(self, build: Build) -> None:
        model = build()
        expected = sum(p.numel() for p in model.parameters())
        assert prepare(model.to(BFLOAT16)).parameter_count == expected

    def test_what_load_returns(self, model_file: Path) -> None:
        predictor = panodepth.load(model_file, device="cpu", dtype="bfloat16")
        assert predictor.model.prepared
        exact = panodepth.load(model_file, device="cpu", dtype="float32")
        assert exact.model.prepared == packing_works(torch.float32)


@needs_packing
def test_small_reloaded_twin(model_file: Path) -> None:
    image = torch.rand(1, 3, 56, 112)
    with torch.inference_mode():
        exact = scale_invariant_distance(load_model(model_file)(image).log_distance)
        model = prepare(load_model(model_file, dtype=BFLOAT16))
        found = scale_invariant_distance(model(image).log_distance)
    assert ((found - exact).abs() / exact).mean() < 0.005


@pytest.mark.parametrize(
    ("dtype", "int8"),
    [(BFLOAT16, False), (torch.float32, False), pytest.param(BFLOAT16, True, marks=needs_int8)],
)
def test_block_by_block_is_all_at_once(model_file: Path, dtype: torch.dtype, int8: bool) -> None:
    image = torch.rand(1, 3, 56, 112)
    with torch.inference_mode():
        expected = prepare(load_model(model_file, dtype=dtype), int8=int8)(image).log_distance
        model = load_prepared(model_file, dtype=dtype, int8=int8)
        assert torch.equal(model(image).log_distance, expected)
    assert model.prepared == (int8 or packing_works(dtype))
    assert model.int8 == int8


def test_blocks_are_finished_one_by_one(model_file: Path) -> None:
    """Each has its weights when it is, and the next one has none yet."""
    seen: list[torch.nn.Module] = []

    def finish(model: SphereViT, part: torch.nn.Module) -> None:
        assert not any(p.is_meta for p in part.parameters())
        seen.append(part)
        blocks = [*model.backbone.blocks, *model.cross]
        assert all(p.is_meta for block in blocks[len(seen) :] for p in block.parameters())

    model = load_model(model_file, finish=finish)
    assert seen == [*model.backbone.blocks, *model.cross]
    assert not any(p.is_meta for p in model.parameters())

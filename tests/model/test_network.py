"""SphereViT's promises: shapes, precision, the seam, gradients."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from panodepth.errors import InputError
from panodepth.model import PRESETS, ModelConfig, SphereViT, scale_invariant_distance
from panodepth.model.embedding import geometry

Build = Callable[..., SphereViT]
BFLOAT16_MEAN = 0.02  # of a random network's log-distance


def run(model: SphereViT, image: Tensor) -> Tensor:
    with torch.no_grad():
        return model(image).log_distance


def test_output(build: Build, fields: dict[str, Any], panorama: Tensor) -> None:
    with torch.no_grad():
        log_distance, sky, _ = build(**fields)(panorama)
    assert log_distance.shape == (2, 56, 112)
    assert log_distance.dtype == torch.float32
    assert log_distance.isfinite().all()
    assert (sky is None) == (not fields.get("sky_head", False))
    assert sky is None or (sky.shape, sky.dtype) == ((2, 56, 112), torch.float32)


def test_of_two_depths_the_likelier_is_the_output(build: Build, panorama: Tensor) -> None:
    model = build(depths=2, sky_head=True)
    with torch.no_grad():
        model.head.out.weight *= 100  # so that logits of both signs are there
        output = model.train()(panorama)
        plain = model.eval()(panorama)
    first, second, logit = output.pair.unbind(1)
    assert 0.05 < (logit > 0).float().mean() < 0.95
    assert torch.equal(output.log_distance, torch.where(logit > 0, first, second))
    assert plain.pair is None
    assert torch.equal(plain.log_distance, output.log_distance)


@pytest.mark.parametrize("shape", [(1, 3, 56, 100), (1, 4, 56, 112), (3, 56, 112)])
def test_wrong_shape_is_one_clear_line(build: Build, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="multiples of 14") as caught:
        build()(torch.zeros(shape))
    assert "\n" not in str(caught.value)


def test_log_distance_is_the_clipped_output_plus_two(build: Build, panorama: Tensor) -> None:
    model = build()
    with torch.no_grad():
        model.head.out.weight *= 1000
        raw, *_ = model.forward_raw(panorama)
    assert raw.abs().max() > 8
    assert torch.equal(run(model, panorama), raw.clamp(-8, 8) + 2)


def test_batch_equals_one_by_one(build: Build, fields: dict[str, Any], panorama: Tensor) -> None:
    model = build(**fields)
    single = torch.cat([run(model, image[None]) for image in panorama])
    assert torch.allclose(run(model, panorama), single, atol=1e-5)


@pytest.mark.parametrize("size", [(28, 56), (70, 140), (42, 126)])
def test_other_sizes(build: Build, fields: dict[str, Any], size: tuple[int, int]) -> None:
    model = build(**fields)
    image = torch.rand(1, 3, *size)
    assert run(model, image).shape == (1, *size)


@pytest.mark.parametrize(("azimuth_free", "sphere"), [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize("backbone", ["patch", "conv"])
def test_rolling_commutes(
    build: Build, backbone: str, azimuth_free: bool, sphere: bool, panorama: Tensor
) -> None:
    from_conv = {"stem_widths": (4, 6, 8), "stem_blocks": (1, 1, 1)} if backbone == "conv" else {}
    model = build(
        backbone=backbone,
        wrap_padding=True,
        periodic_embedding=True,
        azimuth_free_embedding=azimuth_free,
        latitude_positions=True,
        great_circle_bias=True,
        sphere_attention=sphere,
        sky_head=True,
        **from_conv,
    )
    with torch.no_grad():
        plain, rolled = model(panorama), model(panorama.roll(3 * 14, -1))
    assert plain.log_distance.std() > 1e-3
    for a, b in zip(plain[:2], rolled[:2], strict=True):
        assert torch.allclose(a.roll(3 * 14, -1), b, atol=1e-4)


@pytest.mark.parametrize("broken", ["wrap_padding", "latitude_positions"])
def test_rolling_test_can_fail(build: Build, broken: str, panorama: Tensor) -> None:
    names = ("wrap_padding", "periodic_embedding", "latitude_positions")
    model = build(**{name: name != broken for name in names})
    difference = run(model, panorama).roll(42, -1) - run(model, panorama.roll(42, -1))
    assert difference.abs().max() > 1e-3


def test_great_circle_bias_matters_and_starts_as_locality(build: Build, panorama: Tensor) -> None:
    fields = {"great_circle_bias": True, "periodic_embedding": True}
    model = build(**fields)
    before = run(model, panorama)
    with torch.no_grad():
        for block in model.backbone.blocks:
            block.bias.weight.zero_()
    assert (run(model, panorama) - before).abs().max() > 1e-4
    fresh = SphereViT(model.config).backbone.blocks[0].bias.weight[:, :-1]
    assert (fresh[1:].diff(dim=1) < 0).all()


def test_gradients_reach_every_parameter(
    build: Build, fields: dict[str, Any], panorama: Tensor
) -> None:
    model = build(**fields).train()
    log_distance, sky, _ = model(panorama)
    loss = log_distance.square().mean() + (0 if sky is None else sky.square().mean())
    loss.backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    assert silent == []


def test_a_fresh_compact_network_is_calm_and_learns() -> None:
    torch.manual_seed(0)
    model = SphereViT(PRESETS["compact"])
    image = torch.rand(2, 3, 42, 84)
    target = image.mean(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        loss = (model(image).log_distance - 2 - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] < 1.0
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build(name: str) -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in SphereViT(PRESETS[name]).parameters())
    limits = {"compact": 9.5e6, "lite0": 8e6, "lite2": 9.5e6, "small": 40e6, "base": 150e6}
    assert count <= limits.get(name, 345e6)


class TestPrecision:
    @pytest.mark.parametrize("how", ["autocast", "weights"])
    def test_head_stays_float32(
        self, how: str, build: Build, fields: dict[str, Any], panorama: Tensor
    ) -> None:
        model = build(**fields)
        exact = run(model, panorama)
        seen: list[torch.dtype] = []
        model.head.conv.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
        model.head.out.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
        if how == "weights":
            model.to(torch.bfloat16)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
            output = model(panorama)
        assert seen
        assert set(seen) == {torch.float32}
        assert output.log_distance.dtype == torch.float32
        error = (output.log_distance - exact).abs().mean()
        assert 0 < error < BFLOAT16_MEAN
        # More distinct values than bf16 has between two powers of two: not rounded on the way out.
        assert output.log_distance.unique().numel() > 1000

    def test_casting_back_and_forth_leaves_the_head_alone(self, build: Build) -> None:
        model = build()
        before = copy.deepcopy(model.head.state_dict())
        model.half().float()
        assert all(torch.equal(before[k], v) for k, v in model.head.state_dict().items())


def test_inference_first_leaves_nothing_that_training_cannot_use(
    build: Build, panorama: Tensor
) -> None:
    geometry.cache_clear()
    model = build(periodic_embedding=True, great_circle_bias=True)
    with torch.inference_mode():
        model(panorama)
    model.train()
    model(panorama).log_distance.sum().backward()
    assert all(block.kv.weight.grad is not None for block in model.cross)


class TestScaleInvariantDistance:
    def test_against_torch_quantile(self) -> None:
        logs = torch.randn(3, 40, 80)
        distance = scale_invariant_distance(logs)
        for got, log in zip(distance, logs, strict=True):
            assert got.flatten().quantile(0.98).item() == pytest.approx(1.0, abs=1e-6)
            assert torch.allclose(
                got.log() - log, (got.log() - log)[0, 0].expand(40, 80), atol=1e-5
            )

    def test_only_valid_pixels_count(self) -> None:
        logs = torch.randn(1, 20, 40)
        valid = torch.rand(1, 20, 40) > 0.3
        spoiled = torch.where(valid, logs, 9.0)
        a = scale_invariant_distance(logs, valid)[valid]
        assert torch.equal(a, scale_invariant_distance(spoiled, valid)[valid])

    def test_nothing_valid(self) -> None:
        valid = torch.ones(2, 4, 8, dtype=torch.bool)
        valid[1] = False
        with pytest.raises(InputError, match="image 1 of the batch has no valid pixel"):
            scale_invariant_distance(torch.zeros(2, 4, 8), valid)

    def test_one_pixel(self) -> None:
        assert scale_invariant_distance(torch.full((1, 1, 1), 3.0)).item() == 1.0


def test_config_is_kept() -> None:
    config = dataclasses.replace(PRESETS["tiny"], name="mine")
    assert isinstance(config, ModelConfig)
    assert SphereViT(config).config is config


@pytest.mark.parametrize("name", ["base", "small", "compact", "lite0", "lite2"])
def test_presets_for_own_training_run(name: str) -> None:
    network = SphereViT(PRESETS[name]).eval()
    with torch.inference_mode():
        size = (2 * network.config.step, 4 * network.config.step)
        output = network(torch.rand(1, 3, *size))
    assert output.log_distance.shape == (1, *size)
    assert output.sky_logit is not None
    assert bool(torch.isfinite(output.log_distance).all())


def test_without_sphere_attention_nothing_of_the_sphere_is_embedded(
    build: Build, panorama: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = build(sphere_attention=False)
    names = set(plain.state_dict())
    lost = {n.split(".")[2] for n in set(build().state_dict()) - names}
    assert lost == {"norm_image", "norm_sphere", "q", "kv", "out"}
    assert any(n.startswith("cross.0.mlp_in") for n in names)
    before = run(plain, panorama), run(build(), panorama)
    plain.train()
    plain(panorama).log_distance.sum().backward()
    assert all(p.grad is not None for p in plain.parameters())
    monkeypatch.setattr(
        "panodepth.model.spherevit.geometry",
        lambda rows, cols, config, device: (torch.ones(rows * cols, config.embedding_dim), None),
    )
    assert torch.equal(run(build(sphere_attention=False), panorama), before[0])
    assert not torch.allclose(run(build(), panorama), before[1], atol=1e-4)


def test_a_config_saved_before_a_field_was_added_means_the_same() -> None:
    values = PRESETS["compact"].to_dict()
    del values["sphere_attention"]
    assert ModelConfig.from_dict(values) == PRESETS["compact"]

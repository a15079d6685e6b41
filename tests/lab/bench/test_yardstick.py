"""The plain reference path is the same network, and the formula counts what a counter counts."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from panodepth.lab.bench import network_flops, plain_forward
from panodepth.model import PRESETS, SphereViT

CONFIGS = {
    **{name: PRESETS[name] for name in ("tiny", "small", "compact")},
    "no sphere": dataclasses.replace(PRESETS["compact"], sphere_attention=False),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_flops(name: str) -> None:
    network = SphereViT(CONFIGS[name]).eval()
    image = torch.rand(1, 3, 70, 140)
    # The counter knows attention as products, not the CPU's fused kernel.
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter, torch.no_grad():
        plain_forward(network, image)
    assert counter.get_total_flops() == network_flops(CONFIGS[name], (70, 140))


@pytest.mark.parametrize("name", CONFIGS)
def test_plain_is_the_same_network(name: str) -> None:
    torch.manual_seed(0)
    network = SphereViT(CONFIGS[name]).eval()
    image = torch.rand(2, 3, 56, 112)
    with torch.inference_mode():
        plain, ours = plain_forward(network, image), network(image)
    assert torch.allclose(plain.log_distance, ours.log_distance, atol=1e-5)
    assert (plain.sky_logit is None) == (ours.sky_logit is None)
    if plain.sky_logit is not None and ours.sky_logit is not None:
        assert torch.allclose(plain.sky_logit, ours.sky_logit, atol=1e-5)

"""The plain route is the network itself, unhurried; its arithmetic is counted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from panodepth.lab.bench.flops import network_flops
from panodepth.lab.bench.routes import find_routes
from panodepth.lab.bench.subject import random_network, sample_picture
from panodepth.model import PRESETS, ModelConfig, save_model

CONFIGS = {
    **{name: PRESETS[name] for name in ("tiny", "compact", "lite0")},
    "no sphere": dataclasses.replace(PRESETS["compact"], sphere_attention=False),
}


def by_hand(config: ModelConfig, size: tuple[int, int]) -> int:
    """Operations of a network like `tiny`, from its layers' shapes."""
    rows, cols = size[0] // 14, size[1] // 14
    grid, dim, hidden = rows * cols, config.dim, config.hidden
    tokens = grid + 1
    macs = grid * 3 * 14 * 14 * dim
    macs += config.depth * (12 * tokens * dim**2 + 2 * tokens**2 * dim)
    cross = grid * dim * hidden + 8 * grid * hidden**2 + 2 * grid * hidden**2
    cross += 2 * grid * grid * hidden + grid * config.embedding_dim * 2 * hidden
    macs += 4 * cross
    widths = config.decoder
    macs += grid * hidden * widths[0]
    for level in range(3):
        pixels, lifted = grid * 4**level, max(1, 2 * level) ** 2
        macs += grid * hidden * widths[level] * lifted
        macs += pixels * config.decoder_units * 18 * widths[level] ** 2
        macs += pixels * widths[level] * widths[level + 1]
    macs += 64 * grid * (widths[3] ** 2 + 9 * widths[3] * config.head[0])
    macs += size[0] * size[1] * (9 * config.head[0] * config.head[1] + config.head[1])
    return 2 * macs


@pytest.mark.parametrize("size", [None, (70, 140)])
def test_flops_of_a_plain_transformer_by_hand(size: tuple[int, int] | None) -> None:
    config = PRESETS["tiny"]
    assert network_flops(config, size) == by_hand(config, size or config.size)


def test_flops_of_all_presets_grow_with_the_network() -> None:
    names = ["tiny", "lite0", "lite2", "compact", "small", "base", "large"]
    counted = [network_flops(PRESETS[name]) for name in names]
    assert counted == sorted(counted)
    assert counted[-1] == pytest.approx(3.52e12, rel=0.01)  # of the released network at 546×1092


@pytest.mark.parametrize("name", CONFIGS)
def test_plain_and_fast_are_the_same_network(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]
    file = save_model(random_network(config), tmp_path / "model.safetensors")
    plain, fast = find_routes(("fast",))
    image = sample_picture((4 * config.step, 8 * config.step), batch=2)
    device = torch.device("cpu")
    with torch.inference_mode():
        exact = plain.build(file, device, "float32")(image)
        ours = fast.build(file, device, "float32")(image)
    torch.testing.assert_close(ours, exact, atol=1e-5, rtol=1e-5)

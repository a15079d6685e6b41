"""A network small enough to build in every test; keyword arguments change single fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from panodepth.model import ModelConfig, SphereViT

BASE: dict[str, Any] = {
    "name": "micro",
    "size": (56, 112),
    "dim": 16,
    "depth": 4,
    "heads": 2,
    "features": (1, 2, 3, 4),
    "position_grid": 5,
    "layer_scale": 0.5,
    "hidden": 16,
    "cross_heads": 2,
    "embedding_dim": 16,
    "decoder": (16, 12, 8, 8),
    "head": (8, 8),
}
CONV = {
    "backbone": "conv",
    "stem_widths": (4, 6, 8),
    "stem_blocks": (1, 1, 1),
    "class_token": False,
}
OWN = {"wrap_padding": True, "periodic_embedding": True, "latitude_positions": True}
FREE = {**OWN, "azimuth_free_embedding": True, "great_circle_bias": True, "sky_head": True}


@pytest.fixture
def build() -> Callable[..., SphereViT]:
    """build(**fields): a random network in eval mode whose every part matters to the output."""

    def make(**fields: Any) -> SphereViT:
        torch.manual_seed(0)
        model = SphereViT(ModelConfig.from_dict({**BASE, **fields})).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
        return model

    return make


@pytest.fixture
def panorama() -> torch.Tensor:
    """(2, 3, 56, 112) of noise in [0, 1]."""
    return torch.rand(2, 3, 56, 112, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=["released", "own", "free", "conv", "conv-free"])
def fields(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One of the ways to build the network."""
    return {
        "released": {},
        "own": {**OWN, "great_circle_bias": True, "sky_head": True},
        "free": FREE,
        "conv": {**CONV, "stem_blocks": (0, 1, 2)},
        "conv-free": {**CONV, **FREE},
    }[request.param]

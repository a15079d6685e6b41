"""The same network for pinhole views: what of it belongs to the sphere is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from panodepth.model import ModelConfig, SphereViT, find_preset, load_model

PIXELS_AT_ONCE = 1 << 20  # in one pass of the network, to bound its memory
RANDOM = "random"  # instead of weights: an untrained network, for measuring speed


class ViewNetwork(Protocol):
    """Predicts views; anything that does this can be fused.

    size: pixels a side of the views it takes.
    """

    size: int

    def log_distance(self, views: Tensor) -> Tensor:
        """(V, 3, s, s) sRGB in [0, 1], 90° wide, to (V, s, s) log distance along the rays."""
        ...


def perspective_config(preset: str, size: int) -> ModelConfig:
    """A preset as a network for square views: the same blocks and widths, nothing spherical.

    Positions are learned in both axes, borders are borders, and the blocks after the backbone keep
    their MLP without the attention to the sphere. Raises ConfigError for an unknown preset.
    """
    return replace(
        find_preset(preset),
        name=f"{preset}-perspective",
        size=(size, size),
        wrap_padding=False,
        periodic_embedding=False,
        azimuth_free_embedding=False,
        latitude_positions=False,
        great_circle_bias=False,
        sphere_attention=False,
    )


class SquareViews:
    """A SphereViT with a perspective configuration as a `ViewNetwork`."""

    def __init__(self, model: SphereViT) -> None:
        self.model = model.eval()
        self.size = model.config.size[0]
        self.device = next(model.parameters()).device

    def log_distance(self, views: Tensor) -> Tensor:
        """(V, s, s) float32 on the CPU; small views in one pass, large ones a few at a time."""
        at_once = max(1, PIXELS_AT_ONCE // views[0, 0].numel())
        with torch.inference_mode():
            parts = [self.model(v.to(self.device)).log_distance for v in views.split(at_once)]
            return torch.cat(parts).float().cpu()


def open_network(weights: str, preset: str, size: int, device: str) -> SquareViews:
    """weights: a .safetensors file of a perspective model, or "random" for an untrained preset.

    size: pixels a side; 0 = the file's own, or 126. Raises ModelError or ConfigError.
    """
    if weights == RANDOM:
        torch.manual_seed(0)
        model = SphereViT(perspective_config(preset, size or 126))
        return SquareViews(model.to(device))
    model = load_model(Path(weights), device=device, dtype=torch.float32)
    network = SquareViews(model)
    network.size = size or network.size
    return network

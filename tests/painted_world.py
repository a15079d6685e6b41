"""A world whose walls are painted with their distance, and a network that reads it off them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from panodepth.geometry.lens import Lens, View
from panodepth.model import ModelConfig, ModelOutput
from panodepth.predict.torch_backend import TorchPredictor

SIZE = (56, 112)


class Painted(nn.Module):
    """log distance = red: the picture says what the answer is."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.config = ModelConfig(size=SIZE, wrap_padding=True, sky_head=False)

    def forward(self, image: torch.Tensor) -> ModelOutput:
        return ModelOutput(image[:, 0], None)


PREDICTOR = TorchPredictor(Painted())  # type: ignore[arg-type]


def log_distance(rays: Any) -> Any:
    """What the world's walls are painted with: smooth, and nowhere the same."""
    x, y, z = np.moveaxis(rays, -1, 0)
    return 0.5 + 0.2 * x + 0.15 * y - 0.1 * z + 0.1 * x * z


def picture(lens: Lens, size: tuple[int, int], rotation: Any = None) -> Any:
    """(h, w, 3) float32 that a lens takes of the painted world; black where it sees nothing."""
    rays = View(lens, size, rotation).rays()
    image = np.zeros((*size, 3), np.float32)
    image[..., 0] = np.where(rays.any(-1), log_distance(rays), 0)
    return image


def error_percent(found: Any, rays: Any, mask: Any) -> float:
    """Mean difference to the painted distance after the scale is taken out [%]."""
    ratio = found[mask] / np.exp(log_distance(rays))[mask]
    return float(np.abs(ratio / np.median(ratio) - 1).mean() * 100)

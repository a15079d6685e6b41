"""`--scale learned`: metres by what things are, as the metres network tells."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch

from panodepth.errors import ModelError
from panodepth.geometry.resizing import resize_erp
from panodepth.model.metres import MetresNetwork, load_metres
from panodepth.predict.models import WEIGHTS
from panodepth.types import BoolArray, FloatArray

LAPLACE = math.sqrt(2)  # standard deviation of a Laplace distribution of scale 1


@lru_cache(maxsize=1)
def bundled_metres() -> MetresNetwork:
    """The bundled metres network, on the CPU; ModelError when it was not shipped."""
    path = WEIGHTS / "metres.safetensors"
    if not path.is_file():
        raise ModelError(f"the metres network is missing ({path}): reinstall, or --scale none")
    return load_metres(path)


@torch.inference_mode()
def by_network(distance: FloatArray, valid: BoolArray, pixels: FloatArray) -> tuple[float, float]:
    """Metres of one unit of the map, and the relative standard deviation of that.

    distance: (h, w), its 0.98 quantile 1; valid: (h, w) bool; pixels: (3, h, w) in [0, 1].
    """
    network = bundled_metres()
    size = network.config.size
    # Masked pixels may hold anything; the map is smoothed as its logarithm, as in training.
    known = np.where(valid, distance, np.float32(1))
    maps = (
        resize_erp(np.ascontiguousarray(pixels), size).clip(0, 1),
        np.exp(resize_erp(np.log(known), size)),
        resize_erp(valid, size, mode="nearest"),
    )
    found = network(*(torch.from_numpy(np.ascontiguousarray(x))[None] for x in maps))
    return math.exp(float(found.log)), LAPLACE * math.exp(float(found.log_spread))

"""From the network's log distance to a distance with a scale of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from panodepth.errors import InputError

SCALE_QUANTILE = 0.98  # the distance that becomes 1, DA² release


def scale_invariant_distance(log_distance: Tensor, valid: Tensor | None = None) -> Tensor:
    """exp(log_distance) divided, per image, by its own 0.98 quantile over the valid pixels.

    log_distance: (B, H, W); valid: (B, H, W) bool or None for all. Returns (B, H, W) float32 > 0.
    Raises InputError when an image has no valid pixel.
    """
    logs = log_distance.float()
    distances = []
    for number, log in enumerate(logs):
        chosen = log.flatten() if valid is None else log[valid[number]]
        if chosen.numel() == 0:
            raise InputError(f"image {number} of the batch has no valid pixel to normalise by")
        distance = log.exp()
        distances.append(distance / _quantile(chosen.exp(), SCALE_QUANTILE))
    return torch.stack(distances)


def _quantile(values: Tensor, q: float) -> Tensor:
    """Linear-interpolated quantile of (n,), for any n (torch.quantile stops at 2^24)."""
    place = q * (values.numel() - 1)
    low = int(place)
    a = values.kthvalue(low + 1).values
    b = values.kthvalue(min(low + 2, values.numel())).values
    return a + (b - a) * (place - low)

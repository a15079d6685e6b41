"""Panoramas on their way to the network: as rendered, as kept, as trained on.

Kept form (in memory and in the disk cache): image uint8, and one float32 distance map in which 0
means unknown and infinity means sky.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from panodepth.lab.evaluation.worlds import Renderer, as_stored
from panodepth.lab.losses import Truth
from panodepth.lab.training.config import DataConfig


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor (...) on a device; a GPU copies it while the CPU goes on."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Batch(NamedTuple):
    """image: (B, 3, H, W) float32 in [0, 1], sRGB-coded; truth as in `lab.losses.Truth`."""

    image: Tensor
    truth: Truth


class Stored(NamedTuple):
    """image: (N, 3, H, W) uint8; distance: (N, H, W) float32, 0 = unknown, inf = sky."""

    image: Tensor
    distance: Tensor

    def to(self, device: torch.device) -> Stored:
        """The same on a device."""
        return Stored(send(self.image, device), send(self.distance, device))

    def singles(self) -> list[Stored]:
        """Each panorama alone, (1, ...)."""
        n = len(self.image)
        return [Stored(self.image[i : i + 1], self.distance[i : i + 1]) for i in range(n)]

    def decode(self) -> Batch:
        """To float image and truth; distance is 1 where it is not valid."""
        sky = torch.isinf(self.distance)
        valid = (self.distance > 0) & ~sky
        distance = torch.where(valid, self.distance, 1.0)
        return Batch(self.image.float().div_(255.0), Truth(distance, valid, sky))


def mix_seed(*parts: int) -> int:
    """One 63-bit seed from several integers, well mixed: equal only for equal parts."""
    state = np.random.SeedSequence([p & 0xFFFFFFFF for p in parts]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def render_stored(renderer: Renderer, data: DataConfig, indices: Sequence[int]) -> Stored:
    """Worlds `indices` of `data.seed`, rendered at once and kept on `data.render_device`."""
    scene = renderer(
        data.seed,
        list(indices),
        data.height,
        data.width,
        kind=data.kind,
        device=data.render_device,
        priors=data.priors,
    )
    return Stored(*as_stored(scene))

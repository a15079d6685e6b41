"""Random choices for a batch of images, and the small filter that augmentations share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.geometry.seam import pad_erp
from panodepth.lab.training.feed.samples import send

SRGB_POWER = 2.2
LUMA = (0.299, 0.587, 0.114)


class Dice:
    """Random numbers drawn on the CPU and sent to the images' device: the same on any device."""

    def __init__(self, seed: int, count: int, device: torch.device) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.count = count
        self.device = device

    def uniform(self, *shape: int) -> Tensor:
        """(B, *shape) in [0, 1)."""
        return send(torch.rand(self.count, *shape, generator=self.generator), self.device)

    def normal(self, *shape: int) -> Tensor:
        """(B, *shape), mean 0, standard deviation 1."""
        return send(torch.randn(self.count, *shape, generator=self.generator), self.device)

    def fractions(self) -> list[float]:
        """A number in [0, 1) for each image."""
        drawn = torch.rand(self.count, generator=self.generator).tolist()
        return [float(x) for x in drawn]

    def chance(self, probability: float) -> list[int]:
        """Which images of the batch are picked."""
        drawn = torch.rand(self.count, generator=self.generator)
        return [i for i, x in enumerate(drawn.tolist()) if x < probability]

    def picks(self, probability: float) -> Tensor:
        """(B, 1, 1, 1) bool on the images' device: which images of the batch are picked."""
        return self.uniform(1, 1, 1) < probability

    def integers(self, stop: int) -> list[int]:
        """A number of 0 .. stop - 1 for each image."""
        drawn = torch.randint(stop, (self.count,), generator=self.generator).tolist()
        return [int(x) for x in drawn]


def binomial(image: Tensor) -> Tensor:
    """3x3 blur with weights (1, 2, 1)/4 along each axis; (B, 3, H, W), closed over the seam."""
    kernel = image.new_tensor([0.25, 0.5, 0.25])
    weight = (kernel[:, None] * kernel).expand(3, 1, 3, 3)
    return F.conv2d(pad_erp(image, 1), weight, groups=3)

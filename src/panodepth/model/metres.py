"""The metres network: how many metres one unit of a relative distance map is, and how sure that is.

It sees the picture and the map at a small size and pools what convolutions find over the sphere.
What it can know of scale is what things are: the height a camera stands at, doors, beds, cars.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from panodepth.errors import ConfigError
from panodepth.geometry.grid import solid_angles
from panodepth.model.helpers import load_helper
from panodepth.model.layers import SphereConv2d

FIELDS = 3 + 4  # picture; log distance, surface, sine and cosine of the polar angle
LOG_RANGE = (-5.0, 1.0)  # of the relative distance
SPREAD_RANGE = (-3.5, 1.5)  # of the log of the spread
MOST_CHANNELS, MOST_ROWS = 4096, 1024  # more are mistaken


@dataclass(frozen=True)
class MetresConfig:
    """Channels of the levels, each at half the size of the one before, and rows of the picture."""

    channels: tuple[int, ...] = (32, 64, 96, 128, 128)
    rows: int = 64

    def __post_init__(self) -> None:
        steps = 2 ** len(self.channels)
        fits = all(0 < c <= MOST_CHANNELS for c in self.channels) and 0 < self.rows <= MOST_ROWS
        if not (self.channels and fits) or self.rows % steps:
            raise ConfigError(
                f"the metres network's config: channels {self.channels} and rows {self.rows}: rows "
                f"must be a multiple of 2 per level, at most {MOST_ROWS}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of what it sees."""
        return self.rows, 2 * self.rows


class Metres(NamedTuple):
    """log: (B,) natural log of metres per unit. log_spread: (B,) natural log of the scale b of the
    Laplace distribution that the error of `log` is expected to have.
    """

    log: Tensor
    log_spread: Tensor


class MetresNetwork(nn.Module):
    """Convolutions of stride 2, the mean over the sphere and the largest value, two numbers."""

    def __init__(self, config: MetresConfig) -> None:
        super().__init__()
        self.config = config
        widths = (FIELDS, *config.channels)
        self.levels = nn.ModuleList(
            nn.Sequential(
                SphereConv2d(a, b, 3, stride=2, border="wrap"),
                nn.GroupNorm(1, b),
                nn.ReLU(),
                SphereConv2d(b, b, 3, border="wrap"),
                nn.ReLU(),
            )
            for a, b in zip(widths, config.channels, strict=False)
        )
        last = widths[-1]
        self.mixed = nn.Linear(2 * last, last)
        self.out = nn.Linear(last, 2)
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor([1.5, -1.0]))  # a room, and not sure at all

    def forward(self, image: Tensor, distance: Tensor, valid: Tensor) -> Metres:
        """image: (B, 3, h, w) in [0, 1]; distance: (B, h, w) relative, > 0 where `valid` (bool)."""
        height = distance.shape[-2]
        log = torch.where(valid, distance, 1.0).log().clamp(*LOG_RANGE)
        polar = (torch.arange(height, device=log.device) + 0.5) * (torch.pi / height)
        polar = polar[:, None].expand_as(log)
        fields = torch.stack((log, valid.float(), polar.sin(), polar.cos()), 1)
        x = torch.cat((image - 0.5, fields), 1)
        for level in self.levels:
            x = level(x)
        weight = solid_angles(x.shape[-2], x.shape[-1])
        weight = torch.as_tensor(weight / weight.sum(), dtype=x.dtype, device=x.device)
        pooled = torch.cat(((x * weight).sum((2, 3)), x.amax((2, 3))), 1)
        log, spread = self.out(functional.relu(self.mixed(pooled)).float()).unbind(1)
        return Metres(log, spread.clamp(*SPREAD_RANGE))


def load_metres(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> MetresNetwork:
    """A metres network in eval mode, float32, from what `save_helper` has written.

    Raises ModelError, one line, for any other file.
    """
    return load_helper("metres", MetresConfig, MetresNetwork, path, device)

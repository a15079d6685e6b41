"""The detail network: the picture and a coarse distance map in, a sharp distance map out.

One `Doubling` makes a map of twice the size. It invents no distance: every fine pixel is a weighted
mean of planes, one through each coarse pixel around it, and never nearer or farther than those
pixels are. The picture only chooses the weights. So an edge becomes a choice of a side, and flat
walls stay flat. The first doubling mends what the coarse network has blurred and reaches far, the
others follow edges that are sharp already and are cheap; all sizes from the second on share one.

Inverse distance along the ray r is linear in r on a plane: 1 / d = n · r. A plane is therefore a
vector n, and evaluating it in another pixel is a product with that pixel's ray.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from panodepth.geometry.arrays import exact_indices, to_dtype
from panodepth.model.helpers import load_helper

MEAN = 2  # the map is given to the network relative to its mean over this many pixels each way
GAINS = (2.0, 20.0)  # of those differences: for steps between surfaces, and for slopes
FIELDS = len(GAINS) + 3  # sky logit, sine and cosine of latitude
SKY_LIMIT = 4.0  # sky logits are clipped to that
# Before training, of a doubling that sees one ring or several: differences of colour and of log
# distance that count, and the Gaussian over the distance from the fine pixel [coarse pixels].
COLOURS, ROUGHS = (0.018, 0.05), (0.03, 0.015)
SPREADS, LEAST = (0.6, 1.1), -1.8
MAX_ROUGH = 0.3  # of log distance; a farther step is no worse


@dataclass(frozen=True)
class DetailConfig:
    """Channels, dilations of the 3x3 convolutions, and rings of candidates of both doublings.

    A ring of radius r [coarse pixels] is the eight pixels r away along rows, columns and diagonals.
    """

    channels: int = 32
    first_dilations: tuple[int, ...] = (1, 1, 2, 4, 2, 1)
    first_rings: tuple[int, ...] = (1, 2, 4, 7)
    next_dilations: tuple[int, ...] = (1, 2, 1)
    next_rings: tuple[int, ...] = (1,)


class Rows(NamedTuple):
    """Where a piece of a coarse map lies on the sphere.

    polar: (B, h) angle of its rows from the zenith [rad], going on beyond the poles. step: angles
    between its rows and between its columns [rad].
    """

    polar: Tensor
    step: tuple[float, float]

    @classmethod
    def of(cls, size: tuple[int, int], top: Tensor, count: int) -> Rows:
        """Rows top .. top + count of a map of `size`; top: (B,) int."""
        rows = top[:, None] + torch.arange(count, device=top.device)
        step = math.pi / size[0]
        exact = rows.float() if rows.device.type == "mps" else rows.double()  # it has no float64
        return cls(((exact + 0.5) * step).float(), (step, 2 * math.pi / size[1]))

    def around(self, first: float, count: int) -> tuple[Tensor, Tensor]:
        """Sine and cosine, (count,), of the longitudes of the columns from `first` on.

        Column 0 of the piece looks at longitude 0.
        """
        longitude = (first + exact_indices(count, self.polar.dtype, self.polar.device)) * self.step[
            1
        ]
        sine, cosine = (to_dtype(f(longitude), self.polar.dtype) for f in (torch.sin, torch.cos))
        return sine, cosine

    def rays(self, first: float, count: int) -> Tensor:
        """(B, 3, h, count): unit rays of those columns."""
        along_x, along_z = self.around(first, count)
        sine, cosine = self.polar.sin()[:, :, None], self.polar.cos()[:, :, None]
        across = sine * along_x, -cosine + 0 * along_x, sine * along_z
        return torch.stack(across, 1)

    def fine(self, halo: int) -> Rows:
        """The rows of a map twice as fine, without those of the first and last `halo` ones."""
        polar, quarter = self.polar[:, halo : self.polar.shape[1] - halo], self.step[0] / 4
        polar = torch.stack((polar - quarter, polar + quarter), -1).flatten(1)
        return Rows(polar, (self.step[0] / 2, self.step[1] / 2))


def planes(inverse: Tensor, rows: Rows) -> Tensor:
    """(B, 3, h - 2, w - 2): the plane vector n of each pixel of `inverse`, without the outermost.

    inverse: (B, h, w) 1 / distance. Of the slopes to both sides the smaller one counts, and none
    where they disagree, so that a plane does not cross an edge. On a plane both are exact.
    """
    down, along = (math.sin(s) for s in rows.step)
    tangents = [math.tan(s / 2) for s in rows.step]
    middle = inverse[:, 1:-1, 1:-1]
    polar = rows.polar[:, 1:-1, None]
    sine, cosine = polar.sin(), polar.cos()
    bend = middle * tangents[0]
    slope_down = _smaller(
        (inverse[:, 2:, 1:-1] - middle) / down + bend,
        (middle - inverse[:, :-2, 1:-1]) / down - bend,
    )
    # Round a circle of latitude 1 / d is a sinusoid about the part of n along the axis.
    about = cosine * (middle * cosine - slope_down * sine)
    bend = (middle - about) * tangents[1]
    slope_along = _smaller(
        (inverse[:, 1:-1, 2:] - middle) / along + bend,
        (middle - inverse[:, 1:-1, :-2]) / along - bend,
    )
    across = slope_along / sine
    along_x, along_z = rows.around(1, middle.shape[-1])
    outward = middle * sine + slope_down * cosine
    return torch.stack(
        (
            outward * along_x + across * along_z,
            slope_down * sine - middle * cosine,
            outward * along_z - across * along_x,
        ),
        1,
    )


def _smaller(one: Tensor, other: Tensor) -> Tensor:
    """The one nearer to zero of two slopes (...) of one sign, else 0."""
    return (one.sign() + other.sign()) / 2 * torch.minimum(one.abs(), other.abs())


def largest_around(values: Tensor, reach: int) -> Tensor:
    """(B, H - 2 reach, W - 2 reach): the largest of (B, H, W) within `reach` pixels."""
    side = 2 * reach + 1
    return functional.max_pool2d(functional.max_pool2d(values, (side, 1), 1), (1, side), 1)


class Doubling(nn.Module):
    """One map (h, w) into one of (2 h, 2 w).

    Attribute: halo, by how many coarse pixels the result is smaller on each side.
    """

    def __init__(self, channels: int, dilations: tuple[int, ...], rings: tuple[int, ...]) -> None:
        super().__init__()
        sides = [(y, x) for y, x in product((-1, 0, 1), repeat=2) if y or x]
        self.offsets = [(0, 0), *((r * y, r * x) for r in rings for y, x in sides)]
        self.dilations, self.reach = dilations, max(rings)
        self.halo = max(sum(dilations) + MEAN, self.reach + 1)
        widths = [12 + FIELDS] + [channels] * len(dilations)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, channels, 3, dilation=d)
            for a, d in zip(widths[:-1], dilations, strict=True)
        )
        self.head = nn.Conv2d(channels, 4 * len(self.offsets), 1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        with torch.no_grad():
            self.head.bias.copy_(self._nearness().flatten())
        # 1 / differences of colour and of log distance that halve a weight, or nearly so.
        both = COLOURS[self.reach > 1], ROUGHS[self.reach > 1]
        self.sharpness = nn.Parameter(torch.tensor(both).reciprocal().log())

    def _nearness(self) -> Tensor:
        """(candidates, 4): before training weights fall with the distance from the fine pixel."""
        corners = list(product((-0.25, 0.25), repeat=2))
        away = [[(y - a) ** 2 + (x - b) ** 2 for a, b in corners] for y, x in self.offsets]
        spread = SPREADS[self.reach > 1]
        return (-torch.tensor(away) / (2 * spread**2)).clamp(LEAST)

    def forward(
        self, image: Tensor, log_distance: Tensor, sky_logit: Tensor, rows: Rows
    ) -> tuple[Tensor, Tensor]:
        """log distance and sky logit, (B, 2 (h - 2 halo), 2 (w - 2 halo)) each.

        image: (B, 3, 2 h, 2 w) in [0, 1]. log_distance, sky_logit: (B, h, w); logits of 0 where
        nothing is known. rows: where the h rows lie.
        """
        halo = self.halo
        sky = sky_logit.clamp(-SKY_LIMIT, SKY_LIMIT)
        weights = self.weights(image, log_distance, sky, rows)  # (B, K, 4, h, w)
        inverse = torch.exp(-log_distance)
        normals = functional.pad(planes(inverse, rows), (1, 1, 1, 1))  # as large as the map again
        mixed = self._mixed(weights, torch.cat((normals, sky[:, None]), 1))
        x, y, z, sky = functional.pixel_shuffle(mixed, 2).unbind(1)
        # Half a fine pixel left of the first coarse one's centre lies the first fine one's.
        rays = rows.fine(halo).rays(2 * halo - 0.5, x.shape[-1])
        value = x * rays[:, 0] + y * rays[:, 1] + z * rays[:, 2]
        low, high = self._range(inverse)
        return -torch.minimum(torch.maximum(value, low), high).log(), sky

    def weights(self, image: Tensor, log_distance: Tensor, sky: Tensor, rows: Rows) -> Tensor:
        """Weights of the fine pixels in each coarse one, (B, K, 4, H, W) for K candidates.

        image: (B, 3, 2 h, 2 w). log_distance, sky: (B, h, w); H = h - 2 halo, W likewise.
        """
        edge = slice(MEAN, -MEAN)
        around = functional.avg_pool2d(log_distance[:, None], 2 * MEAN + 1, 1)
        relative = log_distance[:, None, edge, edge] - around
        pixels = functional.pixel_unshuffle(image, 2)[:, :, edge, edge] - 0.5
        polar = rows.polar[:, None, edge, None].expand_as(relative)
        fields = [*(torch.tanh(gain * relative) for gain in GAINS), sky[:, None, edge, edge]]
        x = torch.cat((pixels, *fields, polar.sin(), polar.cos()), 1)
        for number, (layer, d) in enumerate(zip(self.layers, self.dilations, strict=True)):
            y = functional.relu(layer(x))
            x = y + x[:, :, d:-d, d:-d] if number else y
        spare = self.halo - MEAN - sum(self.dilations)
        x = x[:, :, spare : x.shape[2] - spare, spare : x.shape[3] - spare]
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1)  # else training lets them explode
        logits: Tensor = self.head(x).float()
        logits = logits.view(len(x), len(self.offsets), 4, *x.shape[-2:])
        return (logits + self._likeness(image, log_distance)).softmax(1)

    def _likeness(self, image: Tensor, log_distance: Tensor) -> Tensor:
        """What speaks for a candidate by itself, (B, K, 4, H, W): its colour, and even ground.

        image: (B, 3, 2 h, 2 w). log_distance: (B, h, w); H = h - 2 halo, W likewise.

        -|fine colour - candidate's|^2, without the part that all candidates share, and how uneven
        its ground is. Where edges are to be mended: the range of log distance around it, large
        between two surfaces. Where they are only followed: how far it is from both ends of that
        range. Pixels right beside a sharp edge must count there, or the edge would stay on the
        border between two coarse pixels.
        """
        halo, (colour, rough) = self.halo, self.sharpness.exp()
        around = [functional.max_pool2d(s * log_distance, 3, 1, padding=1) for s in (1, -1)]
        image = (image - 0.5) * colour
        coarse = functional.avg_pool2d(image, 2)
        above, below = around[0] - log_distance, around[1] + log_distance
        uneven = above + below if self.reach > 1 else torch.minimum(above, below)
        against = coarse.square().sum(1) / 2 + rough * uneven.clamp(max=MAX_ROUGH)
        fine = functional.pixel_unshuffle(image, 2)[..., halo:-halo, halo:-halo]
        height, width = fine.shape[-2:]
        fine = fine.reshape(len(fine), 3, 4, height, width)
        found = []
        for y, x in self.offsets:
            here = (..., slice(halo + y, halo + y + height), slice(halo + x, halo + x + width))
            speaks = -against[here][:, None]
            for channel in range(3):
                speaks = torch.addcmul(speaks, fine[:, channel], coarse[here][:, channel, None])
            found.append(speaks)
        return torch.stack(found, 1)

    def _mixed(self, weights: Tensor, values: Tensor) -> Tensor:
        """Σ weight · value over the candidates: (B, 4 C, H, W) of values (B, C, h, w)."""
        halo, (height, width) = self.halo, weights.shape[-2:]
        total = values.new_zeros(len(values), values.shape[1], 4, height, width)
        for number, (y, x) in enumerate(self.offsets):
            piece = values[:, :, halo + y : halo + y + height, halo + x : halo + x + width]
            total = torch.addcmul(total, weights[:, None, number], piece[:, :, None])
        return total.flatten(1, 2)

    def _range(self, inverse: Tensor) -> tuple[Tensor, Tensor]:
        """Least and largest candidate of (B, h, w), at the fine size (B, H, W)."""
        spare = self.halo - self.reach
        inverse = inverse[:, spare : inverse.shape[1] - spare, spare : inverse.shape[2] - spare]
        ends = [s * largest_around(s * inverse, self.reach) for s in (-1, 1)]
        low, high = (e.repeat_interleave(2, 1).repeat_interleave(2, 2) for e in ends)
        return low, high


class DetailNetwork(nn.Module):
    """`first`, which mends, and `next`, which follows; each is a `Doubling`."""

    def __init__(self, config: DetailConfig) -> None:
        super().__init__()
        self.config = config
        self.first = Doubling(config.channels, config.first_dilations, config.first_rings)
        self.next = Doubling(config.channels, config.next_dilations, config.next_rings)

    def step(self, number: int) -> Doubling:
        """The doubling of step `number`, from 0."""
        return self.next if number else self.first


def load_detail(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> DetailNetwork:
    """A detail network in eval mode, float32, from what `save_helper` has written.

    Raises ModelError, one line, for any other file.
    """
    return load_helper("detail", DetailConfig, DetailNetwork, path, device)

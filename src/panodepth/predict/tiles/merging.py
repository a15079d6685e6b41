"""Log distances of overlapping views, merged into one panorama by a gradient-domain solve.

Each view knows distance up to a factor of its own, that is log distance up to an offset: only
differences between neighbouring pixels can be compared between views. For every pair of
neighbouring panorama pixels the differences that the views see are averaged to one wish g, and the
panorama x is the one whose differences come nearest to the wishes,

    minimise  Σ_pairs c · (x_j − x_i − g_ij)²  +  p Σ_pixels cos lat · (x_i − a_i)²,

with c = 1 / cos lat for pairs within a row and cos lat for pairs between rows, which makes the sums
integrals of |∇x − g|² and |x − a|² over the sphere. Left and right edge are neighbours. a is a map
that holds what is wide, and p how firmly: the result follows a at angles above 1 / √p pixels;
without it the mean is free. Because c depends on the row alone, a Fourier transform along the rows
turns the normal equations into one tridiagonal system per frequency: the minimum is found directly,
not iteratively.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Wishes(NamedTuple):
    """Averaged differences: across (H, W), to the right neighbour, wrapping; down (H − 1, W)."""

    across: Tensor
    down: Tensor


class Blend:
    """The wishes of views that come one after the other."""

    def __init__(self, size: tuple[int, int]) -> None:
        """size: (H, W) of the panorama."""
        height, width = size
        self._seen = torch.zeros(size, dtype=torch.bool)
        self._sums, self._weights = (
            (torch.zeros(size, dtype=torch.float64), torch.zeros(height - 1, width).double())
            for _ in range(2)
        )

    def add(self, value: Tensor, weight: Tensor) -> None:
        """One view, laid on the panorama: log distance and how much it counts, (H, W); 0 = not."""
        value, weight = value.double(), weight.double()
        self._seen |= weight > 0
        pairs = (
            torch.minimum(weight, weight.roll(-1, -1)),
            torch.minimum(weight[1:], weight[:-1]),
        )
        steps = value.roll(-1, -1) - value, value[1:] - value[:-1]
        for total, share, pair, step in zip(self._sums, self._weights, pairs, steps, strict=True):
            total += pair * step
            share += pair

    def wishes(self) -> Wishes:
        """Their means. Raises ValueError unless the views together have seen every pixel."""
        if not bool(self._seen.all()):
            missing = int((~self._seen).sum())
            raise ValueError(f"{missing} pixels of the panorama are in no view")
        pairs = zip(self._sums, self._weights, strict=True)
        return Wishes(*(total / share.clamp_min(1e-12) for total, share in pairs))


def solve(wishes: Wishes, anchor: Tensor | None = None, pull: float = 0.0) -> Tensor:
    """The (H, W) float64 map whose differences come nearest to the wishes.

    anchor: (H, W) and pull: a and p of the module's head; without them the map has mean 0.
    """
    height, width = wishes.across.shape
    row_weight, edge_weight = _weights(height)
    flow_across = row_weight[:, None] * wishes.across
    flow_down = edge_weight[:, None] * wishes.down
    right = flow_across.roll(1, -1) - flow_across
    right[1:] += flow_down
    right[:-1] -= flow_down
    turn = torch.arange(width // 2 + 1, dtype=torch.float64) * (2 * math.pi / width)
    ring = 2 - 2 * turn.cos()
    diagonal = row_weight[:, None] * ring
    diagonal[1:] += edge_weight[:, None]
    diagonal[:-1] += edge_weight[:, None]
    if anchor is None:
        diagonal[0, 0] += 1.0  # the constant is free: this holds it, and costs nothing
    else:
        hold = (pull / row_weight)[:, None]
        right += hold * anchor
        diagonal += hold
    spectrum = _tridiagonal(diagonal, -edge_weight, torch.fft.rfft(right))
    out: Tensor = torch.fft.irfft(spectrum, n=width)
    return out if anchor is not None else out - out.mean()


def _weights(height: int) -> tuple[Tensor, Tensor]:
    """c of pairs within each row (H,), and between each row and the next (H − 1,)."""
    step = math.pi / height
    lat = (torch.arange(height, dtype=torch.float64) + 0.5) * step - math.pi / 2
    between = torch.arange(1, height, dtype=torch.float64) * step - math.pi / 2
    return 1 / lat.cos(), between.cos()


def _tridiagonal(diagonal: Tensor, beside: Tensor, right: Tensor) -> Tensor:
    """Solve symmetric tridiagonal systems, one per column (Thomas): (H, K), (H − 1,), (H, K)."""
    height = len(diagonal)
    pivot, value = diagonal.clone(), right.clone()
    for row in range(1, height):
        factor = beside[row - 1] / pivot[row - 1]
        pivot[row] -= factor * beside[row - 1]
        value[row] -= factor * value[row - 1]
    value[-1] /= pivot[-1]
    for row in range(height - 2, -1, -1):
        value[row] = (value[row] - beside[row] * value[row + 1]) / pivot[row]
    return value

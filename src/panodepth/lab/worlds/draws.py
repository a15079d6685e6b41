"""The random numbers of a world, and what is drawn with them again and again.

What is drawn, and in which order, is what makes a world: never change it.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from panodepth.lab.worlds.looks.materials import WHITE, Colour, Material
from panodepth.lab.worlds.looks.textures import GROUPS

T = TypeVar("T")
Scale = float | tuple[float, float]  # metres per texture repeat, along both face axes or each


class Draws(np.random.Generator):
    """A NumPy generator that also draws options, colours, textures and materials."""

    @classmethod
    def of(cls, *seed: int) -> Draws:
        """The draws of a seed of several numbers: those of `numpy.random.default_rng(seed)`."""
        return cls(np.random.PCG64(seed))

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, all equally likely."""
        return options[int(self.integers(len(options)))]

    def weighted(self, shares: Mapping[T, float]) -> T:
        """One of the keys of `shares`, as likely as its share of their sum."""
        bounds = list(accumulate(shares.values()))
        # `hi`: a draw next to 1 times the sum may round up to the sum itself.
        return list(shares)[bisect(bounds, self.random() * bounds[-1], hi=len(bounds) - 1)]

    def texture(self, *groups: str) -> int:
        """A texture index from one of the named groups, see `textures.GROUPS`."""
        group = GROUPS[self.pick(groups)]
        return int(self.integers(group.start, group.stop))

    def tint(self, low: float, high: float, saturation: float) -> Colour:
        """A linear RGB colour; most things are greyish, some are strong."""
        # A grey times exp(hue): colours stay positive, and dark ones as saturated as bright ones.
        base = self.uniform(low, high)
        strength = saturation * (1.0 if self.random() < 0.35 else 0.3)
        warm, green = self.normal(0.4, 1.0), 0.35 * self.normal()  # homes lean to beige and brown
        hue = (warm - 0.5 * green, 0.1 * warm + green, -warm - 0.5 * green)
        r, g, b = (min(max(base * math.exp(strength * h), 0.015), 0.97) for h in hue)
        return r, g, b

    def tinted(self, look: Colour, *groups: str, scale: Scale = 1.0, **more: Any) -> Material:
        """A tint over a texture of `groups`, or over the plain one without any.

        look: (low, high, saturation) of the tint. scale, more: as in `Material`.
        """
        colour = self.tint(*look)
        return Material(colour, self.texture(*groups) if groups else 0, _both(scale), **more)

    def printed(
        self, *groups: str, tint: Colour = WHITE, scale: Scale = 1.0, **more: Any
    ) -> Material:
        """A texture of `groups` in its own colours, or times `tint`; else as `tinted`."""
        return Material(tint, self.texture(*groups), _both(scale), **more)

    def wooden(self) -> Material:
        if self.random() < 0.35:
            return self.tinted((0.1, 0.92, 0.15), "plain", gloss=0.2)
        level, s = self.uniform(0.7, 1.5), self.uniform(0.6, 1.6)
        shift = (self.random(), self.random())
        return Material((level, level, level), self.texture("wood"), (s, s), shift, gloss=0.2)

    def cloth(self) -> Material:
        s = self.uniform(0.3, 1.5)
        group = self.pick(("fabric", "fabric", "stripes", "plain", "carpet", "speckle"))
        return self.tinted((0.06, 0.95, 0.5), group, scale=s)

    def painted(self) -> Material:
        return self.tinted((0.05, 0.95, 0.5), "plain", "plaster", gloss=0.3)

    def metal(self) -> Material:
        """Galvanised, black or painted metal."""
        return self.tinted((0.04, 0.7, 0.25), "plain", gloss=0.4)


def _both(scale: Scale) -> tuple[float, float]:
    return scale if isinstance(scale, tuple) else (scale, scale)

"""Materials: what a surface looks like, and the common ones that generators draw."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from panodepth.lab.worlds.draws import Rng, pick
from panodepth.lab.worlds.looks.textures import GROUPS

Colour = tuple[float, float, float]  # linear RGB
Size = tuple[float, float]
WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    tint: linear RGB multiplied onto the texture. texture: index into the atlas, see `textures`.
    scale: metres per texture repeat along the two face axes. offset: texture shift, in repeats.
    emission: radiance added, relative to a white surface in full ambient light. gloss: 0..1.
    """

    tint: Colour = (0.7, 0.7, 0.7)
    texture: int = 0
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    emission: float = 0.0
    gloss: float = 0.0

    def fitted(self, width: float, height: float) -> Material:
        """The same material with one repeat spread over a (width, height) face, for pictures."""
        return replace(self, scale=(width, height), offset=(0.5, 0.5))


def choose(rng: Rng, *groups: str) -> int:
    """A random texture index from one of the named groups, see `textures.GROUPS`."""
    group = GROUPS[pick(rng, groups)]
    return int(rng.integers(group.start, group.stop))


def tint(rng: Rng, low: float = 0.05, high: float = 0.9, saturation: float = 0.35) -> Colour:
    """A random linear RGB colour; most things are greyish, some are strong."""
    base = rng.uniform(low, high)
    strength = saturation * (1.0 if rng.random() < 0.35 else 0.3)
    warm, green = rng.normal(0.4, 1.0), 0.35 * rng.normal()  # interiors lean to beige and brown
    hue = (warm - 0.5 * green, 0.1 * warm + green, -warm - 0.5 * green)
    r, g, b = (min(max(base * math.exp(strength * h), 0.015), 0.97) for h in hue)
    return r, g, b


def tinted(
    rng: Rng, look: Colour, *groups: str, scale: float | Size = 1.0, **more: Any
) -> Material:
    """A random colour over a random texture of `groups`, or over the plain one without any.

    look: (low, high, saturation) of `tint`. scale, and more: as in `Material`; a scale may be one
    number.
    """
    colour = tint(rng, *look)
    return Material(colour, choose(rng, *groups) if groups else 0, _size(scale), **more)


def printed(
    rng: Rng, *groups: str, tint: Colour = WHITE, scale: float | Size = 1.0, **more: Any
) -> Material:
    """A random texture of `groups` in its own colours, or times `tint`; else as `tinted`."""
    return Material(tint, choose(rng, *groups), _size(scale), **more)


def _size(scale: float | Size) -> Size:
    return scale if isinstance(scale, tuple) else (scale, scale)


def grey(level: float, **more: Any) -> Material:
    """A plain grey of linear level 0..1."""
    return Material((level, level, level), **more)


def wooden(rng: Rng) -> Material:
    if rng.random() < 0.35:
        return tinted(rng, (0.1, 0.92, 0.15), "plain", gloss=0.2)
    level = rng.uniform(0.7, 1.5)
    s = rng.uniform(0.6, 1.6)
    shift = (rng.random(), rng.random())
    return Material((level, level, level), choose(rng, "wood"), (s, s), shift, gloss=0.2)


def cloth(rng: Rng) -> Material:
    s = rng.uniform(0.3, 1.5)
    group = pick(rng, ("fabric", "fabric", "stripes", "plain", "carpet", "speckle"))
    return tinted(rng, (0.06, 0.95, 0.5), group, scale=s)


def painted(rng: Rng) -> Material:
    return tinted(rng, (0.05, 0.95, 0.5), "plain", "plaster", gloss=0.3)


def metal(rng: Rng) -> Material:
    """Galvanised, black or painted metal."""
    return tinted(rng, (0.04, 0.7, 0.25), "plain", gloss=0.4)

"""Materials: what a surface looks like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Colour = tuple[float, float, float]  # linear RGB
WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    tint: linear RGB multiplied onto the texture. texture: index into the atlas, see `textures`.
    scale: metres per texture repeat along the two face axes. offset: texture shift, in repeats.
    emission: radiance added, relative to a white surface in full ambient light. gloss: 0..1; 20
    makes a mirror.
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


def grey(level: float, **more: Any) -> Material:
    """A plain grey of linear level 0..1."""
    return Material((level, level, level), **more)

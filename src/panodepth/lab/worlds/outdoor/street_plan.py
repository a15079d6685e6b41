"""The plan of a street: an arc with its width, its side street, its pavements."""

from __future__ import annotations

import math
from dataclasses import dataclass

from panodepth.lab.worlds.looks.materials import Material


@dataclass(frozen=True)
class Street:
    """A street along an arc through the origin: its ways left and right of it, metres.

    bend: curvature [1/m]. length: half its length. gap: (from, to) of a side street, or None.
    pavement: width of the kerbed pavements, 0 = none. tall: storeys from, to (exclusive).
    """

    left: float
    right: float
    length: float
    bend: float
    gap: tuple[float, float] | None
    pavement: float
    tall: tuple[int, int]
    kerb: Material

    def edge(self, side: int) -> float:
        """Metres from the middle to the houses on the left (side < 0) or on the right."""
        return self.left if side < 0 else self.right

    def at(self, s: float, across: float) -> tuple[float, float, float]:
        """(x, z, heading) `s` metres along and `across` metres to the right of the middle."""
        turn = self.bend * s
        if abs(self.bend) < 1e-6:
            x, z = 0.0, s
        else:
            x, z = (1 - math.cos(turn)) / self.bend, math.sin(turn) / self.bend
        return x + across * math.cos(turn), z - across * math.sin(turn), turn

"""Ground plans: what stands where, so that nothing stands in something else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

Point = tuple[float, float]  # (x, z) on the plan, metres; plain floats, as thousands are tried


@dataclass(frozen=True)
class Footprint:
    """A convex polygon on the ground, its corners (x, z) [m] in order.

    parallel: opposite sides are parallel (a rectangle), so that half of them tell its axes.
    """

    corners: Sequence[Point]
    parallel: bool = False

    @staticmethod
    def rectangle(at: Point, yaw: float, half_x: float, half_z: float) -> Footprint:
        """±half_x, ±half_z [m] around `at`, turned by `yaw` [rad]; of positive area."""
        x, z = at
        ax, az = math.cos(yaw) * half_x, -math.sin(yaw) * half_x
        bx, bz = math.sin(yaw) * half_z, math.cos(yaw) * half_z
        corners = [
            (x - ax - bx, z - az - bz),
            (x + ax - bx, z + az - bz),
            (x + ax + bx, z + az + bz),
            (x - ax + bx, z - az + bz),
        ]
        return Footprint(corners, parallel=True)

    @cached_property
    def circle(self) -> tuple[float, float, float]:
        """Middle (x, z) and radius [m] of a circle around it."""
        n = len(self.corners)
        x, z = sum(p[0] for p in self.corners) / n, sum(p[1] for p in self.corners) / n
        return x, z, math.sqrt(max((p[0] - x) ** 2 + (p[1] - z) ** 2 for p in self.corners))

    @cached_property
    def _axes(self) -> list[tuple[float, float, float, float, float]]:
        """Per side its normal (x, z), the least and largest corner along it, its length."""
        out = []
        # Opposite sides of a rectangle have one normal, but for its sign.
        for k in range(len(self.corners) // 2 if self.parallel else len(self.corners)):
            (bx, bz), (ax, az) = self.corners[k - 1], self.corners[k]
            nx, nz = az - bz, bx - ax
            along = [nx * x + nz * z for x, z in self.corners]
            out.append((nx, nz, min(along), max(along), math.hypot(nx, nz)))
        return out

    def overlaps(self, other: Footprint, slack: float = 0.0) -> bool:
        """Whether two footprints come nearer than about `slack` [m].

        Separating axes: convex polygons are apart when they are along the normal of some side.
        """
        # Circles first: most pairs are far apart.
        (x, z, radius), (a, b, r) = self.circle, other.circle
        if (x - a) ** 2 + (z - b) ** 2 >= (radius + slack + r) ** 2:
            return False
        for one, two in ((self, other), (other, self)):
            for nx, nz, low, high, length in one._axes:
                along = [nx * px + nz * pz for px, pz in two.corners]
                # Normals are as long as their sides, and so is what is measured along them.
                if max(low - max(along), min(along) - high) > slack * length:
                    return False
        return True


@dataclass
class Ground:
    """What is taken of the floor of a room, of a house, or of an outdoor place."""

    taken: list[Footprint] = field(default_factory=list)

    def free(self, wanted: Footprint, slack: float = 0.0) -> bool:
        """Whether `wanted` keeps `slack` [m] from everything taken."""
        return not any(wanted.overlaps(other, slack) for other in self.taken)

    def take(self, wanted: Footprint) -> None:
        """Mark a footprint as taken without asking."""
        self.taken.append(wanted)

    def claim(self, wanted: Footprint, slack: float = 0.0) -> bool:
        """Take a footprint if all of it is free; says whether it was."""
        if free := self.free(wanted, slack):
            self.take(wanted)
        return free

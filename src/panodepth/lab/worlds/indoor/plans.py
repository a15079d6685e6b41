"""Floor plans: rooms with polygonal outlines, and the sides of their walls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.parts.footprints import Footprint, Point
from panodepth.lab.worlds.parts.place import Pair
from panodepth.lab.worlds.render.shapes import Array
from panodepth.lab.worlds.render.solids import convex_parts, signed_area

WALL_HALF = 0.06  # metres, half the thickness of a wall
OVERHANG = 0.12  # metres by which a wall runs on past an outward corner, to close it


@dataclass(frozen=True)
class Side:
    """One wall face of a room: its middle on the floor, inward yaw, half length; metres.

    left, right: how far the wall runs on past its ends at local −x and +x, negative inside a notch.
    """

    middle: Array
    yaw: float
    half: float
    left: float = OVERHANG
    right: float = OVERHANG

    def at(self, along: float, out: float, up: float = 0.0) -> Array:
        """(3,) world point `along` the wall from its middle and `out` into the room [m]."""
        x, z = self._floor_point(along, out)
        return np.array([x, self.middle[1] + up, z])

    def _floor_point(self, along: float, out: float) -> Point:
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, _, z = self.middle.tolist()
        return x + c * along + s * out, z - s * along + c * out

    @property
    def inward(self) -> Array:
        """(3,) unit vector into the room."""
        return np.array([np.sin(self.yaw), 0.0, np.cos(self.yaw)])

    def footprint(self, along: float, half: float, depth: float) -> Footprint:
        """The rectangle on the floor in front of the wall, from the wall to `depth` [m]."""
        return self.rectangle(along, depth / 2, half, abs(depth) / 2)

    def rectangle(self, along: float, out: float, half: float, half_depth: float) -> Footprint:
        """The rectangle around (along, out) with sides along the wall and across it [m]."""
        return Footprint.rectangle(self._floor_point(along, out), self.yaw, half, half_depth)


@dataclass(frozen=True)
class Room:
    """A closed outline `corners` (K, 2) of (x, z) with positive area, and a ceiling; metres.

    height: where the walls end and a flat ceiling lies. roof: the ceiling's form, see `ceilings`.
    rise: how far it goes up beyond `height`.
    """

    corners: Array
    height: float
    roof: str = "flat"
    rise: float = 0.0

    @cached_property
    def x(self) -> Pair:
        return float(self.corners[:, 0].min()), float(self.corners[:, 0].max())

    @cached_property
    def z(self) -> Pair:
        return float(self.corners[:, 1].min()), float(self.corners[:, 1].max())

    @property
    def half(self) -> Pair:
        """Half the extent along x and z [m]."""
        return (self.x[1] - self.x[0]) / 2, (self.z[1] - self.z[0]) / 2

    @property
    def middle(self) -> Array:
        """(3,) the middle of the extent, on the floor."""
        return np.array([sum(self.x) / 2, 0.0, sum(self.z) / 2])

    @property
    def wide(self) -> float:
        """The lesser extent [m]."""
        return min(self.x[1] - self.x[0], self.z[1] - self.z[0])

    @cached_property
    def parts(self) -> list[Array]:
        """Convex polygons that tile the floor."""
        return convex_parts(self.corners)

    @cached_property
    def box(self) -> bool:
        """Whether the outline is a rectangle along the axes."""
        extent = 4 * self.half[0] * self.half[1]
        return len(self.corners) == 4 and bool(np.isclose(self.area, extent))

    @cached_property
    def area(self) -> float:
        return signed_area(self.corners)

    @cached_property
    def centre(self) -> Array:
        """(3,) a point on the floor well inside: the middle of the largest convex part."""
        part = max(self.parts, key=signed_area)
        middle = (part.min(0) + part.max(0)) / 2 if self.box else part.mean(0)
        return np.array([middle[0], 0.0, middle[1]])

    @cached_property
    def sides(self) -> list[Side]:
        """The wall faces, in the order of the corners."""
        out = []
        here = self.corners
        for k in range(len(here)):
            a, b = here[k], here[(k + 1) % len(here)]
            edge = b - a
            # A corner that turns the other way is a notch: a wall that ran on would stand inside.
            notch = [
                (q - p)[0] * (r - q)[1] - (q - p)[1] * (r - q)[0] < 0
                for p, q, r in ((here[k - 1], a, b), (a, b, here[(k + 2) % len(here)]))
            ]
            left, right = (-1e-3 if n else OVERHANG for n in notch)
            middle, half = (a + b) / 2, float(np.hypot(*edge)) / 2
            yaw = float(np.arctan2(-edge[1], edge[0]))
            out.append(Side(np.array([middle[0], 0.0, middle[1]]), yaw, half, left, right))
        return out

    @cached_property
    def _edges(self) -> list[tuple[float, float, float, float]]:
        ends = np.roll(self.corners, -1, 0)
        return [(*a, *b) for a, b in zip(self.corners.tolist(), ends.tolist(), strict=True)]

    def contains(self, points: Sequence[Point], margin: float = 0.0) -> bool:
        """Whether all points (x, z) lie inside, at least `margin` [m] from the walls."""
        return all(self._holds(x, z, margin * margin) for x, z in points)

    def _holds(self, x: float, z: float, least: float) -> bool:
        """Whether (x, z) is inside, its squared distance to all edges at least `least` [m²]."""
        inside = False
        for ax, az, bx, bz in self._edges:
            ex, ez, px, pz = bx - ax, bz - az, x - ax, z - az
            # A point is inside when a ray from it toward +x crosses an odd number of edges. The
            # crossing lies at px < pz * ex / ez; multiplied by |ez|, nothing is divided.
            up = 1 if ez > 0 else -1
            if (az > z) != (bz > z) and px * ez * up < pz * ex * up:
                inside = not inside
            t = min(1.0, max(0.0, (px * ex + pz * ez) / (ex * ex + ez * ez)))
            if (px - t * ex) ** 2 + (pz - t * ez) ** 2 < least:
                return False
        return inside


def outline(rng: Draws, w: float, d: float) -> Array:
    """(K, 2) corners of a plan about 2w × 2d [m]: mostly a rectangle, else one of several forms."""
    style = rng.random()
    if style < 0.66 or min(w, d) < 1.2:
        points = [(-w, -d), (w, -d), (w, d), (-w, d)]
    elif style < 0.8:  # L
        u, v = rng.uniform(-0.35, 0.45, 2)
        points = [(-w, -d), (w, -d), (w, v * d), (u * w, v * d), (u * w, d), (-w, d)]
    elif style < 0.85:  # T, or an alcove
        u, v = np.sort(rng.uniform(-0.8, 0.8, 2))
        v = max(v, u + 0.35)
        low = rng.uniform(0.3, 0.8) * d
        points = [(-w, -d), (w, -d), (w, low), (v * w, low), (v * w, d), (u * w, d)]
        points += [(u * w, low), (-w, low)]
    elif style < 0.92:  # corners cut off
        cut = rng.uniform(0.25, 0.9, 4) * min(w, d) * (rng.random(4) < 0.55)
        points = []
        for k, (x, z) in enumerate(((-w, -d), (w, -d), (w, d), (-w, d))):
            c = float(cut[k])
            along, across = (x - np.sign(x) * c, z), (x, z - np.sign(z) * c)
            points += [(x, z)] if c == 0 else [across, along] if k % 2 == 0 else [along, across]
    elif style < 0.97:  # a bay
        half, deep = rng.uniform(0.25, 0.6) * w, rng.uniform(0.4, 0.9)
        at = rng.uniform(-1, 1) * (w - half) * 0.9
        lean = rng.uniform(0.1, 0.45) * half
        points = [(-w, -d), (w, -d), (w, d), (at + half, d), (at + half - lean, d + deep)]
        points += [(at - half + lean, d + deep), (at - half, d), (-w, d)]
    else:  # an uneven polygon
        n = int(rng.integers(4, 9))
        turn = (np.arange(n) + 0.5 + rng.uniform(-0.18, 0.18, n)) * 2 * np.pi / n
        points = list(zip(1.15 * w * np.cos(turn), 1.15 * d * np.sin(turn), strict=True))
    corners = np.asarray(points, float)
    if rng.random() < 0.5:  # quarter turns and mirrors
        corners = corners[::-1] * [-1.0, 1.0]
    return np.ascontiguousarray(corners)

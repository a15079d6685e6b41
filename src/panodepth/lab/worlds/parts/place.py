"""Where something is built: a frame in a scene with its random numbers; semantic labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Colour, Material
from panodepth.lab.worlds.render.primitives import Light, Scene, Solid, Vector, yaw_matrix
from panodepth.lab.worlds.render.shapes import BOX, CYLINDER, ELLIPSOID, Array

Pair = tuple[float, float]
Triple = tuple[float, float, float]
WALL, FLOOR, CEILING, FURNITURE, FITTING, BUILDING, GROUND, PLANT, VEHICLE, PERSON = range(1, 11)
QUARTER = math.pi / 2


@dataclass(frozen=True)
class Place:
    """A frame (x right, y up, z to the front; metres) that an assembly of primitives stands in.

    origin: (3,) its place in the world [m]. yaw: about the vertical axis [rad]. label: semantic
    class of what is built in it.
    """

    scene: Scene
    rng: Draws
    origin: Vector
    yaw: float = 0.0
    label: int = FURNITURE
    turned: Array = field(init=False)  # (3, 3) world from local
    _anchor: Triple = field(init=False)
    _heading: Pair = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "turned", yaw_matrix(self.yaw))
        object.__setattr__(self, "_anchor", tuple(float(v) for v in self.origin))
        object.__setattr__(self, "_heading", (math.cos(self.yaw), math.sin(self.yaw)))

    def at(
        self, x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0, label: int = 0
    ) -> Place:
        """The frame at the local (x, y, z) [m], turned by `yaw` [rad] more; 0 keeps the label."""
        origin = np.array(self.point((x, y, z)))
        return Place(self.scene, self.rng, origin, self.yaw + yaw, label or self.label)

    def point(self, at: Any) -> Triple:
        """World place of a local point (3,); in plain floats, as hundreds are asked for."""
        (x, y, z), (ox, oy, oz), (c, s) = at, self._anchor, self._heading
        return ox + c * x + s * z, oy + y, oz - s * x + c * z

    def solid(
        self, solid: Solid, look: Material, at: Any = (0, 0, 0), yaw: float = 0.0, tilt: float = 0.0
    ) -> None:
        """Add `solid`, its own frame standing at the local position `at` (3,) [m].

        yaw, tilt: turn it about its own vertical axis, then about its x axis [rad].
        """
        turn = self.turned if yaw == 0 else yaw_matrix(self.yaw + yaw)
        if tilt != 0:
            c, s = np.cos(tilt), np.sin(tilt)
            turn = np.asarray(turn @ np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]]))
        self.scene.add(solid, self.point(at), turn, look, self.label)

    def box(self, at: Any, half: Any, look: Material, **turn: float) -> None:
        """A box with half sizes `half` (3,) [m] around `at`; `turn` as for `solid`."""
        self.solid(Solid(BOX, half), look, at, **turn)

    def ball(self, at: Any, half: Any, look: Material, **turn: float) -> None:
        """An ellipsoid with half axes `half` (3,) [m] around `at`."""
        self.solid(Solid(ELLIPSOID, half), look, at, **turn)

    def tube(
        self, at: Any, radius: float, half: float, look: Material, taper: float = 1.0, **turn: float
    ) -> None:
        """An upright cylinder, 2 `half` high; its upper end is `taper` times as wide."""
        self.solid(Solid(CYLINDER, (radius, half, radius), taper=taper), look, at, **turn)

    def disc(self, at: Any, radius: float, half: float, look: Material) -> None:
        """A cylinder that lies along z, 2 `half` long."""
        self.tube(at, radius, half, look, tilt=QUARTER)

    def wheel(self, at: Any, radius: float, half: float, look: Material) -> None:
        """A cylinder that lies along x, 2 `half` long."""
        self.tube(at, radius, half, look, yaw=QUARTER, tilt=QUARTER)

    def pair(
        self, at: Any, half: Any, look: Material, about: float = 0.0, kind: int = BOX, **turn: float
    ) -> None:
        """Two boxes, or shapes of another kind, at (about ± x, y, z), first the one at the left."""
        x, y, z = at
        for side in (-x, x):
            self.solid(Solid(kind, half), look, (about + side, y, z), **turn)

    def four(self, at: Any, half: Any, look: Material, kind: int = BOX) -> None:
        """Four boxes, or shapes of another kind, at (±x, y, ±z): legs, posts."""
        x, y, z = at
        for side in (-x, x):
            for end in (-z, z):
                self.solid(Solid(kind, half), look, (side, y, end))

    def light(self, at: Any, colour: Colour) -> None:
        """A lamp at the local position `at` (3,) [m]."""
        self.scene.lights.append(Light(self.point(at), colour))


@dataclass(frozen=True)
class Piece:
    """Something to put down: half sizes (x, z) [m] of its footprint, and how to build it."""

    half_x: float
    half_z: float
    build: Callable[[Place], None]
    label: int = FURNITURE


def bays(count: int, half: float) -> Iterator[float]:
    """The middles of `count` equal parts of −half..half."""
    return ((2 * (k + 0.5) / count - 1) * half for k in range(count))


def joints(count: int, half: float) -> Iterator[float]:
    """The `count` + 1 ends of `count` equal parts of −half..half."""
    return ((2 * k / count - 1) * half for k in range(count + 1))

"""An outdoor world under construction: its ground, what stands on it, and the camera's place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.parts.footprints import Footprint, Ground, Point
from panodepth.lab.worlds.parts.place import BUILDING, Pair, Place
from panodepth.lab.worlds.render.primitives import Scene

EYE_ROOM = 0.55  # metres on the plan kept free around the camera
_FRONTS = ((np.pi / 2, 0), (-np.pi / 2, 0), (0.0, 1), (np.pi, 1))  # (yaw, which half size is depth)


@dataclass
class Site:
    """A world being built: the scene, its random numbers, the ground taken and the camera's place.

    recesses: as in `Priors`. eye: (x, z) of the camera on the plan, metres. ground: height of the
    ground [m] at (x, z).
    """

    scene: Scene
    rng: Draws
    recesses: float = 0.0
    eye: Point = (0.0, 0.0)
    ground: Callable[[float, float], float] = lambda x, z: 0.0
    taken: Ground = field(default_factory=Ground)

    def stand(self, x: float, z: float) -> None:
        """Put the camera at (x, z) and keep the ground around it free."""
        self.eye = (float(x), float(z))
        self.block(x, z, 0.0, (EYE_ROOM, EYE_ROOM))

    def claim(self, x: float, z: float, half: Pair, yaw: float = 0.0, gap: float = 0.05) -> bool:
        """Take a rectangle of ground, `gap` [m] wider all round, if it is free; says whether."""
        half_x, half_z = half
        return self.taken.claim(Footprint.rectangle((x, z), yaw, half_x + gap, half_z + gap))

    def block(self, x: float, z: float, yaw: float, half: Pair) -> None:
        """Mark a rectangle of ground as taken without asking."""
        self.taken.take(Footprint.rectangle((x, z), yaw, *half))

    def spot(self, x: float, z: float, yaw: float = 0.0, label: int = BUILDING) -> Place:
        """A place on the ground at (x, z) facing `yaw`."""
        origin = np.array([x, self.ground(x, z), z], float)
        return Place(self.scene, self.rng, origin, yaw, label)

    def claimed(
        self, x: float, z: float, half: Pair, yaw: float = 0.0, label: int = BUILDING
    ) -> Place | None:
        """The place at (x, z) facing `yaw`, its ground taken; None if that is not free."""
        return self.spot(x, z, yaw, label) if self.claim(x, z, half, yaw) else None

    def fronts(self, half: Pair, label: int = BUILDING) -> list[tuple[Place, float]]:
        """The four sides of the rectangle ±half (x, z) [m]: a place in the middle of each that
        faces the origin, and half the length of the side.
        """
        out = []
        for yaw, axis in _FRONTS:
            x, z = -half[axis] * math.sin(yaw), -half[axis] * math.cos(yaw)
            out.append((self.spot(x, z, yaw, label), half[1 - axis]))
        return out

    def far(self, x: float, z: float) -> float:
        """Metres on the plan from the camera to (x, z)."""
        return math.hypot(x - self.eye[0], z - self.eye[1])

    def around(self, nearest: float, spread: float) -> Point:
        """A random (x, z) at `nearest` metres from the camera or farther; exponential spread."""
        turn = self.rng.uniform(0, 2 * np.pi)
        far = nearest + self.rng.exponential(spread)
        return self.eye[0] + far * math.cos(turn), self.eye[1] + far * math.sin(turn)

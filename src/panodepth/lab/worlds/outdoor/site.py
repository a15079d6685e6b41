"""The ground plan of an outdoor world: what stands where, so that nothing stands in something."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from panodepth.lab.worlds.indoor.furniture import BUILDING, Place, Rng
from panodepth.lab.worlds.render.primitives import Scene

EYE_ROOM = 0.55  # metres on the plan kept free around the camera


class Spot(Place):
    """A `Place` that hands out places inside itself."""

    def at(self, x: float, y: float, z: float, yaw: float = 0.0, label: int | None = None) -> Spot:
        """A spot inside this one: local position in metres, turned by `yaw` [rad]."""
        origin = np.array(self._point((x, y, z)))
        own = self.label if label is None else label
        return Spot(self.scene, self.rng, origin, self.yaw + yaw, own)


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the plan: centre (x, z) and half sizes in metres, turned by yaw [rad]."""

    x: float
    z: float
    half_x: float
    half_z: float
    yaw: float = 0.0

    def overlaps(self, other: Footprint) -> bool:
        """Whether two rectangles share ground, by the separating axis test."""
        dx, dz = other.x - self.x, other.z - self.z
        reach = self.half_x + self.half_z + other.half_x + other.half_z
        if abs(dx) > reach or abs(dz) > reach:
            return False
        c, s = math.cos(other.yaw - self.yaw), math.sin(other.yaw - self.yaw)
        c, s = abs(c), abs(s)
        for one, two in ((self, other), (other, self)):
            cos, sin = math.cos(one.yaw), math.sin(one.yaw)
            along = abs(cos * dx - sin * dz)  # on one's own x axis, (cos, -sin) on the plan
            across = abs(sin * dx + cos * dz)
            if along > one.half_x + two.half_x * c + two.half_z * s:
                return False
            if across > one.half_z + two.half_x * s + two.half_z * c:
                return False
        return True


def level_ground(x: float, z: float) -> float:
    """The height of flat ground, 0 m."""
    return 0.0


@dataclass
class Site:
    """A world being built: the scene, its random numbers, the ground taken and the camera's place.

    eye: (x, z) of the camera on the plan, metres. ground: height of the ground at (x, z).
    """

    scene: Scene
    rng: Rng
    eye: tuple[float, float] = (0.0, 0.0)
    ground: Callable[[float, float], float] = level_ground
    taken: list[Footprint] = field(default_factory=list)

    def stand(self, x: float, z: float) -> None:
        """Put the camera at (x, z) and keep the ground around it free."""
        self.eye = (float(x), float(z))
        self.taken.append(Footprint(self.eye[0], self.eye[1], EYE_ROOM, EYE_ROOM))

    def claim(
        self, x: float, z: float, half: tuple[float, float], yaw: float = 0.0, gap: float = 0.05
    ) -> bool:
        """Take a rectangle of ground if all of it is free; says whether it was."""
        wanted = Footprint(float(x), float(z), half[0] + gap, half[1] + gap, float(yaw))
        if any(wanted.overlaps(t) for t in self.taken):
            return False
        self.taken.append(wanted)
        return True

    def block(self, x: float, z: float, half: tuple[float, float], yaw: float = 0.0) -> None:
        """Mark a rectangle of ground as taken without asking."""
        self.taken.append(Footprint(float(x), float(z), half[0], half[1], float(yaw)))

    def spot(self, x: float, z: float, yaw: float = 0.0, label: int = BUILDING) -> Spot:
        """A place on the ground at (x, z) facing `yaw`."""
        origin = np.array([x, self.ground(float(x), float(z)), z], float)
        return Spot(self.scene, self.rng, origin, float(yaw), label)

    def far(self, x: float, z: float) -> float:
        """Metres on the plan from the camera to (x, z)."""
        return math.hypot(x - self.eye[0], z - self.eye[1])

    def around(self, nearest: float, spread: float) -> tuple[float, float]:
        """A random (x, z) at `nearest` metres from the camera or farther; exponential spread."""
        turn = float(self.rng.uniform(0, 2 * np.pi))
        far = nearest + float(self.rng.exponential(spread))
        return self.eye[0] + far * math.cos(turn), self.eye[1] + far * math.sin(turn)

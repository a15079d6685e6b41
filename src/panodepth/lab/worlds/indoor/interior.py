"""A room under construction, and the openings in its walls."""

from __future__ import annotations

from dataclasses import dataclass, field

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.plans import Room, Side
from panodepth.lab.worlds.parts.footprints import Footprint, Ground
from panodepth.lab.worlds.parts.place import Place
from panodepth.lab.worlds.render.primitives import Scene, Vector


@dataclass(frozen=True)
class Gap:
    """An opening in a wall: offset of its middle, half width, top, sill; metres. rise: its arch."""

    at: float
    half: float
    top: float
    sill: float = 0.0
    rise: float = 0.0


@dataclass(frozen=True)
class Interior:
    """A room in its scene, and the world's random numbers.

    ground: what is taken of the room's floor. plots: what all rooms of the house take together.
    """

    scene: Scene
    rng: Draws
    room: Room
    ground: Ground = field(default_factory=Ground)
    plots: Ground = field(default_factory=Ground)

    def place(self, at: Vector, yaw: float, label: int) -> Place:
        """A frame at `at` (3,) [m] in the world, turned by `yaw` [rad]."""
        return Place(self.scene, self.rng, at, yaw, label)

    def along(self, side: Side, label: int) -> Place:
        """The frame of a wall: its origin in the middle of the wall's foot, z into the room."""
        return self.place(side.middle, side.yaw, label)

    def claim(self, foot: Footprint, margin: float = 0.0, slack: float = 0.0) -> bool:
        """Take a footprint that lies `margin` [m] inside the room and `slack` from all others."""
        return self.room.contains(foot.corners, margin) and self.ground.claim(foot, slack)

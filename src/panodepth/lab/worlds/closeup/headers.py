"""Walls with wide openings across a room, under whose lintels a camera may stand."""

from __future__ import annotations

import math

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import WALL, Pair
from panodepth.lab.worlds.render.shapes import Array

LOWEST = 2.0  # metres from the floor to a lintel
CLEARANCE = 0.15  # metres between the camera and all of this
DROP = (0.1, 1.2)  # metres from the ceiling to a lintel
THICKNESS = (0.05, 0.6)  # half of it, metres: from a partition to a deep soffit
UNDER_SHARE = 0.75  # of the first one in a room: above the camera or next to it
OPENING = (0.35, 3.5)  # metres from the camera, or from a random place, to either end
_LOOKS = {"wall": 0.5, "white": 0.3, "wood": 0.1, "stone": 0.1}


def headers(here: Interior, eye: Array) -> None:
    """One to three lintels or beams under a flat ceiling, from wall to wall; half of them with the
    rest of their wall beside an opening. The camera is at `eye` (3,) [m].
    """
    rng, room = here.rng, here.room
    if room.roof != "flat" or not room.box:
        return
    for k in range(int(rng.integers(1, 4))):
        most = room.height - max(LOWEST, float(eye[1]) + CLEARANCE + 0.01)
        if most < DROP[0]:
            return
        under = k == 0 and rng.random() < UNDER_SHARE
        built = len(here.scene)
        _header(here, eye, rng.uniform(DROP[0], min(most, DROP[1])), under)
        if here.scene.clearance(eye) < CLEARANCE:
            here.scene.keep(built)


def _header(here: Interior, eye: Array, drop: float, under: bool) -> None:
    """One of them, `drop` [m] deep; none where a lamp would be inside."""
    rng, room = here.rng, here.room
    along = int(rng.integers(2))  # 0: the wall runs along x and stands at one z, 1: the other way
    middle, half = room.middle[[0, 2]], room.half
    u, v = (float((eye[[0, 2]] - middle)[axis]) for axis in (along, 1 - along))
    half_u, half_v = half[along], half[1 - along]
    thick = _between(rng, THICKNESS)
    at = v + rng.normal(0, 0.25) if under else rng.uniform(-0.85, 0.85) * half_v
    lamps = [light.position[2 - 2 * along] - middle[1 - along] for light in here.scene.lights]
    if abs(at) + thick > half_v - 0.05 or any(abs(z - at) < thick + 0.05 for z in lamps):
        return
    look = _look(rng)
    _block(here, along, (0.0, at), (half_u, thick), (room.height - drop, room.height), look)
    if rng.random() < 0.5:
        around = u if abs(v - at) < thick + 0.5 else rng.uniform(-0.8, 0.8) * half_u
        left, right = around - _between(rng, OPENING), around + _between(rng, OPENING)
        for a, b in ((-half_u, left), (right, half_u)):
            if b - a > 0.1:
                _block(here, along, ((a + b) / 2, at), ((b - a) / 2, thick), (0, room.height), look)


def _block(here: Interior, along: int, at: Pair, half: Pair, span: Pair, look: Material) -> None:
    """A box around (u, v) of the plan, from and to the heights `span` [m]; what stands on the
    floor takes its ground, or is left out where that is not free.
    """
    low, high = span
    x, z = at[::-1] if along else at
    half_x, half_z = half[::-1] if along else half
    middle = here.room.middle
    foot = Footprint.rectangle((middle[0] + x, middle[2] + z), 0.0, half_x, half_z)
    if low > 0 or here.ground.claim(foot):
        box = (half_x, (high - low) / 2, half_z)
        here.place(middle, 0.0, WALL).box((x, (low + high) / 2, z), box, look)


def _look(rng: Draws) -> Material:
    style = rng.weighted(_LOOKS)
    if style == "wood":
        return rng.wooden()
    if style == "stone":
        return rng.tinted((0.2, 0.9, 0.15), "brick", "plaster", "marble", scale=2.0)
    return rng.tinted((0.75, 0.97, 0.03) if style == "white" else (0.2, 0.95, 0.2))


def _between(rng: Draws, span: Pair) -> float:
    """A number from and to, uniform in its logarithm."""
    return math.exp(rng.uniform(math.log(span[0]), math.log(span[1])))

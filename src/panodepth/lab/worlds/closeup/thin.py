"""Thin things and people strewn around a camera indoors."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.people import person
from panodepth.lab.worlds.parts.place import FITTING, PERSON
from panodepth.lab.worlds.parts.slender import slender
from panodepth.lab.worlds.render.shapes import Array

HALF = 0.2  # metres, of the floor that each takes
PEOPLE_SHARE = 0.2


def strew_thin(here: Interior, eye: Array, count: int, clearance: float) -> None:
    """Up to `count` things 0.5 to 4 m from the camera `eye` (3,) [m], none nearer to it than
    `clearance` [m].
    """
    rng, scene = here.rng, here.scene
    for _ in range(count):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 4.0)
        x, z = float(eye[0] + far * np.cos(turn)), float(eye[2] + far * np.sin(turn))
        if not here.claim(Footprint.rectangle((x, z), 0.0, HALF, HALF), 0.05):
            continue
        built = len(scene)
        is_person, yaw = rng.random() < PEOPLE_SHARE, rng.uniform(0, 6.3)
        label = PERSON if is_person else FITTING
        (person if is_person else slender)(here.place(np.array([x, 0.0, z]), yaw, label))
        if scene.clearance(eye) < clearance:
            scene.keep(built)

"""Low vaulted places: cellars and cisterns with a dome over each bay, tunnels and passages."""

from __future__ import annotations

from itertools import product

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.halls import contents
from panodepth.lab.worlds.halls.hall import Plan, build_shell, light_hall, stand
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import CEILING, FITTING, WALL, Pair, bays, joints
from panodepth.lab.worlds.priors import Priors
from panodepth.lab.worlds.render.primitives import Scene
from panodepth.lab.worlds.render.solids import dome


def cellar(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """Columns in a square grid, with a dome over every bay between them."""
    step, n, m = rng.uniform(2.6, 6.0), *(int(k) for k in rng.integers(2, 7, 2))
    half, spring = step / 2, rng.uniform(1.2, 3.5)
    rise = half * rng.uniform(0.35, 1.0)
    top = spring + rise + 0.15
    here = build_shell(scene, rng, Plan((n * half, m * half), top))
    look = rng.tinted((0.2, 0.95, 0.15), "brick", "stone", "plaster", "plain", scale=2.0)
    eye, tall = stand(here), (top - spring) / 2
    lid = dome((half, tall, half), (half - 0.04, rise, half - 0.04))
    for x, z in product(bays(n, n * half), bays(m, m * half)):
        here.place(np.array([x, spring + tall, z]), 0.0, CEILING).solid(lid, look)
    radius = rng.uniform(0.15, 0.4)
    for x, z in product(joints(n, n * half), joints(m, m * half)):
        if not here.ground.free(Footprint.rectangle((x, z), 0.0, radius, radius)):
            continue
        here.ground.take(Footprint.rectangle((x, z), 0.0, 1.2 * radius, 1.2 * radius))
        p = here.place(np.array([x, 0.0, z]), 0.0, WALL)
        p.tube((0, spring / 2, 0), radius, spring / 2, look)
        p.box((0, spring - 0.08, 0), (1.3 * radius, 0.1, 1.3 * radius), look)
    contents.strew(here, rng.pick(("public", "industry")), int(rng.integers(2, 20)), eye)
    _bulbs(here, int(rng.integers(1, 9)), spring)
    light_hall(here, strong=0.5)
    return here, eye


def tunnel(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """A long passage under a barrel vault or a flat roof, with ribs, pipes and benches."""
    size = (rng.uniform(1.2, 7.0), rng.uniform(12, 40))
    vaulted = rng.random() < 0.75
    low = rng.uniform(0.6, 2.6) if vaulted else rng.uniform(2.3, 4.5)
    rise = max(size[0] * rng.uniform(0.4, 1.0), 2.3 - low) if vaulted else 0.0
    roof = "vault" if vaulted else "flat"
    here = build_shell(scene, rng, Plan(size, low, roof, rise))
    eye, pipe = stand(here), rng.metal()
    for side in here.room.sides[1::2]:  # the long ones
        p = here.along(side, FITTING)
        for _ in range(int(rng.integers(0, 4))):
            r = rng.uniform(0.03, 0.12)
            y = rng.uniform(0.3, 1.0) * low
            p.tube((0, y, r + 0.02), r, side.half, pipe, yaw=np.pi / 2, tilt=np.pi / 2)
        if rng.random() < 0.4:  # a ledge or platform along it
            deep, tall = rng.uniform(0.2, 0.45) * size[0], rng.uniform(0.15, 1.0)
            if here.claim(side.footprint(0, side.half, deep)):
                p.box((0, tall / 2, deep / 2), (side.half, tall / 2, deep / 2), rng.wooden())
    contents.strew(here, rng.pick(("public", "industry")), int(rng.integers(0, 14)), eye)
    strip = Material((0.95, 0.95, 0.9), emission=rng.uniform(1, 6))
    n = int(rng.integers(3, 12))
    for z in bays(n, size[1]):
        q = here.place(np.array([0.0, low + rise - 0.06, z]), 0.0, FITTING)
        q.box((0, 0, 0), (0.06, 0.05, 0.3 * size[1] / n), strip)
    light_hall(here, strong=0.5)
    return here, eye


def _bulbs(here: Interior, count: int, up: float) -> None:
    """Small bright lamps `up` [m] above the floor, at the walls or hanging free."""
    rng, look = here.rng, Material((1.0, 0.9, 0.7), emission=here.rng.uniform(3, 12))
    for _ in range(count):
        x, z = rng.uniform(-0.9, 0.9, 2) * here.room.half
        p = here.place(np.array([x, up, z]), 0.0, FITTING)
        p.ball((0, 0, 0), (0.09, 0.11, 0.09), look)
        p.box(
            (0, (here.room.height - up) / 2, 0), (0.008, (here.room.height - up) / 2, 0.008), look
        )

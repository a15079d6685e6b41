"""What is built into large interiors: arcades, galleries, pilasters, tiers of seats."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import FITTING, FURNITURE, WALL, bays, joints
from panodepth.lab.worlds.render.solids import arch


def arcade(here: Interior, out: float, count: int, look: Material) -> None:
    """Two rows of columns along z, `out` [m] from the middle, that carry round arches."""
    rng, long, height = here.rng, here.room.half[1], here.room.height
    radius = rng.uniform(0.2, 0.5)
    bay = long / count
    rise = min(bay - radius, 0.4 * height)
    spring = height - rise - 0.2
    q = here.place(here.room.middle, np.pi / 2, WALL)  # its x runs along the nave
    block = arch((bay, (height - spring) / 2, 0.9 * radius), (bay - radius, rise))
    for z in (-out, out):
        for x in joints(count, long):
            ground = Footprint.rectangle((z, -x), 0.0, 1.3 * radius, 1.3 * radius)
            if not here.ground.free(ground):
                continue  # the camera stands there
            here.ground.take(ground)
            q.tube((x, spring / 2, z), radius, spring / 2, look)
            q.box((x, spring - 0.08, z), (1.25 * radius, 0.08, 1.25 * radius), look)
            q.box((x, 0.12, z), (1.25 * radius, 0.12, 1.25 * radius), look)
        for x in bays(count, long):
            q.solid(block, look, (x, (height + spring) / 2, z))


def galleries(here: Interior) -> None:
    """Balconies along two or all walls, with a railing and posts."""
    rng, level, deep = here.rng, here.rng.uniform(2.8, 3.8), here.rng.uniform(1.2, 3.0)
    slab, rail, bars = rng.wooden(), rng.metal(), rng.random() < 0.5
    sides = here.room.sides if rng.random() < 0.5 else here.room.sides[::2]
    for side in sides:
        p = here.along(side, WALL)
        p.box((0, level, deep / 2), (side.half, 0.12, deep / 2), slab)
        p.box((0, level + 1.05, deep - 0.05), (side.half, 0.03, 0.03), rail)
        if not bars:
            p.box((0, level + 0.55, deep - 0.05), (side.half, 0.42, 0.03), slab)
        n = int(np.clip(side.half / 1.5, 2, 9))
        for x in joints(n, side.half - 0.2):
            if bars:
                p.box((x, level + 0.55, deep - 0.05), (0.02, 0.5, 0.02), rail)
            foot = side.rectangle(x, deep - 0.15, 0.15, 0.15)
            if here.ground.claim(foot):
                p.box((x, level / 2, deep - 0.15), (0.1, level / 2, 0.1), slab)


def pilasters(here: Interior) -> None:
    """What stands out of the walls: flat columns, doors, panels, pictures, a cornice."""
    rng, h = here.rng, here.room.height
    look = rng.tinted((0.4, 0.95, 0.15), "plain", "marble", "plaster")
    door = rng.tinted((0.1, 0.95, 0.3), "panel", "wood")
    flat, doors = rng.random() < 0.5, rng.random() < 0.8
    for side in here.room.sides:
        p = here.along(side, FITTING)
        n = int(np.clip(side.half / rng.uniform(1.5, 3.5), 1, 8))
        for x in joints(n, side.half - 0.3) if flat else ():
            p.box((x, h / 2, 0.05), (0.25, h / 2, 0.08), look)
        for x in bays(n, side.half):
            style = rng.random()
            if style < 0.3 and doors:
                w, t = rng.uniform(0.5, 1.0), rng.uniform(1.05, 1.4)
                p.box((x, t, 0.0), (w, t, 0.05), door.fitted(2 * w, 2 * t))
            elif style < 0.5:
                w, t = rng.uniform(0.4, 1.2), rng.uniform(0.4, 1.0)
                art = rng.printed("picture", "picture", "text").fitted(2 * w, 2 * t)
                p.box((x, min(2.0, h - t - 0.2), 0.0), (w, t, 0.03), art)
        if flat:
            p.box((0, h - 0.15, 0.1), (side.half, 0.15, 0.15), look)


def wall_gear(here: Interior) -> None:
    """What hangs on the walls of workshops: pipes, ducts, cabinets, doors, ladders, signs."""
    rng, h = here.rng, here.room.height
    pipe, door = rng.metal(), rng.tinted((0.1, 0.9, 0.4), "shutter", "panel")
    for side in here.room.sides:
        p = here.along(side, FITTING)
        for _ in range(int(rng.integers(0, 3))):
            y, r = rng.uniform(0.5, 0.95) * h, rng.uniform(0.04, 0.25)
            p.tube((0, y, r + 0.05), r, side.half, pipe, yaw=np.pi / 2, tilt=np.pi / 2)
        for _ in range(min(int(rng.integers(0, 7)), int(side.half / 2))):
            x, style = rng.uniform(-0.9, 0.9) * (side.half - 1.0), rng.random()
            if style < 0.3:
                w, t = rng.uniform(0.5, 2.0), rng.uniform(0.9, max(1.0, min(2.0, 0.45 * h)))
                p.box((x, t, 0.0), (w, t, 0.04), door.fitted(2 * w, 2 * t))
            elif style < 0.55:
                p.box((x, 1.4, 0.1), (rng.uniform(0.2, 0.5), 0.4, 0.12), rng.painted())
            elif style < 0.75:
                p.tube((x, h / 2, 0.1), rng.uniform(0.03, 0.12), h / 2, pipe)
            else:
                w = rng.uniform(0.2, 0.8)
                sign = rng.printed("text", "picture").fitted(2 * w, w)
                p.box((x, min(1.9, h - 0.6), 0.0), (w, 0.5 * w, 0.03), sign)


def tiers(here: Interior, top: float) -> tuple[float, float]:
    """Steps with rows of seats from a low stage up to the wall at +z; where the camera stands.

    top: height of the last step [m]. Returns (x, z) on the flat floor before the first row, or on
    the stage.
    """
    rng, (hx, hz) = here.rng, here.room.half
    n, first = int(rng.integers(5, 12)), rng.uniform(-0.2, 0.3) * hz
    deep, rise = (hz - first) / n, top / n
    step, pad = rng.tinted((0.1, 0.8, 0.2), "carpet", "concrete", "wood"), rng.cloth()
    p, rows = here.place(here.room.middle, 0.0, FURNITURE), max(2, min(6, int(hx / 2.0)))
    for k in range(n):
        z, y = first + (k + 0.5) * deep, rise * (k + 1)
        p.box((0, y / 2, z), (hx, y / 2, deep / 2), step)
        for x in bays(rows, hx - 1.0):
            wide = 0.85 * (hx - 1.0) / rows
            p.box((x, y + 0.42, z), (wide, 0.06, 0.22), pad)
            p.box((x, y + 0.6, z + 0.25), (wide, 0.3, 0.05), pad, tilt=0.1)
    stage = rng.uniform(0.6, 1.2)
    p.box((0, stage / 2, -0.8 * hz), (0.8 * hx, stage / 2, 0.2 * hz), rng.wooden())
    curtain = rng.tinted((0.1, 0.7, 0.6), "stripes", scale=(1.5, 3.0))
    p.box((0, here.room.height / 2, -hz + 0.1), (0.8 * hx, here.room.height / 2, 0.06), curtain)
    return float(rng.uniform(-0.6, 0.6) * hx), float(rng.uniform(-0.5 * hz, first - 0.8))

"""What is built into rooms: stairs, spiral stairs, mezzanines, columns, arcades, half walls."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import WALL, Place, bays
from panodepth.lab.worlds.render.solids import arch, octagon, prism, tapered

STEP, TREAD = 0.17, 0.27  # metres


def stairs(p: Place, half_width: float, steps: int) -> None:
    """A straight flight that rises toward −z, open below or solid, often with a handrail."""
    rng, look = p.rng, p.rng.wooden()
    solid = rng.random() < 0.6
    treads = [(STEP * (i + 1), (steps - i) * TREAD - steps * TREAD / 2) for i in range(steps)]
    for top, z in treads:
        low = 0.0 if solid else top - 0.05
        p.box((0, (low + top) / 2, z), (half_width, (top - low) / 2, TREAD / 2 + 0.005), look)
    lean, long = float(np.arctan2(STEP, TREAD)), steps * float(np.hypot(STEP, TREAD)) / 2
    if not solid:  # the boards that carry the treads
        p.pair((half_width, steps * STEP / 2 - 0.03, 0), (0.02, 0.1, long), look, tilt=lean)
    if rng.random() < 0.6:
        rail = rng.wooden()
        for s in (-1, 1) if rng.random() < 0.5 else (1,):
            at = (s * half_width, steps * STEP / 2 + 0.95, TREAD / 2)
            p.box(at, (0.025, 0.025, long), rail, tilt=lean)
            for top, z in treads[::2]:
                p.box((s * half_width, top + 0.45, z), (0.012, 0.45, 0.012), rail)


def spiral(p: Place, radius: float, height: float) -> None:
    """A spiral staircase around a pole: sector-shaped steps up to `height`."""
    look, steps = p.rng.wooden(), max(3, int(height / 0.19))
    p.tube((0, height / 2 + 0.4, 0), 0.05, height / 2 + 0.4, p.rng.painted())
    wide = 2 * np.pi / 13
    edge = np.array([-wide / 2, 0.0, wide / 2])
    rim = np.stack([radius * np.cos(edge), radius * np.sin(edge)], 1)
    step = prism(np.concatenate([rim, [(0.04, 0.02), (0.04, -0.02)]]), -0.05, 0.0)
    rail = p.rng.random() < 0.7
    for i in range(steps):
        y, turn = height * (i + 1) / steps, float(i * wide * 0.95)
        p.solid(step, look, (0, y, 0), yaw=turn)
        if rail:
            out = np.array([np.cos(turn), -np.sin(turn)]) * radius * 0.96
            p.tube((out[0], y + 0.45, out[1]), 0.012, 0.45, look)


def column(p: Place, radius: float, height: float, look: Material) -> None:
    """A round, square, eight-sided or tapering column, perhaps with a base and a capital."""
    rng, style = p.rng, p.rng.random()
    y = height / 2
    if style < 0.4:
        p.tube((0, y, 0), radius, y, look, taper=rng.uniform(0.8, 1.0))
    elif style < 0.75:
        p.box((0, y, 0), (radius, y, radius), look)
    elif style < 0.9:
        p.solid(octagon(radius / np.cos(np.pi / 8), height), look)
    else:
        p.solid(tapered((radius, y, radius), rng.uniform(0.6, 0.9)), look, (0, y, 0))
    if rng.random() < 0.4:
        wide = radius * 1.25
        p.box((0, 0.08, 0), (wide, 0.08, wide), look)
        p.box((0, height - 0.1, 0), (wide, 0.1, wide), look)


def columns(here: Interior) -> None:
    """A few columns in a larger room: a grid of them, or two rows that may carry arches."""
    rng, room = here.rng, here.room
    hx, hz = room.half
    look = rng.tinted((0.3, 0.95, 0.15), "plain", "plaster", "marble", "brick")
    radius, height = rng.uniform(0.12, 0.35), room.height
    if max(hx, hz) > 4 and height > 2.8 and room.roof == "flat" and rng.random() < 0.4:
        _arcades(here, radius, look)
        return
    n, m = max(2, min(4, round(hx / 2.5))), max(2, min(4, round(hz / 2.5)))
    for x in bays(n, hx):
        for z in bays(m, hz):
            at = room.middle + [x, 0, z]
            foot = Footprint.rectangle((at[0], at[2]), 0.0, radius * 1.3, radius * 1.3)
            if here.claim(foot):
                column(here.place(at, 0.0, WALL), radius, height + 0.05, look)


def _arcades(here: Interior, radius: float, look: Material) -> None:
    """Two rows of columns along the longer side with round arches between them."""
    half, height = here.room.half, here.room.height
    q = here.place(here.room.middle, 0.0 if half[0] > half[1] else np.pi / 2, WALL)
    long, wide = max(half), min(half)
    n = max(2, round(long / 1.6))
    bay = long / n
    rise = min(bay - radius, 0.4 * height)
    spring = height - rise - 0.15
    block = arch((bay, (height - spring) / 2, radius * 0.95), (bay - radius, rise))
    for z in (-wide * 0.6, wide * 0.6):
        for k in range(n + 1):
            x = -long + 2 * bay * k
            at = q.point((x, 0.0, z))
            here.ground.take(Footprint.rectangle((at[0], at[2]), 0.0, radius * 1.2, radius * 1.2))
            q.tube((x, spring / 2, z), radius, spring / 2, look)
            q.box((x, spring - 0.06, z), (radius * 1.2, 0.06, radius * 1.2), look)
        for k in range(n):
            q.solid(block, look, (-long + bay * (2 * k + 1), (height + spring) / 2, z))


def mezzanine(here: Interior) -> None:
    """A gallery along one wall of a high box room: slab, posts, railing, stairs up to it."""
    rng, room = here.rng, here.room
    side = rng.pick(room.sides)
    level = rng.uniform(2.3, min(3.0, room.height - 2.0))
    across = (room.x[1] - room.x[0]) + (room.z[1] - room.z[0]) - 2 * side.half
    deep = rng.uniform(0.2, 0.45) * across
    p = here.along(side, WALL)
    look, rail = rng.wooden(), rng.wooden()
    p.box((0, level - 0.1, deep / 2), (side.half, 0.1, deep / 2), look)
    for x in bays(max(2, int(side.half / 1.2)), side.half):
        here.ground.take(side.rectangle(x, deep - 0.12, 0.12, 0.12))
        p.box((x, (level - 0.2) / 2, deep - 0.12), (0.09, (level - 0.2) / 2, 0.09), look)
    steps = int(level / STEP)
    run, end = steps * TREAD, rng.pick((-1, 1)) * (side.half - 0.6)
    spans = [(-side.half, side.half)]  # of the railing
    if run < across - deep - 0.8:
        here.ground.take(side.rectangle(end, deep + run / 2 + 0.3, 0.55, run / 2 + 0.3))
        stairs(p.at(end, 0, deep + run / 2), 0.5, steps)
        spans = [(-side.half, end - 0.55), (end + 0.55, side.half)]
    for x in np.arange(-side.half + 0.1, side.half, 0.22):
        if any(a < x < b for a, b in spans):
            p.box((x, level + 0.45, deep - 0.05), (0.012, 0.45, 0.012), rail)
    for a, b in spans:
        if b - a > 0.1:
            p.box(((a + b) / 2, level + 0.92, deep - 0.05), ((b - a) / 2, 0.03, 0.03), rail)


def half_wall(here: Interior, look: Material) -> None:
    """A partition that juts out from a wall: low, or up to the ceiling."""
    rng, room = here.rng, here.room
    sides = [s for s in room.sides if s.half > 1.2]
    if not sides:
        return
    side = rng.pick(sides)
    long = rng.uniform(0.3, 0.9)
    x = rng.uniform(-0.6, 0.6) * side.half
    inner = side.rectangle(x, long + 0.02, 0.06, long - 0.02)
    if room.contains(inner.corners) and here.ground.claim(side.rectangle(x, long, 0.06, long)):
        tall = rng.pick((room.height + 0.02, rng.uniform(0.9, 1.5)))
        here.along(side, WALL).box((x, tall / 2, long), (0.06, tall / 2, long), look)

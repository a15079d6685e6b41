"""The shell of a large interior: walls, roof, trusses, skylights, windows, columns, lamps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.ceilings import ceiling, floor
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.indoor.plans import Room, Side
from panodepth.lab.worlds.indoor.structures import column
from panodepth.lab.worlds.indoor.walls import wall
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import CEILING, FITTING, WALL, Pair, bays, joints
from panodepth.lab.worlds.render.primitives import Scene

FLOORS = ("concrete", "concrete", "tiles", "speckle", "marble", "wood", "plain", "carpet")
PAPERS = ("plain", "plain", "plaster", "brick", "concrete", "tiles", "marble", "wood")
EYE_ROOM = 0.5  # metres on the plan kept free around the camera


@dataclass(frozen=True)
class Plan:
    """What a hall is like.

    size: half extents along x and z [m]. height: of the walls [m]. roof, rise: as in `Room`.
    glazed: the roof is a membrane or frosted glass between bars, as bright as a sky.
    """

    size: Pair
    height: float
    roof: str = "flat"
    rise: float = 0.0
    glazed: bool = False


def lengths(rng: Draws, low: float, high: float) -> Pair:
    """Half of two lengths between `low` and `high` [m], small ones as often as large ones."""
    x, z = np.exp(rng.uniform(np.log(low), np.log(high), 2)) / 2
    return float(x), float(z)


def build_shell(scene: Scene, rng: Draws, plan: Plan) -> Interior:
    """Floor, walls and roof; the camera's place (the origin) is kept free later."""
    w, d = plan.size
    corners = np.array([(-w, -d), (w, -d), (w, d), (-w, d)])
    here = Interior(scene, rng, Room(corners, plan.height, plan.roof, plan.rise))
    bright = rng.random() < 0.4
    s = rng.uniform(1.5, 5.0)
    ground = rng.tinted((0.15, 0.95, 0.15), *FLOORS, scale=s, gloss=0.6 * rng.random())
    low = 0.6 if bright else 0.12
    paper = rng.tinted((low, 0.95, 0.2), *PAPERS, scale=rng.uniform(1.5, 5.0))
    over = rng.tinted((low, 0.95, 0.1), "plain", "plaster", "shutter", "wood", scale=s)
    if plan.glazed:
        over = Material((0.93, 0.95, 1.0), emission=rng.uniform(0.5, 4.0))
        _bars(here)
    floor(here, ground)
    ceiling(here, over)
    for side in here.room.sides:
        wall(here, side, plan.height + plan.rise, paper)
    return here


def _bars(here: Interior) -> None:
    """The frame of a glazed roof: thin bars both ways where the walls end."""
    rng, (hx, hz), y = here.rng, here.room.half, here.room.height
    p, look, thick = here.place(here.room.middle, 0.0, CEILING), rng.metal(), rng.uniform(0.03, 0.1)
    n, m = (int(np.clip(2 * h / rng.uniform(1.5, 5.0), 2, 12)) for h in (hx, hz))
    for x in bays(n, hx):
        p.box((x, y - thick, 0), (thick / 2, thick, hz), look)
    for z in bays(m, hz):
        p.box((0, y - 1.2 * thick, z), (hx, thick, thick / 2), look)


def light_hall(here: Interior, *, strong: float = 1.0) -> None:
    """Ambient light, and one or two lamps high up that cast soft shadows."""
    scene, rng, room = here.scene, here.rng, here.room
    level = rng.uniform(0.35, 0.95)
    warm = rng.normal(0, 0.08)
    scene.ambient = (level * (1 + warm), level, level * (1 - warm))
    for _ in range(int(rng.integers(1, 3))):
        x, z = rng.uniform(-0.6, 0.6, 2) * room.half
        y = 0.8 * room.height
        power = strong * rng.uniform(0.2, 1.2) * max(y * y, 4.0) * 0.5
        here.place(room.middle, 0.0, FITTING).light((x, y, z), (power, power, 0.95 * power))


def lamp_grid(here: Interior, drop: float, most: int = 40) -> None:
    """Lamps or light strips in rows, `drop` [m] under the ceiling."""
    rng, (hx, hz) = here.rng, here.room.half
    step = rng.uniform(3.0, 7.0)
    n, m = (int(np.clip(h * 2 / step, 1, 9)) for h in (hx, hz))
    while n * m > most:
        n, m = max(1, n - 1), max(1, m - 1)
    look = Material((0.95, 0.95, 0.92), emission=rng.uniform(1, 8))
    half = rng.pick(((0.6, 0.05, 0.08), (0.15, 0.12, 0.15), (0.3, 0.03, 0.3), (1.2, 0.04, 0.06)))
    y, rod = here.room.height - drop, rng.metal()
    for x, z in product(bays(n, hx), bays(m, hz)):
        p = here.place(np.array([x, y, z]), 0.0, FITTING)
        p.box((0, 0, 0), half, look)
        if drop > 0.3:
            p.box((0, drop / 2, 0), (0.01, drop / 2, 0.01), rod)


def windows(here: Interior, side: Side, sill: float, top: float, glow: float) -> None:
    """A row of windows on a wall from `sill` to `top` [m] that shine with `glow`."""
    rng, p = here.rng, here.along(side, FITTING)
    if top - sill < 0.4:
        return
    n = max(1, int(side.half / rng.uniform(1.2, 4.0)))
    n = min(n, 12)
    half = rng.uniform(0.25, 0.97) * side.half / n
    pane = rng.printed("window", emission=glow, gloss=0.5)
    if rng.random() < 0.4:
        pane = Material((0.95, 0.97, 1.0), emission=glow)  # blown out, or frosted
    y, tall = (sill + top) / 2, (top - sill) / 2
    bars, frame = int(rng.integers(0, 4)), grey(rng.pick((0.05, 0.3, 0.9)))
    for x in bays(n, side.half):
        p.box((x, y, -0.03), (half, tall, 0.05), pane.fitted(2 * half, 2 * tall))
        for k in range(1, bars + 1) if n < 9 else ():
            p.box((x, sill + 2 * tall * k / (bars + 1), 0.03), (half, 0.03, 0.03), frame)


def skylights(here: Interior, glow: float) -> None:
    """Panes that shine, flush with a flat ceiling."""
    rng, (hx, hz), y = here.rng, here.room.half, here.room.height
    n, m = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    share = rng.uniform(0.2, 0.8)
    look = Material((0.95, 0.97, 1.0), emission=glow)
    p = here.place(here.room.middle, 0.0, CEILING)
    for x, z in product(bays(n, hx), bays(m, hz)):
        p.box((x, y, z), (share * hx / n, 0.04, share * hz / m), look)


def trusses(here: Interior) -> None:
    """Beams or lattice girders across the hall under its roof."""
    rng, room = here.rng, here.room
    hx, hz = room.half
    q = here.place(room.middle, 0.0 if hx > hz else np.pi / 2, CEILING)
    long, wide = max(hx, hz), min(hx, hz)
    n = int(np.clip(long / rng.uniform(2.0, 4.5), 2, 9))
    look, thick = rng.metal() if rng.random() < 0.6 else rng.wooden(), rng.uniform(0.04, 0.15)
    deep = min(rng.uniform(0.4, 1.4), 0.2 * room.height)
    lattice, y = rng.random() < 0.6, room.height - 0.02
    for x in joints(n, long):
        if not lattice:
            q.box((x, y - deep / 4, 0), (thick, deep / 4, wide), look)
            continue
        for up in (0.0, deep):
            q.box((x, y - up, 0), (thick / 2, thick / 2, wide), look)
        k = min(8, max(3, int(wide / deep)))
        lean = float(np.arctan2(wide / k, deep))
        half = float(np.hypot(wide / k, deep)) / 2
        for j, z in enumerate(bays(k, wide)):
            turn = lean if j % 2 else -lean
            q.box((x, y - deep / 2, z), (thick / 3, half, thick / 3), look, tilt=turn)


def column_grid(here: Interior, step: float, radius: float, look: Material) -> None:
    """Columns `step` [m] apart over the whole hall, but not where something stands."""
    (hx, hz), rng = here.room.half, here.rng
    n, m = (max(1, min(7, round(2 * h / step))) for h in (hx, hz))
    for x, z in product(bays(n, hx), bays(m, hz)):
        if here.claim(Footprint.rectangle((x, z), 0.0, radius + 0.05, radius + 0.05)):
            column(here.place(np.array([x, 0.0, z]), 0.0, WALL), radius, here.room.height, look)
    if rng.random() < 0.5:  # beams on them
        p, drop = here.place(here.room.middle, 0.0, CEILING), rng.uniform(0.15, 0.5)
        for z in bays(m, hz):
            p.box((0, here.room.height - drop / 2, z), (hx, drop / 2, 0.8 * radius), look)


def stand(here: Interior) -> tuple[float, float]:
    """Keep the ground around a place for the camera free, and return it (x, z) [m]."""
    rng, (hx, hz) = here.rng, here.room.half
    spread = 0.85 if rng.random() < 0.3 else 0.5
    x, z = (float(v) for v in rng.uniform(-spread, spread, 2) * (hx, hz))
    here.ground.take(Footprint.rectangle((x, z), 0.0, EYE_ROOM, EYE_ROOM))
    return x, z

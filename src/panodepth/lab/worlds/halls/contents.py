"""What stands in large interiors: machines, racks, pews, seats, kiosks, cars, people, posts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from panodepth.lab.worlds.indoor import furniture
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.indoor.structures import stairs
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.outdoor.vehicles import car
from panodepth.lab.worlds.parts import plants, seats
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.people import person
from panodepth.lab.worlds.parts.place import FITTING, FURNITURE, PERSON, PLANT, Pair, Piece, Place
from panodepth.lab.worlds.parts.slender import slender
from panodepth.lab.worlds.parts.small_things import clutter, things


def machine(p: Place) -> None:
    """A machine tool or plant: blocks, drums and pipes on a base."""
    rng = p.rng
    look, other = rng.painted(), rng.metal()
    w, d, h = rng.uniform(0.4, 1.2), rng.uniform(0.4, 0.9), rng.uniform(0.8, 2.4)
    p.box((0, h / 4, 0), (w, h / 4, d), look)
    p.box((rng.uniform(-0.3, 0.3) * w, 0.72 * h, -0.2 * d), (0.5 * w, 0.28 * h, 0.6 * d), other)
    if rng.random() < 0.6:
        p.disc((0.4 * w, 0.62 * h, 0.3 * d), 0.2 * h, 0.4 * d, look)
    for _ in range(rng.integers(0, 4)):
        x, z = rng.uniform(-0.9, 0.9, 2) * (w, d)
        p.tube((x, 0.75 * h, z), rng.uniform(0.03, 0.1), 0.6 * h, other)
    if rng.random() < 0.3:
        p.box((0.9 * w, 0.7 * h, d), (0.2, 0.25, 0.05), Material((0.1, 0.1, 0.12), gloss=0.6))


def crates(p: Place) -> None:
    """Boxes on a pallet, or a stack of sacks."""
    rng, h = p.rng, 0.14
    p.box((0, 0.07, 0), (0.6, 0.07, 0.5), rng.printed("wood", tint=(0.8, 0.7, 0.5)))
    for _ in range(rng.integers(1, 4)):
        half = (rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.5))
        look = rng.tinted((0.1, 0.9, 0.4), "plain", "text", "wood", "plaster")
        p.box((0, h + half[1], 0), half, look, yaw=rng.normal(0, 0.05))
        h += 2 * half[1]


def workbench(p: Place) -> None:
    rng, w = p.rng, p.rng.uniform(0.6, 1.4)
    furniture.table(p, (w, 0.4), rng.uniform(0.75, 0.95))
    things(p, (w, 0.3), 0.95, (0, 4))


def kiosk(p: Place) -> None:
    """A stand of walls or a glazed booth, with a roof or without."""
    rng, w, d, h = p.rng, *p.rng.uniform(0.8, 1.8, 2), p.rng.uniform(1.1, 2.6)
    look = rng.painted()
    p.box((0, h / 2, -d), (w, h / 2, 0.05), look)
    p.pair((w, h / 2, 0), (0.05, h / 2, d), look)
    p.box((0, 0.5, 0.9 * d), (w, 0.5, 0.1), rng.wooden())
    if h > 2.0:
        p.box((0, h, 0), (w + 0.1, 0.06, d + 0.1), look)


def steps(p: Place) -> None:
    """A flight of stairs that ends in the air, on its own foot."""
    stairs(p, 0.45, 13)


_INDUSTRY = {
    Piece(1.3, 1.0, machine): 0.3,
    Piece(0.65, 0.55, crates): 0.2,
    Piece(1.45, 0.6, workbench): 0.15,
    Piece(0.4, 0.4, clutter): 0.1,
    Piece(0.35, 0.35, slender, FITTING): 0.2,
    Piece(0.35, 0.35, person, PERSON): 0.1,
    # A block of a car; detailed ones stand in garages.
    Piece(1.0, 2.4, lambda p: car(p, far=20.0)): 0.05,
    # A row of metal cupboards.
    Piece(0.6, 0.3, lambda p: furniture.cabinet(p, 0.58, p.rng.uniform(1.2, 2.1), 0.26)): 0.08,
    Piece(0.5, 1.9, steps): 0.03,
}
_PUBLIC = {
    Piece(0.35, 0.35, person, PERSON): 0.3,
    Piece(0.35, 0.35, slender, FITTING): 0.25,
    Piece(1.7, 1.2, lambda p: seats.seats(p, 1.6, 2)): 0.1,
    Piece(1.0, 0.3, seats.park_bench): 0.12,
    Piece(1.9, 1.9, kiosk): 0.08,
    Piece(0.4, 0.4, lambda p: plants.big_plant(p, p.rng.uniform(1.0, 2.4)), PLANT): 0.1,
    Piece(1.6, 1.1, lambda p: furniture.dining(p, (1.0, 0.5), 0.75)): 0.12,
    Piece(0.9, 0.7, lambda p: seats.sofa(p, 0.8)): 0.06,
    Piece(1.0, 0.45, lambda p: furniture.back_to_back(p, 1.0, p.rng.uniform(1.2, 2.0))): 0.05,
    Piece(0.6, 1.9, steps): 0.04,
    Piece(0.4, 0.4, clutter): 0.05,
}
SETS = {"industry": _INDUSTRY, "public": _PUBLIC}


def strew(here: Interior, name: str, count: int, eye: Pair) -> None:
    """Up to `count` pieces of a set on free ground, a third of them within 7 m of `eye` (x, z)."""
    rng, (hx, hz) = here.rng, here.room.half
    for _ in range(count):
        x, z = rng.uniform(-1, 1, 2) * (hx, hz)
        if rng.random() < 0.4:
            x, z = np.array(eye) + rng.normal(0, 3.0, 2)
        piece = rng.weighted(SETS[name])
        yaw = rng.integers(4) * np.pi / 2 if rng.random() < 0.6 else rng.uniform(0, 6.3)
        if here.claim(Footprint.rectangle((x, z), yaw, piece.half_x, piece.half_z), 0.1, 0.05):
            piece.build(here.place(np.array([x, 0.0, z]), yaw, piece.label))


def rows(
    here: Interior, step: float, half: Pair, build: Callable[[Place], None], aisle: float = 1.2
) -> None:
    """Long things one behind the other along z, in two blocks beside an aisle along the middle.

    step: metres from one to the next. half: half sizes (x, z) [m] of one.
    """
    (hx, hz), (w, d) = here.room.half, half
    for side in (-1.0, 1.0):
        x = side * (aisle + w)
        if abs(x) + w > hx - 0.3:
            continue
        for z in np.arange(-hz + 1.5 + d, hz - 1.5 - d, step):
            if here.claim(Footprint.rectangle((x, float(z)), 0.0, w, d)):
                build(here.place(np.array([x, 0.0, z]), 0.0, FURNITURE))

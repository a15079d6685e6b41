"""A street's plan, and what stands and lies along it: paint, trees, parked cars, clutter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.ground import paint
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_things import thing
from panodepth.lab.worlds.outdoor.vegetation import tree
from panodepth.lab.worlds.outdoor.vehicles import park
from panodepth.lab.worlds.parts.place import BUILDING, FITTING, Pair, Place, Triple


@dataclass(frozen=True)
class Street:
    """A street along an arc through the origin of a site: its ways left and right of it, metres.

    bend: curvature [1/m]. length: half its length. gap: (from, to) of a side street, or None.
    pavement: width of the kerbed pavements, 0 = none. tall: storeys from, to (exclusive).
    """

    site: Site
    left: float
    right: float
    length: float
    bend: float
    gap: Pair | None
    pavement: float
    tall: tuple[int, int]
    kerb: Material

    def edge(self, side: int) -> float:
        """Metres from the middle to the houses on the left (side < 0) or on the right."""
        return self.left if side < 0 else self.right

    def at(self, s: float, across: float) -> Triple:
        """(x, z, heading) `s` metres along and `across` metres to the right of the middle."""
        turn = self.bend * s
        if abs(self.bend) < 1e-6:
            x, z = 0.0, s
        else:
            x, z = (1 - math.cos(turn)) / self.bend, math.sin(turn) / self.bend
        return x + across * math.cos(turn), z - across * math.sin(turn), turn

    def spot(self, s: float, across: float, turn: float = 0.0, label: int = BUILDING) -> Place:
        """The place there, with z along the street, turned by `turn` [rad]."""
        x, z, heading = self.at(s, across)
        return self.site.spot(x, z, heading + turn, label)


def markings(street: Street) -> None:
    """Lines, a zebra crossing, patches and manhole covers, all flat on the road."""
    site, rng = street.site, street.site.rng
    kerb = min(street.left, street.right) - street.pavement
    if street.left + street.right > 6 and rng.random() < 0.5:
        edge = rng.random() < 0.4
        for k in range(-4, 5):
            for side in (-1, 1) if edge else (0,):
                at = street.at(4.0 * k, side * (kerb - 0.4))
                paint(site, at, (0.06, 2.05 if edge else 1.2))
    if street.pavement and rng.random() < 0.3:
        s = rng.normal(0, 7)
        for across in np.arange(-kerb + 0.5, kerb - 0.3, 1.0):
            paint(site, street.at(s, float(across)), (0.25, 1.4))
    dark = rng.tinted((0.1, 0.6, 0.05), "asphalt", "speckle", "plaster")
    for _ in range(rng.integers(0, 4)):
        at = street.at(rng.normal(0, 5), rng.normal(0, 1))
        half = tuple(rng.uniform(0.2, 1.2, 2)) if rng.random() < 0.6 else (0.33, 0.33)
        paint(site, at, half, dark)


def tree_rows(street: Street) -> None:
    site, rng = street.site, street.site.rng
    step = rng.uniform(6, 12)
    size = rng.uniform(5, 11)
    inset = max(street.pavement * 0.6, 2.0)
    for side in (-1, 1):
        for s in np.arange(-3, 4) * step + rng.uniform(0, step):
            x, z, _ = street.at(float(s), side * (street.edge(side) - inset))
            if p := site.claimed(x, z, (0.4, 0.4)):
                tree(p, size * rng.uniform(0.8, 1.2), site.far(x, z))


def parked(street: Street) -> None:
    """Cars along one side or both, bumper to bumper or here and there."""
    rng = street.site.rng
    dense = rng.uniform(0.2, 0.9)
    away = max(street.pavement, 0.2) + 1.1
    for side in (-1, 1):
        if rng.random() < 0.3:
            continue
        for k in range(-3, 4):
            if rng.random() < dense:
                s = 5.6 * k + rng.normal(0, 0.3)
                x, z, turn = street.at(s, side * (street.edge(side) - away))
                park(street.site, x, z, turn + rng.normal(0, 0.03))


_CLUTTER = {
    "two_wheeler": 0.27,
    "pole": 0.14,
    "pot": 0.13,
    "clutter": 0.11,
    "person": 0.1,
    "container": 0.08,
    "shrub": 0.03,
    "tree": 0.03,
    "bench": 0.02,
    "bed": 0.02,
    "laundry": 0.03,
    "table": 0.02,
    "group": 0.02,
}


def clutter(street: Street, count: int) -> None:
    """Small things along the fronts, some on the road; in bunches as people leave them."""
    site, rng, s = street.site, street.site.rng, 0.0
    last = rng.weighted(_CLUTTER)
    for _ in range(count):
        side = 1 if rng.random() < 0.5 else -1
        edge = street.edge(side)
        if rng.random() < 0.35:  # beside the last one
            s += rng.pick((-1, 1)) * rng.uniform(0.7, 1.3)
        else:
            last = rng.weighted(_CLUTTER)
            s = rng.normal(0, 7)
        inset = 0.55 + abs(rng.normal(0, 0.5))
        if last in ("person", "group"):
            inset = rng.uniform(0.5, edge)
        x, z, turn = street.at(s, side * max(edge - inset, 0.3))
        yaw = turn - side * np.pi / 2 + rng.normal(0, 0.25)
        thing(site, last, x, z, yaw + (np.pi / 2 if rng.random() < 0.2 else 0.0))
    if rng.random() < 0.1:
        _road_works(street)


def _road_works(street: Street) -> None:
    """A hole in the road, with a fence around it."""
    rng = street.site.rng
    x, z, turn = street.at(rng.normal(0, 6), rng.normal(0, 1.5))
    if p := street.site.claimed(x, z, (0.8, 1.2), turn, FITTING):
        rail = rng.printed("stripes", tint=(0.8, 0.3, 0.05))
        for side in (-1, 1):
            p.box((side * 0.8, 0.9, 0), (0.02, 0.12, 1.2), rail)
            p.box((0, 0.9, side * 1.2), (0.8, 0.12, 0.02), rail)
            p.box((side * 0.8, 0.45, 1.2), (0.03, 0.45, 0.03), wall_look(rng))
            p.box((side * 0.8, 0.45, -1.2), (0.03, 0.45, 0.03), wall_look(rng))

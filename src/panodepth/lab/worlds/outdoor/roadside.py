"""What stands and lies along a street: paint, trees, parked cars, clutter in bunches."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.ground import paint
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_plan import Street
from panodepth.lab.worlds.outdoor.street_things import thing
from panodepth.lab.worlds.outdoor.vegetation import tree
from panodepth.lab.worlds.outdoor.vehicles import park
from panodepth.lab.worlds.parts.place import FITTING


def markings(site: Site, street: Street) -> None:
    """Lines, a zebra crossing, patches and manhole covers, all flat on the road."""
    rng = site.rng
    kerb = min(street.left, street.right) - street.pavement
    if street.left + street.right > 6 and rng.random() < 0.5:
        edge = rng.random() < 0.4
        for k in range(-4, 5):
            for side in (-1, 1) if edge else (0,):
                x, z, turn = street.at(4.0 * k, side * (kerb - 0.4))
                paint(site, (x, z), (0.06, 2.05 if edge else 1.2), turn)
    if street.pavement and rng.random() < 0.3:
        s = rng.normal(0, 7)
        for across in np.arange(-kerb + 0.5, kerb - 0.3, 1.0):
            x, z, turn = street.at(s, float(across))
            paint(site, (x, z), (0.25, 1.4), turn)
    dark = rng.tinted((0.1, 0.6, 0.05), "asphalt", "speckle", "plaster")
    for _ in range(rng.integers(0, 4)):
        x, z, turn = street.at(rng.normal(0, 5), rng.normal(0, 1))
        half_x, half_z = rng.uniform(0.2, 1.2, 2) if rng.random() < 0.6 else (0.33, 0.33)
        paint(site, (x, z), (half_x, half_z), turn, dark)


def tree_rows(site: Site, street: Street) -> None:
    rng, step = site.rng, site.rng.uniform(6, 12)
    size = rng.uniform(5, 11)
    inset = max(street.pavement * 0.6, 2.0)
    for side in (-1, 1):
        for s in np.arange(-3, 4) * step + rng.uniform(0, step):
            x, z, _ = street.at(float(s), side * (street.edge(side) - inset))
            if p := site.claimed(x, z, (0.4, 0.4)):
                tree(p, size * rng.uniform(0.8, 1.2), site.far(x, z))


def parked(site: Site, street: Street) -> None:
    """Cars along one side or both, bumper to bumper or here and there."""
    rng, dense = site.rng, site.rng.uniform(0.2, 0.9)
    away = max(street.pavement, 0.2) + 1.1
    for side in (-1, 1):
        if rng.random() < 0.3:
            continue
        for k in range(-3, 4):
            if rng.random() < dense:
                s = 5.6 * k + rng.normal(0, 0.3)
                x, z, turn = street.at(s, side * (street.edge(side) - away))
                park(site, x, z, turn + rng.normal(0, 0.03))


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


def clutter(site: Site, street: Street, count: int) -> None:
    """Small things along the fronts, some on the road; in bunches as people leave them."""
    rng, s = site.rng, 0.0
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
        _road_works(site, street)


def _road_works(site: Site, street: Street) -> None:
    """A hole in the road, with a fence around it."""
    rng = site.rng
    x, z, turn = street.at(rng.normal(0, 6), rng.normal(0, 1.5))
    if p := site.claimed(x, z, (0.8, 1.2), turn, FITTING):
        rail = rng.printed("stripes", tint=(0.8, 0.3, 0.05))
        for side in (-1, 1):
            p.box((side * 0.8, 0.9, 0), (0.02, 0.12, 1.2), rail)
            p.box((0, 0.9, side * 1.2), (0.8, 0.12, 0.02), rail)
            p.box((side * 0.8, 0.45, 1.2), (0.03, 0.45, 0.03), wall_look(rng))
            p.box((side * 0.8, 0.45, -1.2), (0.03, 0.45, 0.03), wall_look(rng))

"""Streets: lanes, alleys and avenues between rows of houses, straight or bent, with crossings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from panodepth.lab.worlds.looks.materials import grey
from panodepth.lab.worlds.outdoor.buildings import Mass, bridge, gateway, house, yard_wall
from panodepth.lab.worlds.outdoor.ground import ground
from panodepth.lab.worlds.outdoor.roadside import Street, clutter, markings, parked, tree_rows
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_things import scaffold, thing
from panodepth.lab.worlds.outdoor.vegetation import tree
from panodepth.lab.worlds.parts.place import FITTING, GROUND, Pair, Place

DETAIL = 12.0  # metres from the camera along the street; houses beyond have simple fronts


def street(site: Site) -> None:
    """A street of ordinary width; narrow lanes are common."""
    half = float(np.exp(site.rng.normal(np.log(3.8), 0.45)))
    _build(site, half, (4, 22))


def alley(site: Site) -> None:
    """A passage 1.4 to 3.6 metres wide between walls and houses."""
    _build(site, site.rng.uniform(0.7, 1.8), (2, 8))


def avenue(site: Site) -> None:
    """A wide street with rows of trees or parked cars."""
    _build(site, site.rng.uniform(9, 16), (14, 34))


def _plan(site: Site, half: float) -> Street:
    rng = site.rng
    left, right = (max(half * rng.uniform(0.7, 1.3), 0.7) for _ in range(2))
    gap = None
    if rng.random() < (0.25 if half > 2 else 0.1):
        start = rng.normal(2, 9)
        gap = (start, start + rng.uniform(2.5, 4 + half))
    length = rng.uniform(18, 55) + half
    bend = 0.0 if rng.random() < 0.55 else rng.normal(0, 0.012)
    paved = half > 2.4 and rng.random() < 0.6
    pavement = rng.uniform(0.8, min(3.5, 0.55 * half)) if paved else 0.0
    tall = (1, 4) if rng.random() < 0.65 else (3, 8)
    kerb = rng.tinted((0.35, 0.85, 0.08), "tiles", "speckle", "plaster", scale=1.5)
    return Street(site, left, right, length, bend, gap, pavement, tall, kerb)


def _build(site: Site, half: float, things: tuple[int, int]) -> None:
    rng, street = site.rng, _plan(site, half)
    left, right = street.left, street.right
    ground(site, "asphalt", "asphalt", "speckle", "tiles", "plaster", "asphalt")
    _stand(street)
    for side in (-1, 1):
        _row(street, side)
    if street.gap is not None:
        for side in (-1, 1):
            if rng.random() < 0.8:
                _side_street(street, street.gap, side)
    _ends(street)
    if rng.random() < 0.06 and half < 10:
        s = rng.pick((-1, 1)) * rng.uniform(6, 18)
        bridge(street.spot(s, 0), max(left, right) * 0.95, rng.uniform(3.5, 6))
        site.block(*street.at(s, 0), (max(left, right), 5.0))
    elif half < 6 and rng.random() < 0.07:
        s = rng.pick((-1, 1)) * rng.uniform(4, 14)
        p = street.spot(s, (right - left) / 2, np.pi if s > 0 else 0.0)
        gateway(p, (left + right) / 2 + 0.5, rng.uniform(5, 9))
        site.block(*street.at(s, (right - left) / 2), (half + 2, 6))
    markings(street)
    if half > 6 and rng.random() < 0.7:
        tree_rows(street)
    if half > 3.5 and rng.random() < 0.6:
        parked(street)
    clutter(street, int(rng.integers(*things)))
    if rng.random() < 0.25:
        _wires(site, (-left, right), (-20, 20))


def _stand(street: Street) -> None:
    """The camera somewhere along the middle third, off-centre, now and then near a wall."""
    rng = street.site.rng
    if rng.random() < 0.2:
        side = rng.pick((-1, 1))
        across = side * max(street.edge(side) - rng.uniform(0.8, 1.4), 0.0)
    else:
        across = np.clip(rng.normal(0, 0.16), -0.4, 0.4) * (street.left + street.right)
        across = float(np.clip(across, 0.7 - street.left, street.right - 0.7))
    x, z, _ = street.at(rng.normal(0, 3), across)
    street.site.stand(x, z)


def _row(street: Street, side: int) -> None:
    """Houses side by side along one side of the street (−1 left, 1 right)."""
    rng, edge = street.site.rng, street.edge(side)
    storeys = int(rng.integers(*street.tall))
    terrace = rng.random() < 0.3  # one builder, one height
    s = -street.length
    while s < street.length:
        half = rng.uniform(1.8, 6.0)
        near = abs(s + half) - half < DETAIL + 0.5 * edge
        if street.gap and s < street.gap[1] and s + 2 * half > street.gap[0]:
            if s >= street.gap[0] - 2.5:
                s = street.gap[1]
                continue
            half = (street.gap[0] - s) / 2
        if not terrace and rng.random() < 0.5:
            storeys = int(rng.integers(*street.tall))
        back = abs(rng.normal(0, 0.3)) if rng.random() < 0.5 else 0.0
        yard = edge > 1.5 and rng.random() < 0.07 + 0.5 * street.site.recesses
        back += rng.uniform(1.2, 4.0) if yard else 0.0
        p = street.spot(s + half, side * (edge + back), -side * np.pi / 2)
        if rng.random() < 0.95:
            depth = rng.uniform(5, 12)
            house(p, replace(Mass(half, depth, storeys, near), **_recess(street.site)))
            middle = street.at(s + half, side * (edge + back + depth / 2 - 0.1))
            street.site.block(*middle, (depth / 2, half))
            if yard:
                _yard(street, side, (s + half, half))
            elif near and rng.random() < 0.04:
                scaffold(p, half, max(1, int(storeys * 1.3)))
        elif rng.random() < 0.7:  # an empty plot with a tree behind a wall
            yard_wall(p, half)
            tree(p.at(0, 0, -2.5), rng.uniform(3, 8))
        if street.pavement:
            _pavement(street, side, (s, s + 2 * half))
        s += 2 * half + (rng.uniform(0.5, 4.0) if rng.random() < 0.2 else 0.0)


def _recess(site: Site) -> dict[str, Any]:
    """What of a house stands back, as fields of `Mass`; nothing is drawn where nothing may."""
    rng = site.rng
    if not site.recesses or rng.random() >= site.recesses:
        return {}
    floor = rng.weighted({"recess": 0.75, "arcade": 0.1, "front": 0.15})
    return {"ground": floor, "loggia": rng.uniform(0.5, 2.0) if rng.random() < 0.5 else 0.0}


def _yard(street: Street, side: int, plot: Pair) -> None:
    """A front yard: wall and gate at the street, plants inside; plot = (s, half)."""
    rng, edge, (s, half) = street.site.rng, street.edge(side), plot
    yard_wall(street.spot(s, side * edge, -side * np.pi / 2), half)
    for _ in range(rng.integers(1, 5)):
        x, z, _ = street.at(s + rng.uniform(-0.8, 0.8) * half, side * (edge + 0.7))
        name = rng.pick(("pot", "shrub", "two_wheeler"))
        thing(street.site, name, x, z, street.bend * s)


def _pavement(street: Street, side: int, span: Pair) -> None:
    """A kerbed slab along part of one side."""
    start, end = span
    half = street.pavement / 2  # and 2 m more: the slab runs on under the houses
    across, slab = street.edge(side) - half + 2.0, (half + 2.0, 0.07, (end - start) / 2 + 0.2)
    p = street.spot((start + end) / 2, side * across, label=GROUND)
    p.box((0, 0.06, 0), slab, street.kerb)


def _side_street(street: Street, gap: Pair, side: int) -> None:
    """Houses along a side street that leaves at the gap."""
    rng, edge = street.site.rng, street.edge(side) + 10.0
    for end, yaw in ((gap[0], 0.0), (gap[1], np.pi)):
        out = 0.0
        while out < 25:
            half = rng.uniform(2.5, 6)
            p = street.spot(end, side * (edge + out + half), yaw)
            if rng.random() < 0.9:
                house(p, Mass(half, 6.0, int(rng.integers(*street.tall)), False))
            out += 2 * half
    if rng.random() < 0.5:
        p = street.spot(sum(gap) / 2, side * (edge + rng.uniform(12, 40)), -side * np.pi / 2)
        house(p, Mass(8.0, 6.0, 3, False))


def _ends(street: Street) -> None:
    """Something that closes the view along the street, on most ends."""
    rng, half = street.site.rng, (street.left + street.right) / 2 + 6
    for end in (-1, 1):
        if rng.random() < 0.5:
            s = end * (street.length + rng.uniform(2, 15))
            p = street.spot(s, 0, np.pi if end > 0 else 0.0)
            house(p, Mass(half, 8.0, int(rng.integers(*street.tall)), False))
        elif rng.random() < 0.5:
            for _ in range(4):
                s, across = end * (street.length + rng.uniform(2, 25)), rng.normal(0, 6)
                x, z, _ = street.at(s, across)
                tree(street.site.spot(x, z), rng.uniform(5, 12), 40.0)


def _wires(site: Site, x: Pair, z: Pair) -> None:
    """A few cables strung over the site between the corners of the rectangle x × z."""
    rng, dark = site.rng, grey(0.05)
    for _ in range(rng.integers(1, 5)):
        a = np.array([x[0], z[0] + rng.random() * (z[1] - z[0])])
        b = np.array([x[1], z[0] + rng.random() * (z[1] - z[0])])
        if rng.random() < 0.5:  # along the street instead of across it
            side = rng.uniform(0.7, 1.0) * x[int(rng.integers(2))]
            a, b = np.array([side, z[0]]), np.array([side, z[1]])
        y, half = rng.uniform(4.0, 8.0), float(np.hypot(*(b - a))) / 2
        yaw = float(np.arctan2(-(b - a)[1], (b - a)[0]))
        r = rng.uniform(0.008, 0.025)
        middle = np.array([*(a + b) / 2, 0.0])[[0, 2, 1]]
        Place(site.scene, rng, middle, yaw, FITTING).box((0, y, 0), (half, r, r), dark)

"""Streets: lanes, alleys and avenues between rows of houses, straight or bent, with crossings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from panodepth.scenes.buildings import Mass, bridge, gateway, house, yard_wall
from panodepth.scenes.facades import wall_look
from panodepth.scenes.furniture import FITTING, GROUND, tint
from panodepth.scenes.ground import ground, paint
from panodepth.scenes.primitives import BOX, Material
from panodepth.scenes.site import Site
from panodepth.scenes.street_things import scaffold, thing, wires
from panodepth.scenes.textures import choose
from panodepth.scenes.vegetation import tree
from panodepth.scenes.vehicles import park

DETAIL = 12.0  # metres from the camera along the street; houses beyond have simple fronts


@dataclass(frozen=True)
class Street:
    """A street along an arc through the origin: its ways left and right of it, metres.

    bend: curvature [1/m]. length: half its length. gap: (from, to) of a side street, or None.
    pavement: width of the kerbed pavements, 0 = none. tall: storeys from, to (exclusive).
    """

    left: float
    right: float
    length: float
    bend: float
    gap: tuple[float, float] | None
    pavement: float
    tall: tuple[int, int]
    kerb: Material

    def at(self, s: float, across: float) -> tuple[float, float, float]:
        """(x, z, heading) `s` metres along and `across` metres to the right of the middle."""
        turn = self.bend * s
        if abs(self.bend) < 1e-6:
            x, z = 0.0, s
        else:
            x, z = (1 - math.cos(turn)) / self.bend, math.sin(turn) / self.bend
        return x + across * math.cos(turn), z - across * math.sin(turn), turn


def street(site: Site) -> None:
    """A street of ordinary width; narrow lanes are common."""
    half = float(np.exp(site.rng.normal(np.log(3.8), 0.45)))
    _build(site, half, (4, 22))


def alley(site: Site) -> None:
    """A passage 1.4 to 3.6 metres wide between walls and houses."""
    _build(site, float(site.rng.uniform(0.7, 1.8)), (2, 8))


def avenue(site: Site) -> None:
    """A wide street with rows of trees or parked cars."""
    _build(site, float(site.rng.uniform(9, 16)), (14, 34))


def _build(site: Site, half: float, things: tuple[int, int]) -> None:
    rng = site.rng
    left, right = (max(half * float(rng.uniform(0.7, 1.3)), 0.7) for _ in range(2))
    gap = None
    if rng.random() < (0.25 if half > 2 else 0.1):
        start = float(rng.normal(2, 9))
        gap = (start, start + float(rng.uniform(2.5, 4 + half)))
    street = Street(
        left,
        right,
        float(rng.uniform(18, 55)) + half,
        0.0 if rng.random() < 0.55 else float(rng.normal(0, 0.012)),
        gap,
        float(rng.uniform(0.8, min(3.5, 0.55 * half)))
        if half > 2.4 and rng.random() < 0.6
        else 0.0,
        (1, 4) if rng.random() < 0.65 else (3, 8),
        Material(
            tint(rng, 0.35, 0.85, 0.08), choose(rng, "tiles", "speckle", "plaster"), (1.5, 1.5)
        ),
    )
    ground(site, "asphalt", "asphalt", "speckle", "tiles", "plaster", "asphalt")
    _stand(site, street)
    for side in (-1, 1):
        _row(site, street, side)
    if gap is not None:
        for side in (-1, 1):
            if rng.random() < 0.8:
                _side_street(site, street, side)
    _ends(site, street)
    _markings(site, street)
    if half > 6 and rng.random() < 0.7:
        _tree_rows(site, street)
    if half > 3.5 and rng.random() < 0.6:
        _parked(site, street)
    if rng.random() < 0.06 and half < 10:
        s = float(rng.choice([-1, 1]) * rng.uniform(6, 18))
        x, z, turn = street.at(s, 0)
        bridge(site.spot(x, z, turn), max(left, right) * 0.95, float(rng.uniform(3.5, 6)))
    elif half < 6 and rng.random() < 0.07:
        s = float(rng.choice([-1, 1]) * rng.uniform(4, 14))
        x, z, turn = street.at(s, (right - left) / 2)
        front = turn + (np.pi if s > 0 else 0.0)
        gateway(site.spot(x, z, front), (left + right) / 2 + 0.5, float(rng.uniform(5, 9)))
        site.block(x, z, (half + 2, 6), turn)
    _clutter(site, street, int(rng.integers(*things)))
    if rng.random() < 0.25:
        wires(site, (-left, right), (-20, 20))


def _stand(site: Site, street: Street) -> None:
    """The camera somewhere along the middle third, off-centre, now and then near a wall."""
    rng = site.rng
    wide = street.left + street.right
    if rng.random() < 0.2:
        side = int(rng.choice([-1, 1]))
        edge = street.left if side < 0 else street.right
        across = side * max(edge - float(rng.uniform(0.8, 1.4)), 0.0)
    else:
        across = float(np.clip(rng.normal(0, 0.16), -0.4, 0.4)) * wide
        across = float(np.clip(across, 0.7 - street.left, street.right - 0.7))
    x, z, _ = street.at(float(rng.normal(0, 3)), across)
    site.stand(x, z)


def _row(site: Site, street: Street, side: int) -> None:
    """Houses side by side along one side of the street (−1 left, 1 right)."""
    rng = site.rng
    edge = street.left if side < 0 else street.right
    storeys = int(rng.integers(*street.tall))
    terrace = rng.random() < 0.3  # one builder, one height
    s = -street.length
    while s < street.length:
        half = float(rng.uniform(1.8, 6.0))
        near = abs(s + half) - half < DETAIL + 0.5 * edge
        if street.gap and s < street.gap[1] and s + 2 * half > street.gap[0]:
            if s < street.gap[0] - 2.5:
                half = (street.gap[0] - s) / 2
            else:
                s = street.gap[1]
                continue
        if not terrace and rng.random() < 0.5:
            storeys = int(rng.integers(*street.tall))
        back = abs(float(rng.normal(0, 0.3))) if rng.random() < 0.5 else 0.0
        yard = edge > 1.5 and rng.random() < 0.07
        back += float(rng.uniform(1.2, 4.0)) if yard else 0.0
        x, z, turn = street.at(s + half, side * (edge + back))
        p = site.spot(x, z, turn - side * np.pi / 2)
        if rng.random() < 0.95:
            depth = float(rng.uniform(5, 12))
            house(p, Mass(half, depth, storeys, near))
            site.block(*street.at(s + half, side * (edge + back + depth / 2 - 0.1))[:2],
                       (depth / 2, half), turn)  # fmt: skip
            if yard:
                _yard(site, street, side, (s + half, half, edge))
            elif near and rng.random() < 0.04:
                scaffold(p, half, max(1, int(storeys * 1.3)))
        elif rng.random() < 0.7:  # an empty plot with a tree behind a wall
            yard_wall(p, half)
            tree(p.at(0, 0, -2.5), float(rng.uniform(3, 8)))
        if street.pavement:
            _pavement(site, street, side, (s, s + 2 * half))
        s += 2 * half + (float(rng.uniform(0.5, 4.0)) if rng.random() < 0.2 else 0.0)


def _yard(site: Site, street: Street, side: int, plot: tuple[float, float, float]) -> None:
    """A front yard: wall and gate at the street, plants inside; plot = (s, half, edge)."""
    s, half, edge = plot
    x, z, turn = street.at(s, side * edge)
    yard_wall(site.spot(x, z, turn - side * np.pi / 2), half)
    for _ in range(int(site.rng.integers(1, 5))):
        x, z, _ = street.at(s + float(site.rng.uniform(-0.8, 0.8)) * half, side * (edge + 0.7))
        thing(site, str(site.rng.choice(["pot", "shrub", "two_wheeler"])), x, z, turn)


def _pavement(site: Site, street: Street, side: int, span: tuple[float, float]) -> None:
    """A kerbed slab along part of one side."""
    edge = street.left if side < 0 else street.right
    half = (span[1] - span[0]) / 2
    x, z, turn = street.at((span[0] + span[1]) / 2, side * (edge - street.pavement / 2 + 2.0))
    look = street.kerb
    at = (x, 0.06, z)
    site.scene.add(BOX, at, (street.pavement / 2 + 2.0, 0.07, half + 0.2), turn, look, label=GROUND)


def _side_street(site: Site, street: Street, side: int) -> None:
    """Houses along a side street that leaves at the gap."""
    rng = site.rng
    assert street.gap is not None
    edge = (street.left if side < 0 else street.right) + 10.0
    for end, yaw in ((street.gap[0], 0.0), (street.gap[1], np.pi)):
        out = 0.0
        while out < 25:
            half = float(rng.uniform(2.5, 6))
            x, z, turn = street.at(end, side * (edge + out + half))
            p = site.spot(x, z, turn + yaw)
            if rng.random() < 0.9:
                house(p, Mass(half, 6.0, int(rng.integers(*street.tall)), False))
            out += 2 * half
    if rng.random() < 0.5:
        x, z, turn = street.at(sum(street.gap) / 2, side * (edge + float(rng.uniform(12, 40))))
        house(site.spot(x, z, turn - side * np.pi / 2), Mass(8.0, 6.0, 3, False))


def _ends(site: Site, street: Street) -> None:
    """Something that closes the view along the street, on most ends."""
    rng = site.rng
    for end in (-1, 1):
        if rng.random() < 0.5:
            x, z, turn = street.at(end * (street.length + float(rng.uniform(2, 15))), 0)
            front = turn + (np.pi if end > 0 else 0.0)
            half = (street.left + street.right) / 2 + 6
            house(site.spot(x, z, front), Mass(half, 8.0, int(rng.integers(*street.tall)), False))
        elif rng.random() < 0.5:
            for _ in range(4):
                x, z, _ = street.at(end * (street.length + float(rng.uniform(2, 25))),
                                    float(rng.normal(0, 6)))  # fmt: skip
                tree(site.spot(x, z), float(rng.uniform(5, 12)), 40.0)


def _markings(site: Site, street: Street) -> None:
    """Lines, a zebra crossing, patches and manhole covers, all flat on the road."""
    rng = site.rng
    if street.left + street.right > 6 and rng.random() < 0.5:
        edge = rng.random() < 0.4
        for k in range(-4, 5):
            for across in (-1, 1) if edge else (0,):
                away = across * (min(street.left, street.right) - street.pavement - 0.4)
                x, z, turn = street.at(4.0 * k, away)
                paint(site, (x, z), (0.06, 2.05 if edge else 1.2), turn)
    if street.pavement and rng.random() < 0.3:
        s = float(rng.normal(0, 7))
        reach = min(street.left, street.right) - street.pavement
        for across in np.arange(-reach + 0.5, reach - 0.3, 1.0):
            x, z, turn = street.at(s, float(across))
            paint(site, (x, z), (0.25, 1.4), turn)
    dark = Material(tint(rng, 0.1, 0.6, 0.05), choose(rng, "asphalt", "speckle", "plaster"))
    for _ in range(int(rng.integers(0, 4))):
        x, z, turn = street.at(float(rng.normal(0, 5)), float(rng.normal(0, 1)))
        size = rng.uniform(0.2, 1.2, 2) if rng.random() < 0.6 else np.array([0.33, 0.33])
        paint(site, (x, z), (float(size[0]), float(size[1])), turn, dark)


def _tree_rows(site: Site, street: Street) -> None:
    rng, step = site.rng, float(site.rng.uniform(6, 12))
    size = float(rng.uniform(5, 11))
    inset = max(street.pavement * 0.6, 2.0)
    for side in (-1, 1):
        edge = street.left if side < 0 else street.right
        for s in np.arange(-3, 4) * step + float(rng.uniform(0, step)):
            x, z, _ = street.at(float(s), side * (edge - inset))
            if site.claim(x, z, (0.4, 0.4)):
                tree(site.spot(x, z), size * float(rng.uniform(0.8, 1.2)), site.far(x, z))


def _parked(site: Site, street: Street) -> None:
    """Cars along one side or both, bumper to bumper or here and there."""
    rng, dense = site.rng, float(site.rng.uniform(0.2, 0.9))
    for side in (-1, 1):
        if rng.random() < 0.3:
            continue
        edge = street.left if side < 0 else street.right
        away = max(street.pavement, 0.2) + 1.1
        for k in range(-3, 4):
            if rng.random() < dense:
                s = 5.6 * k + float(rng.normal(0, 0.3))
                x, z, turn = street.at(s, side * (edge - away))
                park(site, x, z, turn + float(rng.normal(0, 0.03)))


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


def _clutter(site: Site, street: Street, count: int) -> None:
    """Small things along the fronts, some on the road; in bunches as people leave them."""
    rng, names, shares = site.rng, list(_CLUTTER), np.array(list(_CLUTTER.values()))
    last = str(rng.choice(names, p=shares / shares.sum()))
    s = 0.0
    for _ in range(count):
        side = 1 if rng.random() < 0.5 else -1
        edge = street.right if side > 0 else street.left
        if rng.random() < 0.35:  # beside the last one
            s += float(rng.choice([-1, 1])) * float(rng.uniform(0.7, 1.3))
        else:
            last = str(rng.choice(names, p=shares / shares.sum()))
            s = float(rng.normal(0, 7))
        inset = 0.55 + abs(float(rng.normal(0, 0.5)))
        if last in ("person", "group"):
            inset = float(rng.uniform(0.5, edge))
        x, z, turn = street.at(s, side * max(edge - inset, 0.3))
        yaw = turn - side * np.pi / 2 + float(rng.normal(0, 0.25))
        thing(site, last, x, z, yaw + (np.pi / 2 if rng.random() < 0.2 else 0.0))
    if rng.random() < 0.1:  # road works: a fenced hole
        x, z, turn = street.at(float(rng.normal(0, 6)), float(rng.normal(0, 1.5)))
        if site.claim(x, z, (0.8, 1.2), turn):
            rail = Material((0.8, 0.3, 0.05), choose(rng, "stripes"))
            p = site.spot(x, z, turn, FITTING)
            for side in (-1, 1):
                p.box((side * 0.8, 0.9, 0), (0.02, 0.12, 1.2), rail)
                p.box((0, 0.9, side * 1.2), (0.8, 0.12, 0.02), rail)
                p.box((side * 0.8, 0.45, 1.2), (0.03, 0.45, 0.03), wall_look(rng))
                p.box((side * 0.8, 0.45, -1.2), (0.03, 0.45, 0.03), wall_look(rng))

"""Vehicles in a frame whose z axis is the driving direction: cars, vans, buses, two-wheelers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.parts.place import VEHICLE, Pair, Place, bays
from panodepth.lab.worlds.render.solids import cut_box

DETAIL_RANGE = 11.0  # metres; cars beyond have no trim
TYRE = grey(0.03)
CHROME = Material((0.45, 0.45, 0.47), gloss=1.0)
GLASS = Material((0.03, 0.035, 0.04), gloss=1.0)
_BODIES = {"hatch": 0.3, "saloon": 0.28, "suv": 0.2, "van": 0.14, "pickup": 0.08}


@dataclass(frozen=True)
class Body:
    """The shape of a car in metres: half length and width, belt line, roof, cabin from and to."""

    long: float
    wide: float
    belt: float
    roof: float
    cabin: Pair  # shares of the half length, back and front of the roof
    wheel: float = 0.32


def _body(rng: Draws) -> Body:
    kind = rng.weighted(_BODIES)
    long, wide = rng.uniform(1.85, 2.35), rng.uniform(0.82, 0.95)
    belt = rng.uniform(0.85, 0.95)
    if kind == "hatch":
        return Body(long * 0.92, wide, belt, rng.uniform(1.42, 1.56), (-0.8, 0.2))
    if kind == "saloon":
        return Body(long, wide, belt, rng.uniform(1.38, 1.48), (-0.45, 0.12))
    if kind == "suv":
        return Body(long, wide, belt + 0.15, rng.uniform(1.6, 1.85), (-0.82, 0.2), 0.37)
    if kind == "pickup":
        return Body(long * 1.1, wide, belt + 0.12, rng.uniform(1.65, 1.85), (-0.2, 0.2), 0.37)
    return Body(long * 1.15, wide, belt + 0.2, rng.uniform(1.85, 2.4), (-0.95, 0.6), 0.35)


def car(p: Place, far: float = 0.0) -> None:
    """A car, van or pickup, seen from `far` metres: beyond DETAIL_RANGE without trim."""
    rng, b = p.rng, _body(p.rng)
    p = p.at(label=VEHICLE)
    paint = rng.tinted((0.03, 0.9, 0.6), gloss=1.0)
    floor = 0.6 * b.wheel + 0.05
    middle, thick = (floor + b.belt) / 2, (b.belt - floor) / 2
    p.box((0, middle, 0), (b.wide, thick, b.long - 0.08), paint)
    _cabin(p, b, paint)
    for x in (-(b.wide - 0.1), b.wide - 0.1):
        for z in (-0.62, 0.62):
            p.wheel((x, b.wheel, z * b.long), b.wheel, 0.12, TYRE)
    if far < DETAIL_RANGE:
        _trim(p, b, floor, paint)


def _trim(p: Place, b: Body, floor: float, paint: Material) -> None:
    """Bumpers, lamps, number plates, mirrors and hub caps."""
    rng = p.rng
    bumper = rng.tinted((0.03, 0.2, 0.1)) if rng.random() < 0.6 else paint
    for end in (-1, 1):
        z = end * (b.long - 0.08)
        p.box((0, floor + 0.14, z), (b.wide * 0.97, 0.13, 0.08), bumper)
        lamp = Material((0.9, 0.9, 0.85) if end > 0 else (0.5, 0.03, 0.02), gloss=1.0)
        p.pair((b.wide * 0.76, b.belt - 0.15, z), (0.16, 0.07, 0.03), lamp)
        p.box((0, floor + 0.17, z + 0.07 * end), (0.26, 0.06, 0.02), CHROME)
    for side in (-1, 1):
        mirror = (side * (b.wide + 0.07), b.belt + 0.08, b.cabin[1] * b.long + 0.3)
        p.box(mirror, (0.08, 0.06, 0.04), paint)
        for z in (-0.62, 0.62):
            hub = (side * (b.wide - 0.02), b.wheel, z * b.long)
            p.wheel(hub, 0.6 * b.wheel, 0.05, CHROME)


def _cabin(p: Place, b: Body, paint: Material) -> None:
    """Glass between the belt line and the roof, slanting in front and behind."""
    back, front = b.cabin[0] * b.long, b.cabin[1] * b.long
    tall, wide = (b.roof - b.belt) / 2, b.wide * 0.95
    # Metres by which the glass slants behind and in front: steeper where the car is short.
    run = [min(1.5 * tall, max(b.long - 0.1 + room, 0.05)) for room in (back, -front)]
    low, high = back - run[0], front + run[1]  # of the glass at the belt line
    deep, lean = (high - low) / 2, 0.12 * wide
    normals = [(0.0, run[0], -2 * tall), (0.0, run[1], 2 * tall)]
    normals += [(-2 * tall, lean, 0.0), (2 * tall, lean, 0.0)]
    offsets = [2 * tall * deep - tall * r for r in run] + [2 * tall * wide - tall * lean] * 2
    cut = cut_box((wide, tall, deep), normals, offsets)
    p.solid(cut, GLASS, (0, b.belt + tall - 0.01, (low + high) / 2))
    p.box((0, b.roof, (back + front) / 2), (wide - lean, 0.035, (front - back) / 2), paint)
    for z in (back, (back + front) / 2, front):  # pillars
        p.box((0, b.belt + tall, z), (wide - 0.35 * lean, tall, 0.035), paint)


def bus(p: Place) -> None:
    """A bus, lorry or box van: a tall box with a window band or a plain hold, and a cab."""
    rng, half = p.rng, p.rng.uniform(2.6, 5.5)
    p = p.at(label=VEHICLE)
    tall, wide = rng.uniform(2.5, 3.2), 1.2
    paint = rng.tinted((0.1, 0.9, 0.6), "plain", gloss=0.5)
    p.box((0, tall / 2 + 0.2, 0), (wide, tall / 2 - 0.2, half), paint)
    p.box((0, tall * 0.62, half), (wide * 0.92, tall * 0.18, 0.03), GLASS)
    if rng.random() < 0.6:
        n = max(3, int(half))
        for z in bays(n, half):
            p.box((0, tall * 0.62, z), (wide + 0.02, tall * 0.17, 0.85 * half / n), GLASS)
    else:
        sign = rng.printed("text", "picture", "stripes").fitted(half, 1)
        p.box((0, tall * 0.55, -0.2), (wide + 0.02, tall * 0.25, half * 0.6), sign)
    for x in (-(wide - 0.12), wide - 0.12):
        for z in (-0.62, 0.72):
            p.wheel((x, 0.45, z * half), 0.45, 0.14, TYRE)


def scooter(p: Place) -> None:
    """A motor scooter or motorcycle on its stand."""
    rng, look = p.rng, p.rng.tinted((0.03, 0.9, 0.7), gloss=0.8)
    p = p.at(label=VEHICLE)
    dark = Material((0.04, 0.04, 0.045))
    for z in (-0.6, 0.6):
        p.wheel((0, 0.24, z), 0.24, 0.055, TYRE)
        p.wheel((0, 0.24, z), 0.75 * 0.24, 0.055 * 1.1, Material((0.3, 0.3, 0.31)))
    p.box((0, 0.28, 0.05), (0.13, 0.05, 0.4), look)
    p.ball((0, 0.52, -0.45), (0.17, 0.22, 0.42), look)
    p.box((0, 0.75, -0.35), (0.14, 0.06, 0.4), dark)
    p.box((0, 0.6, 0.45), (0.17, 0.36, 0.04), look, tilt=-0.25)
    p.box((0, 1.0, 0.38), (0.32, 0.025, 0.03), dark)
    p.ball((0, 0.98, 0.44), (0.1, 0.1, 0.08), look)
    for x in (-0.28, 0.28):
        p.ball((x, 1.14, 0.36), (0.06, 0.045, 0.015), CHROME)
    if rng.random() < 0.3:
        p.box((0, 0.95, -0.8), (0.18, 0.15, 0.16), rng.painted())


def bicycle(p: Place) -> None:
    """A bicycle; the wheels are thin solid discs with the look of spokes."""
    rng, look = p.rng, p.rng.tinted((0.05, 0.8, 0.8), gloss=0.5)
    p = p.at(label=VEHICLE)
    spokes = rng.printed("grille", tint=(0.5, 0.5, 0.5)).fitted(0.3, 0.3)
    for z in (-0.52, 0.52):
        p.wheel((0, 0.34, z), 0.34, 0.012, spokes)
    for at, lean, long in (
        ((0, 0.55, -0.18), -0.35, 0.3),
        ((0, 0.55, 0.12), 0.75, 0.36),
        ((0, 0.78, 0.08), np.pi / 2, 0.3),
        ((0, 0.62, 0.45), -0.25, 0.34),
        ((0, 0.36, -0.27), np.pi / 2, 0.27),
    ):
        p.tube(at, 0.02, long, look, tilt=lean)
    p.box((0, 0.9, -0.28), (0.07, 0.03, 0.13), TYRE)
    p.box((0, 1.0, 0.36), (0.28, 0.015, 0.02), TYRE)
    if rng.random() < 0.3:
        basket = rng.printed("grille", tint=(0.3, 0.25, 0.2))
        p.box((0, 0.82, 0.58), (0.16, 0.12, 0.12), basket)


def two_wheeler(p: Place) -> None:
    """A scooter or a bicycle."""
    (scooter if p.rng.random() < 0.6 else bicycle)(p)


def park(site: Site, x: float, z: float, yaw: float, gap: float = 0.1) -> bool:
    """Park a car at (x, z) heading `yaw` if there is room; now and then a bus or lorry."""
    rng = site.rng
    large = rng.random() < 0.06
    if not site.claim(x, z, (1.3, 5.6) if large else (1.0, 2.6), yaw, gap):
        return False
    if large:
        bus(site.spot(x, z, yaw))
    else:
        car(site.spot(x, z, yaw + np.pi * rng.integers(2)), site.far(x, z))
    return True

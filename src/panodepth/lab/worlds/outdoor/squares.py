"""Places between buildings: squares, courtyards with arcades or roofs, car parks, playgrounds."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from panodepth.lab.worlds.indoor.furniture import FITTING, tint
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.outdoor.buildings import Mass, gateway, house
from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.ground import ground, hills, paint
from panodepth.lab.worlds.outdoor.site import Site, Spot
from panodepth.lab.worlds.outdoor.street_things import fence, fountain, metal, thing
from panodepth.lab.worlds.outdoor.vegetation import hedge, tree
from panodepth.lab.worlds.outdoor.vehicles import park
from panodepth.lab.worlds.render.primitives import Material

_FRONTS = ((np.pi / 2, 0), (-np.pi / 2, 0), (0.0, 1), (np.pi, 1))  # (yaw, which half size is depth)


def _scatter(site: Site, reach: tuple[float, float], count: int, shares: dict[str, float]) -> None:
    """`count` things anywhere within ±reach (x, z) of the origin, nearer ones more often."""
    rng, names, p = site.rng, list(shares), np.array(list(shares.values()))
    for _ in range(count):
        x, z = rng.uniform(-1, 1, 2) * reach
        if rng.random() < 0.4:
            x, z = site.around(1.3, 3.0)
        if abs(x) < reach[0] and abs(z) < reach[1]:
            name = str(rng.choice(names, p=p / p.sum()))
            thing(site, name, float(x), float(z), float(rng.uniform(0, 2 * np.pi)))


def _closed_by_houses(
    site: Site, half: tuple[float, float], tall: tuple[int, int], missing: float, kind: str = ""
) -> None:
    """Houses on the sides of a rectangle; each side is left open with chance `missing`."""
    rng = site.rng
    for yaw, axis in _FRONTS:
        if rng.random() < missing:
            continue
        far, wide = half[axis], half[1 - axis]
        n = int(rng.integers(1, 4)) if wide > 5 else 1
        cuts = np.sort(rng.uniform(-0.7, 0.7, n - 1)) * wide
        edges = np.concatenate([[-wide], cuts, [wide]])
        for a, b in pairwise(edges):
            if b - a < 1.6:
                continue
            x, c, s = float(a + b) / 2, math.cos(yaw), math.sin(yaw)
            back = abs(float(rng.normal(0, 0.4))) if rng.random() < 0.4 else 0.0
            p = site.spot(-(far + back) * s + c * x, -(far + back) * c - s * x, yaw)
            mass = Mass(float(b - a) / 2, 8.0, int(rng.integers(*tall)), far < 18, kind)
            house(p, mass)
            q = p.at(0, 0, -3.9)
            site.block(float(q.origin[0]), float(q.origin[2]), (mass.half, 3.9), yaw)


def _corners(site: Site, half: tuple[float, float], tall: float) -> None:
    """Blocks behind the corners of a closed yard, where the rows of houses only touch."""
    look = wall_look(site.rng)
    for x in (-1, 1):
        for z in (-1, 1):
            p = site.spot(x * (half[0] + 2.5), z * (half[1] + 2.5))
            p.box((0, tall / 2, 0), (2.5, tall / 2, 2.5), look)


def _stand(site: Site, half: tuple[float, float]) -> None:
    """The camera anywhere on the place, now and then close to one side."""
    rng = site.rng
    x, z = np.clip(rng.normal(0, 0.35, 2), -0.75, 0.75) * half
    if rng.random() < 0.2:
        axis, away = int(rng.integers(2)), float(rng.uniform(0.9, 1.6))
        edge = float(rng.choice([-1, 1])) * max(half[axis] - away, 0.0)
        x, z = (edge, z) if axis == 0 else (x, edge)
    site.stand(float(x), float(z))


def square(site: Site) -> None:
    """A square closed by buildings on most sides, with a fountain, stalls, cafés, trees."""
    rng = site.rng
    ground(site, "tiles", "speckle", "asphalt", "plaster", "tiles", "grass")
    half_x, half_z = (float(v) for v in np.exp(rng.normal(np.log(10), 0.45, 2)))
    _stand(site, (half_x, half_z))
    tall = (1, 4) if rng.random() < 0.5 else (2, 7)
    kind = "arcade" if rng.random() < 0.15 else ""
    _closed_by_houses(site, (half_x, half_z), tall, 0.15, kind)
    if rng.random() < 0.45:
        x, z = rng.uniform(-0.5, 0.5, 2) * (half_x, half_z)
        if site.claim(float(x), float(z), (2.0, 2.0), 0.0, 0.6):
            fountain(site.spot(float(x), float(z), float(rng.uniform(0, 6.3))))
    style = rng.choice(["mixed", "market", "cafe", "parking"], p=[0.5, 0.2, 0.15, 0.15])
    shares = {
        "two_wheeler": 0.16, "pole": 0.14, "person": 0.15, "group": 0.05, "container": 0.1,
        "pot": 0.12, "clutter": 0.1, "bench": 0.08, "tree": 0.06, "bed": 0.05, "shrub": 0.03,
    }  # fmt: skip
    if style == "market":
        shares |= {"stall": 0.8, "person": 0.4, "clutter": 0.3}
    elif style == "cafe":
        shares |= {"table": 0.8, "person": 0.3}
    elif style == "parking":
        for _ in range(int(rng.integers(3, 12))):
            x, z = rng.uniform(-0.9, 0.9, 2) * (half_x - 1.5, half_z - 3)
            park(site, float(x), float(z), float(rng.normal(0, 0.1)))
    _scatter(site, (half_x - 0.4, half_z - 0.4), int(rng.integers(4, 22)), shares)


def courtyard(site: Site) -> None:
    """A small yard with walls on all sides; arcades, a covered part, a gate, plants."""
    rng = site.rng
    ground(site, "tiles", "plaster", "speckle", "grass", "asphalt")
    half_x, half_z = (float(v) for v in np.exp(rng.normal(np.log(4.5), 0.35, 2)))
    _stand(site, (half_x, half_z))
    kind = "arcade" if rng.random() < 0.35 else ""
    if kind == "" and rng.random() < 0.3:  # walls instead of houses on some sides
        _closed_by_houses(site, (half_x, half_z), (1, 4), 0.5)
        for yaw, axis in _FRONTS:
            far, wide = (half_x, half_z)[axis], (half_x, half_z)[1 - axis]
            p = site.spot(-far * math.sin(yaw), -far * math.cos(yaw), yaw)
            tall = float(rng.uniform(0.9, 1.6))
            p.box((0, tall, -0.3), (wide + 0.3, tall, 0.12), wall_look(rng))
    else:
        _closed_by_houses(site, (half_x, half_z), (1, 5), 0.0, kind)
        _corners(site, (half_x, half_z), float(rng.uniform(3, 10)))
    if rng.random() < 0.2:
        p = site.spot(0.0, -half_z + 0.3, 0.0)
        gateway(p, min(half_x, 4.0), float(rng.uniform(4.5, 8)))
        site.block(0.0, -half_z - 1, (min(half_x, 4.0), 2.0))
    if rng.random() < 0.35:
        _lean_to(site, half_x, half_z)
    shares = {
        "pot": 0.3, "shrub": 0.08, "bed": 0.08, "clutter": 0.16, "two_wheeler": 0.14,
        "laundry": 0.08, "bench": 0.06, "table": 0.08, "container": 0.1, "person": 0.08,
        "tree": 0.06,
    }  # fmt: skip
    _scatter(site, (half_x - 0.3, half_z - 0.3), int(rng.integers(4, 18)), shares)


def _lean_to(site: Site, half_x: float, half_z: float) -> None:
    """A roof over part of the yard, on posts."""
    rng, deep = site.rng, float(site.rng.uniform(0.3, 1.0)) * half_z
    look = Material(tint(rng, 0.2, 0.8, 0.4), choose(rng, "shutter", "wood", "plain"), (1.5, 1.5))
    tall, slope = float(rng.uniform(2.5, 3.6)), float(rng.uniform(0.0, 0.18))
    p = site.spot(0.0, -half_z + deep, 0.0)
    p.box((0, tall, 0), (half_x, 0.05, deep), look, tilt=slope)
    for x in (-0.96, -0.32, 0.32, 0.96):
        at = p.at(x * half_x, 0, 0.92 * deep)
        if site.claim(float(at.origin[0]), float(at.origin[2]), (0.1, 0.1)):
            low = (tall - math.sin(slope) * 0.92 * deep) / 2
            at.box((0, low, 0), (0.07, low, 0.07), wall_look(rng))


def car_park(site: Site) -> None:
    """Rows of parked cars on marked asphalt, sometimes under a roof on pillars."""
    rng = site.rng
    ground(site, "asphalt", "asphalt", "speckle", "tiles")
    half = (float(rng.uniform(12, 28)), float(rng.uniform(10, 24)))
    site.stand(*(float(v) for v in rng.normal(0, 2.5, 2)))
    covered = rng.random() < 0.2
    if covered:
        tall = float(rng.uniform(2.3, 3.5))
        look = wall_look(rng)
        top = site.spot(0.0, 0.0)
        top.box((0, tall + 0.15, 0), (half[0], 0.15, half[1]), look)
        for x in np.arange(-half[0] + 1, half[0], 7.5):
            for z in np.arange(-half[1] + 1, half[1], 7.5):
                if site.claim(float(x), float(z), (0.3, 0.3)):
                    site.spot(float(x), float(z)).box(
                        (0, tall / 2, 0), (0.25, tall / 2, 0.25), look
                    )
    full, lane = float(rng.uniform(0.3, 0.9)), float(rng.uniform(5.0, 6.5))
    shift = float(rng.uniform(0, 8))
    for row in range(-2, 3):
        z = row * (lane + 5.2) + shift
        if abs(z) > half[1]:
            continue
        for x in np.arange(-half[0] + 2, half[0] - 2, 2.6):
            if abs(x - site.eye[0]) < 16:
                paint(site, (float(x) + 1.3, z), (0.05, 2.4), 0.0)
            if rng.random() < full and site.far(float(x), z) < 18:
                park(site, float(x), z, float(rng.normal(0, 0.03)), gap=-0.1)
    shares = {"pole": 0.4, "person": 0.2, "container": 0.15, "tree": 0.2, "shrub": 0.1}
    if covered:
        shares = {"person": 0.4, "container": 0.3, "clutter": 0.3}
        for yaw, axis in _FRONTS[: int(rng.integers(1, 5))]:
            p = site.spot(-half[axis] * math.sin(yaw), -half[axis] * math.cos(yaw), yaw)
            p.box((0, tall / 2, 0), (half[1 - axis], tall / 2, 0.15), wall_look(rng))
    else:
        _closed_by_houses(site, (half[0] + 4, half[1] + 4), (1, 6), 0.4)
    _scatter(site, half, int(rng.integers(3, 14)), shares)
    if rng.random() < 0.3:
        hills(site, 3, 60)


def playground(site: Site) -> None:
    """Swings, a slide, a climbing frame and a sand pit, with a fence, trees and houses around."""
    rng = site.rng
    ground(site, "grass", "speckle", "plaster", "grass", "tiles")
    half = (float(rng.uniform(7, 14)), float(rng.uniform(7, 14)))
    site.stand(*(float(v) for v in rng.normal(0, 2.5, 2)))
    _closed_by_houses(site, (half[0] + 3, half[1] + 3), (1, 6), 0.5)
    for build, room in ((_swings, (2.0, 1.5)), (_slide, (1.0, 2.4)), (_frame, (1.4, 1.4)),
                        (_swings, (2.0, 1.5))):  # fmt: skip
        x, z = site.around(2.5, 4.0)
        yaw = float(rng.uniform(0, 6.3))
        if rng.random() < 0.85 and site.claim(x, z, room, yaw):
            build(site.spot(x, z, yaw, FITTING))
    for yaw, axis in _FRONTS:
        far, wide = half[axis], half[1 - axis]
        p = site.spot(-far * math.sin(yaw), -far * math.cos(yaw), yaw)
        style = rng.random()
        if style < 0.4:
            fence(p, wide)
        elif style < 0.65:
            hedge(p, (wide, 0.4), float(rng.uniform(0.8, 2.0)))
    for _ in range(int(rng.integers(2, 8))):
        x, z = rng.uniform(-1, 1, 2) * half
        if site.far(x, z) > 2.5 and site.claim(float(x), float(z), (0.5, 0.5)):
            tree(site.spot(float(x), float(z)), float(rng.uniform(3, 10)), site.far(x, z))
    shares = {"bench": 0.4, "person": 0.4, "shrub": 0.2, "two_wheeler": 0.1, "container": 0.1}
    _scatter(site, half, int(rng.integers(3, 12)), shares)


def _swings(p: Spot) -> None:
    look, tall, half = metal(p.rng), float(p.rng.uniform(2.0, 2.5)), 1.7
    p.box((0, tall, 0), (half, 0.05, 0.05), look)
    for x in (-half, half):
        for lean in (-0.3, 0.3):
            z, long = -tall * math.tan(lean) / 2, tall / 2 / math.cos(lean)
            p.tube((x, tall / 2, z), 0.05, long, look, tilt=lean)
    for x in (-0.8, 0.8):
        p.box((x, 0.5, 0), (0.22, 0.02, 0.1), Material((0.05, 0.05, 0.05), 0))
        for side in (-0.2, 0.2):
            p.box((x + side, (tall + 0.5) / 2, 0), (0.01, (tall - 0.5) / 2, 0.01), look)


def _slide(p: Spot) -> None:
    rng, tall = p.rng, float(p.rng.uniform(1.4, 2.4))
    look, sheet = metal(rng), Material(tint(rng, 0.2, 0.9, 0.8), 0, gloss=0.7)
    slope = 0.65
    run = tall / math.tan(slope)
    p.box((0, tall / 2, run / 2 - 0.6), (0.3, 0.03, run / 2 / math.cos(slope)), sheet, tilt=slope)
    for side in (-0.3, 0.3):
        p.box((side, tall / 2 + 0.1, run / 2 - 0.6), (0.03, 0.1, run / 2 / math.cos(slope)), sheet,
              tilt=slope)  # fmt: skip
    p.box((0, tall, -0.9), (0.35, 0.04, 0.35), look)
    for x in (-0.33, 0.33):
        p.box((x, (tall + 0.8) / 2, -0.9), (0.03, (tall + 0.8) / 2, 0.03), look)
        p.box((x, tall / 2, -1.5), (0.03, tall / 2 * 1.15, 0.03), look, tilt=0.3)
    for y in np.arange(0.3, tall, 0.35):
        p.box((0, y, -1.5 + 0.3 * (y - tall / 2)), (0.3, 0.025, 0.025), look)


def _frame(p: Spot) -> None:
    """A climbing frame of bars, or a play hut."""
    rng, look = p.rng, metal(p.rng)
    half, tall = 1.0, float(rng.uniform(1.4, 2.4))
    for x in (-half, 0.0, half):
        for z in (-half, 0.0, half):
            p.box((x, tall / 2, z), (0.03, tall / 2, 0.03), look)
    for y in (tall / 2, tall):
        for k in (-half, 0.0, half):
            p.box((0, y, k), (half, 0.03, 0.03), look)
            p.box((k, y, 0), (0.03, 0.03, half), look)

"""Places between buildings: squares, courtyards with arcades or roofs, car parks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from panodepth.lab.worlds.outdoor.buildings import Mass, gateway, house
from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.ground import ground, hills, paint
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_things import fountain, thing
from panodepth.lab.worlds.outdoor.vehicles import park
from panodepth.lab.worlds.parts.place import Pair

_STYLES = {"mixed": 0.5, "market": 0.2, "cafe": 0.15, "parking": 0.15}
# Shares of the things on a place; they need not add up to 1.
_ON_SQUARES = {
    "two_wheeler": 0.16,
    "pole": 0.14,
    "person": 0.15,
    "group": 0.05,
    "container": 0.1,
    "pot": 0.12,
    "clutter": 0.1,
    "bench": 0.08,
    "tree": 0.06,
    "bed": 0.05,
    "shrub": 0.03,
}
_IN_COURTYARDS = {
    "pot": 0.3,
    "shrub": 0.08,
    "bed": 0.08,
    "clutter": 0.16,
    "two_wheeler": 0.14,
    "laundry": 0.08,
    "bench": 0.06,
    "table": 0.08,
    "container": 0.1,
    "person": 0.08,
    "tree": 0.06,
}


def scatter(site: Site, reach: Pair, count: int, shares: dict[str, float]) -> None:
    """`count` things anywhere within ±reach (x, z) of the origin, nearer ones more often."""
    rng = site.rng
    for _ in range(count):
        x, z = rng.uniform(-1, 1, 2) * reach
        if rng.random() < 0.4:
            x, z = site.around(1.3, 3.0)
        if abs(x) < reach[0] and abs(z) < reach[1]:
            thing(site, rng.weighted(shares), x, z, rng.uniform(0, 2 * np.pi))


def closed_by_houses(
    site: Site, half: Pair, tall: tuple[int, int], missing: float, kind: str = ""
) -> None:
    """Houses on the sides of a rectangle; each side is left open with chance `missing`.

    tall: storeys from, to (exclusive). kind: of their ground floors, see `Mass`.
    """
    rng = site.rng
    for front, wide in site.fronts(half):
        if rng.random() < missing:
            continue
        near = math.hypot(*front.origin) < 18  # metres from the middle of the place
        n = int(rng.integers(1, 4)) if wide > 5 else 1
        cuts = np.sort(rng.uniform(-0.7, 0.7, n - 1)) * wide
        for a, b in pairwise(np.concatenate([[-wide], cuts, [wide]]).tolist()):
            if b - a < 1.6:
                continue
            back = abs(rng.normal(0, 0.4)) if rng.random() < 0.4 else 0.0
            mass = Mass((b - a) / 2, 8.0, int(rng.integers(*tall)), near, kind)
            p = front.at((a + b) / 2, 0, -back)
            house(p, mass)
            x, _, z = p.point((0, 0, -3.9))
            site.block(x, z, p.yaw, (mass.half, 3.9))


def _stand(site: Site, half: Pair) -> None:
    """The camera anywhere on the place, now and then close to one side."""
    rng = site.rng
    x, z = np.clip(rng.normal(0, 0.35, 2), -0.75, 0.75) * half
    if rng.random() < 0.2:
        axis, away = int(rng.integers(2)), rng.uniform(0.9, 1.6)
        edge = rng.pick((-1, 1)) * max(half[axis] - away, 0.0)
        x, z = (edge, z) if axis == 0 else (x, edge)
    site.stand(x, z)


def square(site: Site) -> None:
    """A square closed by buildings on most sides, with a fountain, stalls, cafés, trees."""
    rng = site.rng
    ground(site, "tiles", "speckle", "asphalt", "plaster", "tiles", "grass")
    half_x, half_z = np.exp(rng.normal(np.log(10), 0.45, 2)).tolist()
    half = (half_x, half_z)
    _stand(site, half)
    tall = (1, 4) if rng.random() < 0.5 else (2, 7)
    kind = "arcade" if rng.random() < 0.15 else ""
    closed_by_houses(site, half, tall, 0.15, kind)
    if rng.random() < 0.45:
        x, z = rng.uniform(-0.5, 0.5, 2) * half
        if site.claim(x, z, (2.0, 2.0), 0.0, 0.6):
            fountain(site.spot(x, z, rng.uniform(0, 6.3)))
    style, shares = rng.weighted(_STYLES), _ON_SQUARES
    if style == "market":
        shares = shares | {"stall": 0.8, "person": 0.4, "clutter": 0.3}
    elif style == "cafe":
        shares = shares | {"table": 0.8, "person": 0.3}
    elif style == "parking":
        for _ in range(rng.integers(3, 12)):
            x, z = rng.uniform(-0.9, 0.9, 2) * (half_x - 1.5, half_z - 3)
            park(site, x, z, rng.normal(0, 0.1))
    scatter(site, (half_x - 0.4, half_z - 0.4), int(rng.integers(4, 22)), shares)


def courtyard(site: Site) -> None:
    """A small yard with walls on all sides; arcades, a covered part, a gate, plants."""
    rng = site.rng
    ground(site, "tiles", "plaster", "speckle", "grass", "asphalt")
    half_x, half_z = np.exp(rng.normal(np.log(4.5), 0.35, 2)).tolist()
    half = (half_x, half_z)
    _stand(site, half)
    kind = "arcade" if rng.random() < 0.35 else ""
    if kind == "" and rng.random() < 0.3:  # walls instead of houses on some sides
        closed_by_houses(site, half, (1, 4), 0.5)
        for p, wide in site.fronts(half):
            tall = rng.uniform(0.9, 1.6)
            p.box((0, tall, -0.3), (wide + 0.3, tall, 0.12), wall_look(rng))
    else:
        closed_by_houses(site, half, (1, 5), 0.0, kind)
        # Blocks behind the corners, where the rows of houses only touch.
        tall, look = rng.uniform(3, 10), wall_look(rng)
        at = (half_x + 2.5, tall / 2, half_z + 2.5)
        site.spot(0.0, 0.0).four(at, (2.5, tall / 2, 2.5), look)
    if rng.random() < 0.2:
        gateway(site.spot(0.0, -half_z + 0.3), min(half_x, 4.0), rng.uniform(4.5, 8))
        site.block(0.0, -half_z - 1, 0.0, (min(half_x, 4.0), 2.0))
    if rng.random() < 0.35:
        _lean_to(site, half_x, half_z)
    scatter(site, (half_x - 0.3, half_z - 0.3), int(rng.integers(4, 18)), _IN_COURTYARDS)


def _lean_to(site: Site, half_x: float, half_z: float) -> None:
    """A roof over part of the yard, on posts."""
    rng, deep = site.rng, site.rng.uniform(0.3, 1.0) * half_z
    look = rng.tinted((0.2, 0.8, 0.4), "shutter", "wood", "plain", scale=1.5)
    tall, slope = rng.uniform(2.5, 3.6), rng.uniform(0.0, 0.18)
    p = site.spot(0.0, -half_z + deep)
    p.box((0, tall, 0), (half_x, 0.05, deep), look, tilt=slope)
    for share in (-0.96, -0.32, 0.32, 0.96):
        x, _, z = p.point((share * half_x, 0, 0.92 * deep))
        if post := site.claimed(x, z, (0.1, 0.1)):
            low = (tall - math.sin(slope) * 0.92 * deep) / 2
            post.box((0, low, 0), (0.07, low, 0.07), wall_look(rng))


def car_park(site: Site) -> None:
    """Rows of parked cars on marked asphalt, sometimes under a roof on pillars."""
    rng = site.rng
    ground(site, "asphalt", "asphalt", "speckle", "tiles")
    half = (rng.uniform(12, 28), rng.uniform(10, 24))
    site.stand(*rng.normal(0, 2.5, 2))
    covered, tall = rng.random() < 0.2, 0.0
    if covered:
        tall, look = rng.uniform(2.3, 3.5), wall_look(rng)
        site.spot(0.0, 0.0).box((0, tall + 0.15, 0), (half[0], 0.15, half[1]), look)
        for x in np.arange(-half[0] + 1, half[0], 7.5):
            for z in np.arange(-half[1] + 1, half[1], 7.5):
                if p := site.claimed(x, z, (0.3, 0.3)):
                    p.box((0, tall / 2, 0), (0.25, tall / 2, 0.25), look)
    full, lane = rng.uniform(0.3, 0.9), rng.uniform(5.0, 6.5)
    shift = rng.uniform(0, 8)
    for row in range(-2, 3):
        z = row * (lane + 5.2) + shift
        if abs(z) > half[1]:
            continue
        for x in np.arange(-half[0] + 2, half[0] - 2, 2.6):
            if abs(x - site.eye[0]) < 16:
                paint(site, (x + 1.3, z, 0.0), (0.05, 2.4))
            if rng.random() < full and site.far(x, z) < 18:
                park(site, x, z, rng.normal(0, 0.03), gap=-0.1)
    shares = {"pole": 0.4, "person": 0.2, "container": 0.15, "tree": 0.2, "shrub": 0.1}
    if covered:
        shares = {"person": 0.4, "container": 0.3, "clutter": 0.3}
        for p, wide in site.fronts(half)[: int(rng.integers(1, 5))]:
            p.box((0, tall / 2, 0), (wide, tall / 2, 0.15), wall_look(rng))
    else:
        closed_by_houses(site, (half[0] + 4, half[1] + 4), (1, 6), 0.4)
    scatter(site, half, int(rng.integers(3, 14)), shares)
    if rng.random() < 0.3:
        hills(site, 3, 60)

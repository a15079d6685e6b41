"""Open places: parks, forests, hills, fields, beaches."""

from __future__ import annotations

import math

import numpy as np

from panodepth.lab.worlds.outdoor import vegetation
from panodepth.lab.worlds.outdoor.buildings import Mass, house
from panodepth.lab.worlds.outdoor.ground import ground, ground_look, hills, level_slab, terrain
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_things import fence, fountain, thing
from panodepth.lab.worlds.parts.place import GROUND, PLANT, Pair
from panodepth.lab.worlds.parts.plants import leaf_look

_COUNTRIES = {"hills": 0.4, "field": 0.2, "beach": 0.15, "meadow": 0.25}
_PARK = ("bench", "person", "group", "shrub", "bed", "pole", "container", "two_wheeler", "table")


def trees(site: Site, count: int, nearest: float, spread: float, tall: Pair) -> None:
    """Up to `count` trees of `tall` (from, to) metres around the camera, see `Site.around`."""
    for _ in range(count):
        x, z = site.around(nearest, spread)
        if site.claim(x, z, (0.5, 0.5)):
            height, yaw = site.rng.uniform(*tall), site.rng.uniform(0, 6.3)
            vegetation.tree(site.spot(x, z, yaw, PLANT), height, site.far(x, z))


def far_house(site: Site, nearest: float, farthest: float) -> None:
    """A building somewhere around, facing the camera."""
    rng = site.rng
    turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(nearest, farthest)
    x, z = site.eye[0] - far * math.sin(turn), site.eye[1] - far * math.cos(turn)
    half = rng.uniform(4, 12)
    if site.claim(x - 4 * math.sin(turn), z - 4 * math.cos(turn), (half, 4.1), turn):
        p = site.spot(x, z, turn + rng.normal(0, 0.3))
        house(p, Mass(half, 8.0, int(rng.integers(1, 4)), far < 16))


def _long_fence(site: Site, nearest: float, half: float) -> None:
    x, z = site.around(nearest, 5)
    if p := site.claimed(x, z, (half, 0.15), site.rng.uniform(0, 6.3)):
        fence(p, half)


def park(site: Site) -> None:
    """Trees, shrubs, benches, paths, fences, people; a house or hills behind."""
    rng = site.rng
    if rng.random() < 0.35:
        terrain(site, ground_look(rng, "grass"), rng.uniform(0.0, 0.35), 4.0)
    else:
        ground(site, "grass", "grass", "speckle", "tiles")
        hills(site, int(rng.integers(0, 4)), 40)
    site.stand(*rng.normal(0, 1, 2))
    if site.ground(1.0, 30.0) == 0.0 and rng.random() < 0.5:  # a path
        look = ground_look(rng, "speckle", "tiles", "plaster", "asphalt")
        yaw, away = rng.uniform(0, 6.3), rng.normal(0, 2)
        p = site.spot(0, 0, yaw, GROUND)
        p.box((away, 0.01, 0), (rng.uniform(0.6, 1.8), 0.012, 60), look)
    if rng.random() < 0.4:
        far_house(site, 7, 30)
    if rng.random() < 0.4:
        _long_fence(site, 2.5, 8.0)
    if rng.random() < 0.2:
        x, z = site.around(4, 6)
        if basin := site.claimed(x, z, (2.5, 2.5)):
            fountain(basin)
    for _ in range(rng.integers(3, 14)):
        x, z = site.around(1.6, 4.5)
        thing(site, rng.pick(_PARK), x, z, rng.uniform(0, 6.3))
    trees(site, int(rng.integers(6, 20)), rng.uniform(1.5, 4), 10.0, (3, 14))


def forest(site: Site) -> None:
    """Many trunks near and far under crowns, with undergrowth, logs and rocks on uneven ground."""
    rng = site.rng
    look = ground_look(rng, "grass", "speckle", "grass")
    if rng.random() < 0.75:
        terrain(site, look, rng.uniform(0.1, 0.7), rng.uniform(0, 14))
    else:
        level_slab(site, look)
    site.stand(*rng.normal(0, 1, 2))
    dense, conifer = rng.uniform(0.5, 1.0), rng.random() < 0.3
    bark, leaves = vegetation.bark_look(rng), leaf_look(rng, 2.0)
    tall = rng.uniform(7, 18)
    for k in range(int(75 * dense)):
        x, z = site.around(0.9, 11.0)
        if not site.claim(x, z, (0.35, 0.35)):
            continue
        far, p = site.far(x, z), site.spot(x, z, rng.uniform(0, 6.3), PLANT)
        height = tall * rng.uniform(0.6, 1.15)
        if conifer and rng.random() < 0.5:
            vegetation.tree(p, height, far)
            continue
        if k % 7 == 0:
            bark, leaves = vegetation.bark_look(rng), leaf_look(rng, 2.0)
        vegetation.trunk(p, height * 0.85, rng.uniform(0.05, 0.28), bark, roots=far < 5)
        parts = 5 if far < 7 else 2
        for _ in range(parts):
            r = rng.uniform(0.1, 0.2 if parts > 2 else 0.24) * tall
            dx, dz = rng.normal(0, 0.1 * tall, 2)
            y = height * rng.uniform(0.55, 1.0)
            turn, lean = rng.uniform(0, 6), rng.normal(0, 0.4)
            p.ball((dx, y, dz), (r, r * 0.6, r * 0.8), leaves, yaw=turn, tilt=lean)
    _backdrop(site, tall)
    for _ in range(rng.integers(10, 45)):
        x, z = site.around(1.0, 4.5)
        style, p = rng.random(), site.spot(x, z, rng.uniform(0, 6.3), PLANT)
        if style < 0.35 and site.claim(x, z, (0.4, 0.4)):
            vegetation.shrub(p, rng.uniform(0.3, 1.6), 4)
        elif style < 0.8 and site.claim(x, z, (0.15, 0.15)):
            vegetation.tuft(p, rng.uniform(0.15, 0.5))
        elif style < 0.9 and site.claim(x, z, (0.4, 1.5), p.yaw):
            vegetation.log(p, rng.uniform(1.0, 4.0))
        elif site.claim(x, z, (0.4, 0.4)):
            vegetation.rock(p, rng.uniform(0.15, 0.9))


def _backdrop(site: Site, tall: float) -> None:
    """The far edge of a wood: large masses of leaves that hide the horizon, or most of it."""
    rng, n = site.rng, int(site.rng.integers(6, 22))
    for k in range(n):
        turn, far = 2 * np.pi * (k + rng.random()) / n, rng.uniform(22, 45)
        x, z = site.eye[0] + far * math.cos(turn), site.eye[1] + far * math.sin(turn)
        high = tall * rng.uniform(0.4, 0.7)
        half = (rng.uniform(4, 8), high, rng.uniform(3, 7))
        p = site.spot(x, z, rng.uniform(0, 3), PLANT)
        shade = rng.uniform(0.4, 0.9)  # a wood is darker inside than its leaves
        look = rng.printed("foliage", tint=(shade, shade, 0.9 * shade), scale=3.0)
        p.ball((0, 0.8 * high, 0), half, look)


def country(site: Site) -> None:
    """Open land: rolling hills, meadows with rocks, ploughed fields, vineyards, a beach."""
    rng = site.rng
    kind = rng.weighted(_COUNTRIES)
    if kind == "hills":
        look = ground_look(rng, "grass", "grass", "speckle")
        terrain(site, look, rng.uniform(0.05, 0.6), rng.uniform(5, 35))
    elif kind == "beach":
        _beach(site)
    else:
        ground(site, "grass", "grass", "speckle", "plaster")
        hills(site, int(rng.integers(0, 7)), 20)
    site.stand(*rng.normal(0, 0.7, 2))
    if kind == "field":
        _rows(site)
    if kind != "field" and rng.random() < 0.3:
        _long_fence(site, 1.5, 12.0)
    if rng.random() < 0.25:
        far_house(site, 10, 50)
    for _ in range(rng.integers(4, 36)):
        x, z = site.around(1.2, 7)
        style, p = rng.random(), site.spot(x, z, rng.uniform(0, 6.3), PLANT)
        size = float(np.exp(rng.normal(np.log(0.35), 0.6)))
        if not site.claim(x, z, (size, size)):
            continue
        if style < 0.4:
            vegetation.rock(p, size)
        elif style < 0.75:
            vegetation.tuft(p, min(size, 0.6))
        else:
            vegetation.shrub(p, 1.5 * size, 4)
    for _ in range(rng.integers(0, 3)):
        x, z = site.around(2, 6)
        thing(site, rng.pick(("person", "group", "bench", "pole")), x, z, 0.0)
    trees(site, int(rng.integers(0, 16)), 3.0, 22.0, (2, 10))


def _beach(site: Site) -> None:
    rng, sand = site.rng, site.rng.uniform(0.6, 1.0)
    tint = (sand, sand * 0.85, sand * 0.65)
    look = rng.printed("speckle", "plaster", tint=tint, scale=4)
    terrain(site, look, rng.uniform(0.02, 0.25), 2.0)
    low = -rng.uniform(0.4, 1.2)
    water = rng.printed("marble", tint=(0.1, 0.2, 0.25), scale=9, gloss=1.0)
    p = site.spot(0, 0, rng.uniform(0, 6.3), GROUND)
    p.box((0, low - 0.25 - p.origin[1], 208), (400, 0.25, 200), water)


def _rows(site: Site) -> None:
    """Crops, vines or furrows in rows that run past the camera."""
    rng = site.rng
    step, yaw = rng.uniform(0.8, 2.6), rng.uniform(0, 6.3)
    tall, wide = rng.uniform(0.1, 1.8), rng.uniform(0.15, 0.3) * step
    p, look = site.spot(*site.eye, yaw, PLANT), leaf_look(rng, 0.8)
    for k in range(-12, 12):
        x = (k + 0.5) * step
        p.box((x, tall * 0.45, 0), (wide, tall * 0.45, 60), look)
        for _ in range(5 if abs(k + 0.5) < 4 else 0):
            z = rng.normal(0, 4)
            r = rng.uniform(0.6, 1.1) * wide
            p.ball((x, tall * 0.85, z), (r, min(r, 0.3 * tall + 0.05), 2.5 * r), look)

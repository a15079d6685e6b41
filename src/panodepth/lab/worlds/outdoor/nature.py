"""Open places: parks, gardens, forests, hills, fields, beaches."""

from __future__ import annotations

import math

import numpy as np

from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.furniture import BUILDING, FITTING, GROUND, PLANT, tint
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.outdoor.buildings import Mass, house
from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.ground import ground, ground_look, hills, terrain
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_things import fence, fountain, thing
from panodepth.lab.worlds.outdoor.vegetation import (
    bark_look,
    hedge,
    leaf_look,
    log,
    rock,
    shrub,
    tree,
    trunk,
    tuft,
)
from panodepth.lab.worlds.render.primitives import BOX, Material


def _trees(
    site: Site, count: int, nearest: float, spread: float, tall: tuple[float, float]
) -> None:
    for _ in range(count):
        x, z = site.around(nearest, spread)
        if site.claim(x, z, (0.5, 0.5)):
            height = float(site.rng.uniform(*tall))
            tree(site.spot(x, z, float(site.rng.uniform(0, 6.3)), PLANT), height, site.far(x, z))


def _far_house(site: Site, nearest: float, farthest: float) -> None:
    """A building somewhere around, facing the camera."""
    rng = site.rng
    turn, far = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(nearest, farthest))
    x, z = site.eye[0] - far * math.sin(turn), site.eye[1] - far * math.cos(turn)
    half = float(rng.uniform(4, 12))
    if site.claim(x - 4 * math.sin(turn), z - 4 * math.cos(turn), (half, 4.1), turn):
        p = site.spot(x, z, turn + float(rng.normal(0, 0.3)), BUILDING)
        house(p, Mass(half, 8.0, int(rng.integers(1, 4)), far < 16))


def park(site: Site) -> None:
    """Trees, shrubs, benches, paths, fences, people; a house or hills behind."""
    rng = site.rng
    if rng.random() < 0.35:
        terrain(site, ground_look(rng, "grass"), float(rng.uniform(0.0, 0.35)), 4.0)
    else:
        ground(site, "grass", "grass", "speckle", "tiles")
        hills(site, int(rng.integers(0, 4)), 40)
    site.stand(*(float(v) for v in rng.normal(0, 1, 2)))
    if site.ground(1.0, 30.0) == 0.0 and rng.random() < 0.5:  # a path
        look = ground_look(rng, "speckle", "tiles", "plaster", "asphalt")
        yaw, away = float(rng.uniform(0, 6.3)), float(rng.normal(0, 2))
        p = site.spot(0, 0, yaw, GROUND)
        p.box((away, 0.01, 0), (float(rng.uniform(0.6, 1.8)), 0.012, 60), look)
    if rng.random() < 0.4:
        _far_house(site, 7, 30)
    if rng.random() < 0.4:
        x, z = site.around(2.5, 5)
        yaw = float(rng.uniform(0, 6.3))
        if site.claim(x, z, (8, 0.15), yaw):
            fence(site.spot(x, z, yaw), 8.0)
    if rng.random() < 0.2:
        x, z = site.around(4, 6)
        if site.claim(x, z, (2.5, 2.5)):
            fountain(site.spot(x, z))
    names = [
        "bench",
        "person",
        "group",
        "shrub",
        "bed",
        "pole",
        "container",
        "two_wheeler",
        "table",
    ]
    for _ in range(int(rng.integers(3, 14))):
        x, z = site.around(1.6, 4.5)
        thing(site, str(rng.choice(names)), x, z, float(rng.uniform(0, 6.3)))
    _trees(site, int(rng.integers(6, 20)), float(rng.uniform(1.5, 4)), 10.0, (3, 14))


def garden(site: Site) -> None:
    """A garden behind a house: hedges, beds, terraces, walls, a shed, paths, furniture."""
    rng = site.rng
    ground(site, "grass", "grass", "tiles", "speckle")
    half = (float(rng.uniform(2.5, 7)), float(rng.uniform(3, 9)))
    site.stand(*(float(v) for v in np.clip(rng.normal(0, 0.3, 2), -0.6, 0.6) * half))
    deep = half[1]
    house(site.spot(0, -deep, 0.0), Mass(half[0] + 1, 8.0, int(rng.integers(1, 4))))
    site.block(0, -deep - 4, (half[0] + 1, 4.0))
    if rng.random() < 0.6:  # a paved terrace, sometimes raised, by the house
        wide, high = float(rng.uniform(1.0, 2.0)), float(rng.choice([0.03, 0.03, 0.17, 0.34]))
        stone = ground_look(rng, "tiles", "speckle", "wood")
        p = site.spot(0, -deep + wide, 0.0, GROUND)
        if abs(site.eye[1] - (-deep + wide)) > wide + 0.6 or high < 0.1:
            p.box((0, high / 2, 0), (half[0] * 0.9, high / 2, wide), stone)
            if high > 0.1:
                site.block(0, -deep + wide, (half[0] * 0.9, wide))
    if rng.random() < 0.25:  # steps of ground behind the garden
        for k in range(3):
            look = ground_look(rng, "grass", "speckle")
            z = deep + 1.5 * k
            site.scene.add(BOX, (0, 0.3 * k, z + 10), (30, 0.3 * k + 0.3, 10), 0.0, look,
                           label=GROUND)  # fmt: skip
            edge = site.spot(0, z, 0.0, FITTING)
            edge.box((0, 0.3 * k + 0.3, -0.1), (30, 0.3 * k + 0.32, 0.1), wall_look(rng))
    for yaw, far, wide in ((np.pi / 2, half[0], deep), (-np.pi / 2, half[0], deep),
                           (np.pi, deep, half[0])):  # fmt: skip
        style = rng.random()
        p = site.spot(-far * math.sin(yaw), -far * math.cos(yaw), yaw, PLANT)
        if style < 0.45:
            hedge(p, (wide, 0.35), float(rng.uniform(1.0, 3.2)))
            site.block(float(p.origin[0]), float(p.origin[2]), (wide, 0.5), yaw)
        elif style < 0.9:
            fence(p, wide)
            site.block(float(p.origin[0]), float(p.origin[2]), (wide, 0.2), yaw)
        if rng.random() < 0.7:
            _far_house(site, 9, 22)
    names = ["bed", "shrub", "pot", "table", "bench", "clutter", "laundry", "tree", "person"]
    shares = np.array([0.2, 0.22, 0.16, 0.08, 0.05, 0.08, 0.05, 0.1, 0.06])
    for _ in range(int(rng.integers(8, 26))):
        x, z = rng.uniform(-1, 1, 2) * (half[0] - 0.4, half[1] - 0.4)
        if rng.random() < 0.4:
            x, z = np.clip(site.around(1.2, 1.5), np.negative(half), half)
        name = str(rng.choice(names, p=shares / shares.sum()))
        thing(site, name, float(x), float(z), float(rng.integers(4)) * np.pi / 2)
    if rng.random() < 0.35:
        _shed(site, half)
    _trees(site, int(rng.integers(3, 11)), max(half) + 1, 7.0, (4, 12))


def _shed(site: Site, half: tuple[float, float]) -> None:
    rng = site.rng
    x, z = float(rng.choice([-1, 1])) * (half[0] - 1.4), float(half[1] - 1.4)
    if site.claim(x, z, (1.2, 1.2)):
        p, wood = site.spot(x, z, np.pi, BUILDING), f.wooden(rng)
        p.box((0, 1.05, 0), (1.1, 1.05, 1.0), wood)
        p.box((0, 2.2, 0), (1.25, 0.05, 1.25), f.painted(rng), tilt=0.15)
        door = Material(tint(rng, 0.1, 0.7, 0.3), choose(rng, "panel")).fitted(0.8, 1.8)
        p.box((0.2, 0.95, 1.0), (0.4, 0.9, 0.03), door)


def forest(site: Site) -> None:
    """Many trunks near and far under crowns, with undergrowth, logs and rocks on uneven ground."""
    rng = site.rng
    look = ground_look(rng, "grass", "speckle", "grass")
    if rng.random() < 0.75:
        terrain(site, look, float(rng.uniform(0.1, 0.7)), float(rng.uniform(0, 14)))
    else:
        site.scene.add(BOX, (0, -0.5, 0), (400, 0.5, 400), 0.0, look, label=GROUND)
    site.stand(*(float(v) for v in rng.normal(0, 1, 2)))
    dense, conifer = float(rng.uniform(0.5, 1.0)), rng.random() < 0.3
    bark, leaves = bark_look(rng), leaf_look(rng, 2.0)
    tall = float(rng.uniform(7, 18))
    for k in range(int(75 * dense)):
        x, z = site.around(0.9, 11.0)
        if not site.claim(x, z, (0.35, 0.35)):
            continue
        far, p = site.far(x, z), site.spot(x, z, float(rng.uniform(0, 6.3)), PLANT)
        height = tall * float(rng.uniform(0.6, 1.15))
        if conifer and rng.random() < 0.5:
            tree(p, height, far)
            continue
        if k % 7 == 0:
            bark, leaves = bark_look(rng), leaf_look(rng, 2.0)
        radius = float(rng.uniform(0.05, 0.28))
        trunk(p, height * 0.85, radius, bark, roots=far < 5)
        parts = 5 if far < 7 else 2
        for _ in range(parts):
            r = float(rng.uniform(0.1, 0.2 if parts > 2 else 0.24)) * tall
            dx, dz = rng.normal(0, 0.1 * tall, 2)
            y = height * float(rng.uniform(0.55, 1.0))
            turn, lean = float(rng.uniform(0, 6)), float(rng.normal(0, 0.4))
            p.ball((dx, y, dz), (r, r * 0.6, r * 0.8), leaves, yaw=turn, tilt=lean)
    _backdrop(site, tall)
    for _ in range(int(rng.integers(10, 45))):
        x, z = site.around(1.0, 4.5)
        style, p = rng.random(), site.spot(x, z, float(rng.uniform(0, 6.3)), PLANT)
        if style < 0.35 and site.claim(x, z, (0.4, 0.4)):
            shrub(p, float(rng.uniform(0.3, 1.6)), 4)
        elif style < 0.8 and site.claim(x, z, (0.15, 0.15)):
            tuft(p, float(rng.uniform(0.15, 0.5)))
        elif style < 0.9 and site.claim(x, z, (0.4, 1.5), p.yaw):
            log(p, float(rng.uniform(1.0, 4.0)))
        elif site.claim(x, z, (0.4, 0.4)):
            rock(p, float(rng.uniform(0.15, 0.9)))


def _backdrop(site: Site, tall: float) -> None:
    """The far edge of a wood: large masses of leaves that hide the horizon, or most of it."""
    rng, n = site.rng, int(site.rng.integers(6, 22))
    for k in range(n):
        turn, far = 2 * np.pi * (k + float(rng.random())) / n, float(rng.uniform(22, 45))
        x, z = site.eye[0] + far * math.cos(turn), site.eye[1] + far * math.sin(turn)
        high = tall * float(rng.uniform(0.4, 0.7))
        half = (float(rng.uniform(4, 8)), high, float(rng.uniform(3, 7)))
        p = site.spot(x, z, float(rng.uniform(0, 3)), PLANT)
        level = float(rng.uniform(0.4, 0.9))  # a wood is darker inside than its leaves
        look = Material((level, level, 0.9 * level), choose(rng, "foliage"), (3.0, 3.0))
        p.ball((0, 0.8 * high, 0), half, look)


def country(site: Site) -> None:
    """Open land: rolling hills, meadows with rocks, ploughed fields, vineyards, a beach."""
    rng = site.rng
    kind = rng.choice(["hills", "field", "beach", "meadow"], p=[0.4, 0.2, 0.15, 0.25])
    if kind == "hills":
        look = ground_look(rng, "grass", "grass", "speckle")
        terrain(site, look, float(rng.uniform(0.05, 0.6)), float(rng.uniform(5, 35)))
    elif kind == "beach":
        sand = float(rng.uniform(0.6, 1.0))
        look = Material((sand, sand * 0.85, sand * 0.65), choose(rng, "speckle", "plaster"), (4, 4))
        terrain(site, look, float(rng.uniform(0.02, 0.25)), 2.0)
        level = -float(rng.uniform(0.4, 1.2))
        water = Material((0.1, 0.2, 0.25), choose(rng, "marble"), (9, 9), gloss=1.0)
        p = site.spot(0, 0, float(rng.uniform(0, 6.3)), GROUND)
        p.box((0, level - 0.25 - p.origin[1], 208), (400, 0.25, 200), water)
    else:
        ground(site, "grass", "grass", "speckle", "plaster")
        hills(site, int(rng.integers(0, 7)), 20)
    site.stand(*(float(v) for v in rng.normal(0, 0.7, 2)))
    if kind == "field":
        _rows(site)
    if kind != "field" and rng.random() < 0.3:
        x, z = site.around(1.5, 5)
        yaw = float(rng.uniform(0, 6.3))
        if site.claim(x, z, (12, 0.15), yaw):
            fence(site.spot(x, z, yaw), 12.0)
    if rng.random() < 0.25:
        _far_house(site, 10, 50)
    for _ in range(int(rng.integers(4, 36))):
        x, z = site.around(1.2, 7)
        style, p = rng.random(), site.spot(x, z, float(rng.uniform(0, 6.3)), PLANT)
        size = float(np.exp(rng.normal(np.log(0.35), 0.6)))
        if not site.claim(x, z, (size, size)):
            continue
        if style < 0.4:
            rock(p, size)
        elif style < 0.75:
            tuft(p, min(size, 0.6))
        else:
            shrub(p, 1.5 * size, 4)
    for _ in range(int(rng.integers(0, 3))):
        x, z = site.around(2, 6)
        thing(site, str(rng.choice(["person", "group", "bench", "pole"])), x, z, 0.0)
    _trees(site, int(rng.integers(0, 16)), 3.0, 22.0, (2, 10))


def _rows(site: Site) -> None:
    """Crops, vines or furrows in rows that run past the camera."""
    rng = site.rng
    step, yaw = float(rng.uniform(0.8, 2.6)), float(rng.uniform(0, 6.3))
    tall, wide = float(rng.uniform(0.1, 1.8)), float(rng.uniform(0.15, 0.3)) * step
    p, look = site.spot(*site.eye, yaw, PLANT), leaf_look(rng, 0.8)
    for k in range(-12, 12):
        x = (k + 0.5) * step
        p.box((x, tall * 0.45, 0), (wide, tall * 0.45, 60), look)
        for _ in range(5 if abs(k + 0.5) < 4 else 0):
            z = float(rng.normal(0, 4))
            r = float(rng.uniform(0.6, 1.1)) * wide
            p.ball((x, tall * 0.85, z), (r, min(r, 0.3 * tall + 0.05), 2.5 * r), look)

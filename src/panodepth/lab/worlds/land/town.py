"""Wide places among buildings: large squares, the view from a roof, a town seen from far."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from panodepth.lab.worlds.land.growth import far_trees
from panodepth.lab.worlds.land.relief import flat_ground, mountains
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.ground import ground_look
from panodepth.lab.worlds.outdoor.roofs import add_roof
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.squares import scatter
from panodepth.lab.worlds.parts.place import BUILDING, GROUND, Pair, Place, joints
from panodepth.lab.worlds.parts.slender import slender
from panodepth.lab.worlds.render.solids import tapered

_THINGS = {"pole": 0.35, "person": 0.3, "group": 0.08, "bench": 0.1, "tree": 0.1, "container": 0.1}
EDGE = 3000.0  # metres; towns and squares end here


def block(p: Place, half: Pair, height: float) -> None:
    """A building seen from far: a body with painted windows under a roof; front at local z = 0."""
    rng, (w, d) = p.rng, half
    tall = 2 * rng.uniform(2.8, 3.6)
    look = rng.printed("facade", scale=(rng.uniform(5, 12), tall))
    if rng.random() < 0.2:
        look = wall_look(rng)
    p.box((0, height / 2, -d), (w, height / 2, d), look)
    if rng.random() < 0.5 and height < 30:
        add_roof(p, (w, d), height, look, False)
    elif rng.random() < 0.4:
        box = (0.4 * w, rng.uniform(0.8, 2.5), 0.4 * d)
        p.box((rng.uniform(-0.4, 0.4) * w, height + box[1], -d), box, look)


def tower(p: Place, height: float) -> None:
    """A spire, a chimney, a dome on a drum, or a high-rise."""
    rng, r, style = p.rng, p.rng.uniform(0.05, 0.12) * height, p.rng.random()
    look = wall_look(rng)
    if style < 0.35:
        p.box((0, 0.35 * height, 0), (r, 0.35 * height, r), look)
        p.solid(tapered((r, 0.15 * height, r), 0.02), rng.painted(), (0, 0.85 * height, 0))
    elif style < 0.55:
        p.tube((0, height / 2, 0), 0.5 * r, height / 2, look, taper=0.6)
    elif style < 0.7:
        p.tube((0, 0.35 * height, 0), 2 * r, 0.35 * height, look)
        p.ball((0, 0.7 * height, 0), (2 * r, 0.28 * height, 2 * r), rng.painted())
    else:
        block(p, (1.6 * r, 1.6 * r), height)


def plaza(site: Site) -> None:
    """A square 50 to 250 m wide: paving, few things, rows of buildings, towers behind."""
    rng = site.rng
    half = tuple(np.exp(rng.uniform(np.log(25), np.log(125), 2)).tolist())
    flat_ground(site, EDGE, ground_look(rng, "tiles", "stone", "concrete", "asphalt", "speckle"))
    site.stand(*(rng.uniform(-0.6, 0.6, 2) * half))
    storeys = rng.uniform(2, 8)
    for front, wide in site.fronts((half[0], half[1])):
        if rng.random() < 0.15:
            continue
        n = int(np.clip(2 * wide / rng.uniform(10, 40), 1, 9))
        for a, b in pairwise(joints(n, wide)):
            if rng.random() < 0.1:
                continue
            height = 3.2 * storeys * rng.uniform(0.7, 1.3)
            p = front.at((a + b) / 2, 0, -abs(rng.normal(0, 1.0)))
            block(p, ((b - a) / 2, rng.uniform(4, 9)), height)
    for _ in range(rng.integers(0, 5)):
        far_tower(site, (max(half) * 1.3, max(half) * 6))
    near = (min(half[0], 30.0), min(half[1], 30.0))
    if rng.random() < 0.35:  # lawns
        lawn = ground_look(rng, "grass")
        for side in (-0.5, 0.5):
            p = site.spot(side * half[0], 0, 0.0, GROUND)
            p.box((0, 0.015, 0), (0.3 * half[0], 0.015, 0.7 * half[1]), lawn)
    scatter(site, near, int(rng.integers(3, 22)), _THINGS)
    if rng.random() < 0.4:
        far_trees(site, int(rng.integers(4, 16)), (12, 0.9 * min(half) + 14))


def far_tower(site: Site, distance: Pair) -> None:
    """One tower from, to [m] away."""
    rng = site.rng
    turn, far = rng.uniform(0, 6.3), float(np.exp(rng.uniform(*np.log(distance))))
    x, z = site.eye[0] + far * math.cos(turn), site.eye[1] + far * math.sin(turn)
    tower(site.spot(x, z, turn), rng.uniform(15, 90))


def rooftop(site: Site) -> None:
    """A roof or terrace 8 to 70 m up, with a parapet or a railing, and the town below."""
    rng = site.rng
    flat_ground(site, EDGE, ground_look(rng, "asphalt", "grass", "concrete"))
    up = float(np.exp(rng.uniform(np.log(8), np.log(70))))
    half = tuple(rng.uniform(3, 14, 2).tolist())
    site.stand(*(rng.uniform(-0.7, 0.7, 2) * half))
    roof = site.spot(0, 0, 0.0, GROUND)
    look = ground_look(rng, "tiles", "concrete", "speckle", "wood")
    roof.box((0, up - 0.3, 0), (half[0], 0.3, half[1]), look)
    wall = wall_look(rng)
    roof.at(label=BUILDING).box(
        (0, up / 2 - 0.31, 0), (half[0] - 0.1, up / 2 - 0.3, half[1] - 0.1), wall
    )
    _parapet(site, (half[0], half[1]), up, wall)
    level = site.ground
    site.ground = lambda x, z: up if abs(x) <= half[0] and abs(z) <= half[1] else level(x, z)
    for _ in range(rng.integers(1, 10)):
        x, z = rng.uniform(-0.85, 0.85, 2) * half
        if p := site.claimed(x, z, (0.5, 0.5), rng.uniform(0, 6.3), BUILDING):
            if rng.random() < 0.5:
                slender(p)
            else:
                tall = rng.uniform(0.3, 1.3)
                p.box((0, tall / 2, 0), (0.45, tall / 2, 0.45), rng.metal())
    storeys = rng.uniform(0.3, 1.1) * up
    for _ in range(int(rng.integers(60, 130))):
        turn, far = rng.uniform(0, 2 * np.pi), float(np.exp(rng.uniform(np.log(15), np.log(1200))))
        size = min(0.25 * far, rng.uniform(4, 14))
        far += math.hypot(*half) + size
        x, z = far * math.cos(turn), far * math.sin(turn)
        if site.claim(x, z, (size, size), 0.0, 1.0):
            block(site.spot(x, z + size, 0.0), (size, size), storeys * rng.uniform(0.5, 1.5) + 3)
    for _ in range(rng.integers(0, 7)):
        far_tower(site, (60, 1500))
    if rng.random() < 0.5:
        mountains(site, int(rng.integers(3, 10)), (1500, 2800))


def _parapet(site: Site, half: Pair, up: float, look: Material) -> None:
    """A low wall or a railing around a flat roof."""
    rng, tall = site.rng, site.rng.uniform(0.35, 1.3)
    solid, rail = rng.random() < 0.6, rng.metal()
    for p, wide in site.fronts(half):
        q = p.at(0, up, 0.1)
        if solid:
            q.box((0, tall / 2, 0), (wide, tall / 2, 0.1), look)
            continue
        for y in (0.5, 1.05):
            q.box((0, y, 0), (wide, 0.02, 0.02), rail)
        for x in joints(max(2, int(wide)), wide - 0.05):
            q.tube((x, 0.52, 0), 0.02, 0.52, rail)

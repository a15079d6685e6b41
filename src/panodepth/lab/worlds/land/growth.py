"""What grows far out and what stands ragged before the sky: woods, tree lines, thin crowns."""

from __future__ import annotations

import math

import numpy as np

from panodepth.lab.worlds.outdoor import vegetation
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.parts.place import PLANT, Pair, Place
from panodepth.lab.worlds.parts.plants import leaf_look


def ragged_tree(p: Place, height: float, far: float) -> None:
    """A tree whose crown lets the sky through: thin branches, small tufts of leaves, or none."""
    rng, bark, leaves = p.rng, vegetation.bark_look(p.rng), leaf_look(p.rng, 0.8)
    radius = height * rng.uniform(0.01, 0.022)
    vegetation.trunk(p, 0.9 * height, radius, bark, roots=far < 6)
    bare = rng.random() < 0.35
    clear, wide = height * rng.uniform(0.15, 0.45), height * rng.uniform(0.15, 0.35)
    count = int(rng.integers(9, 16)) if far < 15 else 6
    for k in range(count):
        turn, up = 2.4 * k + rng.normal(0, 0.4), rng.uniform(0.2, 1.2)
        tall = clear + (0.85 * height - clear) * (k + rng.random()) / count
        reach = wide * rng.uniform(0.5, 1.0) * (1 - 0.5 * k / count)
        length, lean = math.hypot(reach, reach * up) / 2, math.atan2(1.0, up)
        at = (math.sin(turn) * reach / 2, tall + reach * up / 2, math.cos(turn) * reach / 2)
        p.tube(at, 0.35 * radius, length, bark, taper=0.3, yaw=turn, tilt=lean)
        for _ in range(0 if bare else int(rng.integers(1, 4))):
            s = rng.uniform(0.3, 1.0)
            r = height * rng.uniform(0.02, 0.06)
            tip = (math.sin(turn) * reach * s, tall + reach * up * s, math.cos(turn) * reach * s)
            p.ball(tip, (r, 0.6 * r, 0.9 * r), leaves, yaw=turn, tilt=rng.normal(0, 0.5))


def edge_of_wood(site: Site, nearest: float) -> None:
    """Trees of all heights around the camera, `nearest` [m] away or farther."""
    rng, tall = site.rng, site.rng.uniform(6, 20)
    for k in range(int(rng.integers(10, 24))):
        x, z = site.around(nearest, 9.0)
        if not site.claim(x, z, (0.5, 0.5)):
            continue
        far, p = site.far(x, z), site.spot(x, z, rng.uniform(0, 6.3), PLANT)
        height = tall * rng.uniform(0.5, 1.2)
        if k < 9 and rng.random() < 0.7:
            ragged_tree(p, height, far)
        else:
            vegetation.tree(p, height, far)


def far_trees(site: Site, count: int, distance: Pair) -> None:
    """Single trees and bushes from, to [m] away, as often near as far on a log scale."""
    rng = site.rng
    look = leaf_look(rng, 2.0)
    for k in range(count):
        turn, far = rng.uniform(0, 2 * np.pi), float(np.exp(rng.uniform(*np.log(distance))))
        x, z = site.eye[0] + far * math.cos(turn), site.eye[1] + far * math.sin(turn)
        p = site.spot(x, z, turn, PLANT)
        height = rng.uniform(2, 14)
        if far < 14 and site.claim(x, z, (0.5, 0.5)):
            vegetation.tree(p, height, far)
            continue
        if k % 5 == 0:
            look = leaf_look(rng, 2.0)
        wide = height * rng.uniform(0.25, 0.5)
        if far < 120:
            p.tube((0, height / 3, 0), 0.025 * height, height / 3, vegetation.bark_look(rng))
        if rng.random() < 0.3:
            p.tube((0, 0.55 * height, 0), 0.6 * wide, 0.45 * height, look, taper=0.1)
        else:
            for _ in range(3 if far < 100 else 1):
                x, y, z = rng.normal(0, 0.35, 3) * wide
                half = (wide * rng.uniform(0.6, 1.0), 0.3 * height, wide * rng.uniform(0.6, 1.0))
                p.ball((x, 0.65 * height + y, z), half, look, tilt=rng.normal(0, 0.3))


def tree_line(site: Site, far: float) -> None:
    """A row of crowns across part of the horizon, `far` [m] away."""
    rng = site.rng
    start, spread, n = rng.uniform(0, 6.3), rng.uniform(0.5, 4.0), int(rng.integers(8, 26))
    look, tall = leaf_look(rng, 4.0), rng.uniform(4, 16)
    for k in range(n):
        turn = start + spread * (k + 0.6 * rng.random()) / n
        away = far * rng.uniform(0.95, 1.1)
        x, z = site.eye[0] + away * math.cos(turn), site.eye[1] + away * math.sin(turn)
        high, wide = tall * rng.uniform(0.5, 1.0), 0.8 * far * spread / n
        p = site.spot(x, z, -turn, PLANT)
        p.ball((0, 0.4 * high, 0), (0.4 * wide + 1, 0.6 * high, wide), look)

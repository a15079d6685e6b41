"""Lamps on ceilings and what they light: flush, pendant, chandelier, spots, panels, fans."""

from __future__ import annotations

from itertools import product

import numpy as np

from panodepth.lab.worlds.indoor.ceilings import ceiling_height
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import FITTING, Place, bays


def lamps(here: Interior) -> None:
    """Hang lamps in a room; their lights come first in the list, before those of other rooms."""
    rng, room, scene = here.rng, here.room, here.scene
    look = Material((0.95, 0.93, 0.88), emission=rng.uniform(1, 6))
    spots = [room.centre]
    if rng.random() < 0.35:
        dx = (room.x[1] - room.x[0]) / 4
        spots = [room.centre + [-dx, 0, 0], room.centre + [dx, 0, 0]]
    others = scene.lights
    scene.lights = []
    for spot in spots:
        at = spot + np.array([rng.normal(0, 0.4), 0.0, rng.normal(0, 0.4)])
        if not room.contains([(at[0], at[2])], 0.4):
            at = room.centre
        h = ceiling_height(room, float(at[0]), float(at[2]))
        p = here.place(at, 0.0, FITTING)
        drop = _lamp(here, p, h, look)
        power = rng.uniform(0.4, 2.2) * h / len(spots)
        warm = rng.uniform(0.7, 1.0)
        below = max(h - drop - 0.45, 0.5 * h)
        p.light((0, below, 0), (power, power * (1 + warm) / 2, power * warm))
    scene.lights = (scene.lights + others)[: 2 + int(rng.random() < 0.5)]


def _lamp(here: Interior, p: Place, h: float, look: Material) -> float:
    """One lamp under a ceiling `h` high; returns how far it hangs down [m]."""
    rng, flat = p.rng, here.room.roof == "flat"
    style, drop = rng.random(), rng.uniform(0.2, 0.9) * (h > 2.5)
    if not flat:
        style = 0.5 + 0.3 * style  # nothing lies flush with a slope
    if h > 4:
        drop *= rng.uniform(1.0, 2.0)
    if style < 0.3:
        p.tube((0, h - 0.05, 0), rng.uniform(0.12, 0.35), 0.05, look)
    elif style < 0.48:
        p.box((0, h - 0.03, 0), (rng.uniform(0.1, 0.6), 0.03, rng.uniform(0.1, 0.6)), look)
    elif style < 0.54:
        _fan(p, h, look)
        return 0.45
    elif style < 0.8 and drop > 0.25:
        _pendant(p, h, drop, look)
    elif flat:
        _many(here, look)
    return drop


def _fan(p: Place, h: float, look: Material) -> None:
    rng, blade = p.rng, p.rng.wooden()
    p.tube((0, h - 0.14, 0), 0.02, 0.18, rng.painted())
    p.tube((0, h - 0.34, 0), 0.1, 0.07, rng.painted())
    p.ball((0, h - 0.43, 0), (0.09, 0.06, 0.09), look)
    n = int(rng.integers(3, 6))
    for k in range(n):
        turn = 2 * np.pi * k / n + 0.3
        at = (0.38 * np.cos(turn), h - 0.33, -0.38 * np.sin(turn))
        p.box(at, (0.28, 0.008, 0.07), blade, yaw=turn)


def _pendant(p: Place, h: float, drop: float, look: Material) -> None:
    rng, style = p.rng, p.rng.random()
    p.tube((0, h - drop / 2 + 0.05, 0), 0.012, drop / 2 + 0.05, rng.painted())
    if style < 0.35:
        p.ball((0, h - drop, 0), (0.18, 0.12, 0.18), look)
    elif style < 0.55:
        p.tube((0, h - drop, 0), rng.uniform(0.12, 0.3), 0.12, look, taper=0.5)
    elif style < 0.65:  # a row of small ones on a bar
        bar, n = rng.uniform(0.3, 0.6), int(rng.integers(2, 5))
        p.box((0, h - drop, 0), (bar, 0.012, 0.012), rng.painted())
        for x in bays(n, bar):
            p.tube((x, h - drop - 0.1, 0), 0.07, 0.09, look, taper=0.6)
    else:
        ring, arms = rng.uniform(0.2, 0.5), int(rng.integers(3, 9))
        p.tube((0, h - drop, 0), ring, 0.015, rng.painted())
        for a in np.arange(arms) / arms * 2 * np.pi:
            at = (ring * np.cos(a), h - drop + 0.07, ring * np.sin(a))
            p.ball(at, (0.05, 0.07, 0.05), look)


def _many(here: Interior, look: Material) -> None:
    """Spots strewn over the ceiling, or panels in a grid."""
    rng, room, h = here.rng, here.room, here.room.height
    half = np.array(room.half)
    panels = room.area > 18 and rng.random() < 0.4
    if panels:
        n, m = np.maximum(1, (half / rng.uniform(1.1, 1.8)).astype(int))
        places = list(product(list(bays(n, half[0]))[:5], list(bays(m, half[1]))[:5]))
    else:
        places = [rng.uniform(-0.8, 0.8, 2) * half for _ in range(rng.integers(2, 9))]
    wide = rng.pick((0.14, 0.29))
    for x, z in places:
        at = room.middle + [x, 0, z]
        if not room.contains([(at[0], at[2])], 0.15):
            continue
        q = here.place(at, 0.0, FITTING)
        if panels:
            q.box((0, h - 0.006, 0), (wide, 0.012, 0.58), look)
        else:
            q.tube((0, h - 0.01, 0), 0.05, 0.012, look)

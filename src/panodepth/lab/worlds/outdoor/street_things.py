"""Street furniture: poles, lamps, signs, signals, bins, stalls, fences, wires; things by name."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.vegetation import flower_bed, shrub, tree
from panodepth.lab.worlds.outdoor.vehicles import two_wheeler
from panodepth.lab.worlds.parts.people import group, person
from panodepth.lab.worlds.parts.place import FITTING, FURNITURE, PLANT, Piece, Place, joints
from panodepth.lab.worlds.parts.plants import pot_plant
from panodepth.lab.worlds.parts.seats import chair, park_bench
from panodepth.lab.worlds.parts.small_things import clutter
from panodepth.lab.worlds.render.shapes import CYLINDER


def pole(p: Place) -> None:
    """A street lamp, traffic light, sign post, utility pole or bollard."""
    look = p.rng.metal()
    p.rng.weighted(_POLES)(p.at(label=FITTING), look)


def _lamp(p: Place, look: Material) -> None:
    tall, out = p.rng.uniform(3, 8), p.rng.uniform(0.0, 1.4)
    p.tube((0, tall / 2, 0), 0.09, tall / 2, look, taper=0.5)
    p.tube((0, 0.25, 0), 0.14, 0.25, look)
    if out > 0.5:
        p.box((0, tall, out / 2), (0.03, 0.03, out / 2), look)
        p.box((0, tall, out), (0.12, 0.06, 0.3), look)
    else:
        glass = Material((0.8, 0.8, 0.75), emission=0.3)
        p.tube((0, tall + 0.2, 0), 0.13, 0.22, glass, taper=1.5)
        p.tube((0, tall + 0.46, 0), 0.26, 0.06, look, taper=0.2)


def _signal(p: Place, look: Material) -> None:
    tall = p.rng.uniform(2.6, 4.5)
    p.tube((0, tall / 2, 0), 0.06, tall / 2, look)
    p.box((0, tall - 0.4, 0.14), (0.15, 0.42, 0.1), Material((0.04, 0.05, 0.04)))
    for k, colour in enumerate(((0.8, 0.05, 0.03), (0.3, 0.2, 0.02), (0.03, 0.3, 0.1))):
        lit = Material(colour, emission=float(p.rng.random() < 0.4))
        p.ball((0, tall - 0.14 - 0.26 * k, 0.24), (0.09, 0.09, 0.05), lit)


def _sign(p: Place, look: Material) -> None:
    rng, tall, r = p.rng, p.rng.uniform(2.0, 3.2), p.rng.uniform(0.22, 0.45)
    p.tube((0, tall / 2, 0), 0.035, tall / 2, look)
    plate = rng.printed("text").fitted(2 * r, 2 * r)
    if rng.random() < 0.5:
        p.disc((0, tall - r, 0.05), r, 0.012, plate)
    else:
        p.box((0, tall - r, 0.05), (r * rng.uniform(0.6, 1.8), r, 0.015), plate)


def _utility_pole(p: Place, look: Material) -> None:
    rng, tall, r = p.rng, p.rng.uniform(6, 10), p.rng.uniform(0.11, 0.18)
    stem = rng.printed("plaster", "wood", tint=(0.55, 0.53, 0.5), scale=(0.5, 2))
    p.tube((0, tall / 2, 0), r, tall / 2, stem, taper=0.7)
    for k in range(rng.integers(1, 3)):
        p.box((0, tall - 0.4 - 0.7 * k, 0), (0.8, 0.06, 0.06), stem)
    if rng.random() < 0.3:
        p.tube((0.3, tall - 1.6, 0), 0.25, 0.4, look)


def _bollard(p: Place, look: Material) -> None:
    tall = p.rng.uniform(0.4, 0.6)
    p.tube((0, tall, 0), p.rng.uniform(0.05, 0.14), tall, look, taper=0.9)


_POLES = {_lamp: 0.3, _signal: 0.1, _sign: 0.3, _utility_pole: 0.2, _bollard: 0.1}


def container(p: Place) -> None:
    """A litter bin, wheeled bin, hydrant, post box, cabinet, or vending machine."""
    rng, style = p.rng, p.rng.random()
    p = p.at(label=FURNITURE)
    look = rng.painted()
    if style < 0.25:
        r, half = rng.uniform(0.18, 0.3), rng.uniform(0.35, 0.5)
        p.tube((0, half, 0), r, half, look, taper=1.1)
        p.tube((0, 2 * half + 0.03, 0), r * 1.15, 0.04, rng.metal(), taper=0.7)
    elif style < 0.5:
        p.box((0, 0.52, 0), (0.27, 0.44, 0.32), look)
        p.box((0, 1.0, 0.02), (0.29, 0.04, 0.36), look, tilt=0.08)
        p.wheel((0, 0.1, -0.27), 0.1, 0.3, grey(0.03))
    elif style < 0.62:
        red = Material((0.55, 0.05, 0.03), gloss=0.4)
        p.tube((0, 0.28, 0), 0.12, 0.28, red)
        p.ball((0, 0.58, 0), (0.12, 0.12, 0.12), red)
        p.wheel((0, 0.42, 0), 0.06, 0.2, red)
    elif style < 0.85:
        w, tall = rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.75)
        front = rng.tinted((0.1, 0.8, 0.4), "panel", "shutter", "plain")
        p.box((0, tall, 0), (w, tall, 0.22), front.fitted(2 * w, 2 * tall))
        p.box((0, 0.05, 0), (w + 0.04, 0.05, 0.26), Material((0.5, 0.5, 0.48)))
    else:
        bright = rng.printed("books", "picture", "text", emission=0.4)
        p.box((0, 0.95, 0), (0.5, 0.95, 0.38), look)
        p.box((0, 1.1, 0.38), (0.42, 0.6, 0.02), bright.fitted(0.84, 1.2))


def table_set(p: Place) -> None:
    """A café table with chairs, sometimes under a parasol."""
    rng, tall = p.rng, 0.74
    p = p.at(label=FURNITURE)
    look = rng.metal()
    p.tube((0, tall, 0), 0.38, 0.02, rng.wooden())
    p.tube((0, tall / 2, 0), 0.04, tall / 2, look)
    for k in range(rng.integers(2, 5)):
        turn = 1.57 * k + 0.4
        q = p.at(0.75 * np.sin(turn), 0, 0.75 * np.cos(turn), turn + np.pi)
        chair(q)
        if rng.random() < 0.2:
            person(q, "sit")
    if rng.random() < 0.5:
        top = rng.uniform(2.2, 2.6)
        canvas = rng.tinted((0.2, 0.95, 0.6), "stripes", "plain")
        p.tube((0, top / 2, 0), 0.03, top / 2, look)
        p.tube((0, top + 0.1, 0), rng.uniform(1.1, 1.6), 0.22, canvas, taper=0.06)


def stall(p: Place) -> None:
    """A market stall: a counter with goods under a sloping canvas on four poles."""
    rng, half = p.rng, p.rng.uniform(0.9, 1.6)
    p = p.at(label=FURNITURE)
    look, top = rng.metal(), rng.uniform(2.1, 2.7)
    p.four((half, top / 2, 0.8), (0.03, top / 2, 0.03), look, CYLINDER)
    canvas = rng.tinted((0.2, 0.95, 0.6), "stripes", "plain", "fabric")
    p.box((0, top + 0.1, 0), (half + 0.2, 0.02, 1.15), canvas, tilt=rng.uniform(0.05, 0.3))
    p.box((0, 0.42, 0.45), (half, 0.42, 0.35), rng.painted())
    for k in range(rng.integers(2, 6)):
        goods = rng.tinted((0.2, 0.9, 0.9), "speckle", "books", "carpet")
        x = rng.uniform(-0.8, 0.8) * half
        p.box((x, 0.92, 0.45 + 0.1 * (k % 2)), (0.2, 0.08, 0.15), goods)
    if rng.random() < 0.5:
        p.box((0, top / 2, -0.8), (half, top / 2, 0.02), canvas)
    if rng.random() < 0.6:
        person(p.at(rng.normal(0, 0.3), 0, -0.25), "stand")


def fountain(p: Place) -> None:
    """A basin with water, a column and bowls; or a statue on a plinth."""
    rng = p.rng
    p = p.at(label=FITTING)
    stone = rng.tinted((0.3, 0.85, 0.08), "marble", "speckle", "plaster")
    if rng.random() < 0.5:
        r, tall = rng.uniform(1.2, 2.8), rng.uniform(0.3, 0.7)
        water = rng.printed("marble", tint=(0.12, 0.2, 0.2), scale=2, gloss=1.0)
        p.tube((0, tall / 2, 0), r, tall / 2, stone)
        p.tube((0, tall - 0.02, 0), r - 0.25, 0.03, water)
        top = rng.uniform(1.0, 2.8)
        p.tube((0, top / 2, 0), 0.2, top / 2, stone, taper=0.6)
        p.tube((0, top, 0), 0.25, 0.12, stone, taper=rng.uniform(2, 4))
        p.ball((0, top + 0.25, 0), (0.2, 0.3, 0.2), stone)
        return
    base, w = rng.uniform(0.5, 2.2), rng.uniform(0.4, 0.9)
    p.box((0, 0.12, 0), (w + 0.4, 0.12, w + 0.4), stone)
    p.box((0, base / 2, 0), (w, base / 2, w), stone)
    p.box((0, base, 0), (w + 0.1, 0.08, w + 0.1), stone)
    size = rng.uniform(1.0, 1.8)
    p.tube((0, base + 0.45 * size, 0), 0.28 * size, 0.45 * size, stone, taper=0.6)
    p.ball((0, base + 1.15 * size, 0), (0.3 * size, 0.38 * size, 0.2 * size), stone)
    p.ball((0, base + 1.63 * size, 0), (0.12 * size, 0.16 * size, 0.13 * size), stone)
    lift = rng.uniform(0.3, 2.2)
    p.tube((0.35 * size, base + 1.25 * size, 0.1), 0.08 * size, 0.35 * size, stone, tilt=lift)


def fence(p: Place, half: float) -> None:
    """A straight fence, railing, board wall or garden wall of half length `half` metres."""
    rng, tall = p.rng, p.rng.uniform(0.7, 1.9)
    p = p.at(label=FITTING)
    style = rng.random()
    if style < 0.45:
        stone = rng.texture("brick", "plaster", "wood", "shutter", "speckle")
        look = Material(rng.tint(0.2, 0.85, 0.15), stone, (1.5, 1.5))
        p.box((0, tall / 2, 0), (half, tall / 2, 0.07), look)
        p.box((0, tall, 0), (half, 0.05, 0.12), rng.tinted((0.3, 0.8, 0.05)))
        return
    look = rng.wooden() if style < 0.75 else rng.metal()
    for x in np.arange(-half, half + 0.01, max(1.3, 2 * half / 14)):
        p.box((x, tall / 2, 0), (0.05, tall / 2, 0.05), look)
    for y in (0.4, 0.92):
        p.box((0, tall * y, 0), (half, 0.05, 0.025), look)
    if rng.random() < 0.3:
        for x in np.arange(-half, half, max(0.25, 2 * half / 40)):
            p.box((x, tall * 0.5, 0), (0.035, tall * 0.45, 0.02), look)


def scaffold(p: Place, half: float, levels: int) -> None:
    """Scaffolding on the plane z = 0, 1.1 m deep: tubes, boards, sometimes a net."""
    rng, steel = p.rng, Material((0.5, 0.5, 0.52), gloss=0.5)
    p = p.at(label=FITTING)
    tall = 2.0 * levels + 1.0
    for x in joints(max(2, int(half)), half):
        for z in (0.25, 1.1):
            p.tube((x, tall / 2, z), 0.03, tall / 2, steel)
    for level in range(1, levels + 1):
        p.box((0, 2.0 * level, 0.68), (half, 0.03, 0.42), rng.wooden())
        p.box((0, 2.0 * level + 1.0, 1.1), (half, 0.025, 0.025), steel)
    if rng.random() < 0.3:
        net = rng.tinted((0.2, 0.9, 0.6), "fabric", "grille")
        p.box((0, tall * 0.6, 1.15), (half, tall * 0.4, 0.01), net)


def laundry(p: Place) -> None:
    """A rack or line with clothes."""
    rng, look = p.rng, p.rng.metal()
    p = p.at(label=FURNITURE)
    half, tall = rng.uniform(0.5, 1.0), rng.uniform(1.2, 1.8)
    for x in (-half, half):
        p.box((x, tall / 2, 0), (0.02, tall / 2, 0.02), look)
        p.box((x, 0.02, 0), (0.02, 0.02, 0.25), look)
    p.box((0, tall, 0), (half, 0.015, 0.015), look)
    x = -half + 0.15
    while x < half - 0.1:
        long = rng.uniform(0.2, 0.45)
        p.box((x, tall - long, 0), (0.09, long, 0.03), rng.cloth(), yaw=rng.normal(0, 0.4))
        x += rng.uniform(0.15, 0.4)


THINGS = {
    "two_wheeler": Piece(0.4, 0.95, two_wheeler),
    "pole": Piece(0.25, 0.25, pole),
    "bench": Piece(1.0, 0.35, park_bench),
    "container": Piece(0.5, 0.42, container),
    "table": Piece(1.2, 1.2, table_set),
    "stall": Piece(1.7, 1.3, stall),
    "pot": Piece(0.35, 0.35, lambda p: pot_plant(p, p.rng.uniform(0.3, 1.3)), PLANT),
    "shrub": Piece(0.6, 0.6, lambda p: shrub(p, p.rng.uniform(0.4, 1.4)), PLANT),
    "bed": Piece(1.0, 0.45, lambda p: flower_bed(p, (1.0, 0.4)), PLANT),
    "tree": Piece(0.4, 0.4, lambda p: tree(p, p.rng.uniform(3, 9)), PLANT),
    "person": Piece(0.3, 0.3, person),
    "group": Piece(0.9, 0.9, lambda p: group(p, int(p.rng.integers(2, 5)))),
    "clutter": Piece(0.45, 0.45, clutter),
    "laundry": Piece(0.9, 0.3, laundry),
}


def thing(site: Site, name: str, x: float, z: float, yaw: float) -> None:
    """Put the named thing on the ground at (x, z) if there is room for it."""
    piece = THINGS[name]
    if p := site.claimed(x, z, (piece.half_x, piece.half_z), yaw, piece.label):
        piece.build(p)

"""Street furniture: poles, lamps, signs, signals, benches, bins, stalls, fences, wires, clutter."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.furniture import FITTING, FURNITURE, PLANT, Rng, tint
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.outdoor.people import group, person
from panodepth.lab.worlds.outdoor.site import Site, Spot
from panodepth.lab.worlds.outdoor.vegetation import flower_bed, pot_plant, shrub, tree
from panodepth.lab.worlds.outdoor.vehicles import two_wheeler
from panodepth.lab.worlds.render.primitives import CYLINDER, Material


def metal(rng: Rng) -> Material:
    """Galvanised, black or painted metal."""
    return Material(tint(rng, 0.04, 0.7, 0.25), choose(rng, "plain"), gloss=0.4)


def pole(p: Spot) -> None:
    """A street lamp, traffic light, sign post, flag pole or utility pole."""
    rng, look = p.rng, metal(p.rng)
    p = p.at(0, 0, 0, label=FITTING)
    style = rng.choice(
        ["lamp", "signal", "sign", "utility", "bollard"], p=[0.3, 0.1, 0.3, 0.2, 0.1]
    )
    if style == "lamp":
        tall, out = float(rng.uniform(3, 8)), float(rng.uniform(0.0, 1.4))
        p.tube((0, tall / 2, 0), 0.09, tall / 2, look, taper=0.5)
        p.tube((0, 0.25, 0), 0.14, 0.25, look)
        if out > 0.5:
            p.box((0, tall, out / 2), (0.03, 0.03, out / 2), look)
            p.box((0, tall, out), (0.12, 0.06, 0.3), look)
        else:
            glass = Material((0.8, 0.8, 0.75), 0, emission=0.3)
            p.tube((0, tall + 0.2, 0), 0.13, 0.22, glass, taper=1.5)
            p.tube((0, tall + 0.46, 0), 0.26, 0.06, look, taper=0.2)
    elif style == "signal":
        tall = float(rng.uniform(2.6, 4.5))
        p.tube((0, tall / 2, 0), 0.06, tall / 2, look)
        p.box((0, tall - 0.4, 0.14), (0.15, 0.42, 0.1), Material((0.04, 0.05, 0.04), 0))
        for k, colour in enumerate(((0.8, 0.05, 0.03), (0.3, 0.2, 0.02), (0.03, 0.3, 0.1))):
            lit = Material(colour, 0, emission=float(rng.random() < 0.4))
            p.ball((0, tall - 0.14 - 0.26 * k, 0.24), (0.09, 0.09, 0.05), lit)
    elif style == "sign":
        tall, r = float(rng.uniform(2.0, 3.2)), float(rng.uniform(0.22, 0.45))
        p.tube((0, tall / 2, 0), 0.035, tall / 2, look)
        plate = Material((1, 1, 1), choose(rng, "text")).fitted(2 * r, 2 * r)
        if rng.random() < 0.5:
            p.put(CYLINDER, (0, tall - r, 0.05), (r, 0.012, r), plate, tilt=np.pi / 2)
        else:
            p.box((0, tall - r, 0.05), (r * rng.uniform(0.6, 1.8), r, 0.015), plate)
    elif style == "utility":
        tall, r = float(rng.uniform(6, 10)), float(rng.uniform(0.11, 0.18))
        stem = Material((0.55, 0.53, 0.5), choose(rng, "plaster", "wood"), (0.5, 2))
        p.tube((0, tall / 2, 0), r, tall / 2, stem, taper=0.7)
        for k in range(int(rng.integers(1, 3))):
            p.box((0, tall - 0.4 - 0.7 * k, 0), (0.8, 0.06, 0.06), stem)
        if rng.random() < 0.3:
            p.tube((0.3, tall - 1.6, 0), 0.25, 0.4, look)
    else:
        tall = float(rng.uniform(0.4, 0.6))
        p.tube((0, tall, 0), float(rng.uniform(0.05, 0.14)), tall, look, taper=0.9)


def bench(p: Spot) -> None:
    """A bench, with a back or without; now and then someone sits on it."""
    rng, look = p.rng, f.wooden(p.rng)
    p = p.at(0, 0, 0, label=FURNITURE)
    half = float(rng.uniform(0.6, 1.0))
    p.box((0, 0.44, 0), (half, 0.03, 0.22), look)
    for side in (-0.8, 0.8):
        p.box((side * half, 0.21, 0), (0.05, 0.21, 0.2), metal(rng))
    if rng.random() < 0.7:
        for y in (0.62, 0.8):
            p.box((0, y, -0.24), (half, 0.06, 0.02), look, tilt=-0.15)
        for side in (-0.8, 0.8):
            p.box((side * half, 0.65, -0.23), (0.04, 0.24, 0.03), look, tilt=-0.15)
    if rng.random() < 0.25:
        person(p.at(float(rng.uniform(-0.5, 0.5)) * half, 0, -0.08), "sit")


def container(p: Spot) -> None:
    """A litter bin, wheeled bin, hydrant, post box, cabinet, or vending machine."""
    rng, style = p.rng, float(p.rng.random())
    p = p.at(0, 0, 0, label=FURNITURE)
    look = f.painted(rng)
    if style < 0.25:
        r, half = float(rng.uniform(0.18, 0.3)), float(rng.uniform(0.35, 0.5))
        p.tube((0, half, 0), r, half, look, taper=1.1)
        p.tube((0, 2 * half + 0.03, 0), r * 1.15, 0.04, metal(rng), taper=0.7)
    elif style < 0.5:
        p.box((0, 0.52, 0), (0.27, 0.44, 0.32), look)
        p.box((0, 1.0, 0.02), (0.29, 0.04, 0.36), look, tilt=0.08)
        p.put(CYLINDER, (0, 0.1, -0.27), (0.1, 0.3, 0.1), Material((0.03,) * 3, 0),
              yaw=np.pi / 2, tilt=np.pi / 2)  # fmt: skip
    elif style < 0.62:
        red = Material((0.55, 0.05, 0.03), 0, gloss=0.4)
        p.tube((0, 0.28, 0), 0.12, 0.28, red)
        p.ball((0, 0.58, 0), (0.12, 0.12, 0.12), red)
        p.put(CYLINDER, (0, 0.42, 0), (0.06, 0.2, 0.06), red, yaw=np.pi / 2, tilt=np.pi / 2)
    elif style < 0.85:
        w, tall = float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.4, 0.75))
        front = Material(tint(rng, 0.1, 0.8, 0.4), choose(rng, "panel", "shutter", "plain"))
        p.box((0, tall, 0), (w, tall, 0.22), front.fitted(2 * w, 2 * tall))
        p.box((0, 0.05, 0), (w + 0.04, 0.05, 0.26), Material((0.5, 0.5, 0.48), 0))
    else:
        bright = Material((1, 1, 1), choose(rng, "books", "picture", "text"), emission=0.4)
        p.box((0, 0.95, 0), (0.5, 0.95, 0.38), look)
        p.box((0, 1.1, 0.38), (0.42, 0.6, 0.02), bright.fitted(0.84, 1.2))


def table_set(p: Spot) -> None:
    """A café table with chairs, sometimes under a parasol."""
    rng, tall = p.rng, 0.74
    p = p.at(0, 0, 0, label=FURNITURE)
    look = metal(rng)
    p.tube((0, tall, 0), 0.38, 0.02, f.wooden(rng))
    p.tube((0, tall / 2, 0), 0.04, tall / 2, look)
    for k in range(int(rng.integers(2, 5))):
        turn = 1.57 * k + 0.4
        q = p.at(0.75 * np.sin(turn), 0, 0.75 * np.cos(turn), turn + np.pi)
        f.chair(q)
        if rng.random() < 0.2:
            person(q, "sit")
    if rng.random() < 0.5:
        top = float(rng.uniform(2.2, 2.6))
        cloth = Material(tint(rng, 0.2, 0.95, 0.6), choose(rng, "stripes", "plain"))
        p.tube((0, top / 2, 0), 0.03, top / 2, look)
        p.tube((0, top + 0.1, 0), float(rng.uniform(1.1, 1.6)), 0.22, cloth, taper=0.06)


def stall(p: Spot) -> None:
    """A market stall: a counter with goods under a sloping canvas on four poles."""
    rng, half = p.rng, float(p.rng.uniform(0.9, 1.6))
    p = p.at(0, 0, 0, label=FURNITURE)
    look, top = metal(rng), float(rng.uniform(2.1, 2.7))
    for x in (-half, half):
        for z in (-0.8, 0.8):
            p.tube((x, top / 2, z), 0.03, top / 2, look)
    canvas = Material(tint(rng, 0.2, 0.95, 0.6), choose(rng, "stripes", "plain", "fabric"))
    p.box((0, top + 0.1, 0), (half + 0.2, 0.02, 1.15), canvas, tilt=float(rng.uniform(0.05, 0.3)))
    p.box((0, 0.42, 0.45), (half, 0.42, 0.35), f.painted(rng))
    for k in range(int(rng.integers(2, 6))):
        goods = Material(tint(rng, 0.2, 0.9, 0.9), choose(rng, "speckle", "books", "carpet"))
        x = float(rng.uniform(-0.8, 0.8)) * half
        p.box((x, 0.92, 0.45 + 0.1 * (k % 2)), (0.2, 0.08, 0.15), goods)
    if rng.random() < 0.5:
        p.box((0, top / 2, -0.8), (half, top / 2, 0.02), canvas)
    if rng.random() < 0.6:
        person(p.at(float(rng.normal(0, 0.3)), 0, -0.25), "stand")


def fountain(p: Spot) -> None:
    """A basin with water, a column and bowls; or a statue on a plinth."""
    rng = p.rng
    p = p.at(0, 0, 0, label=FITTING)
    stone = Material(tint(rng, 0.3, 0.85, 0.08), choose(rng, "marble", "speckle", "plaster"))
    if rng.random() < 0.5:
        r, tall = float(rng.uniform(1.2, 2.8)), float(rng.uniform(0.3, 0.7))
        water = Material((0.12, 0.2, 0.2), choose(rng, "marble"), (2, 2), gloss=1.0)
        p.tube((0, tall / 2, 0), r, tall / 2, stone)
        p.tube((0, tall - 0.02, 0), r - 0.25, 0.03, water)
        top = float(rng.uniform(1.0, 2.8))
        p.tube((0, top / 2, 0), 0.2, top / 2, stone, taper=0.6)
        p.tube((0, top, 0), 0.25, 0.12, stone, taper=float(rng.uniform(2, 4)))
        p.ball((0, top + 0.25, 0), (0.2, 0.3, 0.2), stone)
        return
    base, w = float(rng.uniform(0.5, 2.2)), float(rng.uniform(0.4, 0.9))
    p.box((0, 0.12, 0), (w + 0.4, 0.12, w + 0.4), stone)
    p.box((0, base / 2, 0), (w, base / 2, w), stone)
    p.box((0, base, 0), (w + 0.1, 0.08, w + 0.1), stone)
    size = float(rng.uniform(1.0, 1.8))
    p.tube((0, base + 0.45 * size, 0), 0.28 * size, 0.45 * size, stone, taper=0.6)
    p.ball((0, base + 1.15 * size, 0), (0.3 * size, 0.38 * size, 0.2 * size), stone)
    p.ball((0, base + 1.63 * size, 0), (0.12 * size, 0.16 * size, 0.13 * size), stone)
    lift = float(rng.uniform(0.3, 2.2))
    p.tube((0.35 * size, base + 1.25 * size, 0.1), 0.08 * size, 0.35 * size, stone, tilt=lift)


def fence(p: Spot, half: float) -> None:
    """A straight fence, railing, board wall or garden wall of half length `half` metres."""
    rng, tall = p.rng, float(p.rng.uniform(0.7, 1.9))
    p = p.at(0, 0, 0, label=FITTING)
    style = rng.random()
    if style < 0.45:
        stone = choose(rng, "brick", "plaster", "wood", "shutter", "speckle")
        look = Material(tint(rng, 0.2, 0.85, 0.15), stone, (1.5, 1.5))
        p.box((0, tall / 2, 0), (half, tall / 2, 0.07), look)
        p.box((0, tall, 0), (half, 0.05, 0.12), Material(tint(rng, 0.3, 0.8, 0.05), 0))
        return
    look = f.wooden(rng) if style < 0.75 else metal(rng)
    step = max(1.3, 2 * half / 14)
    for x in np.arange(-half, half + 0.01, step):
        p.box((x, tall / 2, 0), (0.05, tall / 2, 0.05), look)
    for y in (0.4, 0.92):
        p.box((0, tall * y, 0), (half, 0.05, 0.025), look)
    if rng.random() < 0.3:
        for x in np.arange(-half, half, max(0.25, 2 * half / 40)):
            p.box((x, tall * 0.5, 0), (0.035, tall * 0.45, 0.02), look)


def scaffold(p: Spot, half: float, levels: int) -> None:
    """Scaffolding on the plane z = 0, 1.1 m deep: tubes, boards, sometimes a net."""
    rng, steel = p.rng, Material((0.5, 0.5, 0.52), 0, gloss=0.5)
    p = p.at(0, 0, 0, label=FITTING)
    tall = 2.0 * levels + 1.0
    n = max(2, int(half))
    for k in range(n + 1):
        x = (2 * k / n - 1) * half
        for z in (0.25, 1.1):
            p.tube((x, tall / 2, z), 0.03, tall / 2, steel)
    for level in range(1, levels + 1):
        p.box((0, 2.0 * level, 0.68), (half, 0.03, 0.42), f.wooden(rng))
        p.box((0, 2.0 * level + 1.0, 1.1), (half, 0.025, 0.025), steel)
    if rng.random() < 0.3:
        net = Material(tint(rng, 0.2, 0.9, 0.6), choose(rng, "fabric", "grille"))
        p.box((0, tall * 0.6, 1.15), (half, tall * 0.4, 0.01), net)


def laundry(p: Spot) -> None:
    """A rack or line with clothes."""
    rng, look = p.rng, metal(p.rng)
    p = p.at(0, 0, 0, label=FURNITURE)
    half, tall = float(rng.uniform(0.5, 1.0)), float(rng.uniform(1.2, 1.8))
    for side in (-half, half):
        p.box((side, tall / 2, 0), (0.02, tall / 2, 0.02), look)
        p.box((side, 0.02, 0), (0.02, 0.02, 0.25), look)
    p.box((0, tall, 0), (half, 0.015, 0.015), look)
    x = -half + 0.15
    while x < half - 0.1:
        long = float(rng.uniform(0.2, 0.45))
        p.box((x, tall - long, 0), (0.09, long, 0.03), f.cloth(rng), yaw=rng.normal(0, 0.4))
        x += float(rng.uniform(0.15, 0.4))


def wires(site: Site, x: tuple[float, float], z: tuple[float, float]) -> None:
    """A few cables strung over the site between the corners of the rectangle x × z."""
    rng, dark = site.rng, Material((0.05, 0.05, 0.05), 0)
    for _ in range(int(rng.integers(1, 5))):
        a = np.array([x[0], z[0] + rng.random() * (z[1] - z[0])])
        b = np.array([x[1], z[0] + rng.random() * (z[1] - z[0])])
        if rng.random() < 0.5:  # along the street instead of across it
            side = float(rng.uniform(0.7, 1.0)) * x[int(rng.integers(2))]
            a, b = np.array([side, z[0]]), np.array([side, z[1]])
        y, half = float(rng.uniform(4.0, 8.0)), float(np.hypot(*(b - a))) / 2
        yaw = float(np.arctan2(-(b - a)[1], (b - a)[0]))
        p = Spot(site.scene, rng, np.array([*(a + b) / 2, 0.0])[[0, 2, 1]], yaw, FITTING)
        r = float(rng.uniform(0.008, 0.025))
        p.box((0, y, 0), (half, r, r), dark)


_THINGS = {
    "two_wheeler": ((0.4, 0.95), two_wheeler),
    "pole": ((0.25, 0.25), pole),
    "bench": ((1.0, 0.35), bench),
    "container": ((0.5, 0.42), container),
    "table": ((1.2, 1.2), table_set),
    "stall": ((1.7, 1.3), stall),
    "pot": ((0.35, 0.35), lambda p: pot_plant(p, float(p.rng.uniform(0.3, 1.3)))),
    "shrub": ((0.6, 0.6), lambda p: shrub(p, float(p.rng.uniform(0.4, 1.4)))),
    "bed": ((1.0, 0.45), lambda p: flower_bed(p, (1.0, 0.4))),
    "tree": ((0.4, 0.4), lambda p: tree(p, float(p.rng.uniform(3, 9)))),
    "person": ((0.3, 0.3), person),
    "group": ((0.9, 0.9), lambda p: group(p, int(p.rng.integers(2, 5)))),
    "clutter": ((0.45, 0.45), f.clutter),
    "laundry": ((0.9, 0.3), laundry),
}
_LABELS = {"pot": PLANT, "shrub": PLANT, "bed": PLANT, "tree": PLANT}


def thing(site: Site, name: str, x: float, z: float, yaw: float) -> bool:
    """Put the named thing on the ground at (x, z) if there is room for it; says whether it was."""
    half, build = _THINGS[name]
    if not site.claim(x, z, half, yaw):
        return False
    build(site.spot(x, z, yaw, _LABELS.get(name, FURNITURE)))
    return True

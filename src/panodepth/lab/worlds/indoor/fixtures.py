"""Kitchens, bathrooms, appliances, pianos, clothes racks, toys, rugs.

What stands at a wall has its back to it, at local −z.
"""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.furniture import fronted
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.parts.place import Pair, Place
from panodepth.lab.worlds.parts.small_things import BLACK, things
from panodepth.lab.worlds.render.solids import cone, dome, octagon, wedge


def _enamel(rng: Draws) -> Material:
    return grey(rng.uniform(0.75, 0.95), gloss=0.8)


def _chrome(rng: Draws) -> Material:
    level = rng.uniform(0.3, 0.75)
    return Material((level, level, 0.98 * level), gloss=1.0)


def kitchen(p: Place, half_width: float, ceiling: float) -> None:
    """A counter with cupboards below and above, a cooker hood and things on it."""
    rng = p.rng
    front = rng.tinted((0.15, 0.95, 0.3), "panel", scale=(1.2, 0.9), offset=(0, 0.5), gloss=0.3)
    p.box((0, 0.49, 0), (half_width, 0.39, 0.3), front)
    p.box((0, 0.05, -0.03), (half_width, 0.05, 0.26), grey(0.05))
    top = rng.tinted((0.1, 0.9, 0.1), "marble", "speckle", gloss=0.5)
    p.box((0, 0.9, 0.01), (half_width + 0.01, 0.02, 0.32), top)
    if rng.random() < 0.5:  # splash-back
        tiles = rng.tinted((0.3, 0.95, 0.2), "tiles", "brick", scale=0.6)
        p.box((0, 1.16, -0.3), (half_width, 0.25, 0.015), tiles)
    if rng.random() < 0.5:
        _tap(p, rng.uniform(-0.7, 0.2) * half_width)
    else:
        things(p, (half_width, 0.2), 0.92, (1, 6))
    if rng.random() < 0.5:  # hob and oven
        x = rng.uniform(0.0, 0.7) * half_width
        p.box((x, 0.925, 0), (0.28, 0.008, 0.24), BLACK)
        p.box((x, 0.5, 0.295), (0.28, 0.26, 0.02), BLACK)
    if rng.random() < 0.8:
        w = half_width * rng.uniform(0.3, 0.48)
        tall = min(0.36, (ceiling - 1.5) / 2)
        p.pair((half_width - w, 1.5 + tall, -0.13), (w, tall, 0.17), front)
        if ceiling > 1.85 and half_width - 2 * w > 0.02:
            p.box((0, 1.7, -0.1), (min(0.28, half_width - 2 * w), 0.1, 0.19), rng.painted())


def _tap(p: Place, x: float) -> None:
    """A sink and its tap in the worktop, `x` metres from its middle."""
    look, y, z = _chrome(p.rng), 0.92, -0.05
    p.box((x, y, z + 0.02), (0.27, 0.006, 0.2), look)
    p.box((x, y + 0.004, z + 0.02), (0.2, 0.006, 0.14), grey(0.2, gloss=0.6))
    p.tube((x, y + 0.13, z - 0.18), 0.015, 0.13, look)
    p.box((x, y + 0.26, z - 0.1), (0.013, 0.013, 0.09), look)


def fridge(p: Place) -> None:
    """A fridge, freezer or tall oven: a block in two doors, handles on one side."""
    rng, tall = p.rng, p.rng.uniform(0.85, 2.0)
    look = _enamel(rng) if rng.random() < 0.6 else _chrome(rng)
    split = tall * rng.uniform(0.35, 0.6)
    p.box((0, tall / 2, 0), (0.31, tall / 2, 0.3), look)
    for y0, y1 in ((0.03, split - 0.006), (split + 0.006, tall - 0.01)):
        p.box((0, (y0 + y1) / 2, 0.3), (0.305, (y1 - y0) / 2, 0.02), look)
        p.box((0.25, (y0 + y1) / 2, 0.34), (0.012, (y1 - y0) / 4, 0.015), _chrome(rng))
    things(p, (0.2, 0.15), tall, (0, 3))


def washer(p: Place) -> None:
    """A washing machine or dishwasher with its round door."""
    look = _enamel(p.rng)
    p.box((0, 0.43, 0), (0.3, 0.43, 0.29), look)
    p.disc((0, 0.42, 0.29), 0.19, 0.025, _chrome(p.rng))
    p.disc((0, 0.42, 0.3), 0.14, 0.025, BLACK)
    p.box((0, 0.79, 0.29), (0.28, 0.045, 0.008), Material((0.3, 0.3, 0.32)))
    things(p, (0.22, 0.15), 0.86, (0, 3))


def bath(p: Place) -> None:
    """A bath with a hollow, and perhaps a shower screen."""
    rng, look = p.rng, _enamel(p.rng)
    half, tall = (0.85, 0.38), rng.uniform(0.5, 0.6)
    bowl = dome((half[0], 0.2, half[1]), (half[0] - 0.07, 0.36, half[1] - 0.06))
    p.box((0, (tall - 0.4) / 2, 0), (half[0], (tall - 0.4) / 2, half[1]), look)
    p.solid(bowl, look, (0, tall - 0.2, 0), tilt=np.pi)
    p.tube((-half[0] + 0.15, tall + 0.08, -0.3), 0.02, 0.08, _chrome(rng))
    if rng.random() < 0.3:
        curtain = rng.tinted((0.3, 0.95, 0.4), "stripes", "fabric", scale=(0.8, 1.0))
        p.box((0.35, 1.2, half[1]), (0.5, 0.8, 0.02), curtain)
        p.box((0, 2.02, half[1]), (half[0], 0.015, 0.015), _chrome(rng))


def basin(p: Place) -> None:
    """A wash-basin on a cupboard or a foot, a tap, and a mirror above."""
    rng, look = p.rng, _enamel(p.rng)
    w, top = rng.uniform(0.25, 0.5), rng.uniform(0.78, 0.9)
    low = (top - 0.16) / 2
    if rng.random() < 0.6:
        p.box((0, low, 0), (w, low, 0.22), fronted(rng, 2 * w, top))
    else:
        p.tube((0, low, -0.05), 0.1, low, look, taper=0.8)
    p.solid(dome((w, 0.08, 0.24), (w * 0.8, 0.13, 0.18)), look, (0, top - 0.08, 0), tilt=np.pi)
    p.tube((0, top + 0.07, -0.2), 0.015, 0.07, _chrome(rng))
    p.box((0, top + 0.13, -0.14), (0.012, 0.012, 0.07), _chrome(rng))
    if rng.random() < 0.85:
        mirror = rng.printed("picture", "window", tint=(0.75, 0.78, 0.8), gloss=1.0)
        t = rng.uniform(0.25, 0.5)
        p.box((0, top + 0.35 + t, -0.25), (w * 1.1, t, 0.02), mirror.fitted(2.2 * w, 2 * t))


def toilet(p: Place) -> None:
    """A toilet with its cistern."""
    look = _enamel(p.rng)
    p.tube((0, 0.17, 0.02), 0.14, 0.17, look, taper=1.3)
    p.ball((0, 0.36, 0.02), (0.19, 0.07, 0.26), look)
    if p.rng.random() < 0.6:
        p.ball((0, 0.66, -0.19), (0.18, 0.25, 0.03), look)
    p.box((0, 0.56, -0.27), (0.2, 0.22, 0.08), look)


def shower(p: Place) -> None:
    """A tray, a back panel and glass-like walls of which only frames are solid."""
    rng, metal = p.rng, _chrome(p.rng)
    p.box((0, 0.05, 0), (0.45, 0.05, 0.45), _enamel(rng))
    for x, z in ((-0.44, 0.44), (0.44, 0.44), (0.44, -0.44), (-0.44, -0.44)):
        p.box((x, 1.05, z), (0.012, 1.0, 0.012), metal)
    p.box((0, 2.04, 0.44), (0.44, 0.015, 0.012), metal)
    p.pair((0.44, 2.04, 0), (0.012, 0.015, 0.44), metal)
    if rng.random() < 0.6:
        pane = rng.tinted((0.5, 0.95, 0.15), "plain", "stripes", "fabric")
        p.box((0.44, 1.05, 0), (0.008, 0.95, 0.44), pane)
    p.tube((0, 1.5, -0.42), 0.012, 0.5, metal)
    p.tube((0, 2.0, -0.3), 0.1, 0.015, metal)


def fireplace(p: Place) -> None:
    """A chimney breast with a dark hearth, a mantelpiece and things on it."""
    rng, w = p.rng, p.rng.uniform(0.5, 0.8)
    stone = rng.tinted((0.2, 0.95, 0.2), "marble", "brick", "plaster", "wood")
    hearth, top = rng.uniform(0.28, 0.4), rng.uniform(0.95, 1.25)
    side = (w - hearth) / 2
    p.pair((hearth + side, top / 2, 0), (side, top / 2, 0.2), stone)
    p.box((0, (top + 0.7) / 2, 0), (hearth, (top - 0.7) / 2, 0.2), stone)
    p.box((0, 0.35, -0.12), (hearth, 0.35, 0.08), Material((0.04, 0.035, 0.03)))
    p.box((0, top + 0.03, 0.02), (w + 0.08, 0.03, 0.26), rng.wooden())
    things(p, (w, 0.12), top + 0.06, (0, 5))


def piano(p: Place) -> None:
    """An upright piano with its stool."""
    look = Material((0.03, 0.025, 0.02), gloss=1.0) if p.rng.random() < 0.5 else p.rng.wooden()
    p.box((0, 0.6, -0.12), (0.74, 0.6, 0.18), look)
    p.box((0, 0.66, 0.16), (0.74, 0.06, 0.14), look)
    keys = p.rng.printed("stripes", tint=(0.9, 0.9, 0.88), scale=(0.4, 1))
    p.box((0, 0.735, 0.18), (0.66, 0.012, 0.09), keys)
    p.pair((0.7, 0.3, 0.24), (0.03, 0.3, 0.03), look)
    p.box((0, 0.47, 0.62), (0.3, 0.04, 0.18), look)
    p.box((0, 0.22, 0.62), (0.24, 0.22, 0.14), look)


def clothes(p: Place) -> None:
    """A rack or row of hooks with hanging clothes."""
    rng, metal = p.rng, p.rng.painted()
    for x in (-0.55, 0.55):
        p.tube((x, 0.8, 0), 0.015, 0.8, metal)
        p.box((x, 0.02, 0), (0.02, 0.02, 0.22), metal)
    p.box((0, 1.6, 0), (0.56, 0.015, 0.015), metal)
    for x in np.arange(-0.45, 0.46, rng.uniform(0.08, 0.2)):
        if rng.random() < 0.8:
            long = rng.uniform(0.25, 0.55)
            p.box((x, 1.56 - long, 0), (0.035, long, rng.uniform(0.15, 0.24)), rng.cloth())


def toys(p: Place) -> None:
    """Blocks, balls, a cone, a little house, strewn on the floor."""
    rng = p.rng
    for _ in range(rng.integers(3, 9)):
        x, z = rng.uniform(-0.4, 0.4, 2)
        r, style = rng.uniform(0.03, 0.12), rng.random()
        turn = rng.uniform(0, 6.3)
        if style < 0.4:
            p.box((x, r, z), (r * rng.uniform(0.6, 1.6), r, r), rng.painted(), yaw=turn)
        elif style < 0.65:
            p.ball((x, r, z), (r, r, r), rng.painted())
        elif style < 0.8:
            p.solid(cone(r, 2.5 * r), rng.painted(), (x, 0, z))
        elif style < 0.9:
            p.solid(wedge((r, r, 1.5 * r)), rng.painted(), (x, r, z), yaw=turn)
        else:
            p.tube((x, r, z), r, 1.2 * r, rng.painted())


def screen(p: Place) -> None:
    """A folding screen, easel or flip chart."""
    rng, tall = p.rng, p.rng.uniform(0.75, 0.95)
    look = rng.tinted((0.2, 0.95, 0.4), "fabric", "picture", "wood", "text").fitted(0.56, 2 * tall)
    for k in range(rng.integers(1, 4)):
        p.box(((k - 1) * 0.5, tall, 0), (0.28, tall, 0.015), look, yaw=0.5 if k % 2 else -0.5)


def rug(p: Place, half: Pair) -> None:
    """A rug: a rectangle, a circle or an octagon, a few millimetres thick."""
    rng, (w, d), style = p.rng, half, p.rng.random()
    look = rng.printed("carpet", "carpet", "fabric", "stripes").fitted(2 * w, 2 * d)
    if style < 0.75:
        p.box((0, 0.006, 0), (w, 0.006, d), look)
    elif style < 0.93:
        p.tube((0, 0.006, 0), min(w, d), 0.006, look)
    else:
        p.solid(octagon(min(w, d), 0.012), look)

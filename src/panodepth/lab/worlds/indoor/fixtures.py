"""Kitchens, bathrooms and appliances; each stands with its back to a wall at local −z."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor.furniture import Place, Rng, fronted, painted, things, tint, wooden
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.render.primitives import CYLINDER, Material
from panodepth.lab.worlds.render.solids import dome

_GLASS = Material((0.02, 0.02, 0.025), 0, gloss=1.0)


def _enamel(rng: Rng) -> Material:
    level = float(rng.uniform(0.75, 0.95))
    return Material((level, level, level), 0, gloss=0.8)


def _metal(rng: Rng) -> Material:
    level = float(rng.uniform(0.3, 0.75))
    return Material((level, level, 0.98 * level), 0, gloss=1.0)


def kitchen(p: Place, half_width: float, ceiling: float) -> None:
    """A counter with cupboards below and above, a cooker hood and things on it."""
    rng = p.rng
    front = Material(
        tint(rng, 0.15, 0.95, 0.3), choose(rng, "panel"), (1.2, 0.9), (0, 0.5), gloss=0.3
    )
    p.box((0, 0.49, 0), (half_width, 0.39, 0.3), front)
    p.box((0, 0.05, -0.03), (half_width, 0.05, 0.26), Material((0.05, 0.05, 0.05), 0))
    top = Material(tint(rng, 0.1, 0.9, 0.1), choose(rng, "marble", "speckle"), gloss=0.5)
    p.box((0, 0.9, 0.01), (half_width + 0.01, 0.02, 0.32), top)
    if rng.random() < 0.5:  # splash-back
        tiles = Material(tint(rng, 0.3, 0.95, 0.2), choose(rng, "tiles", "brick"), (0.6, 0.6))
        p.box((0, 1.16, -0.3), (half_width, 0.25, 0.015), tiles)
    if rng.random() < 0.5:
        _tap(p, (float(rng.uniform(-0.7, 0.2)) * half_width, 0.92, -0.05))
    else:
        things(p, (half_width, 0.2), 0.92, int(rng.integers(1, 6)))
    if rng.random() < 0.5:  # hob and oven
        x = float(rng.uniform(0.0, 0.7)) * half_width
        p.box((x, 0.925, 0), (0.28, 0.008, 0.24), _GLASS)
        p.box((x, 0.5, 0.295), (0.28, 0.26, 0.02), _GLASS)
    if rng.random() < 0.8:
        w = half_width * float(rng.uniform(0.3, 0.48))
        tall = min(0.36, (ceiling - 1.5) / 2)
        for side in (-1, 1):
            p.box((side * (half_width - w), 1.5 + tall, -0.13), (w, tall, 0.17), front)
        if ceiling > 1.85 and half_width - 2 * w > 0.02:
            p.box((0, 1.7, -0.1), (min(0.28, half_width - 2 * w), 0.1, 0.19), painted(rng))


def _tap(p: Place, at: tuple[float, float, float]) -> None:
    x, y, z = at
    look = _metal(p.rng)
    p.box((x, y, z + 0.02), (0.27, 0.006, 0.2), look)
    p.box((x, y + 0.004, z + 0.02), (0.2, 0.006, 0.14), Material((0.2, 0.2, 0.2), 0, gloss=0.6))
    p.tube((x, y + 0.13, z - 0.18), 0.015, 0.13, look)
    p.box((x, y + 0.26, z - 0.1), (0.013, 0.013, 0.09), look)


def fridge(p: Place) -> None:
    """A fridge, freezer or tall oven: a block in two doors, handles on one side."""
    rng, tall = p.rng, float(p.rng.uniform(0.85, 2.0))
    look = _enamel(rng) if rng.random() < 0.6 else _metal(rng)
    split = tall * float(rng.uniform(0.35, 0.6))
    p.box((0, tall / 2, 0), (0.31, tall / 2, 0.3), look)
    for y0, y1 in ((0.03, split - 0.006), (split + 0.006, tall - 0.01)):
        p.box((0, (y0 + y1) / 2, 0.3), (0.305, (y1 - y0) / 2, 0.02), look)
        p.box((0.25, (y0 + y1) / 2, 0.34), (0.012, (y1 - y0) / 4, 0.015), _metal(rng))
    things(p, (0.2, 0.15), tall, int(rng.integers(0, 3)))


def washer(p: Place) -> None:
    """A washing machine or dishwasher with its round door."""
    look = _enamel(p.rng)
    p.box((0, 0.43, 0), (0.3, 0.43, 0.29), look)
    p.put(CYLINDER, (0, 0.42, 0.29), (0.19, 0.025, 0.19), _metal(p.rng), tilt=np.pi / 2)
    p.put(CYLINDER, (0, 0.42, 0.3), (0.14, 0.025, 0.14), _GLASS, tilt=np.pi / 2)
    p.box((0, 0.79, 0.29), (0.28, 0.045, 0.008), Material((0.3, 0.3, 0.32), 0))
    things(p, (0.22, 0.15), 0.86, int(p.rng.integers(0, 3)))


def bath(p: Place) -> None:
    """A bath with a hollow, and perhaps a shower screen."""
    rng, look = p.rng, _enamel(p.rng)
    half, tall = (0.85, 0.38), float(rng.uniform(0.5, 0.6))
    bowl = dome((half[0], 0.2, half[1]), (half[0] - 0.07, 0.36, half[1] - 0.06))
    p.box((0, (tall - 0.4) / 2, 0), (half[0], (tall - 0.4) / 2, half[1]), look)
    p.solid(bowl, look, (0, tall - 0.2, 0), tilt=np.pi)
    p.tube((-half[0] + 0.15, tall + 0.08, -0.3), 0.02, 0.08, _metal(rng))
    if rng.random() < 0.3:
        curtain = Material(tint(rng, 0.3, 0.95, 0.4), choose(rng, "stripes", "fabric"), (0.8, 1.0))
        p.box((0.35, 1.2, half[1]), (0.5, 0.8, 0.02), curtain)
        p.box((0, 2.02, half[1]), (half[0], 0.015, 0.015), _metal(rng))


def basin(p: Place) -> None:
    """A wash-basin on a cupboard or a foot, a tap, and a mirror above."""
    rng, look = p.rng, _enamel(p.rng)
    w, top = float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.78, 0.9))
    if rng.random() < 0.6:
        p.box((0, (top - 0.16) / 2, 0), (w, (top - 0.16) / 2, 0.22), fronted(rng, 2 * w, top))
    else:
        p.tube((0, (top - 0.16) / 2, -0.05), 0.1, (top - 0.16) / 2, look, taper=0.8)
    bowl = dome((w, 0.08, 0.24), (w * 0.8, 0.13, 0.18))
    p.solid(bowl, look, (0, top - 0.08, 0), tilt=np.pi)
    p.tube((0, top + 0.07, -0.2), 0.015, 0.07, _metal(rng))
    p.box((0, top + 0.13, -0.14), (0.012, 0.012, 0.07), _metal(rng))
    if rng.random() < 0.85:
        mirror = Material((0.75, 0.78, 0.8), choose(rng, "picture", "window"), gloss=1.0)
        t = float(rng.uniform(0.25, 0.5))
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
    rng, metal = p.rng, _metal(p.rng)
    p.box((0, 0.05, 0), (0.45, 0.05, 0.45), _enamel(rng))
    for x, z in ((-0.44, 0.44), (0.44, 0.44), (0.44, -0.44), (-0.44, -0.44)):
        p.box((x, 1.05, z), (0.012, 1.0, 0.012), metal)
    p.box((0, 2.04, 0.44), (0.44, 0.015, 0.012), metal)
    for x in (-0.44, 0.44):
        p.box((x, 2.04, 0), (0.012, 0.015, 0.44), metal)
    if rng.random() < 0.6:
        pane = Material(tint(rng, 0.5, 0.95, 0.15), choose(rng, "plain", "stripes", "fabric"))
        p.box((0.44, 1.05, 0), (0.008, 0.95, 0.44), pane)
    p.tube((0, 1.5, -0.42), 0.012, 0.5, metal)
    p.put(CYLINDER, (0, 2.0, -0.3), (0.1, 0.015, 0.1), metal)


def fireplace(p: Place) -> None:
    """A chimney breast with a dark hearth, a mantelpiece and things on it."""
    rng, w = p.rng, float(p.rng.uniform(0.5, 0.8))
    stone = Material(tint(rng, 0.2, 0.95, 0.2), choose(rng, "marble", "brick", "plaster", "wood"))
    hearth, top = float(rng.uniform(0.28, 0.4)), float(rng.uniform(0.95, 1.25))
    for s in (-1, 1):
        side = (w - hearth) / 2
        p.box((s * (hearth + side), top / 2, 0), (side, top / 2, 0.2), stone)
    p.box((0, (top + 0.7) / 2, 0), (hearth, (top - 0.7) / 2, 0.2), stone)
    p.box((0, 0.35, -0.12), (hearth, 0.35, 0.08), Material((0.04, 0.035, 0.03), 0))
    p.box((0, top + 0.03, 0.02), (w + 0.08, 0.03, 0.26), wooden(rng))
    things(p, (w, 0.12), top + 0.06, int(rng.integers(0, 5)))

"""Walls: thickness, gaps, doorways, arches; what hangs on them and stands in front of them."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.interior import Gap, Interior
from panodepth.lab.worlds.indoor.plans import WALL_HALF, Side
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.parts.place import FITTING, WALL, Pair, Place, bays
from panodepth.lab.worlds.parts.small_things import things
from panodepth.lab.worlds.render.solids import arch

SUNK = 0.1  # metres that walls go below the floor and above the ceiling, to close the joints
_FLOORS = ("wood", "wood", "wood", "tiles", "tiles", "marble", "carpet", "speckle", "fabric")
_PAPERS = ("plaster", "stripes", "brick", "marble", "wood", "tiles", "fabric")


def room_looks(rng: Draws) -> tuple[Material, Material, Material]:
    """Floor, wall and ceiling materials that go together loosely."""
    s = rng.uniform(0.6, 2.2)
    shift = (rng.random(), rng.random())
    kind = rng.pick(_FLOORS)
    level = rng.uniform(0.6, 1.3)
    shade = (level, level, level) if kind in ("wood", "carpet") else rng.tint(0.15, 0.95, 0.2)
    floor = Material(shade, rng.texture(kind), (s, s), shift, gloss=0.4 * rng.random())
    group = "plain" if rng.random() < 0.6 else rng.pick(_PAPERS)
    light = rng.random() < 0.75
    paper = rng.tinted((0.55 if light else 0.08, 0.92, 0.3), group, scale=2 * s)
    shade = rng.tint(*((0.7, 0.95, 0.08) if rng.random() < 0.85 else (0.1, 0.8, 0.2)))
    groups = ("plain", "plain", "plaster") if rng.random() < 0.85 else ("tiles", "wood")
    return floor, paper, Material(shade, rng.texture(*groups), (1.5, 1.5))


def wall(here: Interior, side: Side, height: float, look: Material, gap: Gap | None = None) -> None:
    """A wall behind `side` up to `height` [m], with one gap if given."""
    place = here.along(side, WALL)
    start, end = -side.half - side.left, side.half + side.right

    def panel(x0: float, x1: float, y0: float, y1: float) -> None:
        if x1 - x0 > 1e-3 and y1 - y0 > 1e-3:
            at = ((x0 + x1) / 2, (y0 + y1) / 2, -WALL_HALF)
            place.box(at, ((x1 - x0) / 2, (y1 - y0) / 2, WALL_HALF), look)

    if gap is None:
        panel(start, end, -SUNK, height + SUNK)
        return
    left, right = max(gap.at - gap.half, start), min(gap.at + gap.half, end)
    panel(start, left, -SUNK, height + SUNK)
    panel(right, end, -SUNK, height + SUNK)
    panel(left, right, gap.top, height + SUNK)
    panel(left, right, -SUNK, gap.sill)
    if gap.rise > 0:
        half = ((right - left) / 2, gap.rise / 2 + 0.005, WALL_HALF)
        block = arch(half, (half[0], gap.rise))
        place.solid(block, look, ((left + right) / 2, gap.top - half[1], -WALL_HALF))


def doorway(here: Interior, side: Side, gap: Gap) -> None:
    """A frame around a narrow gap, and perhaps the open door."""
    if gap.half > 0.7 or gap.rise > 0:
        return
    p, rng = here.along(side, FITTING), here.rng
    look = rng.tinted((0.1, 0.95, 0.2))
    if rng.random() < 0.7:
        deep, jamb = WALL_HALF + 0.015, 0.035
        at, half = (gap.half, gap.top / 2, -WALL_HALF), (jamb, gap.top / 2, deep)
        p.pair(at, half, look, about=gap.at)
        p.box((gap.at, gap.top, -WALL_HALF), (gap.half + jamb, jamb, deep), look)
    if rng.random() < 0.45:
        leaf = gap.half - 0.03
        hinge, open_rad = rng.pick((-1, 1)), rng.uniform(0.9, 1.7)
        turn = -hinge * open_rad if rng.random() < 0.5 else hinge * open_rad
        out = -1 if turn * hinge > 0 else 1  # into the next room, or into this one
        x = gap.at + hinge * (gap.half - leaf * np.cos(open_rad))
        z = -WALL_HALF + out * (WALL_HALF + leaf * np.sin(open_rad))
        door = rng.tinted((0.1, 0.95, 0.3), "panel", "wood").fitted(2 * leaf, gap.top)
        half = (leaf, gap.top / 2 - 0.02, 0.02)
        p.box((x, gap.top / 2, z), half, door, yaw=hinge * out * open_rad)


def dress_wall(here: Interior, side: Side) -> None:
    """Windows, curtains, doors, pictures, panelling, radiators on a solid wall.

    The floor that must stay free in front of doors and curtains is taken.
    """
    p, rng, h = here.along(side, FITTING), here.rng, here.room.height
    style = rng.random()
    if side.half < 0.3 or h < 1.6:
        return
    if style < 0.35:
        _window(here, side, p)
    elif style < 0.52:
        if side.half > 0.5 and h > 2.15:
            _door(here, side, p)
    elif style < 0.85:
        _pictures(p, side, h)
    elif style < 0.93:  # a panelled or differently papered stretch
        w = rng.uniform(0.3, 1.0) * side.half
        x = rng.uniform(-1, 1) * (side.half - w)
        group = rng.pick(("wood", "stripes", "marble", "fabric", "tiles"))
        look = rng.tinted((0.3, 1.0, 0.3), group)
        top = h if rng.random() < 0.7 else rng.uniform(0.8, 1.3)
        p.box((x, top / 2, 0.0), (w, top / 2, 0.02), look)
    if rng.random() < 0.1 and h > 2.2:
        _wall_fitting(p, side, h)


def _door(here: Interior, side: Side, p: Place) -> None:
    rng, w = p.rng, p.rng.uniform(0.38, 0.5)
    if rng.random() < 0.12 and side.half > 1.1:
        w *= 1.9  # a double door
    x = rng.uniform(-0.8, 0.8) * max(side.half - w - 0.07, 0)
    door = rng.tinted((0.1, 0.95, 0.3), "panel", "wood").fitted(2 * w, 2.05)
    p.box((x, 1.02, 0.0), (w, 1.02, 0.025), door)
    p.box((x, 1.05, 0.0), (w + 0.07, 1.09, 0.018), rng.tinted((0.1, 0.95, 0.1)))
    p.box((x + 0.8 * w, 1.0, 0.05), (0.06, 0.012, 0.025), Material((0.5, 0.48, 0.42), gloss=1.0))
    if rng.random() < 0.7:
        here.ground.take(side.footprint(x, w, 0.5))


def _pictures(p: Place, side: Side, h: float) -> None:
    """Pictures or a mirror, side by side."""
    rng = p.rng
    count = int(rng.integers(1, 4) if rng.random() < 0.85 else rng.integers(4, 8))
    for middle in bays(count, side.half):
        w, t = rng.uniform(0.12, 0.7), rng.uniform(0.12, 0.55)
        if count > 3:
            w, t = 0.4 * w + 0.06, 0.5 * t + 0.06
        w = min(w, side.half / count * 0.9)
        x = middle + rng.uniform(-1, 1) * max(side.half / count - w, 0)
        y = rng.uniform(1.2, max(1.21, min(1.9, h - t - 0.05)))
        look = rng.printed("picture", "picture", "text", "books")
        if rng.random() < 0.1:
            look = rng.printed("picture", "window", tint=(0.7, 0.72, 0.74), gloss=1.0)
        p.box((x, y, 0.0), (w, t, 0.02), look.fitted(2 * w, 2 * t))
        if rng.random() < 0.25:  # a frame that stands out
            frame, edge = rng.wooden(), rng.uniform(0.015, 0.05)
            for s in (-1, 1):
                p.box((x + s * w, y, 0.0), (edge, t + edge, 0.035), frame)
                p.box((x, y + s * t, 0.0), (w, edge, 0.035), frame)


def _wall_fitting(p: Place, side: Side, h: float) -> None:
    """A wall shelf, air conditioner, clock, sconce, or a screen."""
    rng, style = p.rng, p.rng.random()
    x = rng.uniform(-0.8, 0.8) * max(side.half - 0.5, 0)
    if style < 0.4 and side.half > 0.55:
        y, look = rng.uniform(1.4, 1.9), rng.wooden()
        for k in range(rng.integers(1, 3)):
            p.box((x, y + 0.35 * k, 0.1), (0.45, 0.015, 0.1), look)
            things(p.at(x, y + 0.35 * k + 0.015, 0.1), (0.4, 0.04), 0.0, (1, 4))
    elif style < 0.6:
        p.box((x, h - 0.35, 0.1), (0.42, 0.14, 0.1), Material((0.88, 0.88, 0.87), gloss=0.3))
    elif style < 0.75:
        face = rng.printed("text", "plain", tint=(0.9, 0.9, 0.88)).fitted(0.4, 0.4)
        p.disc((x, 1.9, 0.02), 0.18, 0.02, face)
    elif style < 0.9:
        lit = Material((0.95, 0.92, 0.85), emission=rng.uniform(1, 5))
        for s in (-1, 1):
            p.tube((x + 0.6 * s * min(side.half, 1.2), 1.8, 0.08), 0.06, 0.1, lit, taper=1.4)
    else:
        w = rng.uniform(0.4, 0.75)
        p.box((x, 1.35, 0.03), (w, 0.56 * w, 0.03), Material((0.015, 0.015, 0.02), gloss=1.0))


def _window(here: Interior, side: Side, p: Place) -> None:
    rng, height = p.rng, here.room.height
    w = min(rng.uniform(0.4, 1.6), side.half * 0.95)
    low = rng.pick((0.05, rng.uniform(0.5, 1.1)))
    high = min(rng.uniform(1.9, 2.6), height - 0.1)
    if high - low < 0.3:
        return
    x, y, t = rng.uniform(-1, 1) * (side.half - w), (low + high) / 2, (high - low) / 2
    glow = rng.uniform(0.3, 2.5)
    pane = rng.printed("window", emission=glow, gloss=0.5).fitted(2 * w, 2 * t)
    p.box((x, y, -0.02), (w, t, 0.03), pane)
    p.box((x, low - 0.03, 0.03), (w + 0.08, 0.03, 0.1), grey(0.8))
    if rng.random() < 0.6:
        power = glow * w * t * rng.uniform(0.5, 3.0)
        p.light((x, y, 0.3), (power, power, 1.08 * power))
    if low > 0.45 and rng.random() < 0.3:  # a radiator
        half, top = min(w, 0.7), low - 0.15
        ribs = rng.printed("stripes", tint=(0.85, 0.85, 0.83), scale=(0.6, 1.0), gloss=0.2)
        p.box((x, (top + 0.12) / 2, 0.06), (half, (top - 0.12) / 2, 0.04), ribs)
        here.ground.take(side.footprint(x, half, 0.14))
    if rng.random() < 0.55:
        _curtains(p, (x, w), height)
        here.ground.take(side.footprint(x, w * 1.2, 0.22))
    elif rng.random() < 0.2:  # a blind half down
        down = rng.uniform(0.2, 1.0) * t
        blind = rng.tinted((0.3, 0.95, 0.2), "shutter", "fabric")
        p.box((x, high - down, 0.03), (w, down, 0.012), blind.fitted(2 * w, 2 * down))


def _curtains(p: Place, at: Pair, height: float) -> None:
    rng, (x, w) = p.rng, at
    curtain = rng.tinted((0.1, 0.95, 0.4), "stripes", scale=(1.2, 2.0))
    sheer = rng.random() < 0.25
    for edge in (-1, 1):
        half = w * 0.5 if sheer else rng.uniform(0.12, 0.4)
        cx = x + edge * (w * 0.5 if sheer else w)
        p.box((cx, height / 2, 0.09), (half, height / 2 - 0.02, 0.03), curtain)
        for fold in () if sheer else bays(max(2, int(half / 0.07)), half):
            p.tube((cx + fold, height / 2, 0.11), 0.05, height / 2 - 0.03, curtain)
    if rng.random() < 0.3:
        rod = rng.tinted((0.05, 0.8, 0.1))
        p.box((x, height - 0.06, 0.1), (w * 1.25, 0.02, 0.02), rod)

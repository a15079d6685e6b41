"""Walls: thickness, gaps, doorways, arches; what hangs on them and stands in front of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.furniture import FITTING, WALL, Place, Rng, tint
from panodepth.lab.worlds.indoor.plans import WALL_HALF, Ground, Room, Side
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.render.primitives import CYLINDER, Light, Material, Scene
from panodepth.lab.worlds.render.solids import arch

SUNK = 0.1  # metres that walls go below the floor and above the ceiling, to close the joints


@dataclass(frozen=True)
class Gap:
    """An opening in a wall: offset of its middle, half width, top, sill; metres. rise: its arch."""

    at: float
    half: float
    top: float
    sill: float = 0.0
    rise: float = 0.0


def room_looks(rng: Rng) -> tuple[Material, Material, Material]:
    """Floor, wall and ceiling materials that go together loosely."""
    s = float(rng.uniform(0.6, 2.2))
    shift = (float(rng.random()), float(rng.random()))
    kind = str(
        rng.choice(
            ["wood", "wood", "wood", "tiles", "tiles", "marble", "carpet", "speckle", "fabric"]
        )
    )
    level = float(rng.uniform(0.6, 1.3))
    floor_tint = (level, level, level) if kind in ("wood", "carpet") else tint(rng, 0.15, 0.95, 0.2)
    floor = Material(floor_tint, choose(rng, kind), (s, s), shift, gloss=0.4 * rng.random())
    style = rng.random()
    group = (
        "plain"
        if style < 0.6
        else str(rng.choice(["plaster", "stripes", "brick", "marble", "wood", "tiles", "fabric"]))
    )
    light = rng.random() < 0.75
    shade = tint(rng, 0.55 if light else 0.08, 0.92, 0.3)
    wall = Material(shade, choose(rng, group), (2 * s, 2 * s))
    ceiling = Material(
        tint(rng, 0.7, 0.95, 0.08) if rng.random() < 0.85 else tint(rng, 0.1, 0.8, 0.2),
        choose(rng, "plain", "plain", "plaster")
        if rng.random() < 0.85
        else choose(rng, "tiles", "wood"),
        (1.5, 1.5),
    )
    return floor, wall, ceiling


def wall(scene: Scene, side: Side, height: float, look: Material, gap: Gap | None = None) -> None:
    """A wall behind `side` up to `height` [m], with one gap if given."""
    place = Place(scene, np.random.default_rng(0), side.middle, side.yaw, WALL)
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


def doorway(scene: Scene, rng: Rng, side: Side, gap: Gap) -> None:
    """A frame around a narrow gap, and perhaps the open door."""
    if gap.half > 0.7 or gap.rise > 0:
        return
    p = Place(scene, rng, side.middle, side.yaw, FITTING)
    look = Material(tint(rng, 0.1, 0.95, 0.2), 0)
    if rng.random() < 0.7:
        deep, jamb = WALL_HALF + 0.015, 0.035
        for s in (-1, 1):
            p.box((gap.at + s * gap.half, gap.top / 2, -WALL_HALF), (jamb, gap.top / 2, deep), look)
        p.box((gap.at, gap.top, -WALL_HALF), (gap.half + jamb, jamb, deep), look)
    if rng.random() < 0.45:
        leaf = gap.half - 0.03
        hinge, open_rad = float(rng.choice([-1, 1])), float(rng.uniform(0.9, 1.7))
        turn = -hinge * open_rad if rng.random() < 0.5 else hinge * open_rad
        out = -1.0 if turn * hinge > 0 else 1.0  # into the next room, or into this one
        x = gap.at + hinge * (gap.half - leaf * np.cos(open_rad))
        z = -WALL_HALF + out * (WALL_HALF + leaf * np.sin(open_rad))
        door = Material(tint(rng, 0.1, 0.95, 0.3), choose(rng, "panel", "wood"))
        half = (leaf, gap.top / 2 - 0.02, 0.02)
        p.box((x, gap.top / 2, z), half, door.fitted(2 * leaf, gap.top), yaw=hinge * out * open_rad)


def dress_wall(scene: Scene, rng: Rng, room: Room, side: Side, ground: Ground) -> None:
    """Windows, curtains, doors, pictures, panelling, radiators on a solid wall.

    `ground` takes the floor that must stay free in front of doors and curtains.
    """
    p = Place(scene, rng, side.middle, side.yaw, FITTING)
    h, style = room.height, rng.random()
    if side.half < 0.3 or h < 1.6:
        return
    if style < 0.35:
        _window(p, side, h, ground)
    elif style < 0.52:
        if side.half > 0.5 and h > 2.15:
            _door(p, side, ground)
    elif style < 0.85:
        _pictures(p, side, h)
    elif style < 0.93:  # a panelled or differently papered stretch
        w = float(rng.uniform(0.3, 1.0)) * side.half
        x = float(rng.uniform(-1, 1)) * (side.half - w)
        group = str(rng.choice(["wood", "stripes", "marble", "fabric", "tiles"]))
        look = Material(tint(rng, 0.3, 1.0, 0.3), choose(rng, group))
        top = h if rng.random() < 0.7 else float(rng.uniform(0.8, 1.3))
        p.box((x, top / 2, 0.0), (w, top / 2, 0.02), look)
    if rng.random() < 0.1 and h > 2.2:
        _wall_fitting(p, side, h)


def _door(p: Place, side: Side, ground: Ground) -> None:
    rng, w = p.rng, float(p.rng.uniform(0.38, 0.5))
    if rng.random() < 0.12 and side.half > 1.1:
        w *= 1.9  # a double door
    x = float(rng.uniform(-0.8, 0.8)) * max(side.half - w - 0.07, 0)
    door = Material(tint(rng, 0.1, 0.95, 0.3), choose(rng, "panel", "wood")).fitted(2 * w, 2.05)
    p.box((x, 1.02, 0.0), (w, 1.02, 0.025), door)
    white = Material(tint(rng, 0.1, 0.95, 0.1), 0)
    p.box((x, 1.05, 0.0), (w + 0.07, 1.09, 0.018), white)
    metal = Material((0.5, 0.48, 0.42), 0, gloss=1.0)
    p.box((x + 0.8 * w, 1.0, 0.05), (0.06, 0.012, 0.025), metal)
    if rng.random() < 0.7:
        ground.take(side.footprint(x, w, 0.5))


def _pictures(p: Place, side: Side, h: float) -> None:
    """Pictures or a mirror, side by side."""
    rng = p.rng
    count = int(rng.integers(1, 4)) if rng.random() < 0.85 else int(rng.integers(4, 8))
    for k in range(count):
        w, t = float(rng.uniform(0.12, 0.7)), float(rng.uniform(0.12, 0.55))
        if count > 3:
            w, t = 0.4 * w + 0.06, 0.5 * t + 0.06
        w = min(w, side.half / count * 0.9)
        x = (2 * (k + 0.5) / count - 1) * side.half
        x += float(rng.uniform(-1, 1)) * max(side.half / count - w, 0)
        y = float(rng.uniform(1.2, max(1.21, min(1.9, h - t - 0.05))))
        print_ = Material((1, 1, 1), choose(rng, "picture", "picture", "text", "books"))
        if rng.random() < 0.1:
            print_ = Material((0.7, 0.72, 0.74), choose(rng, "picture", "window"), gloss=1.0)
        p.box((x, y, 0.0), (w, t, 0.02), print_.fitted(2 * w, 2 * t))
        if rng.random() < 0.25:  # a frame that stands out
            frame, edge = f.wooden(rng), float(rng.uniform(0.015, 0.05))
            for s in (-1, 1):
                p.box((x + s * w, y, 0.0), (edge, t + edge, 0.035), frame)
                p.box((x, y + s * t, 0.0), (w, edge, 0.035), frame)


def _wall_fitting(p: Place, side: Side, h: float) -> None:
    """A wall shelf, air conditioner, clock, sconce, or a screen."""
    rng, style = p.rng, p.rng.random()
    x = float(rng.uniform(-0.8, 0.8)) * max(side.half - 0.5, 0)
    if style < 0.4 and side.half > 0.55:
        y, look = float(rng.uniform(1.4, 1.9)), f.wooden(rng)
        for k in range(int(rng.integers(1, 3))):
            p.box((x, y + 0.35 * k, 0.1), (0.45, 0.015, 0.1), look)
            q = Place(p.scene, rng, side.at(x, 0.1, y + 0.35 * k + 0.015), side.yaw, p.label)
            f.things(q, (0.4, 0.04), 0.0, int(rng.integers(1, 4)))
    elif style < 0.6:
        p.box((x, h - 0.35, 0.1), (0.42, 0.14, 0.1), Material((0.88, 0.88, 0.87), 0, gloss=0.3))
    elif style < 0.75:
        face = Material((0.9, 0.9, 0.88), choose(rng, "text", "plain")).fitted(0.4, 0.4)
        p.put(CYLINDER, (x, 1.9, 0.02), (0.18, 0.02, 0.18), face, tilt=np.pi / 2)
    elif style < 0.9:
        lit = Material((0.95, 0.92, 0.85), 0, emission=float(rng.uniform(1, 5)))
        for s in (-1, 1):
            p.tube((x + 0.6 * s * min(side.half, 1.2), 1.8, 0.08), 0.06, 0.1, lit, taper=1.4)
    else:
        w = float(rng.uniform(0.4, 0.75))
        p.box((x, 1.35, 0.03), (w, 0.56 * w, 0.03), Material((0.015, 0.015, 0.02), 0, gloss=1.0))


def _window(p: Place, side: Side, height: float, ground: Ground) -> None:
    rng = p.rng
    w = min(float(rng.uniform(0.4, 1.6)), side.half * 0.95)
    low = float(rng.choice([0.05, rng.uniform(0.5, 1.1)]))
    high = min(float(rng.uniform(1.9, 2.6)), height - 0.1)
    if high - low < 0.3:
        return
    x, y, t = float(rng.uniform(-1, 1)) * (side.half - w), (low + high) / 2, (high - low) / 2
    glow = float(rng.uniform(0.3, 2.5))
    pane = Material((1, 1, 1), choose(rng, "window"), emission=glow, gloss=0.5).fitted(2 * w, 2 * t)
    p.box((x, y, -0.02), (w, t, 0.03), pane)
    p.box((x, low - 0.03, 0.03), (w + 0.08, 0.03, 0.1), Material((0.8, 0.8, 0.8), 0))
    if rng.random() < 0.6:
        at = side.at(x, 0.3, y)
        power = glow * w * t * float(rng.uniform(0.5, 3.0))
        colour = (power, power, 1.08 * power)
        p.scene.lights.append(Light((float(at[0]), float(at[1]), float(at[2])), colour))
    if low > 0.45 and rng.random() < 0.3:
        radiator(p, x, min(w, 0.7), low - 0.15)
        ground.take(side.footprint(x, min(w, 0.7), 0.14))
    if rng.random() < 0.55:
        _curtains(p, (x, w), height)
        ground.take(side.footprint(x, w * 1.2, 0.22))
    elif rng.random() < 0.2:  # a blind half down
        down = float(rng.uniform(0.2, 1.0)) * t
        blind = Material(tint(rng, 0.3, 0.95, 0.2), choose(rng, "shutter", "fabric"))
        p.box((x, high - down, 0.03), (w, down, 0.012), blind.fitted(2 * w, 2 * down))


def _curtains(p: Place, at: tuple[float, float], height: float) -> None:
    rng, (x, w) = p.rng, at
    curtain = Material(tint(rng, 0.1, 0.95, 0.4), choose(rng, "stripes"), (1.2, 2.0))
    sheer = rng.random() < 0.25
    for edge in (-1, 1):
        half = w * 0.5 if sheer else float(rng.uniform(0.12, 0.4))
        cx = x + edge * (w * 0.5 if sheer else w)
        p.box((cx, height / 2, 0.09), (half, height / 2 - 0.02, 0.03), curtain)
        if not sheer:
            n = max(2, int(half / 0.07))
            for k in range(n):
                fold = cx + (2 * (k + 0.5) / n - 1) * half
                p.tube((fold, height / 2, 0.11), 0.05, height / 2 - 0.03, curtain)
    if rng.random() < 0.3:
        rod = Material(tint(rng, 0.05, 0.8, 0.1), 0)
        p.box((x, height - 0.06, 0.1), (w * 1.25, 0.02, 0.02), rod)


def radiator(p: Place, x: float, half: float, top: float) -> None:
    """A radiator on the wall: a ribbed panel up to `top` [m]."""
    white = Material((0.85, 0.85, 0.83), choose(p.rng, "stripes"), (0.6, 1.0), gloss=0.2)
    p.box((x, (top + 0.12) / 2, 0.06), (half, (top - 0.12) / 2, 0.04), white)

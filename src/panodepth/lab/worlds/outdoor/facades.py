"""Fronts of buildings in relief: windows, doors with steps, shops, balconies, bays, pipes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import FITTING, PLANT, Pair, Place, Triple, bays, joints
from panodepth.lab.worlds.parts.plants import pot_plant
from panodepth.lab.worlds.render.shapes import CYLINDER

_WALLS = ("plaster", "plaster", "brick", "tiles", "speckle", "shutter", "wood", "plain")
_PANES = ("window", "window", "window", "grille", "panel", "shutter")
_HABITS = {"sill": 0.5, "surround": 0.16, "shutters": 0.12, "cage": 0.18}
_BALCONIES = {"none": 0.62, "each": 0.1, "full": 0.16, "some": 0.12}
LANTERN = Material((0.8, 0.75, 0.6), emission=0.5)


@dataclass(frozen=True)
class Storey:
    """One storey of a front: floor height, storey height, the wall's z and its half width [m]."""

    floor: float
    tall: float
    z: float
    half: float


@dataclass(frozen=True)
class Style:
    """What the windows of a building share: bays, sizes as shares of a bay, looks, `_HABITS`."""

    bays: int
    wide: float
    high: float
    pane: Material
    frame: Material
    habits: set[str]
    balcony: str
    relief: float

    def window(self, s: Storey) -> Pair:
        """Half width and half height [m] of the windows of a storey."""
        return self.wide * 2 * s.half / self.bays, self.high * s.tall


def wall_look(rng: Draws) -> Material:
    """Plaster, brick, tiles, boards or concrete of an outer wall."""
    s = rng.uniform(2.0, 5.0)
    return rng.tinted((0.15, 0.9, 0.25), rng.pick(_WALLS), scale=s)


def style_of(rng: Draws, half: float) -> Style:
    """A random style for a front of half width `half` metres."""
    group = rng.pick(_PANES)
    return Style(
        bays=max(1, round(half / rng.uniform(1.0, 2.0))),
        wide=rng.uniform(0.22, 0.42),
        high=rng.uniform(0.22, 0.4),
        pane=rng.tinted((0.15, 0.9, 0.15), group, gloss=0.6),
        frame=rng.tinted((0.2, 0.9, 0.12)),
        habits={name for name, share in _HABITS.items() if rng.random() < share},
        balcony=rng.weighted(_BALCONIES),
        relief=rng.uniform(0.0, 0.1),
    )


def upper_storey(p: Place, s: Storey, style: Style, detail: bool) -> None:
    """Windows, and balconies or window cages, of one storey above the ground."""
    rng, n, (w, t) = p.rng, style.bays, style.window(s)
    y = s.floor + 0.52 * s.tall
    if not detail:  # one strip with the windows as its texture
        repeat, shift = (2 * s.half / n, 2 * t), (0.5 * (n % 2), 0.5)
        strip = replace(style.pane, scale=repeat, offset=shift, gloss=0.0)
        p.box((0, y, s.z), (s.half * (1 - 0.15 / n), t, 0.03), strip)
        return
    for x in bays(n, s.half):
        _window(p, (x, y, s.z), (w, t), style)
        if style.balcony == "each" or (style.balcony == "some" and rng.random() < 0.4):
            out = rng.uniform(0.3, 0.55)
            _balcony(p, replace(s, half=w + 0.25), x, out, style.frame)
        elif rng.random() < 0.1:  # an air conditioner
            at = (x + (w + 0.2) * rng.pick((-1, 1)), y - t - 0.1, s.z + 0.22)
            p.box(at, (0.4, 0.28, 0.2), rng.printed("plain", tint=(0.75, 0.75, 0.72)))
    if style.balcony == "full":
        _balcony(p, replace(s, half=s.half * 0.96), 0.0, rng.uniform(0.35, 0.75), style.frame)


def _window(p: Place, at: Triple, size: Pair, style: Style) -> None:
    """A window with its sill, surround, shutters, or an iron cage."""
    (x, y, z), (w, t), rng = at, size, p.rng
    p.box(at, (w, t, 0.03 + style.relief), style.pane.fitted(2 * w, 2 * t))
    if "cage" in style.habits and rng.random() < 0.7:
        out = rng.uniform(0.12, 0.3)
        bars = rng.printed("grille", tint=style.frame.tint, scale=(1.2, 0.8))
        p.box((x, y, z + out), (w + 0.08, t + 0.05, out), bars)
        if rng.random() < 0.5:
            lid = rng.tinted((0.2, 0.8, 0.5), "shutter", "plain")
            p.box((x, y + t + 0.15, z + out), (w + 0.15, 0.02, out + 0.1), lid, tilt=0.25)
        return
    if "sill" in style.habits:
        p.box((x, y - t - 0.04, z + 0.06), (w + 0.08, 0.04, 0.1), style.frame)
    if "surround" in style.habits:
        p.box((x, y + t + 0.06, z + 0.05), (w + 0.12, 0.06, 0.1), style.frame)
        p.pair((w + 0.06, y, z + 0.03), (0.06, t, 0.07), style.frame, about=x)
    if "shutters" in style.habits:
        look = rng.printed("shutter", tint=style.frame.tint)
        p.pair((1.5 * w, y, z + 0.05), (0.46 * w, t, 0.03), look, about=x)
    if rng.random() < 0.06:
        pot_plant(p.at(x, y - t, z + 0.2, label=PLANT), 0.4)


def _balcony(p: Place, s: Storey, x: float, out: float, frame: Material) -> None:
    """A slab with a railing of panels or bars; `out` is half its depth in metres."""
    rng = p.rng
    p.box((x, s.floor + 0.02, s.z + out), (s.half, 0.08, out), frame)
    group = rng.pick(("grille", "plaster", "plain", "bars"))
    if group == "bars" and s.half < 3:
        look = rng.tinted((0.03, 0.4, 0.2))
        p.box((x, s.floor + 1.05, s.z + 2 * out), (s.half, 0.025, 0.025), look)
        count = max(4, min(2 * s.half / 0.22, 14))
        for k in range(int(count)):
            dx = (2 * (k + 0.5) / count - 1) * s.half
            p.box((x + dx, s.floor + 0.55, s.z + 2 * out), (0.012, 0.5, 0.012), look)
    else:
        group = "grille" if group == "bars" else group
        rail = rng.tinted((0.1, 0.9, 0.2), group).fitted(2.0, 1.0)
        p.box((x, s.floor + 0.55, s.z + 2 * out), (s.half, 0.5, 0.03), rail)
        p.pair((s.half, s.floor + 0.55, s.z + out), (0.03, 0.5, out), rail, about=x)
    if rng.random() < 0.25:
        p.box((x, s.floor + s.tall, s.z + out), (s.half, 0.05, out + 0.1), frame)
    if rng.random() < 0.3:
        at = x + rng.uniform(-0.7, 0.7) * s.half
        pot_plant(p.at(at, s.floor + 0.1, s.z + out, label=PLANT), 0.7)


def ground_storey(p: Place, s: Storey, style: Style, detail: bool) -> None:
    """Shops, garages, doors with steps and windows at street level."""
    rng = p.rng
    if not detail:
        look = rng.tinted((0.15, 0.9, 0.4), "shutter", "window", "panel")
        t = 0.38 * s.tall
        p.box((0, s.floor + t, s.z), (s.half * 0.92, t, 0.05), look.fitted(2.5, 2 * t))
        return
    if rng.random() < 0.45:
        _shop(p, s)
    else:
        entrance = rng.integers(style.bays)
        for i, x in enumerate(bays(style.bays, s.half)):
            if i == entrance or rng.random() < 0.2:
                door(p.at(x, s.floor, s.z), min(0.95, 0.4 * s.tall))
            else:
                _window(p, (x, s.floor + s.tall * 0.5, s.z), style.window(s), style)
    _fittings(p, s)


def door(p: Place, half_height: float) -> None:
    """A door in its frame, with steps, a canopy or a lamp now and then."""
    rng, w, low = p.rng, p.rng.uniform(0.42, 0.7), 0.0
    look = rng.tinted((0.05, 0.8, 0.5), "panel", "grille", "wood", "shutter")
    if rng.random() < 0.35:
        steps = int(rng.integers(1, 5))
        stone = rng.tinted((0.3, 0.8, 0.05), "speckle", "plaster")
        for k in range(steps):
            p.box((0, 0.08 * (k + 1), 0), (w + 0.2, 0.08 * (k + 1), 0.28 * (steps - k)), stone)
        low = 0.16 * steps
    y = low + half_height
    p.box((0, y, 0), (w, half_height, 0.04), look.fitted(2 * w, 2 * half_height))
    frame = rng.tinted((0.2, 0.9, 0.1))
    p.pair((w + 0.05, y, 0.03), (0.05, half_height, 0.06), frame)
    p.box((0, y + half_height + 0.05, 0.03), (w + 0.1, 0.05, 0.07), frame)
    if rng.random() < 0.3:
        out = rng.uniform(0.3, 0.6)
        p.box((0, y + half_height + 0.3, out), (w + 0.3, 0.04, out), rng.painted(), tilt=0.15)
    if rng.random() < 0.3:
        p.box((w + 0.3, y + 0.6 * half_height, 0.08), (0.07, 0.13, 0.08), LANTERN)


def _shop(p: Place, s: Storey) -> None:
    """Shop windows or shutters, a sign board, an awning, wares in front."""
    rng, n = p.rng, max(1, int(s.half / p.rng.uniform(0.9, 2.0)))
    group = rng.pick(("shutter", "grille", "window", "books", "picture", "panel"))
    look = rng.tinted((0.15, 0.9, 0.4), group, gloss=0.3)
    w, t = s.half / n * 0.85, s.tall * 0.38
    for x in bays(n, s.half):
        p.box((x, s.floor + t, s.z), (w, t, 0.05), look.fitted(2 * w, 2 * t))
    if rng.random() < 0.6:  # piers between the windows
        stone = wall_look(rng)
        for x in joints(n, s.half - 0.12):
            p.box((x, s.floor + t + 0.1, s.z + 0.05), (0.14, t + 0.1, 0.12), stone)
    if rng.random() < 0.6:
        lit = rng.pick((0, 0.5))
        sign = rng.printed("text", emission=lit).fitted(2 * s.half, 0.8)
        p.box((0, s.floor + s.tall * 0.88, s.z + 0.1), (s.half * 0.9, 0.32, 0.12), sign)
    if rng.random() < 0.5:
        out = rng.uniform(0.4, 1.1)
        awning = rng.tinted((0.1, 0.9, 0.6), "stripes", "shutter", "plain")
        y = max(s.floor + s.tall * 0.8, 2.3)
        p.box((0, y, s.z + out * 0.95), (s.half * 0.9, 0.03, out), awning, tilt=0.3)
        y_front = y - 0.3 * out
        p.box((0, y_front - 0.1, s.z + 1.9 * out), (s.half * 0.9, 0.1, 0.015), awning)


def _fittings(p: Place, s: Storey) -> None:
    """Downpipes, meter boxes, hanging signs, a base course."""
    rng, q = p.rng, p.at(label=FITTING)
    if rng.random() < 0.35:
        x = s.half - 0.15 if rng.random() < 0.5 else -s.half + 0.15
        q.tube((x, s.tall, s.z + 0.08), 0.05, s.tall, rng.tinted((0.2, 0.8, 0.1)))
    if rng.random() < 0.2:
        look = rng.painted()
        q.box((rng.uniform(-0.8, 0.8) * s.half, 1.2, s.z + 0.1), (0.2, 0.28, 0.12), look)
    if rng.random() < 0.25:
        x, y = rng.uniform(-0.9, 0.9) * s.half, rng.uniform(2.5, 3.6)
        out, tall = rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.9)
        lit = rng.pick((0, 0.4))
        sign = rng.printed("text", emission=lit).fitted(2 * out, 2 * tall)
        q.box((x, y + tall, s.z + out + 0.1), (0.06, tall, out), sign)
    if rng.random() < 0.25:
        low = rng.uniform(0.15, 0.5)
        p.box((0, low, s.z), (s.half + 0.02, low, 0.06), wall_look(rng))


def bay_window(p: Place, x: float, s: Storey, storeys: int, style: Style) -> None:
    """A bay that stands out over `storeys` storeys from the floor of `s`."""
    rng = p.rng
    out, half = rng.uniform(0.25, 0.5), rng.uniform(0.7, 1.3)
    half = min(half, s.half * 0.45)
    wall, tall, t = wall_look(rng), storeys * s.tall, style.high * s.tall
    p.box((x, s.floor + tall / 2, s.z + out), (half, tall / 2, out), wall)
    p.box((x, s.floor + tall + 0.1, s.z + out), (half + 0.1, 0.1, out + 0.1), style.frame)
    front, beside = (style.pane.fitted(w, 2 * t) for w in (1.7 * half, 1.4 * out))
    for k in range(storeys):
        y = s.floor + (k + 0.52) * s.tall
        p.box((x, y, s.z + 2 * out), (half * 0.85, t, 0.04), front)
        p.pair((half, y, s.z + out), (0.03, t, out * 0.7), beside, about=x)


def overhang(p: Place, s: Storey) -> None:
    """A canopy of corrugated sheet along the front, on brackets or posts."""
    rng, out = p.rng, p.rng.uniform(0.5, 1.3)
    sheet = rng.tinted((0.2, 0.8, 0.5), "shutter", "plain", scale=1.5)
    slope = rng.uniform(0.05, 0.3)
    y = max(s.floor + s.tall * rng.uniform(0.92, 1.05), 2.4)
    p.box((0, y, s.z + 0.95 * out), (s.half, 0.02, out), sheet, tilt=slope)
    if rng.random() < 0.4:
        post = rng.painted()
        low = y - float(np.sin(slope)) * 0.8 * out
        at, half = (0.9 * s.half, low / 2, s.z + 1.75 * out), (0.04, low / 2, 0.04)
        p.pair(at, half, post, kind=CYLINDER)

"""Fronts of buildings in relief: windows, doors with steps, shops, balconies, bays, pipes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.furniture import FITTING, PLANT, Rng, tint
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.outdoor.site import Spot
from panodepth.lab.worlds.outdoor.vegetation import pot_plant
from panodepth.lab.worlds.render.primitives import Material


@dataclass(frozen=True)
class Storey:
    """One storey of a front: floor height, storey height, the wall's z and its half width [m]."""

    floor: float
    tall: float
    z: float
    half: float


@dataclass(frozen=True)
class Style:
    """What the windows of a building share: bays, sizes as shares of a bay, looks, habits."""

    bays: int
    wide: float
    high: float
    pane: Material
    frame: Material
    sill: bool
    surround: bool
    shutters: bool
    cage: bool
    balcony: str
    relief: float


def wall_look(rng: Rng) -> Material:
    """Plaster, brick, tiles, boards or concrete of an outer wall."""
    s = float(rng.uniform(2.0, 5.0))
    group = str(
        rng.choice(["plaster", "plaster", "brick", "tiles", "speckle", "shutter", "wood", "plain"])
    )
    return Material(tint(rng, 0.15, 0.9, 0.25), choose(rng, group), (s, s))


def style_of(rng: Rng, half: float) -> Style:
    """A random style for a front of half width `half` metres."""
    group = str(rng.choice(["window", "window", "window", "grille", "panel", "shutter"]))
    return Style(
        bays=max(1, round(half / rng.uniform(1.0, 2.0))),
        wide=float(rng.uniform(0.22, 0.42)),
        high=float(rng.uniform(0.22, 0.4)),
        pane=Material(tint(rng, 0.15, 0.9, 0.15), choose(rng, group), gloss=0.6),
        frame=Material(tint(rng, 0.2, 0.9, 0.12), 0),
        sill=bool(rng.random() < 0.5),
        surround=bool(rng.random() < 0.16),
        shutters=bool(rng.random() < 0.12),
        cage=bool(rng.random() < 0.18),
        balcony=str(rng.choice(["none", "each", "full", "some"], p=[0.62, 0.1, 0.16, 0.12])),
        relief=float(rng.uniform(0.0, 0.1)),
    )


def upper_storey(p: Spot, s: Storey, style: Style, detail: bool) -> None:
    """Windows, and balconies or window cages, of one storey above the ground."""
    rng, n = p.rng, style.bays
    w, t = style.wide * 2 * s.half / n, style.high * s.tall
    y = s.floor + 0.52 * s.tall
    if not detail:  # one strip with the windows as its texture
        strip = Material(
            style.pane.tint, style.pane.texture, (2 * s.half / n, 2 * t), (0.5 * (n % 2), 0.5)
        )
        p.box((0, y, s.z), (s.half * (1 - 0.15 / n), t, 0.03), strip)
        return
    pane = style.pane.fitted(2 * w, 2 * t)
    for i in range(n):
        x = (2 * (i + 0.5) / n - 1) * s.half
        p.box((x, y, s.z), (w, t, 0.03 + style.relief), pane)
        _window_trim(p, (x, y, s.z), (w, t), style)
        if style.balcony == "each" or (style.balcony == "some" and rng.random() < 0.4):
            out = float(rng.uniform(0.3, 0.55))
            _balcony(p, Storey(s.floor, s.tall, s.z, w + 0.25), x, out, style.frame)
        elif rng.random() < 0.1:
            at = (x + (w + 0.2) * rng.choice([-1, 1]), y - t - 0.1, s.z + 0.22)
            p.box(at, (0.4, 0.28, 0.2), Material((0.75, 0.75, 0.72), choose(rng, "plain")))
    if style.balcony == "full":
        out = float(rng.uniform(0.35, 0.75))
        _balcony(p, Storey(s.floor, s.tall, s.z, s.half * 0.96), 0.0, out, style.frame)


def _window_trim(
    p: Spot, at: tuple[float, float, float], size: tuple[float, float], style: Style
) -> None:
    """Sill, surround, shutters or an iron cage of one window."""
    (x, y, z), (w, t), rng = at, size, p.rng
    if style.cage and rng.random() < 0.7:
        out = float(rng.uniform(0.12, 0.3))
        bars = Material(style.frame.tint, choose(rng, "grille"), (1.2, 0.8))
        p.box((x, y, z + out), (w + 0.08, t + 0.05, out), bars)
        if rng.random() < 0.5:
            lid = Material(tint(rng, 0.2, 0.8, 0.5), choose(rng, "shutter", "plain"))
            p.box((x, y + t + 0.15, z + out), (w + 0.15, 0.02, out + 0.1), lid, tilt=0.25)
        return
    if style.sill:
        p.box((x, y - t - 0.04, z + 0.06), (w + 0.08, 0.04, 0.1), style.frame)
    if style.surround:
        p.box((x, y + t + 0.06, z + 0.05), (w + 0.12, 0.06, 0.1), style.frame)
        for side in (-1, 1):
            p.box((x + side * (w + 0.06), y, z + 0.03), (0.06, t, 0.07), style.frame)
    if style.shutters:
        look = Material(style.frame.tint, choose(rng, "shutter"))
        for side in (-1, 1):
            p.box((x + side * 1.5 * w, y, z + 0.05), (0.46 * w, t, 0.03), look)
    if rng.random() < 0.06:
        pot_plant(p.at(x, y - t, z + 0.2, label=PLANT), 0.4)


def _balcony(p: Spot, s: Storey, x: float, out: float, frame: Material) -> None:
    """A slab with a railing of panels or bars; `out` is half its depth in metres."""
    rng = p.rng
    p.box((x, s.floor + 0.02, s.z + out), (s.half, 0.08, out), frame)
    group = str(rng.choice(["grille", "plaster", "plain", "bars"]))
    if group == "bars" and s.half < 3:
        look = Material(tint(rng, 0.03, 0.4, 0.2), 0)
        p.box((x, s.floor + 1.05, s.z + 2 * out), (s.half, 0.025, 0.025), look)
        for k in range(int(max(4, min(2 * s.half / 0.22, 14)))):
            dx = (2 * (k + 0.5) / max(4, min(2 * s.half / 0.22, 14)) - 1) * s.half
            p.box((x + dx, s.floor + 0.55, s.z + 2 * out), (0.012, 0.5, 0.012), look)
    else:
        group = "grille" if group == "bars" else group
        rail = Material(tint(rng, 0.1, 0.9, 0.2), choose(rng, group)).fitted(2.0, 1.0)
        p.box((x, s.floor + 0.55, s.z + 2 * out), (s.half, 0.5, 0.03), rail)
        for side in (-1, 1):
            p.box((x + side * s.half, s.floor + 0.55, s.z + out), (0.03, 0.5, out), rail)
    if rng.random() < 0.25:
        p.box((x, s.floor + s.tall, s.z + out), (s.half, 0.05, out + 0.1), frame)
    if rng.random() < 0.3:
        pot_plant(p.at(x + float(rng.uniform(-0.7, 0.7)) * s.half, s.floor + 0.1, s.z + out,
                       label=PLANT), 0.7)  # fmt: skip


def ground_storey(p: Spot, s: Storey, style: Style, detail: bool) -> None:
    """Shops, garages, doors with steps and windows at street level."""
    rng = p.rng
    if not detail:
        look = Material(tint(rng, 0.15, 0.9, 0.4), choose(rng, "shutter", "window", "panel"))
        t = 0.38 * s.tall
        p.box((0, s.floor + t, s.z), (s.half * 0.92, t, 0.05), look.fitted(2.5, 2 * t))
        return
    if rng.random() < 0.45:
        _shop(p, s)
    else:
        n, w = style.bays, style.wide * 2 * s.half / style.bays
        t = style.high * s.tall
        entrance = int(rng.integers(n))
        for i in range(n):
            x = (2 * (i + 0.5) / n - 1) * s.half
            if i == entrance or rng.random() < 0.2:
                door(p.at(x, s.floor, s.z), min(0.95, 0.4 * s.tall))
                continue
            y = s.floor + s.tall * 0.5
            p.box((x, y, s.z), (w, t, 0.03 + style.relief), style.pane.fitted(2 * w, 2 * t))
            _window_trim(p, (x, y, s.z), (w, t), style)
    _fittings(p, s)


def door(p: Spot, half_height: float) -> None:
    """A door in its frame, with steps, a canopy or a lamp now and then."""
    rng, w, low = p.rng, float(p.rng.uniform(0.42, 0.7)), 0.0
    look = Material(tint(rng, 0.05, 0.8, 0.5), choose(rng, "panel", "grille", "wood", "shutter"))
    if rng.random() < 0.35:
        steps = int(rng.integers(1, 5))
        stone = Material(tint(rng, 0.3, 0.8, 0.05), choose(rng, "speckle", "plaster"))
        for k in range(steps):
            p.box((0, 0.08 * (k + 1), 0), (w + 0.2, 0.08 * (k + 1), 0.28 * (steps - k)), stone)
        low = 0.16 * steps
    y = low + half_height
    p.box((0, y, 0), (w, half_height, 0.04), look.fitted(2 * w, 2 * half_height))
    frame = Material(tint(rng, 0.2, 0.9, 0.1), 0)
    for side in (-1, 1):
        p.box((side * (w + 0.05), y, 0.03), (0.05, half_height, 0.06), frame)
    p.box((0, y + half_height + 0.05, 0.03), (w + 0.1, 0.05, 0.07), frame)
    if rng.random() < 0.3:
        out = float(rng.uniform(0.3, 0.6))
        p.box((0, y + half_height + 0.3, out), (w + 0.3, 0.04, out), f.painted(rng), tilt=0.15)
    if rng.random() < 0.3:
        lamp = Material((0.8, 0.75, 0.6), 0, emission=0.5)
        p.box((w + 0.3, y + 0.6 * half_height, 0.08), (0.07, 0.13, 0.08), lamp)


def _shop(p: Spot, s: Storey) -> None:
    """Shop windows or shutters, a sign board, an awning, wares in front."""
    rng, n = p.rng, max(1, int(s.half / p.rng.uniform(0.9, 2.0)))
    group = str(rng.choice(["shutter", "grille", "window", "books", "picture", "panel"]))
    look = Material(tint(rng, 0.15, 0.9, 0.4), choose(rng, group), gloss=0.3)
    w, t = s.half / n * 0.85, s.tall * 0.38
    for i in range(n):
        x = (2 * (i + 0.5) / n - 1) * s.half
        p.box((x, s.floor + t, s.z), (w, t, 0.05), look.fitted(2 * w, 2 * t))
    if rng.random() < 0.6:  # piers between the windows
        stone = wall_look(rng)
        for i in range(n + 1):
            x = (2 * i / n - 1) * (s.half - 0.12)
            p.box((x, s.floor + t + 0.1, s.z + 0.05), (0.14, t + 0.1, 0.12), stone)
    if rng.random() < 0.6:
        lit = float(rng.choice([0, 0.5]))
        sign = Material((1, 1, 1), choose(rng, "text"), emission=lit)
        p.box((0, s.floor + s.tall * 0.88, s.z + 0.1), (s.half * 0.9, 0.32, 0.12),
              sign.fitted(2 * s.half, 0.8))  # fmt: skip
    if rng.random() < 0.5:
        out = float(rng.uniform(0.4, 1.1))
        awning = Material(tint(rng, 0.1, 0.9, 0.6), choose(rng, "stripes", "shutter", "plain"))
        y = max(s.floor + s.tall * 0.8, 2.3)
        p.box((0, y, s.z + out * 0.95), (s.half * 0.9, 0.03, out), awning, tilt=0.3)
        y_front = y - 0.3 * out
        p.box((0, y_front - 0.1, s.z + 1.9 * out), (s.half * 0.9, 0.1, 0.015), awning)


def _fittings(p: Spot, s: Storey) -> None:
    """Downpipes, meter boxes, hanging signs, a base course."""
    rng = p.rng
    q = p.at(0, 0, 0, label=FITTING)
    if rng.random() < 0.35:
        x = s.half - 0.15 if rng.random() < 0.5 else -s.half + 0.15
        pipe = Material(tint(rng, 0.2, 0.8, 0.1), 0)
        q.tube((x, s.tall, s.z + 0.08), 0.05, s.tall, pipe)
    if rng.random() < 0.2:
        box = f.painted(rng)
        q.box((float(rng.uniform(-0.8, 0.8)) * s.half, 1.2, s.z + 0.1), (0.2, 0.28, 0.12), box)
    if rng.random() < 0.25:
        x, y = float(rng.uniform(-0.9, 0.9)) * s.half, float(rng.uniform(2.5, 3.6))
        out, tall = float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.25, 0.9))
        lit = float(rng.choice([0, 0.4]))
        sign = Material((1, 1, 1), choose(rng, "text"), emission=lit)
        q.box((x, y + tall, s.z + out + 0.1), (0.06, tall, out), sign.fitted(2 * out, 2 * tall))
    if rng.random() < 0.25:
        low = float(rng.uniform(0.15, 0.5))
        p.box((0, low, s.z), (s.half + 0.02, low, 0.06), wall_look(rng))


def bay_window(p: Spot, x: float, s: Storey, storeys: int, style: Style) -> None:
    """A bay that stands out over `storeys` storeys from the floor of `s`."""
    rng = p.rng
    out, half = float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.7, 1.3))
    half = min(half, s.half * 0.45)
    wall, tall = wall_look(rng), storeys * s.tall
    p.box((x, s.floor + tall / 2, s.z + out), (half, tall / 2, out), wall)
    p.box((x, s.floor + tall + 0.1, s.z + out), (half + 0.1, 0.1, out + 0.1), style.frame)
    for k in range(storeys):
        t = style.high * s.tall
        y = s.floor + (k + 0.52) * s.tall
        p.box((x, y, s.z + 2 * out), (half * 0.85, t, 0.04), style.pane.fitted(1.7 * half, 2 * t))
        for side in (-1, 1):
            p.box((x + side * half, y, s.z + out), (0.03, t, out * 0.7),
                  style.pane.fitted(1.4 * out, 2 * t))  # fmt: skip


def overhang(p: Spot, s: Storey) -> None:
    """A canopy of corrugated sheet along the front, on brackets or posts."""
    rng, out = p.rng, float(p.rng.uniform(0.5, 1.3))
    sheet = Material(tint(rng, 0.2, 0.8, 0.5), choose(rng, "shutter", "plain"), (1.5, 1.5))
    slope = float(rng.uniform(0.05, 0.3))
    y = max(s.floor + s.tall * float(rng.uniform(0.92, 1.05)), 2.4)
    p.box((0, y, s.z + 0.95 * out), (s.half, 0.02, out), sheet, tilt=slope)
    if rng.random() < 0.4:
        post = f.painted(rng)
        low = y - float(np.sin(slope)) * 0.8 * out
        for side in (-0.9, 0.9):
            p.tube((side * s.half, low / 2, s.z + 1.75 * out), 0.04, low / 2, post)

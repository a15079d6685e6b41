"""Buildings: a front with openings in relief, shops, balconies, roofs."""

from __future__ import annotations

import numpy as np

from panodepth.scenes import furniture as f
from panodepth.scenes.furniture import PLANT, Place, Rng, tint
from panodepth.scenes.primitives import Array, Material, yaw_matrix
from panodepth.scenes.textures import choose


def _facade_look(rng: Rng) -> Material:
    s = float(rng.uniform(2.0, 5.0))
    group = str(
        rng.choice(["plaster", "plaster", "brick", "tiles", "speckle", "shutter", "wood", "plain"])
    )
    return Material(tint(rng, 0.15, 0.9, 0.25), choose(rng, group), (s, s))


def house(p: Place, half_width: float, depth: float, storeys: int) -> None:
    """A building whose front is the local plane z = 0; windows, doors and balconies in relief."""
    rng, storey = p.rng, float(p.rng.uniform(2.8, 3.8))
    height = storeys * storey
    look = _facade_look(rng)
    if rng.random() < 0.25:
        look = Material((1, 1, 1), choose(rng, "facade"), (8.0, 2 * storey))
    if rng.random() < 0.3:  # an arcade or a recessed ground floor
        recess, base = float(rng.uniform(0.5, 2.5)), 1
        p.box(
            (0, storey / 2, -depth / 2 - recess),
            (half_width, storey / 2, depth / 2),
            _facade_look(rng),
        )
        for side in (-1, 1):
            p.box((side * (half_width - 0.2), storey / 2, -0.2), (0.2, storey / 2, 0.2), look)
    else:
        base = 0
    low = base * storey
    p.box((0, (low + height) / 2, -depth / 2), (half_width, (height - low) / 2, depth / 2), look)
    for level in range(storeys):
        z = 0.0 if level >= base else -recess
        _storey(p, half_width, (level * storey, storey, z), ground=level == 0)
    roof = rng.random()
    if roof < 0.3:
        p.box(
            (0, height + 0.1, -depth / 2 + 0.15),
            (half_width + 0.1, 0.1, depth / 2 + 0.3),
            f.painted(rng),
        )
    elif roof < 0.5:
        tiles = Material((0.4, 0.2, 0.14), choose(rng, "shutter", "tiles"), (2, 2))
        p.box((0, height + 0.9, -depth / 4), (half_width + 0.2, 0.12, depth / 3), tiles, tilt=-0.6)
    elif roof < 0.65:
        p.box((0, height + 0.4, -0.1), (half_width, 0.4, 0.08), look)


def _storey(p: Place, half_width: float, at: tuple[float, float, float], ground: bool) -> None:
    """Openings of one storey; at = (floor height, storey height, front z), metres."""
    rng, (y0, tall, z) = p.rng, at
    n = max(1, int(half_width / rng.uniform(0.7, 1.6)))
    style = rng.random()
    if ground and style < 0.45:  # shop front, shutters, garage
        look = Material(
            tint(rng, 0.15, 0.9, 0.4), choose(rng, "shutter", "grille", "window", "books")
        )
        for i in range(n):
            x = (2 * (i + 0.5) / n - 1) * half_width
            w, t = half_width / n * 0.85, tall * 0.38
            p.box((x, y0 + t, z), (w, t, 0.05), look.fitted(2 * w, 2 * t))
        if rng.random() < 0.5:
            sign = Material(
                (1, 1, 1), choose(rng, "text"), emission=float(rng.choice([0, 0.5]))
            ).fitted(2 * half_width, 0.8)
            p.box((0, y0 + tall * 0.88, z + 0.1), (half_width * 0.9, 0.35, 0.12), sign)
        if rng.random() < 0.5:
            out = float(rng.uniform(0.4, 1.2))
            awning = Material(tint(rng, 0.1, 0.9, 0.6), choose(rng, "stripes", "shutter", "plain"))
            p.box(
                (0, y0 + tall * 0.8, z + out * 0.9), (half_width * 0.9, 0.04, out), awning, tilt=0.3
            )
        return
    group = str(rng.choice(["window", "window", "grille", "panel", "shutter"]))
    pane = Material(tint(rng, 0.2, 0.9, 0.15), choose(rng, group), gloss=0.6)
    sill = Material(tint(rng, 0.2, 0.9, 0.1), 0)
    w = float(rng.uniform(0.25, 0.42)) * 2 * half_width / n
    t = float(rng.uniform(0.25, 0.42)) * tall
    relief = float(rng.uniform(-0.02, 0.12))
    balcony = rng.random() < 0.25 and not ground
    for i in range(n):
        x = (2 * (i + 0.5) / n - 1) * half_width
        door = ground and rng.random() < 0.35
        ww, tt = (0.5, 1.05) if door else (w, t)
        y = y0 + (tt if door else tall * 0.52)
        p.box((x, y, z), (ww, tt, 0.04 + max(relief, 0)), pane.fitted(2 * ww, 2 * tt))
        if rng.random() < 0.5:
            p.box((x, y - tt - 0.04, z + 0.06), (ww + 0.08, 0.04, 0.1), sill)
        if rng.random() < 0.12:
            p.box(
                (x + ww, y - tt - 0.1, z + 0.25), (0.4, 0.28, 0.2), Material((0.75, 0.75, 0.72), 0)
            )
        if rng.random() < 0.08 and not ground:
            f.plant(
                Place(p.scene, rng, p.origin + _turned(p, (x, y - tt, z + 0.2)), p.yaw, PLANT), 0.5
            )
    if balcony:
        out = float(rng.uniform(0.3, 0.7))
        rail = Material(tint(rng, 0.1, 0.9, 0.2), choose(rng, "grille", "plaster", "plain")).fitted(
            2.0, 1.0
        )
        p.box((0, y0 + 0.05, z + out), (half_width * 0.95, 0.07, out), sill)
        p.box((0, y0 + 0.55, z + 2 * out), (half_width * 0.95, 0.5, 0.03), rail)
        if rng.random() < 0.5:
            p.box((0, y0 + tall, z + out), (half_width * 0.98, 0.05, out + 0.1), sill)


def _turned(p: Place, at: tuple[float, float, float]) -> Array:
    return np.asarray(yaw_matrix(p.yaw) @ np.asarray(at))

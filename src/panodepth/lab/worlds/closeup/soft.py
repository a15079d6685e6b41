"""Upholstered low things: beds, sectional sofas, ottomans."""

from __future__ import annotations

from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import Pair, Place, bays


def bed(p: Place, half: Pair, top: float, looks: tuple[Material, Material]) -> None:
    """A made or unmade bed, its head at −z. looks: of the sheet and of what lies over it."""
    rng, (w, d), (sheet, cover) = p.rng, half, looks
    base = rng.uniform(0.0, 0.5) * top
    frame = rng.wooden() if rng.random() < 0.5 else cover
    if base > 0.05:
        p.box((0, base / 2, 0), (w, base / 2, d), frame)
    p.box((0, (base + top) / 2, 0), (w - 0.01, (top - base) / 2, d - 0.01), sheet)
    if rng.random() < 0.75:
        long = rng.uniform(0.4, 0.85) * d
        drop = rng.uniform(0.05, 0.8) * top
        p.box(
            (0, top + 0.015 - drop / 2, d - long), (w + 0.02, drop / 2 + 0.015, long + 0.02), cover
        )
    if rng.random() < 0.3:  # a throw across the foot
        z = rng.uniform(0.3, 0.8) * d
        p.box((0, top + 0.03, z), (w + 0.03, 0.025, rng.uniform(0.12, 0.3)), rng.cloth())
    if rng.random() < 0.25:  # rumpled
        for _ in range(rng.integers(2, 6)):
            x, z = rng.uniform(-0.7, 0.7, 2) * half
            p.ball((x, top, z), (0.35, 0.06, 0.2), cover, yaw=rng.uniform(0, 3))
    if rng.random() < 0.75:
        head = cover if rng.random() < 0.4 else frame
        tall = rng.uniform(0.35, 0.75)
        p.box((0, tall, -d - 0.05), (w + 0.05, tall, 0.05), head)
    for row in range(int(rng.integers(1, 4))):
        for x in (-0.5, 0.5) if w > 0.65 else (0.0,):
            look = sheet if row == 0 else rng.cloth()
            size = (0.42 * w, 0.09, 0.19) if w > 0.65 else (0.3, 0.09, 0.19)
            at = (x * w, top + 0.11, -d + 0.22 + 0.2 * row)
            p.ball(at, size, look, tilt=rng.uniform(-1.0, -0.2))


def sectional(p: Place, half: Pair, top: float, look: Material) -> None:
    """A sofa of seats and a back, perhaps with a long end, with cushions."""
    rng, (w, d) = p.rng, half
    back, deep = top + rng.uniform(0.3, 0.5), rng.uniform(0.09, 0.16)
    p.box((0, top / 2 - 0.05, 0), (w, top / 2 - 0.05, d), look)
    p.box((0, back / 2, -d + deep), (w, back / 2, deep), look)
    arm = top + rng.uniform(0.08, 0.25)
    if rng.random() < 0.7:
        p.pair((w + 0.09, arm / 2, 0), (0.09, arm / 2, d), look)
    n = max(1, round(w / 0.4))
    for x in bays(n, w):
        p.box((x, top - 0.05, deep), (0.97 * w / n, 0.06, d - deep), look)
        if rng.random() < 0.6:
            at = (x, top + 0.2, -d + 2 * deep + 0.14)
            p.ball(at, (min(0.3, 0.8 * w / n), 0.2, 0.12), rng.cloth(), tilt=-0.3)
    if rng.random() < 0.3 and w > 0.8:  # a long end
        p.box((w - 0.35, top / 2, d + 0.4), (0.35, top / 2, 0.4), look)


def ottoman(p: Place, half: Pair, top: float, look: Material) -> None:
    """A padded block or drum."""
    rng = p.rng
    if rng.random() < 0.35:
        p.tube((0, top / 2, 0), half[1], top / 2, look)
        return
    p.box((0, top / 2 + 0.03, 0), (half[0], top / 2 - 0.03, half[1]), look)
    if rng.random() < 0.5:
        p.four((half[0] - 0.06, 0.03, half[1] - 0.06), (0.02, 0.03, 0.02), rng.wooden())

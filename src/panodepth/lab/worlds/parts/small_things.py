"""Small things that stand on tables, shelves and floors."""

from __future__ import annotations

from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import Pair, Place, Triple

BLACK = Material((0.02, 0.02, 0.025), gloss=1.0)  # dark glass: screens, hobs


def things(p: Place, size: Pair, height: float, count: tuple[int, int]) -> None:
    """Small objects on a surface of half size `size` [m]; count: from, to (exclusive)."""
    rng, (w, d) = p.rng, size
    for _ in range(rng.integers(*count)):
        x, z = rng.uniform(-0.8, 0.8, 2) * (w, d)
        style, look = rng.random(), rng.painted()
        r = rng.uniform(0.03, 0.1)
        if style < 0.3:
            p.tube((x, height + r * 1.4, z), r * 0.7, r * 1.4, look, taper=rng.uniform(0.3, 1.2))
        elif style < 0.5:
            p.ball((x, height + r, z), (r, r, r), look)
        elif style < 0.65:
            p.tube((x, height + r, z), r * 0.6, r, look)
            leaves = rng.printed("foliage", scale=0.2)
            p.ball((x, height + 3 * r, z), (r * 1.6, r * 1.5, r * 1.6), leaves)
        elif style < 0.85 or w < 0.35:
            book = rng.tinted((0.05, 0.9, 0.6), "text", "plain", scale=0.25)
            p.box((x, height + 0.02, z), (0.12, 0.02, 0.09), book, yaw=rng.uniform(0, 6.3))
        else:
            p.box((x, height + 0.2, z), (0.28, 0.17, 0.02), BLACK, yaw=rng.normal(0, 0.3))


def clutter(p: Place) -> None:
    """A cardboard box, bin, ball, suitcase or stack on the floor."""
    rng, r = p.rng, p.rng.uniform(0.1, 0.35)
    style = rng.random()
    if style < 0.5:
        look = rng.tinted((0.05, 0.9, 0.5), "plain", "text", "wood", "plaster")
        p.box((0, r, 0), (r * rng.uniform(0.6, 1.5), r, r * rng.uniform(0.6, 1.2)), look)
        if rng.random() < 0.4:
            half = (r * 0.7, r * 0.6, r * 0.6)
            p.box((0.05, 2.6 * r, 0), half, rng.painted(), yaw=rng.uniform(0, 1))
    elif style < 0.8:
        p.tube((0, r, 0), r * 0.7, r, rng.painted(), taper=rng.uniform(0.7, 1.3))
    else:
        p.ball((0, r * 0.8, 0), (r, r * 0.8, r), rng.cloth())


def lamp_shade(p: Place, at: Triple, height: float) -> None:
    """A table or floor lamp of the given height standing at `at`."""
    (x, y, z), rng = at, p.rng
    lit = rng.pick((0.0, 2.0, 5.0))
    shade = rng.tinted((0.6, 0.95, 0.15), "plain", "fabric", emission=lit)
    radius = 0.015 + 0.02 * rng.random()
    p.tube((x, y + height * 0.35, z), radius, height * 0.35, rng.painted())
    p.tube((x, y + height * 0.85, z), 0.1 + 0.06 * height, height * 0.15 + 0.05, shade, taper=0.75)

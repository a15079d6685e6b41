"""Flat things on walls that look like openings: mirrors, murals, dark glass, false windows."""

from __future__ import annotations

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.parts.place import FITTING, Pair, Place

MIRROR_GLOSS = (8.0, 19.0)  # reflects 40 to 95 % head-on, see `reflections`
_STYLES = {"mirror": 0.55, "mural": 0.2, "glass": 0.15, "view": 0.1}


def mirror_look(rng: Draws) -> Material:
    """A mirror: next to no colour of its own."""
    return grey(0.03, gloss=rng.uniform(*MIRROR_GLOSS))


def _look(rng: Draws, style: str, half: Pair) -> Material:
    w, t = 2 * half[0], 2 * half[1]
    if style == "mirror":
        return mirror_look(rng)
    if style == "glass":
        return grey(rng.uniform(0.01, 0.05), gloss=rng.uniform(1.0, 6.0))
    glow = 0.0 if style == "mural" else rng.uniform(0.3, 2.0)
    return rng.printed("picture", "window", emission=glow).fitted(w, t)


def hang(here: Interior, count: int) -> None:
    """Up to `count` flat things on stretches of wall that are free, some down to the floor."""
    rng, room = here.rng, here.room
    for _ in range(count):
        side = rng.pick(room.sides)
        w = min(rng.uniform(0.25, 1.6), 0.9 * side.half)
        if w < 0.2:
            continue
        x = rng.uniform(-1, 1) * (side.half - w)
        if not here.ground.free(side.footprint(x, w, 0.1)):
            continue  # an opening, or something at the wall
        top = min(room.height - 0.05, rng.uniform(1.7, 2.4))
        low = 0.05 if rng.random() < 0.5 else rng.uniform(0.6, 1.1)
        if top - low > 0.3:
            _panel(here.along(side, FITTING), (x, (low + top) / 2), (w, (top - low) / 2))


def _panel(p: Place, at: Pair, half: Pair) -> None:
    """One framed thing around (x, y) [m] on a wall."""
    (x, y), (w, t), rng = at, half, p.rng
    p.box((x, y, 0.0), (w, t, 0.025), _look(rng, rng.weighted(_STYLES), half))
    if rng.random() < 0.6:
        frame, edge = rng.wooden(), rng.uniform(0.01, 0.06)
        p.pair((w, y, 0.0), (edge, t + edge, 0.04), frame, about=x)
        for end in (-t, t):
            p.box((x, y + end, 0.0), (w, edge, 0.04), frame)

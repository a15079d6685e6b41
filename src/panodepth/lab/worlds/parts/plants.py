"""Potted plants, for rooms, balconies and pavements."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import Place

STEM = Material((0.2, 0.12, 0.06))


def leaf_look(rng: Draws, repeat: float = 1.2) -> Material:
    """Foliage of one plant: mostly green, sometimes autumn or blossom; `repeat` in metres."""
    level = rng.uniform(0.6, 1.9)
    turn = rng.random()
    if turn < 0.1:  # autumn
        colour = (level * 2.0, level * rng.uniform(0.6, 1.0), level * 0.5)
    elif turn < 0.13:  # blossom
        colour = (level * 2.5, level * 1.3, level * 3.0)
    else:
        colour = (level * rng.uniform(0.8, 1.2), level, level * rng.uniform(0.6, 1.1))
    s = repeat * rng.uniform(0.7, 1.5)
    return Material(colour, rng.texture("foliage"), (s, s), (rng.random(), 0.0))


def _house_leaves(rng: Draws, repeat: float) -> Material:
    level = rng.uniform(0.6, 2.0)
    return Material((level, level, level), rng.texture("foliage"), (repeat, repeat))


def plant(p: Place, height: float) -> None:
    """A potted plant or, outdoors, a shrub: a pot and blobs of leaves."""
    rng, pot = p.rng, p.rng.uniform(0.1, 0.22)
    p.tube((0, pot, 0), pot * 0.8, pot, rng.painted(), taper=1.25)
    leaves = _house_leaves(rng, 0.4)
    p.tube((0, height / 2, 0), 0.02, height / 2, STEM)
    for _ in range(rng.integers(3, 7)):
        r = rng.uniform(0.12, 0.3) * height
        x, z = rng.normal(0, 0.15 * height, 2)
        y = rng.uniform(0.5, 1.0) * height
        p.ball((x, y, z), (r, r * rng.uniform(0.4, 1.0), r), leaves, yaw=rng.uniform(0, 3))


def big_plant(p: Place, height: float) -> None:
    """A tall house plant with blades or a stemmed crown."""
    rng, pot = p.rng, p.rng.uniform(0.14, 0.25)
    if rng.random() < 0.4:
        p.box((0, pot, 0), (pot, pot, pot), rng.painted())
    else:
        p.tube((0, pot, 0), pot * 0.75, pot, rng.painted(), taper=1.3)
    leaves = _house_leaves(rng, 0.3)
    if rng.random() < 0.5:
        for _ in range(rng.integers(5, 10)):
            turn, lean = rng.uniform(0, 6.3), rng.uniform(0.1, 0.5)
            half = height * rng.uniform(0.3, 0.5)
            away = half * np.sin(lean)
            at = (away * np.sin(turn), 2 * pot + half * np.cos(lean) - 0.05, away * np.cos(turn))
            p.ball(at, (0.05 + 0.03 * rng.random(), half, 0.015), leaves, yaw=turn, tilt=lean)
    else:
        p.tube((0, height * 0.4, 0), 0.025, height * 0.4, STEM)
        for _ in range(rng.integers(4, 9)):
            r = rng.uniform(0.1, 0.22) * height
            x, z = rng.normal(0, 0.1 * height, 2)
            p.ball((x, height * rng.uniform(0.7, 1.0), z), (r, 0.6 * r, r), leaves)


def pot_plant(p: Place, height: float) -> None:
    """A pot with a small plant in it."""
    rng, pot = p.rng, p.rng.uniform(0.1, 0.25)
    look = rng.tinted((0.1, 0.8, 0.4), "plain", "plaster")
    p.tube((0, pot, 0), pot * 0.8, pot, look, taper=1.25)
    leaves = leaf_look(rng, 0.4)
    for _ in range(3):
        r = rng.uniform(0.18, 0.35) * height
        x, z = rng.normal(0, 0.15 * height, 2)
        y = 2 * pot + rng.uniform(0.1, 0.8) * height
        p.ball((x, y, z), (r, r * rng.uniform(0.5, 1.0), r), leaves)
    p.tube((0, pot + height / 2, 0), 0.02, height / 2, STEM)

"""Things that grow: trees of several habits, shrubs, hedges, tufts, logs and rocks."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import Pair, Place
from panodepth.lab.worlds.parts.plants import leaf_look

DETAIL_RANGE = 9.0  # metres; beyond it crowns are made of fewer, larger blobs
_HABITS = {"broad": 0.55, "slim": 0.15, "conifer": 0.15, "bare": 0.1, "palm": 0.05}


def bark_look(rng: Draws) -> Material:
    """Brown, grey or birch-white bark."""
    level = rng.uniform(0.25, 0.75) if rng.random() < 0.9 else 1.1
    warm = rng.uniform(0.7, 1.0)
    colour = (level, level * (1 + warm) / 2, level * warm)
    return Material(colour, rng.texture("wood", "plaster", "speckle"), (0.5, 2.0))


def tree(p: Place, height: float, far: float = 0.0) -> None:
    """A tree `height` metres tall, seen from `far` metres: broad, slim, conifer, bare or palm."""
    habit = p.rng.weighted(_HABITS)
    if habit == "conifer":
        _conifer(p, height, far)
    elif habit == "palm":
        _palm(p, height)
    else:
        _broad(p, height, far, habit)


def trunk(p: Place, height: float, radius: float, bark: Material, roots: bool = False) -> None:
    """A slightly leaning stem, with flared roots when asked."""
    lean, turn = p.rng.normal(0, 0.04), p.rng.uniform(0, 6.3)
    p.tube((0, height / 2, 0), radius, height / 2, bark, taper=0.65, tilt=lean, yaw=turn)
    if roots:
        p.tube((0, 0.12, 0), 1.6 * radius, 0.16, bark, taper=0.6)


def _broad(p: Place, height: float, far: float, habit: str) -> None:
    rng, bark, leaves = p.rng, bark_look(p.rng), leaf_look(p.rng)
    radius = height * rng.uniform(0.014, 0.035)
    clear = height * rng.uniform(0.15, 0.45)  # the crown begins here
    wide = height * rng.uniform(0.22, 0.45) * (0.45 if habit == "slim" else 1.0)
    near = far < DETAIL_RANGE
    trunk(p, height * 0.75, radius, bark, roots=near)
    for _ in range(rng.integers(3, 8) if near or habit == "bare" else 0):  # branches
        reach, up = wide * rng.uniform(0.5, 1.0), rng.uniform(0.25, 1.0)
        tall, turn = clear + 0.3 * height * rng.random(), rng.uniform(0, 6.3)
        length = np.hypot(reach, reach * up) / 2
        at = (np.sin(turn) * reach / 2, tall + reach * up / 2, np.cos(turn) * reach / 2)
        lean = float(np.arctan2(1.0, up))
        p.tube(at, 0.4 * radius, length, bark, taper=0.4, yaw=turn, tilt=lean)
    if habit == "bare":
        return
    size = wide * (0.38 if near else 0.55)
    middle, tall = (clear + height) / 2, (height - clear) / 2
    for k in range(rng.integers(14, 28) if near else rng.integers(6, 11)):
        r = size * rng.uniform(0.5, 1.3)
        # Golden angles spread the blobs evenly around the stem; 2.4 rad is nearly one.
        turn, up = 2.4 * k + rng.normal(0, 0.4), rng.uniform(-1, 1)
        out = np.sqrt(max(1 - up * up, 0.0)) * rng.uniform(0.4, 1.0) * (wide - 0.6 * r)
        at = (out * np.cos(turn), middle + up * (tall - 0.7 * r), out * np.sin(turn))
        half = (r, r * rng.uniform(0.5, 0.95), r * rng.uniform(0.7, 1.3))
        p.ball(at, half, leaves, yaw=turn, tilt=rng.normal(0, 0.3))


def _conifer(p: Place, height: float, far: float) -> None:
    rng, leaves = p.rng, leaf_look(p.rng, 0.8)
    trunk(p, height * 0.8, height * 0.02, bark_look(rng))
    tiers = int(rng.integers(4, 8)) if far < DETAIL_RANGE else 3
    base, wide = height * rng.uniform(0.05, 0.3), height * rng.uniform(0.12, 0.24)
    step = (height - base) / tiers
    for k in range(tiers):
        r = wide * (1 - 0.85 * k / tiers)
        lean = rng.normal(0, 0.03)
        at = (0, base + step * (k + 0.6), 0)
        p.tube(at, r, step * 0.75, leaves, taper=0.15, tilt=lean, yaw=2.0 * k)


def _palm(p: Place, height: float) -> None:
    rng, leaves = p.rng, leaf_look(p.rng, 0.5)
    trunk(p, height, height * 0.02 + 0.05, bark_look(rng))
    for k in range(rng.integers(7, 13)):
        turn, long = 2.4 * k, rng.uniform(1.0, 2.0)
        droop = rng.uniform(0.1, 0.7)
        at = (np.sin(turn) * long * 0.8, height - 0.35 * long * droop, np.cos(turn) * long * 0.8)
        p.ball(at, (0.22, 0.05, long), leaves, yaw=turn, tilt=droop)


def shrub(p: Place, height: float, parts: int = 5) -> None:
    """A bush of overlapping blobs that reach the ground."""
    rng, leaves = p.rng, leaf_look(p.rng, 0.6)
    for k in range(parts):
        r = height * rng.uniform(0.28, 0.5)
        x, z = rng.normal(0, 0.35 * height, 2) if k else (0.0, 0.0)
        y = max(rng.uniform(0.2, 0.75) * height, 0.6 * r) if k else 0.5 * r
        p.ball((x, y, z), (r, r * rng.uniform(0.6, 1.0), r), leaves, yaw=rng.uniform(0, 3))


def hedge(p: Place, half: Pair, height: float) -> None:
    """A clipped hedge of half length and half width `half` [m], with an uneven top."""
    rng, leaves = p.rng, leaf_look(p.rng, 0.7)
    p.box((0, height / 2, 0), (half[0], height / 2, half[1]), leaves)
    for _ in range(int(min(half[0] * 1.5, 5))):
        x, r = rng.uniform(-1, 1) * half[0], rng.uniform(0.2, 0.6)
        y = height * rng.uniform(0.5, 1.0)
        p.ball((x, y, 0), (2 * r, 0.5 * r, half[1] + 0.15 * r), leaves)


def flower_bed(p: Place, half: Pair) -> None:
    """A raised bed or trough with low plants."""
    rng, edge = p.rng, p.rng.tinted((0.2, 0.8, 0.1), "plaster", "wood")
    tall = rng.uniform(0.1, 0.6)
    p.box((0, tall / 2, 0), (half[0], tall / 2, half[1]), edge)
    for _ in range(rng.integers(3, 8)):
        r = rng.uniform(0.12, 0.4)
        x, z = rng.uniform(-0.9, 0.9, 2) * half
        look = leaf_look(rng, 0.4)
        if rng.random() < 0.3:
            look = rng.tinted((0.3, 0.9, 0.9), "speckle", scale=0.3)
        p.ball((x, tall + 0.4 * r, z), (r, 0.7 * r, r), look)


def tuft(p: Place, size: float) -> None:
    """Long grass or fern: flat blobs near the ground."""
    rng = p.rng
    look = rng.printed("grass", "foliage", tint=(1.0, 1.0, 0.9), scale=0.3)
    for _ in range(2):
        x, z = rng.normal(0, 0.4 * size, 2)
        tall = size * rng.uniform(0.3, 0.7)
        p.ball((x, 0.3 * tall, z), (size * 0.6, tall, size * 0.45), look, yaw=rng.uniform(0, 3))


def rock(p: Place, radius: float) -> None:
    """A boulder: two or three tilted blocks and ellipsoids sunk into the ground."""
    rng = p.rng
    look = rng.tinted((0.2, 0.75, 0.1), "plaster", "speckle", "marble")
    for _ in range(rng.integers(1, 4)):
        x, z = rng.normal(0, 0.35 * radius, 2)
        half = radius * rng.uniform(0.5, 1.0, 3)
        shape = p.ball if rng.random() < 0.6 else p.box
        lean, turn = rng.normal(0, 0.35), rng.uniform(0, 6.3)
        shape((x, 0.25 * half[1], z), half, look, tilt=lean, yaw=turn)


def log(p: Place, length: float) -> None:
    """A fallen stem or a stump."""
    rng, bark, radius = p.rng, bark_look(p.rng), p.rng.uniform(0.1, 0.35)
    if rng.random() < 0.4:
        p.tube((0, radius, 0), 1.2 * radius, radius, bark, taper=0.8)
        return
    lean = np.pi / 2 + rng.normal(0, 0.06)
    p.tube((0, 0.8 * radius, 0), radius, length / 2, bark, taper=0.7, tilt=lean)

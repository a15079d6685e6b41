"""Things that grow: trees of several habits, shrubs, hedges, tufts, logs and rocks."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor.furniture import Rng, tint
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.outdoor.site import Spot
from panodepth.lab.worlds.render.primitives import Material

DETAIL_RANGE = 9.0  # metres; beyond it crowns are made of fewer, larger blobs


def leaf_look(rng: Rng, repeat: float = 1.2) -> Material:
    """Foliage of one plant: mostly green, sometimes autumn or blossom; `repeat` in metres."""
    level = float(rng.uniform(0.6, 1.9))
    turn = rng.random()
    if turn < 0.1:  # autumn
        colour = (level * 2.0, level * float(rng.uniform(0.6, 1.0)), level * 0.5)
    elif turn < 0.13:  # blossom
        colour = (level * 2.5, level * 1.3, level * 3.0)
    else:
        colour = (level * float(rng.uniform(0.8, 1.2)), level, level * float(rng.uniform(0.6, 1.1)))
    s = repeat * float(rng.uniform(0.7, 1.5))
    return Material(colour, choose(rng, "foliage"), (s, s), (float(rng.random()), 0.0))


def bark_look(rng: Rng) -> Material:
    """Brown, grey or birch-white bark."""
    level = float(rng.uniform(0.25, 0.75)) if rng.random() < 0.9 else 1.1
    warm = float(rng.uniform(0.7, 1.0))
    colour = (level, level * (1 + warm) / 2, level * warm)
    return Material(colour, choose(rng, "wood", "plaster", "speckle"), (0.5, 2.0))


def tree(p: Spot, height: float, far: float = 0.0) -> None:
    """A tree `height` metres tall, seen from `far` metres: broad, slim, conifer, bare or palm."""
    habit = p.rng.choice(
        ["broad", "slim", "conifer", "bare", "palm"], p=[0.55, 0.15, 0.15, 0.1, 0.05]
    )
    if habit == "conifer":
        _conifer(p, height, far)
    elif habit == "palm":
        _palm(p, height)
    else:
        _broad(p, height, far, str(habit))


def trunk(p: Spot, height: float, radius: float, bark: Material, roots: bool = False) -> None:
    """A slightly leaning stem, with flared roots when asked."""
    lean, turn = float(p.rng.normal(0, 0.04)), float(p.rng.uniform(0, 6.3))
    p.tube((0, height / 2, 0), radius, height / 2, bark, taper=0.65, tilt=lean, yaw=turn)
    if roots:
        p.tube((0, 0.12, 0), 1.6 * radius, 0.16, bark, taper=0.6)


def _broad(p: Spot, height: float, far: float, habit: str) -> None:
    rng, bark, leaves = p.rng, bark_look(p.rng), leaf_look(p.rng)
    radius = height * float(rng.uniform(0.014, 0.035))
    clear = height * float(rng.uniform(0.15, 0.45))  # the crown begins here
    wide = height * float(rng.uniform(0.22, 0.45)) * (0.45 if habit == "slim" else 1.0)
    trunk(p, height * 0.75, radius, bark, roots=far < DETAIL_RANGE)
    near = far < DETAIL_RANGE
    for _ in range(int(rng.integers(3, 8)) if near or habit == "bare" else 0):
        reach, up = wide * float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.25, 1.0))
        tall, turn = clear + 0.3 * height * float(rng.random()), float(rng.uniform(0, 6.3))
        length = np.hypot(reach, reach * up) / 2
        at = (np.sin(turn) * reach / 2, tall + reach * up / 2, np.cos(turn) * reach / 2)
        lean = float(np.arctan2(1.0, up))
        p.tube(at, 0.4 * radius, length, bark, taper=0.4, yaw=turn, tilt=lean)
    if habit == "bare":
        return
    blobs = int(rng.integers(14, 28)) if near else int(rng.integers(6, 11))
    size = wide * (0.38 if near else 0.55)
    middle, tall = (clear + height) / 2, (height - clear) / 2
    for k in range(blobs):
        r = size * float(rng.uniform(0.5, 1.3))
        turn, up = 2.4 * k + float(rng.normal(0, 0.4)), float(rng.uniform(-1, 1))
        out = np.sqrt(max(1 - up * up, 0.0)) * float(rng.uniform(0.4, 1.0)) * (wide - 0.6 * r)
        at = (out * np.cos(turn), middle + up * (tall - 0.7 * r), out * np.sin(turn))
        half = (r, r * float(rng.uniform(0.5, 0.95)), r * float(rng.uniform(0.7, 1.3)))
        p.ball(at, half, leaves, yaw=turn, tilt=float(rng.normal(0, 0.3)))


def _conifer(p: Spot, height: float, far: float) -> None:
    rng, leaves = p.rng, leaf_look(p.rng, 0.8)
    trunk(p, height * 0.8, height * 0.02, bark_look(rng))
    tiers = int(rng.integers(4, 8)) if far < DETAIL_RANGE else 3
    base, wide = height * float(rng.uniform(0.05, 0.3)), height * float(rng.uniform(0.12, 0.24))
    step = (height - base) / tiers
    for k in range(tiers):
        r = wide * (1 - 0.85 * k / tiers)
        lean = float(rng.normal(0, 0.03))
        at = (0, base + step * (k + 0.6), 0)
        p.tube(at, r, step * 0.75, leaves, taper=0.15, tilt=lean, yaw=2.0 * k)


def _palm(p: Spot, height: float) -> None:
    rng, leaves = p.rng, leaf_look(p.rng, 0.5)
    trunk(p, height, height * 0.02 + 0.05, bark_look(rng))
    for k in range(int(rng.integers(7, 13))):
        turn, long = 2.4 * k, float(rng.uniform(1.0, 2.0))
        droop = float(rng.uniform(0.1, 0.7))
        at = (np.sin(turn) * long * 0.8, height - 0.35 * long * droop, np.cos(turn) * long * 0.8)
        p.ball(at, (0.22, 0.05, long), leaves, yaw=turn, tilt=droop)


def shrub(p: Spot, height: float, parts: int = 5) -> None:
    """A bush of overlapping blobs that reach the ground."""
    rng, leaves = p.rng, leaf_look(p.rng, 0.6)
    for k in range(parts):
        r = height * float(rng.uniform(0.28, 0.5))
        x, z = rng.normal(0, 0.35 * height, 2) if k else (0.0, 0.0)
        y = max(float(rng.uniform(0.2, 0.75)) * height, 0.6 * r) if k else 0.5 * r
        p.ball((x, y, z), (r, r * rng.uniform(0.6, 1.0), r), leaves, yaw=rng.uniform(0, 3))


def hedge(p: Spot, half: tuple[float, float], height: float) -> None:
    """A clipped hedge of half length and half width `half` [m], with an uneven top."""
    rng, leaves = p.rng, leaf_look(p.rng, 0.7)
    p.box((0, height / 2, 0), (half[0], height / 2, half[1]), leaves)
    for _ in range(int(min(half[0] * 1.5, 5))):
        x, r = float(rng.uniform(-1, 1)) * half[0], float(rng.uniform(0.2, 0.6))
        y = height * float(rng.uniform(0.5, 1.0))
        p.ball((x, y, 0), (2 * r, 0.5 * r, half[1] + 0.15 * r), leaves)


def flower_bed(p: Spot, half: tuple[float, float]) -> None:
    """A raised bed or trough with low plants."""
    rng, edge = p.rng, Material(tint(p.rng, 0.2, 0.8, 0.1), choose(p.rng, "plaster", "wood"))
    tall = float(rng.uniform(0.1, 0.6))
    p.box((0, tall / 2, 0), (half[0], tall / 2, half[1]), edge)
    for _ in range(int(rng.integers(3, 8))):
        r = float(rng.uniform(0.12, 0.4))
        x, z = rng.uniform(-0.9, 0.9, 2) * half
        look = leaf_look(rng, 0.4)
        if rng.random() < 0.3:
            look = Material(tint(rng, 0.3, 0.9, 0.9), choose(rng, "speckle"), (0.3, 0.3))
        p.ball((x, tall + 0.4 * r, z), (r, 0.7 * r, r), look)


def pot_plant(p: Spot, height: float) -> None:
    """A pot with a small plant in it."""
    rng, pot = p.rng, float(p.rng.uniform(0.1, 0.25))
    look = Material(tint(rng, 0.1, 0.8, 0.4), choose(rng, "plain", "plaster"))
    p.tube((0, pot, 0), pot * 0.8, pot, look, taper=1.25)
    leaves = leaf_look(rng, 0.4)
    for _ in range(3):
        r = float(rng.uniform(0.18, 0.35)) * height
        x, z = rng.normal(0, 0.15 * height, 2)
        y = 2 * pot + float(rng.uniform(0.1, 0.8)) * height
        p.ball((x, y, z), (r, r * rng.uniform(0.5, 1.0), r), leaves)
    p.tube((0, pot + height / 2, 0), 0.02, height / 2, Material((0.2, 0.12, 0.06), 0))


def tuft(p: Spot, size: float) -> None:
    """Long grass or fern: flat blobs near the ground."""
    rng = p.rng
    look = Material((1.0, 1.0, 0.9), choose(rng, "grass", "foliage"), (0.3, 0.3))
    for _ in range(2):
        x, z = rng.normal(0, 0.4 * size, 2)
        tall = size * float(rng.uniform(0.3, 0.7))
        p.ball((x, 0.3 * tall, z), (size * 0.6, tall, size * 0.45), look, yaw=rng.uniform(0, 3))


def rock(p: Spot, radius: float) -> None:
    """A boulder: two or three tilted blocks and ellipsoids sunk into the ground."""
    rng = p.rng
    look = Material(tint(rng, 0.2, 0.75, 0.1), choose(rng, "plaster", "speckle", "marble"))
    for _ in range(int(rng.integers(1, 4))):
        x, z = rng.normal(0, 0.35 * radius, 2)
        half = radius * rng.uniform(0.5, 1.0, 3)
        shape = p.ball if rng.random() < 0.6 else p.box
        lean, turn = float(rng.normal(0, 0.35)), float(rng.uniform(0, 6.3))
        shape((x, 0.25 * half[1], z), half, look, tilt=lean, yaw=turn)


def log(p: Spot, length: float) -> None:
    """A fallen stem or a stump."""
    rng, bark, radius = p.rng, bark_look(p.rng), float(p.rng.uniform(0.1, 0.35))
    if rng.random() < 0.4:
        p.tube((0, radius, 0), 1.2 * radius, radius, bark, taper=0.8)
        return
    lean = np.pi / 2 + float(rng.normal(0, 0.06))
    p.tube((0, 0.8 * radius, 0), radius, length / 2, bark, taper=0.7, tilt=lean)

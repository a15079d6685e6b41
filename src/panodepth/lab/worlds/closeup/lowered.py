"""What modern flats are divided by: ceilings lowered in parts, and partitions up to them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import CEILING, WALL, Place, bays
from panodepth.lab.worlds.render.shapes import Array

LOWEST = 2.05  # metres from the floor to a lowered part
LEAST_DROP = 0.1  # metres
STYLES = {"walls": 0.35, "zone": 0.25, "ring": 0.2, "bands": 0.2}
Rectangle = tuple[float, float, float, float]  # x, z of its middle, half x, half z [m]


def lower_ceiling(here: Interior, eye: Array, clearance: float) -> None:
    """Boxes under a flat ceiling: along walls, over a part of the room, all round, or across.

    None of them comes nearer than `clearance` [m] to the camera `eye` (3,) [m].
    """
    rng, room = here.rng, here.room
    most = min(0.65, room.height - LOWEST)
    if room.roof != "flat" or not room.box or most < LEAST_DROP:
        return
    drop, p = rng.uniform(LEAST_DROP, most), here.place(room.middle, 0.0, CEILING)
    look = rng.tinted((0.7, 0.97, 0.04)) if rng.random() < 0.85 else rng.wooden()
    glow = Material((1.0, 0.9, 0.75), emission=rng.uniform(1, 5)) if rng.random() < 0.3 else None
    for x, z, hx, hz in _outlines(rng, *room.half):
        built = len(here.scene)
        p.box((x, room.height - drop / 2, z), (hx, drop / 2, hz), look)
        if glow:  # a strip of light that shines on the ceiling proper
            p.box((x, room.height - 0.6 * drop, z), (hx + 0.01, 0.02, hz + 0.01), glow)
        if here.scene.clearance(eye) < clearance:
            here.scene.keep(built)


def _outlines(rng: Draws, half_x: float, half_z: float) -> Iterator[Rectangle]:
    """The lowered parts of a room around (0, 0)."""
    style, wide = rng.weighted(STYLES), min(half_x, half_z)
    if style == "bands":
        count, half, along = int(rng.integers(1, 4)), rng.uniform(0.1, 0.5), rng.random() < 0.5
        for at in bays(count, half_x if along else half_z):
            at += rng.normal(0, 0.2)
            yield (at, 0.0, half, half_z) if along else (0.0, at, half_x, half)
        return
    sides = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    picked = {"walls": int(rng.integers(1, 4)), "zone": 1, "ring": 4}[style]
    for k in rng.permutation(4)[:picked].tolist():
        (u, v), deep = sides[k], rng.uniform(0.3, min(1.8, 1.2 * wide))
        if style == "zone":
            deep = rng.uniform(0.4, 1.2) * (half_x if u else half_z)
        deep = min(deep, 2 * (half_x if u else half_z) - 0.2)
        if u:
            yield u * (half_x - deep / 2), 0.0, deep / 2, half_z
        else:
            yield 0.0, v * (half_z - deep / 2), half_x, deep / 2


def partition(here: Interior, eye: Array, clearance: float) -> None:
    """A wall, a row of slats or a framed pane that stands in a room, from floor to ceiling."""
    rng, room = here.rng, here.room
    half, thick = rng.uniform(0.3, 1.3), rng.uniform(0.02, 0.09)
    turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 4.0)
    x, z = float(eye[0] + far * np.cos(turn)), float(eye[2] + far * np.sin(turn))
    yaw = float(rng.integers(2)) * np.pi / 2
    if room.roof != "flat" or not here.claim(Footprint.rectangle((x, z), yaw, half, thick), 0.02):
        return
    built = len(here.scene)
    _divide(here.place(np.array([x, 0.0, z]), yaw, WALL), half, thick, room.height)
    if here.scene.clearance(eye) < clearance:
        here.scene.keep(built)


def _divide(p: Place, half: float, thick: float, height: float) -> None:
    """One partition along x."""
    rng, style, middle = p.rng, p.rng.random(), height / 2
    if style < 0.45:
        p.box((0, middle, 0), (half, middle, thick), rng.tinted((0.1, 0.97, 0.1)))
        return
    dark, count = rng.metal() if rng.random() < 0.7 else rng.wooden(), int(4 + half * 9)
    if style < 0.7:  # slats
        for x in bays(count, half):
            p.box((x, middle, 0), (rng.uniform(0.01, 0.03), middle, thick), dark)
        return
    pane = grey(rng.uniform(0.3, 0.95), gloss=rng.uniform(0.0, 3.0))
    p.box((0, middle, 0), (half, middle, 0.3 * thick), pane)
    for x in (-half, *bays(max(1, count // 4), half), half):
        p.box((x, middle, 0), (0.02, middle, 0.5 * thick), dark)
    for y in (0.03, *((rng.uniform(0.8, 1.6),) if rng.random() < 0.6 else ()), height - 0.03):
        p.box((0, y, 0), (half, 0.02, 0.5 * thick), dark)

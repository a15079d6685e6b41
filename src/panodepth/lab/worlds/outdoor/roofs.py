"""Tops of buildings: gabled, hipped, mansard, shed and flat roofs with what stands on them."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import QUARTER, Pair, Place, Triple, bays
from panodepth.lab.worlds.render.solids import gable, roof, tapered

_KINDS = {"gable": 0.2, "front": 0.1, "hip": 0.12, "mansard": 0.05, "shed": 0.1, "flat": 0.43}


def roof_look(rng: Draws) -> Material:
    """Clay, slate, sheet metal, shingle or thatch."""
    if rng.random() < 0.45:
        level = rng.uniform(0.25, 0.6)
        colour = (level, level * rng.uniform(0.45, 0.7), level * 0.4)
    else:
        colour = rng.tint(0.08, 0.6, 0.3)
    return Material(colour, rng.texture("shutter", "tiles", "brick", "wood"), (1.5, 1.5))


def add_roof(p: Place, half: Pair, height: float, wall: Material, detail: bool) -> None:
    """A roof over a building of half width and half depth `half` [m], its eaves at `height`.

    `p` is the middle of the building's front on the ground; the building lies behind it (−z).
    detail: with chimneys, dormers and what stands on flat roofs.
    """
    rng, (w, d) = p.rng, half
    top = p.at(0, height, -d)
    kind = rng.weighted(_KINDS)
    if kind == "flat":
        _flat(top, half, wall, detail)
        return
    look, out = roof_look(rng), rng.uniform(0.1, 0.6)
    if kind == "shed":
        slope = rng.uniform(0.08, 0.3)
        lift = float(np.sin(slope)) * d
        top.box((0, lift * 0.5, 0), (w, lift * 0.5, d * 0.98), wall)
        top.box((0, lift, 0.1), (w + 0.1, 0.06, d + out), look, tilt=slope)
        return
    if kind == "mansard":
        tall, inset = rng.uniform(2.0, 3.2), rng.uniform(0.6, 0.85)
        top.solid(tapered((w, tall / 2, d + 0.1), inset), look, (0, tall / 2, 0))
        top.box((0, 0.05, 0), (w + 0.05, 0.1, d + 0.2), rng.painted())
        if detail:
            _dormers(top, w, (d - 0.25 * tall, 0.2, tall * 0.6), look, wall)
        return
    rise = rng.uniform(0.35, 0.95) * min(w if kind == "front" else d, 5.0)
    if kind == "hip":
        ridge = rng.uniform(0.6, 1.0) * (1 - min(w, d) / max(w, d))
        hip = roof((max(w, d) + out, rise / 2, min(w, d) + out), ridge)
        top.solid(hip, look, (0, rise / 2, 0), yaw=0.0 if w >= d else QUARTER)
    else:
        side, along, across = (top, w, d) if kind == "gable" else (top.at(yaw=QUARTER), d, w)
        eaves, less = out if kind == "gable" else 0.1, rise * 0.94
        side.solid(gable((along + 0.05, rise / 2, across + eaves)), look, (0, rise / 2, 0))
        # The gable walls stand a hair proud of the roof's ends.
        side.solid(gable((along + 0.07, less / 2, across)), wall, (0, less / 2, 0))
        if kind == "front" and detail and rng.random() < 0.5:
            pane = rng.tinted((0.2, 0.8, 0.1), "window").fitted(0.8, 0.9)
            top.box((0, rise * 0.35, d + 0.08), (0.4, 0.45, 0.04), pane)
        if kind == "gable" and detail and rng.random() < 0.3:
            _dormers(top, w, (d * 0.6, rise * 0.15, rise * 0.5), look, wall)
    if detail and rng.random() < 0.5:
        _chimney(top, (rng.uniform(-0.7, 0.7) * w, rise * 0.8, rng.normal(0, 0.3)))


def _dormers(top: Place, w: float, at: Triple, look: Material, wall: Material) -> None:
    """Windows standing out of a roof; at = (front z, sill height, height) in metres."""
    rng, (z, low, tall), deep = top.rng, at, 1.2
    pane = rng.tinted((0.2, 0.8, 0.1), "window").fitted(0.76, 0.84 * tall)
    for x in bays(min(max(1, int(w / 1.6)), 4), w):
        top.box((x, low + tall / 2, z - deep), (0.5, tall / 2, deep), wall)
        top.box((x, low + tall / 2, z), (0.38, tall * 0.42, 0.04), pane)
        ridge = (x, low + tall + 0.2, z - deep)
        top.solid(gable((deep + 0.1, 0.2, 0.65)), look, ridge, yaw=QUARTER)


def _chimney(top: Place, at: Triple) -> None:
    rng, (x, y, z) = top.rng, at
    look = rng.tinted((0.2, 0.7, 0.2), "brick", "plaster")
    tall = rng.uniform(0.6, 1.4)
    top.box((x, y + tall / 2, z), (0.3, tall / 2 + 0.5, 0.25), look)
    for dx in (-0.12, 0.12):
        top.tube((x + dx, y + tall + 0.6, z), 0.08, 0.2, rng.painted())


def _flat(top: Place, half: Pair, wall: Material, detail: bool) -> None:
    """A cornice, parapet or slab, and tanks, huts and aerials behind it."""
    rng, (w, d) = top.rng, half
    edge = rng.random()
    if edge < 0.45:
        out = rng.uniform(0.05, 0.5)
        top.box((0, 0.08, out / 2), (w + 0.05, 0.12, d + out / 2), rng.painted())
    if edge > 0.3:
        tall = rng.uniform(0.15, 0.5)
        top.box((0, tall, d - 0.1), (w, tall, 0.1), wall)
    extra = rng.random() if detail else 1.0
    if extra < 0.15:
        r = rng.uniform(0.4, 0.7)
        steel = Material((0.5, 0.52, 0.55), gloss=0.7)
        top.tube((rng.uniform(-0.5, 0.5) * w, 1.2 + r, 0.3 * d), r, 0.8, steel)
    elif extra < 0.3:
        top.box((rng.uniform(-0.4, 0.4) * w, 1.1, 0), (0.4 * w, 1.2, 0.5 * d), wall)
    elif extra < 0.45:  # a roof of sheet metal on posts, over the terrace
        sheet = rng.tinted((0.2, 0.8, 0.5), "shutter", scale=1.5)
        tall = rng.uniform(1.8, 2.4)
        top.box((0, tall, 0), (w + 0.2, 0.04, d + 0.4), sheet, tilt=rng.normal(0, 0.08))
        for x in (-0.95, 0.0, 0.95):
            top.box((x * w, tall / 2, d - 0.15), (0.05, tall / 2, 0.05), rng.painted())
    if detail and rng.random() < 0.2:
        top.tube((rng.uniform(-0.8, 0.8) * w, 1.2, 0.5 * d), 0.025, 1.4, rng.painted())

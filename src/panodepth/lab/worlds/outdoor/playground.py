"""A playground: swings, a slide, a climbing frame, with a fence, trees and houses around."""

from __future__ import annotations

import math

import numpy as np

from panodepth.lab.worlds.looks.materials import grey
from panodepth.lab.worlds.outdoor.ground import ground
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.squares import closed_by_houses, scatter
from panodepth.lab.worlds.outdoor.street_things import fence
from panodepth.lab.worlds.outdoor.vegetation import hedge, tree
from panodepth.lab.worlds.parts.place import FITTING, Place


def playground(site: Site) -> None:
    """Swings, a slide and a climbing frame, with a fence, trees and houses around."""
    rng = site.rng
    ground(site, "grass", "speckle", "plaster", "grass", "tiles")
    half = (rng.uniform(7, 14), rng.uniform(7, 14))
    site.stand(*rng.normal(0, 2.5, 2))
    closed_by_houses(site, (half[0] + 3, half[1] + 3), (1, 6), 0.5)
    swings, slide, frame = (_swings, (2.0, 1.5)), (_slide, (1.0, 2.4)), (_frame, (1.4, 1.4))
    for build, room in (swings, slide, frame, swings):
        x, z = site.around(2.5, 4.0)
        yaw = rng.uniform(0, 6.3)
        if rng.random() < 0.85 and (p := site.claimed(x, z, room, yaw, FITTING)):
            build(p)
    for p, wide in site.fronts(half):
        style = rng.random()
        if style < 0.4:
            fence(p, wide)
        elif style < 0.65:
            hedge(p, (wide, 0.4), rng.uniform(0.8, 2.0))
    for _ in range(rng.integers(2, 8)):
        x, z = rng.uniform(-1, 1, 2) * half
        if site.far(x, z) > 2.5 and (p := site.claimed(x, z, (0.5, 0.5))):
            tree(p, rng.uniform(3, 10), site.far(x, z))
    shares = {"bench": 0.4, "person": 0.4, "shrub": 0.2, "two_wheeler": 0.1, "container": 0.1}
    scatter(site, half, int(rng.integers(3, 12)), shares)


def _swings(p: Place) -> None:
    look, tall, half = p.rng.metal(), p.rng.uniform(2.0, 2.5), 1.7
    p.box((0, tall, 0), (half, 0.05, 0.05), look)
    for x in (-half, half):
        for lean in (-0.3, 0.3):
            z, long = -tall * math.tan(lean) / 2, tall / 2 / math.cos(lean)
            p.tube((x, tall / 2, z), 0.05, long, look, tilt=lean)
    for x in (-0.8, 0.8):
        p.box((x, 0.5, 0), (0.22, 0.02, 0.1), grey(0.05))
        for side in (-0.2, 0.2):
            p.box((x + side, (tall + 0.5) / 2, 0), (0.01, (tall - 0.5) / 2, 0.01), look)


def _slide(p: Place) -> None:
    rng, tall = p.rng, p.rng.uniform(1.4, 2.4)
    look, sheet = rng.metal(), rng.tinted((0.2, 0.9, 0.8), gloss=0.7)
    slope = 0.65
    run = tall / math.tan(slope)
    z, long = run / 2 - 0.6, run / 2 / math.cos(slope)
    p.box((0, tall / 2, z), (0.3, 0.03, long), sheet, tilt=slope)
    p.pair((0.3, tall / 2 + 0.1, z), (0.03, 0.1, long), sheet, tilt=slope)
    p.box((0, tall, -0.9), (0.35, 0.04, 0.35), look)
    for x in (-0.33, 0.33):
        p.box((x, (tall + 0.8) / 2, -0.9), (0.03, (tall + 0.8) / 2, 0.03), look)
        p.box((x, tall / 2, -1.5), (0.03, tall / 2 * 1.15, 0.03), look, tilt=0.3)
    for y in np.arange(0.3, tall, 0.35):
        p.box((0, y, -1.5 + 0.3 * (y - tall / 2)), (0.3, 0.025, 0.025), look)


def _frame(p: Place) -> None:
    """A climbing frame of bars, or a play hut."""
    rng, look = p.rng, p.rng.metal()
    half, tall = 1.0, rng.uniform(1.4, 2.4)
    for x in (-half, 0.0, half):
        for z in (-half, 0.0, half):
            p.box((x, tall / 2, z), (0.03, tall / 2, 0.03), look)
    for y in (tall / 2, tall):
        for k in (-half, 0.0, half):
            p.box((0, y, k), (half, 0.03, 0.03), look)
            p.box((k, y, 0), (0.03, 0.03, half), look)

"""Thin things that stand about: posts, floor lamps, coat stands, tripods, ladders, rails, signs."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.parts.place import Place
from panodepth.lab.worlds.parts.seats import chair, stool
from panodepth.lab.worlds.parts.small_things import lamp_shade


def post(p: Place) -> None:
    """A post, a bollard or a pipe, 0.8 to 2.6 m tall."""
    rng, tall = p.rng, p.rng.uniform(0.8, 2.6)
    look, radius = rng.metal(), rng.uniform(0.02, 0.09)
    p.tube((0, tall / 2, 0), radius, tall / 2, look)
    if rng.random() < 0.5:
        p.tube((0, 0.015, 0), 0.18, 0.015, look)
    if tall < 1.2 and rng.random() < 0.5:  # a rope to the next
        p.box((0.5, 0.85 * tall, 0), (0.5, 0.012, 0.012), rng.painted())
        p.tube((1.0, tall / 2, 0), radius, tall / 2, look)


def coat_stand(p: Place) -> None:
    rng, tall, look = p.rng, p.rng.uniform(1.6, 1.9), p.rng.wooden()
    p.tube((0, tall / 2, 0), 0.02, tall / 2, look)
    for k in range(3):
        turn = 2.1 * k
        p.box((0.1 * np.sin(turn), 0.03, 0.1 * np.cos(turn)), (0.02, 0.02, 0.18), look, yaw=turn)
        at = (0.07 * np.sin(turn), tall - 0.1, 0.07 * np.cos(turn))
        p.box(at, (0.012, 0.012, 0.1), look, yaw=turn, tilt=-0.5)
    if rng.random() < 0.6:
        p.ball((0, 0.7 * tall, 0.1), (0.16, 0.4, 0.1), rng.cloth())


def tripod(p: Place) -> None:
    """Three legs with a camera, an easel board or a spotlight."""
    rng, tall, look = p.rng, p.rng.uniform(1.1, 1.8), p.rng.metal()
    lean = 0.25
    for k in range(3):
        turn, out = 2 * np.pi * k / 3, tall * np.tan(lean) / 2
        at = (out * np.sin(turn), tall / 2, out * np.cos(turn))
        p.tube(at, 0.015, tall / 2 / np.cos(lean), look, yaw=turn, tilt=-lean)
    if rng.random() < 0.5:
        p.box((0, tall, 0.05), (0.08, 0.07, 0.1), rng.painted())
    else:
        look = rng.printed("picture", "plain", "text").fitted(0.8, 1.0)
        p.box((0, tall - 0.2, 0.12), (0.4, 0.5, 0.012), look, tilt=-0.15)


def ladder(p: Place) -> None:
    tall, look = p.rng.uniform(1.4, 2.6), p.rng.metal()
    for lean in (-0.22, 0.22):
        z = np.tan(lean) * tall / 2
        p.pair((0.22, tall / 2, z), (0.02, tall / 2 / np.cos(lean), 0.03), look, tilt=-lean)
        for k in range(int(tall / 0.3)):
            y = 0.25 + 0.3 * k
            p.box((0, y, np.tan(lean) * (tall - y)), (0.22, 0.015, 0.02), look)


def railing(p: Place) -> None:
    """Two metres of rails on posts."""
    rng, look, tall = p.rng, p.rng.metal(), p.rng.uniform(0.9, 1.15)
    for x in (-1.0, 0.0, 1.0):
        p.tube((x, tall / 2, 0), 0.02, tall / 2, look)
    for y in (tall, 0.5 * tall) if rng.random() < 0.5 else (tall, 0.75 * tall, 0.5 * tall):
        p.box((0, y, 0), (1.0, 0.015, 0.015), look)


def sign(p: Place) -> None:
    rng, tall = p.rng, p.rng.uniform(1.0, 2.3)
    p.tube((0, tall / 2, 0), 0.02, tall / 2, rng.metal())
    p.tube((0, 0.01, 0), 0.2, 0.01, rng.metal())
    w = rng.uniform(0.12, 0.3)
    p.box((0, tall, 0.02), (w, 0.2, 0.012), rng.printed("text").fitted(2 * w, 0.4))


def _floor_lamp(p: Place) -> None:
    lamp_shade(p, (0, 0, 0), p.rng.uniform(1.3, 1.9))


def _bar_stool(p: Place) -> None:
    stool(p, p.rng.uniform(0.5, 0.8))


_KINDS = {
    post: 0.25,
    _floor_lamp: 0.13,
    _bar_stool: 0.14,
    chair: 0.1,
    coat_stand: 0.08,
    tripod: 0.1,
    ladder: 0.05,
    railing: 0.06,
    sign: 0.1,
}


_OUTDOORS = {post: 0.5, railing: 0.2, sign: 0.2, tripod: 0.1}


def slender(p: Place, outdoors: bool = False) -> None:
    """One thin thing of any kind, or of those that stand outdoors."""
    p.rng.weighted(_OUTDOORS if outdoors else _KINDS)(p)

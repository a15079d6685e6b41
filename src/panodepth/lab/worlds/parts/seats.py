"""What people sit on: chairs, sofas, armchairs, benches, rows of seats."""

from __future__ import annotations

from panodepth.lab.worlds.parts.people import person
from panodepth.lab.worlds.parts.place import FURNITURE, Place, bays
from panodepth.lab.worlds.parts.small_things import things
from panodepth.lab.worlds.render.solids import tapered


def chair(p: Place) -> None:
    """A dining or office chair, or a stool."""
    rng = p.rng
    seat, w = rng.uniform(0.4, 0.5), rng.uniform(0.19, 0.26)
    frame = rng.wooden()
    pad = frame if rng.random() < 0.5 else rng.cloth()
    p.box((0, seat, 0), (w, 0.03, w), pad)
    if rng.random() < 0.3:
        p.tube((0, seat / 2, 0), 0.03, seat / 2, frame)
        p.tube((0, 0.03, 0), w, 0.03, frame, taper=0.2)
    else:
        p.four((w - 0.02, seat / 2, w - 0.02), (0.018, seat / 2, 0.018), frame)
    if rng.random() < 0.85:
        tall = rng.uniform(0.2, 0.35)
        p.box((0, seat + tall, -w), (w, tall * rng.uniform(0.5, 1.0), 0.02), pad, tilt=-0.1)


def sofa(p: Place, half_width: float) -> None:
    """A sofa or armchair with arms, back, seat cushions and pillows."""
    rng, look = p.rng, p.rng.cloth()
    d, seat = rng.uniform(0.38, 0.5), rng.uniform(0.36, 0.46)
    back = seat + rng.uniform(0.3, 0.5)
    base = 0.0 if rng.random() < 0.6 else 0.1
    p.box((0, (seat + base) / 2, 0), (half_width, (seat - base) / 2, d), look)
    p.box((0, back / 2 + base / 2, -d + 0.12), (half_width, back / 2 - base / 2, 0.12), look)
    arm = seat + rng.uniform(0.1, 0.25)
    if rng.random() < 0.8:
        p.pair((half_width, arm / 2, 0), (0.1, arm / 2, d), look)
    n = max(1, round(half_width / 0.4))
    for i in range(n):
        x = (i + 0.5) / n * 2 * half_width - half_width
        w = half_width / n * 0.97
        p.box((x, seat + 0.06, 0.08), (w, 0.06, d - 0.1), look)
        if rng.random() < 0.6:
            p.ball((x, seat + 0.3, -d + 0.3), (w * 0.8, 0.2, 0.13), rng.cloth(), tilt=-0.3)


def armchair(p: Place) -> None:
    """A round or square armchair, a pouf, or a bean bag."""
    rng, look, style = p.rng, p.rng.cloth(), p.rng.random()
    if style < 0.3:
        r = rng.uniform(0.22, 0.42)
        p.tube((0, r * 0.5, 0), r, r * 0.5, look)
    elif style < 0.45:
        p.ball((0, 0.3, 0), (0.45, 0.32, 0.42), look)
        p.ball((0, 0.55, -0.15), (0.33, 0.3, 0.28), look)
    else:
        p.box((0, 0.24, 0), (0.34, 0.1, 0.34), look)
        p.solid(tapered((0.34, 0.42, 0.12), 0.8), look, (0, 0.5, -0.3), tilt=-0.12)
        for s in (-1, 1):
            p.box((s * 0.36, 0.34, 0.02), (0.06, 0.22, 0.3), look)
            for z in (-0.28, 0.28):
                p.tube((s * 0.3, 0.07, z), 0.02, 0.07, rng.wooden())
        if rng.random() < 0.5:
            p.ball((0, 0.52, -0.12), (0.2, 0.18, 0.09), rng.cloth(), tilt=-0.2)


def bench(p: Place, half_width: float) -> None:
    """A bench or low board indoors, with cushions, shoes or boxes on it."""
    rng, look, tall = p.rng, p.rng.wooden(), p.rng.uniform(0.35, 0.5)
    p.box((0, tall, 0), (half_width, 0.025, 0.2), look)
    p.pair((half_width - 0.06, tall / 2, 0), (0.03, tall / 2, 0.18), look)
    if rng.random() < 0.5:
        p.box((0, tall + 0.06, 0), (half_width * 0.95, 0.04, 0.19), rng.cloth())
    else:
        things(p, (half_width, 0.12), tall + 0.025, (0, 4))


def park_bench(p: Place) -> None:
    """A bench outdoors, with a back or without; now and then someone sits on it."""
    rng, look = p.rng, p.rng.wooden()
    p = p.at(label=FURNITURE)
    half = rng.uniform(0.6, 1.0)
    p.box((0, 0.44, 0), (half, 0.03, 0.22), look)
    for side in (-0.8, 0.8):
        p.box((side * half, 0.21, 0), (0.05, 0.21, 0.2), rng.metal())
    if rng.random() < 0.7:
        for y in (0.62, 0.8):
            p.box((0, y, -0.24), (half, 0.06, 0.02), look, tilt=-0.15)
        p.pair((0.8 * half, 0.65, -0.23), (0.04, 0.24, 0.03), look, tilt=-0.15)
    if rng.random() < 0.25:
        person(p.at(rng.uniform(-0.5, 0.5) * half, 0, -0.08), "sit")


def seats(p: Place, half_width: float, rows: int) -> None:
    """Rows of chairs or desks as in a class room, a theatre, an office."""
    rng, style = p.rng, p.rng.random()
    n, pad = max(1, int(half_width / 0.32)), p.rng.cloth()
    for r in range(rows):
        z = (r - (rows - 1) / 2) * 1.1
        if style < 0.4:
            p.box((0, 0.72, z + 0.5), (half_width, 0.02, 0.22), rng.wooden())
            p.box((0, 0.36, z + 0.6), (half_width * 0.98, 0.36, 0.02), rng.wooden())
        p.box((0, 0.43, z), (half_width, 0.03, 0.21), pad)
        p.box((0, 0.2, z), (half_width, 0.2, 0.03), rng.painted())
        for x in bays(n, half_width):
            p.box((x, 0.7, z - 0.2), (half_width / n * 0.85, 0.26, 0.03), pad, tilt=-0.12)


def stool(p: Place, height: float) -> None:
    """A bar stool with a round seat."""
    p.tube((0, height, 0), 0.17, 0.03, p.rng.cloth())
    p.tube((0, height / 2, 0), 0.025, height / 2, p.rng.painted())
    p.tube((0, 0.015, 0), 0.2, 0.015, p.rng.painted())

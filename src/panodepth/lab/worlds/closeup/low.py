"""Low, wide things that a camera stands on or beside; z points to the front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from panodepth.lab.worlds.closeup.soft import bed, ottoman, sectional
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor import furniture
from panodepth.lab.worlds.indoor.fixtures import kitchen
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.parts.place import Pair, Place
from panodepth.lab.worlds.parts.seats import chair, stool
from panodepth.lab.worlds.parts.small_things import BLACK, lamp_shade, things
from panodepth.lab.worlds.render.solids import dome, octagon

PAPER = grey(0.9)


@dataclass(frozen=True)
class Low:
    """A low thing: half sizes (x, z) [m] of what it covers, height [m] of its upper side.

    reach: how much floor around it stays free for its chairs [m]. wall: it stands with its back to
    a wall.
    """

    half: Pair
    top: float
    build: Callable[[Place], None]
    reach: float = 0.0
    wall: bool = False


def white(rng: Draws) -> Material:
    """White or nearly white: cloth, paint, stone."""
    return rng.tinted((0.72, 0.96, 0.05), "plain", "plain", "fabric", "marble", gloss=0.15)


def top_look(rng: Draws, pale: bool) -> Material:
    """A table top or a counter: white, or wood, stone, dark glass."""
    if pale:
        return white(rng)
    if rng.random() < 0.12:
        return BLACK
    if rng.random() < 0.3:
        return rng.tinted((0.1, 0.9, 0.1), "marble", "speckle", gloss=0.5)
    return rng.wooden()


def cloth_look(rng: Draws, pale: bool) -> Material:
    return white(rng) if pale else rng.cloth()


def lay(p: Place, half: Pair, top: float) -> None:
    """What lies flat on something: papers, books, plates, a tray, a runner."""
    rng, (w, d) = p.rng, half
    if rng.random() < 0.25:
        long = rng.uniform(0.4, 0.98)
        p.box((0, top + 0.004, 0), (w * long, 0.004, d * rng.uniform(0.2, 0.5)), rng.cloth())
    for _ in range(rng.integers(0, 6)):
        x, z = rng.uniform(-0.85, 0.85, 2) * (w, d)
        style, turn = rng.random(), rng.uniform(0, 6.3)
        if style < 0.4:
            look = rng.printed("text", "picture", "plain").fitted(0.3, 0.22)
            p.box((x, top + 0.008, z), (0.15, 0.008, 0.11), look, yaw=turn)
        elif style < 0.7:
            p.tube((x, top + 0.01, z), rng.uniform(0.07, 0.15), 0.01, white(rng), taper=1.3)
        elif style < 0.85:
            p.box((x, top + 0.02, z), (0.22, 0.02, 0.15), rng.wooden(), yaw=turn)
        else:
            p.box((x, top + 0.002, z), (0.15, 0.002, 0.21), PAPER, yaw=turn)
    if rng.random() < 0.5:
        things(p, half, top, (0, 4))


def _table(rng: Draws, pale: bool) -> Low:
    half = (rng.uniform(0.45, 1.5), rng.uniform(0.35, 0.7))
    top = rng.pick((rng.uniform(0.3, 0.5), rng.uniform(0.7, 0.8)))
    round_, chairs = rng.random() < 0.25, top > 0.6 and rng.random() < 0.7

    def build(p: Place) -> None:
        look, leg = top_look(rng, pale), rng.uniform(0.015, 0.05)
        w, d = half
        if round_:
            p.tube((0, top - 0.02, 0), d, 0.02, look)
            p.tube((0, top / 2 - 0.02, 0), rng.uniform(0.04, 0.12), top / 2 - 0.02, rng.wooden())
            p.tube((0, 0.02, 0), 0.5 * d, 0.02, look)
            w = d
        else:
            p.box((0, top - 0.025, 0), (w, 0.025, d), look)
            style, tall = rng.random(), top / 2 - 0.025
            if style < 0.2:  # a block
                p.box((0, tall, 0), (0.9 * w, tall, 0.85 * d), look)
            elif style < 0.4:
                p.pair((0.9 * w, tall, 0), (0.03, tall, 0.9 * d), look)
            else:
                legs = look if rng.random() < 0.6 else rng.painted()
                p.four((w - leg - 0.02, tall, d - leg - 0.02), (leg, tall, leg), legs)
        lay(p, (0.8 * w, 0.8 * d), top)
        for side in (-1.0, 1.0) if chairs else ():
            for x in (-0.5, 0.5) if w > 0.7 else (0.0,):
                if rng.random() < 0.75:
                    out = side * (d + rng.uniform(0.05, 0.3))
                    turn = (3.14 if side > 0 else 0.0) + rng.normal(0, 0.25)
                    chair(p.at(x * w, 0, out, turn))

    return Low((half[1], half[1]) if round_ else half, top, build, 0.45 if chairs else 0.0)


def _island(rng: Draws, pale: bool) -> Low:
    half, top = (rng.uniform(0.6, 1.7), rng.uniform(0.35, 0.6)), rng.uniform(0.85, 1.08)
    stools = rng.random() < 0.5

    def build(p: Place) -> None:
        (w, d), slab, look = half, rng.uniform(0.015, 0.05), top_look(rng, pale)
        front = white(rng) if pale else furniture.fronted(rng, 2 * w, top)
        tall = top / 2 - slab
        over = rng.uniform(0.0, 0.25)
        p.box((0, tall, -over / 2), (w - 0.03, tall, d - over / 2 - 0.02), front)
        p.box((0, top - slab, 0), (w, slab, d), look)
        if rng.random() < 0.4:  # a sink
            x = rng.uniform(-0.6, 0.6) * w
            p.box((x, top + 0.003, -0.05), (0.26, 0.003, 0.19), grey(0.35, gloss=0.8))
            p.tube((x, top + 0.14, -0.05 - 0.23), 0.014, 0.14, grey(0.5, gloss=1.0))
            p.box((x, top + 0.27, -0.16), (0.012, 0.012, 0.12), grey(0.5, gloss=1.0))
        if rng.random() < 0.35:
            p.box((rng.uniform(-0.6, 0.6) * w, top + 0.003, 0), (0.29, 0.004, 0.25), BLACK)
        lay(p, (0.85 * w, 0.8 * d), top)
        for k in range(int(rng.integers(1, 5)) if stools else 0):
            x = -w + 0.3 + 0.55 * k
            if x < w - 0.2:
                stool(p.at(x, 0, d + rng.uniform(0.1, 0.3)), top - 0.3)

    return Low(half, top, build, 0.5 if stools else 0.0)


def _counter(rng: Draws, pale: bool) -> Low:
    """A reception desk, a sideboard, a chest, a vanity."""
    half, top = (rng.uniform(0.4, 1.6), rng.uniform(0.2, 0.35)), rng.uniform(0.4, 1.1)

    def build(p: Place) -> None:
        w, d = half
        front = white(rng) if pale else furniture.fronted(rng, 2 * w, top)
        p.box((0, top / 2 - 0.015, 0), (w - 0.01, top / 2 - 0.015, d - 0.01), front)
        p.box((0, top - 0.015, 0), (w, 0.015, d), top_look(rng, pale))
        if rng.random() < 0.25:  # basins
            bowl = dome((0.24, 0.07, 0.17), (0.21, 0.1, 0.15))
            for x in (-0.5, 0.5) if w > 0.7 else (0.0,):
                p.solid(bowl, grey(0.9, gloss=0.8), (x * w, top + 0.07, 0), tilt=3.14159265)
        lay(p, (0.85 * w, 0.8 * d), top)

    return Low(half, top, build, wall=rng.random() < 0.7)


def _kitchen(rng: Draws, pale: bool) -> Low:
    half = rng.uniform(0.8, 1.6)

    def build(p: Place) -> None:
        kitchen(p, half, 1.6)  # no wall cupboards: the camera is where they would hang

    return Low((half, 0.33), 0.92, build, wall=True)


def _bath(rng: Draws, pale: bool) -> Low:
    """A bath let into a deck, rectangular or with cut corners."""
    half, top = (rng.uniform(0.85, 1.25), rng.uniform(0.45, 0.8)), rng.uniform(0.42, 0.65)

    def build(p: Place) -> None:
        (w, d), enamel = half, grey(rng.uniform(0.8, 0.95), gloss=0.7)
        deck = enamel if pale or rng.random() < 0.4 else rng.tinted((0.2, 0.9, 0.2), "tiles")
        foot = (top - 0.4) / 2
        p.box((0, foot, 0), (w, foot, d), deck)
        rim = rng.uniform(0.05, 0.2)
        bowl = dome((w, 0.2, d), (w - rim, 0.37, d - rim))
        p.solid(bowl, enamel, (0, top - 0.2, 0), tilt=3.14159265)
        if rng.random() < 0.4:  # water
            blue = rng.tinted((0.5, 0.9, 0.2), gloss=1.0)
            p.tube((0, top - 0.2, 0), 0.8 * (d - rim), 0.01, blue)
        p.tube((0.9 * w, top + 0.1, 0.7 * d), 0.02, 0.1, grey(0.6, gloss=1.0))

    return Low(half, top, build, wall=rng.random() < 0.5)


def _platform(rng: Draws, pale: bool) -> Low:
    """A dais, a stage, a raised floor, a plinth."""
    half = (rng.uniform(0.5, 2.0), rng.uniform(0.4, 1.5))
    top, eight = rng.uniform(0.1, 0.6), rng.random() < 0.15

    def build(p: Place) -> None:
        look = white(rng) if pale else rng.wooden() if rng.random() < 0.5 else rng.cloth()
        if eight:
            p.solid(octagon(half[1], top), look)
        else:
            p.box((0, top / 2, 0), (half[0], top / 2, half[1]), look)
            if rng.random() < 0.4:  # a step before it
                p.box((0, top / 4, half[1] + 0.14), (half[0] * 0.7, top / 4, 0.14), look)
        lay(p, (0.7 * half[1], 0.7 * half[1]), top)

    return Low((half[1], half[1]) if eight else half, top, build, 0.28)


def _flat(rng: Draws, pale: bool) -> Low:
    """A rug, a mat or paint on the floor: as white and wide as a bed, but level with the floor."""
    half = (rng.uniform(0.6, 1.6), rng.uniform(0.5, 1.2))

    def build(p: Place) -> None:
        look = white(rng) if pale else rng.printed("carpet", "fabric", "stripes")
        p.box((0, 0.006, 0), (half[0], 0.006, half[1]), look.fitted(2 * half[0], 2 * half[1]))

    return Low(half, 0.012, build)


def _bed(rng: Draws, pale: bool) -> Low:
    half = (rng.uniform(0.45, 1.05), rng.uniform(0.98, 1.1))
    top = rng.uniform(0.15, 0.3) if rng.random() < 0.15 else rng.uniform(0.38, 0.68)
    stands = rng.random() < 0.6

    def build(p: Place) -> None:
        looks = (cloth_look(rng, pale), cloth_look(rng, pale or rng.random() < 0.5))
        bed(p, half, top, looks)
        for side in (-1.0, 1.0) if stands else ():
            if rng.random() < 0.8:
                x, tall = side * (half[0] + 0.32), rng.uniform(0.35, 0.6)
                at = (x, tall / 2, -half[1] + 0.22)
                p.box(at, (0.22, tall / 2, 0.2), white(rng) if pale else rng.wooden())
                if rng.random() < 0.7:
                    lamp = (x, tall, -half[1] + 0.22)
                    lamp_shade(p, lamp, rng.uniform(0.3, 0.5))

    return Low(half, top, build, 0.55 if stands else 0.0, wall=True)


def _sofa(rng: Draws, pale: bool) -> Low:
    half, top = (rng.uniform(0.6, 1.5), rng.uniform(0.42, 0.55)), rng.uniform(0.36, 0.48)
    return Low(half, top, lambda p: sectional(p, half, top, cloth_look(rng, pale)))


def _ottoman(rng: Draws, pale: bool) -> Low:
    half, top = (rng.uniform(0.35, 0.8), rng.uniform(0.3, 0.55)), rng.uniform(0.32, 0.5)

    def build(p: Place) -> None:
        ottoman(p, half, top, cloth_look(rng, pale))
        lay(p, (0.7 * half[0], 0.7 * half[1]), top)

    return Low(half, top, build)


def _desk(rng: Draws, pale: bool) -> Low:
    half = rng.uniform(0.5, 0.95)
    return Low((half, 0.36), 0.75, lambda p: furniture.desk(p, half), 0.4)


KINDS: dict[str, tuple[float, Callable[[Draws, bool], Low]]] = {
    "bed": (0.24, _bed),
    "table": (0.23, _table),
    "island": (0.1, _island),
    "counter": (0.08, _counter),
    "kitchen": (0.03, _kitchen),
    "sofa": (0.08, _sofa),
    "ottoman": (0.04, _ottoman),
    "bath": (0.05, _bath),
    "platform": (0.05, _platform),
    "desk": (0.05, _desk),
    "flat": (0.05, _flat),
}


def draw_low(rng: Draws, pale: bool) -> Low:
    """One of the kinds. pale: white all over."""
    shares = {name: share for name, (share, _) in KINDS.items()}
    return KINDS[rng.weighted(shares)][1](rng, pale)

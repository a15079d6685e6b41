"""Floors and ceilings: flat, sloped, gabled, attic, vaulted, domed; beams, cornices, skirtings."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.indoor.plans import OVERHANG, Room
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import CEILING, FLOOR, WALL
from panodepth.lab.worlds.render.primitives import Solid
from panodepth.lab.worlds.render.shapes import BOX, HOLLOW
from panodepth.lab.worlds.render.solids import cut_box, dome, prism

THICK = 0.2  # metres


def choose_roof(rng: Draws, room: Room) -> Room:
    """The room with a ceiling form of its own now and then: most ceilings are flat."""
    style, wide = rng.random(), room.wide
    if style < 0.82 or wide < 2.0:
        return room
    if style < 0.92:
        roof = "slope" if style < 0.87 else "gable"
        return Room(room.corners, room.height, roof, wide * rng.uniform(0.12, 0.45))
    if style < 0.95:  # under a roof: low walls, slopes, a flat middle
        low = rng.uniform(1.2, 2.0)
        return Room(room.corners, low, "attic", rng.uniform(2.3, 2.9) - low)
    if style < 0.985 or not room.box:
        return Room(room.corners, room.height, "vault", wide * rng.uniform(0.12, 0.5))
    return Room(room.corners, room.height, "dome", wide * rng.uniform(0.2, 0.45))


def _slab(here: Interior, low: float, look: Material, label: int) -> None:
    """A level slab over or under the whole room, from `low` [m] up."""
    room = here.room
    if room.box:
        (hx, hz), y = room.half, low + THICK / 2
        at, half = room.middle + [0, y, 0], (hx + OVERHANG, THICK / 2, hz + OVERHANG)
        here.scene.add(Solid(BOX, half), at, 0.0, look, label)
        return
    for part in room.parts:
        here.scene.add(prism(part, low, low + THICK), look=look, label=label)


def floor(here: Interior, look: Material) -> None:
    """The slab under a room."""
    _slab(here, -THICK, look, FLOOR)


def ceiling(here: Interior, look: Material) -> None:
    """The ceiling over a room, in the form that `room.roof` names."""
    room = here.room
    if room.roof == "flat":
        _slab(here, room.height, look, CEILING)
        return
    long, wide, turned = _under_roof(room)
    top = here.place(room.middle + [0, room.height, 0], np.pi / 2 if turned else 0.0, CEILING)
    for solid in _roof_solids(room, long, wide):
        top.solid(solid, look)


def _under_roof(room: Room) -> tuple[float, float, bool]:
    """Half extent [m] along the ridge and across it, and whether the ridge runs along z.

    It runs along the longer side.
    """
    hx, hz = (h + 0.02 for h in room.half)  # a little into the walls, to close the joint
    return (hx, hz, False) if hx > hz else (hz, hx, True)


def ceiling_height(room: Room, x: float, z: float) -> float:
    """Height [m] of the ceiling over the point (x, z) of a room."""
    long, wide, turned = _under_roof(room)
    dx, _, dz = [x, 0, z] - room.middle
    # −1..1 along the ridge and across it; the forms below are those of `_roof_solids`.
    u, v = (dz / long, dx / wide) if turned else (dx / long, dz / wide)
    share = 0.0  # of the rise
    if room.roof == "slope":
        share = (1 + v) / 2
    elif room.roof == "gable":
        share = 1 - abs(v)
    elif room.roof == "attic":
        share = min(1.0, (1 - abs(v)) * wide / min(room.rise, 0.7 * wide))
    elif room.roof == "vault":
        share = float(np.sqrt(max(0.0, 1 - v**2)))
    elif room.roof == "dome":
        share = float(np.sqrt(max(0.0, 1 - v**2 - u**2)))
    return room.height + room.rise * share


def _roof_solids(room: Room, long: float, wide: float) -> list[Solid]:
    """Pieces of a raised ceiling with the ridge along x; y = 0 where the walls end."""
    rise = room.rise
    tall = (rise + THICK) / 2

    def lid(half_z: float, z: float, slope: float) -> Solid:
        """A box over (0, z) cut from below by y = rise / 2 − slope · z, in its own frame."""
        cut = cut_box((long, tall, half_z), [(0.0, -1.0, -slope)], [tall - rise / 2])
        return cut._replace(centre=(0.0, tall, z))

    # A gable or an attic is two lids that lean against each other, or against a flat top.
    if room.roof == "slope":
        return [lid(wide, 0.0, -rise / (2 * wide))]
    if room.roof == "gable":
        return [lid(wide / 2, s * wide / 2, s * rise / wide) for s in (-1.0, 1.0)]
    if room.roof == "attic":
        run = min(rise, 0.7 * wide)
        flat = Solid(BOX, (long, THICK / 2, max(wide - run, 0.01)), (0, rise + THICK / 2, 0))
        return [lid(run / 2, s * (wide - run / 2), s * rise / run) for s in (-1.0, 1.0)] + [flat]
    if room.roof == "vault":
        bore = (0.0, (tall / rise) ** 2, 1.0)  # along x, where `arch` bores along z
        return [Solid(HOLLOW, (long, tall, wide), (0, tall, 0), bore)]
    return [dome((long, tall, wide), (long, rise, wide))._replace(centre=(0, tall, 0))]


def trim(here: Interior) -> None:
    """Skirtings, cornices, beams, a lowered rim."""
    rng, room = here.rng, here.room
    skirting = rng.tinted((0.1, 0.95, 0.1)) if rng.random() < 0.7 else None
    flat = room.roof == "flat"
    cornice = Material((0.85, 0.85, 0.83)) if flat and rng.random() < 0.4 else None
    for side in room.sides:
        p = here.along(side, WALL)
        if skirting and rng.random() < 0.85:
            p.box((0, 0.05, 0), (side.half, 0.05, 0.012), skirting)
        if cornice:
            p.box((0, room.height - 0.06, 0), (side.half, 0.06, 0.05), cornice)
    if room.box:
        _beams(here)


def _beams(here: Interior) -> None:
    rng, room, h = here.rng, here.room, here.room.height
    p, (hx, hz) = here.place(room.centre, 0.0, CEILING), room.half
    if rng.random() < (0.18 if room.roof == "flat" else 0.35):
        look, drop = rng.wooden(), rng.uniform(0.06, 0.2)
        across = room.roof == "gable" and hx > hz  # ties run across the ridge
        n, m = int(rng.integers(1, 6)), int(rng.integers(1, 4)) * int(rng.random() < 0.25)
        for i in range(0 if across else n):
            z = (i + 0.5) / n * 2 * hz - hz
            p.box((0, h - drop / 2, z), (hx, drop / 2, 0.08), look)
        for i in range(n if across else m):
            x = (i + 0.5) / (n if across else m) * 2 * hx - hx
            p.box((x, h - drop / 2 - 0.004, 0), (0.08, drop / 2, hz), look)
    elif room.roof == "flat" and rng.random() < 0.28:  # lowered rim of a tray ceiling
        drop, rim = rng.uniform(0.08, 0.2), rng.uniform(0.2, 0.6)
        look = rng.tinted((0.75, 0.95, 0.05))
        y = h - drop / 2
        for s in (-1, 1):
            p.box((s * (hx - rim / 2), y, 0), (rim / 2, drop / 2, hz), look)
            p.box((0, y, s * (hz - rim / 2)), (hx, drop / 2, rim / 2), look)

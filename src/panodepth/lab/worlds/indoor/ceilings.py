"""Floors and ceilings: flat, sloped, gabled, attic, vaulted, domed; beams, cornices, skirtings."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.furniture import CEILING, FLOOR, WALL, Place, Rng, tint
from panodepth.lab.worlds.indoor.plans import OVERHANG, Room
from panodepth.lab.worlds.render.primitives import BOX, HOLLOW, Material, Scene, Solid
from panodepth.lab.worlds.render.solids import cut_box, dome, prism

THICK = 0.2  # metres


def choose_roof(rng: Rng, room: Room) -> Room:
    """The room with a ceiling form of its own now and then: most ceilings are flat."""
    style, wide = rng.random(), min(room.x[1] - room.x[0], room.z[1] - room.z[0])
    if style < 0.82 or wide < 2.0:
        return room
    if style < 0.87:
        return Room(room.corners, room.height, "slope", wide * float(rng.uniform(0.12, 0.45)))
    if style < 0.92:
        return Room(room.corners, room.height, "gable", wide * float(rng.uniform(0.12, 0.45)))
    if style < 0.95:  # under a roof: low walls, slopes, a flat middle
        low = float(rng.uniform(1.2, 2.0))
        return Room(room.corners, low, "attic", float(rng.uniform(2.3, 2.9)) - low)
    if style < 0.985 or not room.box:
        return Room(room.corners, room.height, "vault", wide * float(rng.uniform(0.12, 0.5)))
    return Room(room.corners, room.height, "dome", wide * float(rng.uniform(0.2, 0.45)))


def floor(scene: Scene, room: Room, look: Material) -> None:
    """The slab under a room."""
    if room.box:
        (x0, x1), (z0, z1) = room.x, room.z
        half = ((x1 - x0) / 2 + OVERHANG, THICK / 2, (z1 - z0) / 2 + OVERHANG)
        scene.add(BOX, ((x0 + x1) / 2, -THICK / 2, (z0 + z1) / 2), half, 0.0, look, label=FLOOR)
        return
    for part in room.parts:
        scene.add_solid(prism(part, -THICK, 0.0), material=look, label=FLOOR)


def ceiling(scene: Scene, room: Room, look: Material) -> None:
    """The ceiling over a room, in the form that `room.roof` names."""
    (x0, x1), (z0, z1) = room.x, room.z
    middle = np.array([(x0 + x1) / 2, room.height, (z0 + z1) / 2])
    if room.roof == "flat":
        if room.box:
            half = ((x1 - x0) / 2 + OVERHANG, THICK / 2, (z1 - z0) / 2 + OVERHANG)
            scene.add(BOX, middle + [0, THICK / 2, 0], half, 0.0, look, label=CEILING)
            return
        for part in room.parts:
            solid = prism(part, room.height, room.height + THICK)
            scene.add_solid(solid, material=look, label=CEILING)
        return
    hx, hz = (x1 - x0) / 2 + 0.02, (z1 - z0) / 2 + 0.02
    along_x = hx > hz  # the ridge runs along the longer side
    long, wide = (hx, hz) if along_x else (hz, hx)
    turn = 0.0 if along_x else np.pi / 2
    for solid in _roof_solids(room, long, wide):
        scene.add_solid(solid, middle, turn, look, label=CEILING)


def ceiling_height(room: Room, x: float, z: float) -> float:
    """Height [m] of the ceiling over the point (x, z) of a room."""
    (x0, x1), (z0, z1) = room.x, room.z
    hx, hz = (x1 - x0) / 2 + 0.02, (z1 - z0) / 2 + 0.02
    u, v = (x - (x0 + x1) / 2) / hx, (z - (z0 + z1) / 2) / hz
    long, across = (u, v) if hx > hz else (v, u)
    wide = min(hx, hz)
    if room.roof == "slope":
        return room.height + room.rise * (1 + across) / 2
    if room.roof == "gable":
        return room.height + room.rise * (1 - abs(across))
    if room.roof == "attic":
        run = min(room.rise, 0.7 * wide)
        return room.height + room.rise * min(1.0, (1 - abs(across)) * wide / run)
    if room.roof == "vault":
        return room.height + room.rise * float(np.sqrt(max(0.0, 1 - across**2)))
    if room.roof == "dome":
        return room.height + room.rise * float(np.sqrt(max(0.0, 1 - across**2 - long**2)))
    return room.height


def _roof_solids(room: Room, long: float, wide: float) -> list[Solid]:
    """Pieces of a raised ceiling with the ridge along x; y = 0 where the walls end."""
    rise = room.rise
    tall = (rise + THICK) / 2
    if room.roof == "slope":
        return [_lid((long, tall, wide), 0.0, -rise / (2 * wide), tall - rise / 2)]
    if room.roof == "gable":
        return [
            _lid((long, tall, wide / 2), sign * wide / 2, sign * rise / wide, tall - rise / 2)
            for sign in (-1.0, 1.0)
        ]
    if room.roof == "attic":
        run = min(rise, 0.7 * wide)
        lids = [
            _lid((long, tall, run / 2), sign * (wide - run / 2), sign * rise / run, tall - rise / 2)
            for sign in (-1.0, 1.0)
        ]
        top = Solid(BOX, (0, rise + THICK / 2, 0), (long, THICK / 2, max(wide - run, 0.01)))
        return [*lids, top]
    if room.roof == "vault":
        return [Solid(HOLLOW, (0, tall, 0), (long, tall, wide), (0.0, (tall / rise) ** 2, 1.0))]
    hollow = dome((long, tall, wide), (long, rise, wide))
    return [Solid(hollow.kind, (0, tall, 0), hollow.half, hollow.shape)]


def _lid(half: tuple[float, float, float], z: float, slope: float, drop: float) -> Solid:
    """A box ±half at (0, half y, z) cut from below by y = −drop − slope · z, in its own frame."""
    solid = cut_box(half, [(0.0, -1.0, -slope)], [drop])
    return Solid(solid.kind, (0.0, half[1], z), half, solid.shape)


def trim(scene: Scene, rng: Rng, room: Room) -> None:
    """Skirtings, cornices, beams, a lowered rim."""
    skirting = Material(tint(rng, 0.1, 0.95, 0.1), 0) if rng.random() < 0.7 else None
    flat = room.roof == "flat"
    cornice = Material((0.85, 0.85, 0.83), 0) if flat and rng.random() < 0.4 else None
    for side in room.sides():
        p = Place(scene, rng, side.middle, side.yaw, WALL)
        if skirting and rng.random() < 0.85:
            p.box((0, 0.05, 0), (side.half, 0.05, 0.012), skirting)
        if cornice:
            p.box((0, room.height - 0.06, 0), (side.half, 0.06, 0.05), cornice)
    if room.box:
        _beams(Place(scene, rng, room.centre, 0.0, CEILING), room)


def _beams(p: Place, room: Room) -> None:
    rng, h = p.rng, room.height
    hx, hz = (room.x[1] - room.x[0]) / 2, (room.z[1] - room.z[0]) / 2
    if rng.random() < (0.18 if room.roof == "flat" else 0.35):
        look, drop = f.wooden(rng), float(rng.uniform(0.06, 0.2))
        across = room.roof == "gable" and hx > hz  # ties run across the ridge
        n, m = int(rng.integers(1, 6)), int(rng.integers(1, 4)) * int(rng.random() < 0.25)
        for i in range(0 if across else n):
            z = (i + 0.5) / n * 2 * hz - hz
            p.box((0, h - drop / 2, z), (hx, drop / 2, 0.08), look)
        for i in range(n if across else m):
            x = (i + 0.5) / (n if across else m) * 2 * hx - hx
            p.box((x, h - drop / 2 - 0.004, 0), (0.08, drop / 2, hz), look)
    elif room.roof == "flat" and rng.random() < 0.28:  # lowered rim of a tray ceiling
        drop, rim = float(rng.uniform(0.08, 0.2)), float(rng.uniform(0.2, 0.6))
        look = Material(tint(rng, 0.75, 0.95, 0.05), 0)
        y = h - drop / 2
        for s in (-1, 1):
            p.box((s * (hx - rim / 2), y, 0), (rim / 2, drop / 2, hz), look)
            p.box((0, y, s * (hz - rim / 2)), (hx, drop / 2, rim / 2), look)

"""Where furniture stands: pieces along the walls, groups in the middle, none inside another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panodepth.lab.worlds.indoor import fixtures as h
from panodepth.lab.worlds.indoor import furnishings as g
from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.furniture import (
    FLOOR,
    FURNITURE,
    PERSON,
    PLANT,
    Assembly,
    Place,
    Rng,
)
from panodepth.lab.worlds.indoor.plans import Ground, Room, Side, oriented
from panodepth.lab.worlds.indoor.structures import STEP, TREAD, stairs
from panodepth.lab.worlds.render.primitives import Scene

BEHIND = 0.03  # metres between a piece and the wall


@dataclass(frozen=True)
class Piece:
    """Something to put down: half width and depth of its footprint [m], and how to build it."""

    half: float
    depth: float
    build: Assembly
    label: int = FURNITURE


# Share of each kind among the pieces along walls, and what a theme multiplies it by.
WALL_PIECES = {
    "cabinet": 0.2,
    "wardrobe": 0.17,
    "bed": 0.17,
    "sofa": 0.16,
    "shelf": 0.13,
    "kitchen": 0.08,
    "plant": 0.08,
    "desk": 0.05,
    "cubes": 0.03,
    "bench": 0.03,
    "fridge": 0.025,
    "washer": 0.015,
    "bath": 0.015,
    "basin": 0.025,
    "toilet": 0.012,
    "shower": 0.01,
    "fireplace": 0.02,
    "bunk": 0.012,
    "piano": 0.012,
    "clothes": 0.015,
    "clutter": 0.03,
    "stairs": 0.01,
}
LARGE_PIECES = {"bed", "sofa", "wardrobe", "kitchen", "bunk", "bath", "piano", "stairs"}
THEMES: dict[str, dict[str, float]] = {
    "any": {},
    "living": dict.fromkeys(("sofa", "shelf", "cabinet", "fireplace", "piano", "plant"), 3.0),
    "bedroom": dict.fromkeys(("bed", "wardrobe", "bunk", "clothes", "desk"), 4.0),
    "kitchen": dict.fromkeys(("kitchen", "fridge", "washer"), 12.0),
    "bathroom": dict.fromkeys(("bath", "basin", "toilet", "shower", "washer"), 25.0),
    "office": dict.fromkeys(("desk", "cubes", "shelf"), 6.0),
}
THEME_SHARES = (0.5, 0.15, 0.14, 0.08, 0.06, 0.07)


def furnish(scene: Scene, rng: Rng, room: Room, crowded: float, ground: Ground) -> None:
    """Furnish a room, 0 = sparsely to 1 = full; `ground` holds what already stands there."""
    theme = THEMES[str(rng.choice(list(THEMES), p=THEME_SHARES))]
    names = list(WALL_PIECES)
    share = np.array([WALL_PIECES[n] * theme.get(n, 1.0) for n in names])
    sides = [s for s in room.sides() if s.half > 0.35]
    length = np.array([s.half for s in sides])
    chance_side, chance = np.cumsum(length / length.sum()), np.cumsum(share / share.sum())
    chosen = []
    for _ in range(min(22, int(4 + crowded * 2.0 * room.area**0.75))):
        side = sides[min(int(np.searchsorted(chance_side, rng.random())), len(sides) - 1)]
        name = names[min(int(np.searchsorted(chance, rng.random())), len(names) - 1)]
        chosen.append((name not in LARGE_PIECES, name, side))
    for _, name, side in sorted(chosen, key=lambda c: c[0]):  # the large ones find room first
        piece = _piece(name, rng, side, room)
        if piece is not None:
            _along_wall(scene, rng, (room, side), piece, ground)
    if rng.random() < 0.4:
        half = (float(rng.uniform(0.5, 1.5)), float(rng.uniform(0.4, 1.1)))
        yaw = float(rng.choice([0.0, np.pi / 2])) + float(rng.uniform(0, 0.3))
        at = room.centre
        if room.contains(oriented((at[0], at[2]), yaw, *half)):
            g.rug(Place(scene, rng, at, yaw, FLOOR), half)
    for _ in range(int(2 + crowded * 1.1 * room.area**0.7)):
        _in_the_middle(scene, rng, room, ground)


def _along_wall(
    scene: Scene, rng: Rng, where: tuple[Room, Side], piece: Piece, ground: Ground
) -> None:
    room, side = where
    if piece.half > side.half:
        return
    for _ in range(4):
        along = float(rng.uniform(-1, 1)) * (side.half - piece.half)
        if rng.random() < 0.25:
            along = float(rng.choice([-1, 1])) * (side.half - piece.half - 0.02)  # in a corner
        out = piece.depth + BEHIND
        foot = side.rectangle(along, out, piece.half, piece.depth)
        inner = side.rectangle(along, out, piece.half - 0.02, piece.depth - 0.02)
        if ground.free(foot) and room.contains(inner):
            ground.take(foot)
            piece.build(Place(scene, rng, side.at(along, out), side.yaw, piece.label))
            return


def _piece(name: str, rng: Rng, side: Side, room: Room) -> Piece | None:
    """A piece of furniture of the named kind that fits the side, or None."""
    w = float(min(rng.uniform(0.4, 1.35), side.half - 0.03))
    low_top = float(min(rng.uniform(0.4, 1.1), room.height - 0.3))
    tall = float(min(rng.uniform(1.6, 2.4), room.height - 0.05))
    if name == "stairs":
        steps = int((room.height - 0.4) / STEP)
        return Piece(0.55, steps * TREAD / 2, lambda p: stairs(p, 0.5, steps))
    if name == "bed":
        half, stands = float(rng.uniform(0.45, 0.95)), bool(rng.random() < 0.6)
        room_for = half + (0.6 if stands else 0.05)
        return Piece(room_for, 1.12, lambda p: f.bed(p, half, stands))
    if name == "kitchen" and room.height > 2.0:
        half = float(min(max(w, 0.9) * rng.uniform(1.0, 1.6), side.half - 0.03))
        return Piece(half + 0.02, 0.33, lambda p: h.kitchen(p, half, room.height))
    fixed: dict[str, tuple[float, float, Assembly]] = {
        "cabinet": (w + 0.02, 0.24, lambda p: f.cabinet(p, w, low_top, 0.22)),
        "wardrobe": (w + 0.02, 0.32, lambda p: f.cabinet(p, w, tall, 0.3)),
        "sofa": (max(w, 0.4) + 0.1, 0.5, lambda p: f.sofa(p, max(w, 0.4))),
        "shelf": (w + 0.02, 0.2, lambda p: f.shelf(p, w, tall)),
        "desk": (max(w, 0.5), 0.36, lambda p: g.desk(p, max(w, 0.5))),
        "cubes": (w + 0.02, 0.2, lambda p: g.cubes(p, w)),
        "bench": (w, 0.22, lambda p: g.bench(p, w)),
        "washer": (0.31, 0.32, h.washer),
        "bath": (0.87, 0.4, h.bath),
        "basin": (0.5, 0.28, h.basin),
        "toilet": (0.3, 0.36, h.toilet),
        "fireplace": (0.9, 0.3, h.fireplace),
        "bunk": (1.05, 0.52, g.bunk),
        "piano": (0.76, 0.82, g.piano),
        "clothes": (0.6, 0.26, g.clothes),
        "clutter": (0.4, 0.36, f.clutter),
    }
    low = {"clothes": 1.75, "bunk": 1.85, "shower": 2.2, "fridge": 2.1, "basin": 1.9, "bath": 2.1}
    if room.height < low.get(name, 1.5):
        return None
    if name in fixed:
        return Piece(*fixed[name])
    if name == "fridge":
        return Piece(0.33, 0.36, h.fridge)
    if name == "shower":
        return Piece(0.47, 0.47, h.shower)
    if name == "plant":
        size = float(rng.uniform(0.4, 1.7))
        if rng.random() < 0.35:
            size = float(min(rng.uniform(1.0, 2.1), room.height - 0.2))
            return Piece(0.35, 0.35, lambda p: g.big_plant(p, size), PLANT)
        return Piece(0.35, 0.35, lambda p: f.plant(p, size), PLANT)
    return None


def _in_the_middle(scene: Scene, rng: Rng, room: Room, ground: Ground) -> None:
    """One thing or group somewhere on the floor, if it finds room."""
    x, z = float(rng.uniform(*room.x)), float(rng.uniform(*room.z))
    square = rng.random() < 0.5  # along the walls, or at any angle
    yaw = float(rng.integers(4)) * np.pi / 2 if square else float(rng.uniform(0, 2 * np.pi))
    piece = _group(rng, room)
    foot = oriented((x, z), yaw, piece.half, piece.depth)
    if room.contains(foot, 0.05) and ground.free(foot, 0.02):
        ground.take(foot)
        piece.build(Place(scene, rng, np.array([x, 0.0, z]), yaw, piece.label))


def _group(rng: Rng, room: Room) -> Piece:
    """A table with chairs, a sofa, or a small thing; in large rooms rows of seats or shelves."""
    style = rng.random()
    if room.area > 25 and rng.random() < 0.18:
        return _large(rng)
    if style < 0.36:
        w, d = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.35, 0.55))
        height = float(rng.choice([0.42, 0.75]))
        reach = 0.5 if height > 0.6 else 0.05
        return Piece(w + reach, d + reach, lambda p: dining(p, (w, d), height))
    if style < 0.54:
        w = float(rng.uniform(0.4, 1.0))
        return Piece(w + 0.1, 0.52, lambda p: f.sofa(p, w))
    if style < 0.58 and room.area > 12:
        w = float(rng.uniform(0.5, 1.2))
        return Piece(w, 0.75, lambda p: g.bar(p, w))
    choices: list[tuple[float, Piece]] = [
        (0.36, Piece(0.32, 0.32, f.chair)),
        (0.34, Piece(0.4, 0.36, f.clutter)),
        (0.06, Piece(0.3, 0.3, f.person, PERSON)),
        (0.1, Piece(0.45, 0.45, g.armchair)),
        (0.05, Piece(0.5, 0.5, g.toys)),
        (
            0.04,
            Piece(0.3, 0.3, lambda p: f.lamp_shade(p, (0, 0, 0), float(p.rng.uniform(1.2, 1.8)))),
        ),
        (0.02, Piece(0.85, 0.2, g.screen)),
        (0.03, Piece(0.35, 0.35, lambda p: g.big_plant(p, float(p.rng.uniform(0.8, 1.8))), PLANT)),
    ]
    share = np.array([c[0] for c in choices])
    return choices[int(rng.choice(len(choices), p=share / share.sum()))][1]


def _large(rng: Rng) -> Piece:
    style = rng.random()
    if style < 0.35:
        w = float(rng.uniform(1.0, 2.4))
        return Piece(w + 0.1, 1.3, lambda p: g.conference(p, w))
    if style < 0.65:
        w, rows = float(rng.uniform(0.8, 2.2)), int(rng.integers(2, 5))
        return Piece(w + 0.05, rows * 0.55 + 0.15, lambda p: g.seats(p, w, rows))
    w, tall = float(rng.uniform(0.8, 1.8)), float(rng.uniform(1.4, 2.1))
    return Piece(w, 0.42, lambda p: _back_to_back(p, w, tall))


def _back_to_back(p: Place, half_width: float, height: float) -> None:
    for turn, out in ((0.0, 0.2), (np.pi, -0.2)):
        f.shelf(p.moved((0, 0, out), turn), half_width, height)


def dining(p: Place, size: tuple[float, float], height: float) -> None:
    """A table of half size (w, d) [m] with chairs around it, when it is a high one."""
    (w, d), rng = size, p.rng
    f.table(p, (w, d), height)
    if height < 0.6:
        return
    for k in range(int(rng.integers(0, 5))):
        turn = k * np.pi / 2
        reach = (d if k % 2 == 0 else w) + float(rng.uniform(0.05, 0.25))
        at = (reach * np.sin(turn), 0.0, reach * np.cos(turn))
        f.chair(p.moved(at, float(turn + np.pi + rng.normal(0, 0.2))))

"""What rooms are furnished with: how large each piece is, where it fits, and how to build it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor import fixtures, furniture
from panodepth.lab.worlds.indoor.plans import Room, Side
from panodepth.lab.worlds.indoor.structures import STEP, TREAD, stairs
from panodepth.lab.worlds.parts import plants, seats
from panodepth.lab.worlds.parts.people import figure
from panodepth.lab.worlds.parts.place import PERSON, PLANT, Piece, Place
from panodepth.lab.worlds.parts.small_things import clutter, lamp_shade


@dataclass(frozen=True)
class Fit:
    """What a piece at a wall may measure [m]: half width, height if low, height if tall."""

    rng: Draws
    room: Room
    most: float  # half width that the wall has room for
    w: float
    low: float
    tall: float


@dataclass(frozen=True)
class Kind:
    """A kind of piece: its share of all at walls, and the least room height [m] for it.

    make: the piece, or what makes one that fits.
    """

    share: float
    make: Piece | Callable[[Fit], Piece]
    least: float = 1.5
    large: bool = False


def _bed(f: Fit) -> Piece:
    half, stands = f.rng.uniform(0.45, 0.95), f.rng.random() < 0.6
    room_for = half + (0.6 if stands else 0.05)
    return Piece(room_for, 1.12, lambda p: furniture.bed(p, half, stands))


def _kitchen(f: Fit) -> Piece:
    half = min(max(f.w, 0.9) * f.rng.uniform(1.0, 1.6), f.most)
    return Piece(half + 0.02, 0.33, lambda p: fixtures.kitchen(p, half, f.room.height))


def _plant(f: Fit) -> Piece:
    size = f.rng.uniform(0.4, 1.7)
    if f.rng.random() < 0.35:
        size = min(f.rng.uniform(1.0, 2.1), f.room.height - 0.2)
        return Piece(0.35, 0.35, lambda p: plants.big_plant(p, size), PLANT)
    return Piece(0.35, 0.35, lambda p: plants.plant(p, size), PLANT)


def _sofa(f: Fit) -> Piece:
    half = max(f.w, 0.4)
    return Piece(half + 0.1, 0.5, lambda p: seats.sofa(p, half))


def _desk(f: Fit) -> Piece:
    half = max(f.w, 0.5)
    return Piece(half, 0.36, lambda p: furniture.desk(p, half))


def _stairs(f: Fit) -> Piece:
    steps = int((f.room.height - 0.4) / STEP)
    return Piece(0.55, steps * TREAD / 2, lambda p: stairs(p, 0.5, steps))


def _wide(more: float, depth: float, build: Callable[[Place, Fit], None]) -> Callable[[Fit], Piece]:
    """A piece that takes the half width of the fit, and `more` [m]."""
    return lambda f: Piece(f.w + more, depth, lambda p: build(p, f))


WALL_PIECES = {
    "cabinet": Kind(0.2, _wide(0.02, 0.24, lambda p, f: furniture.cabinet(p, f.w, f.low, 0.22))),
    "wardrobe": Kind(
        0.17, _wide(0.02, 0.32, lambda p, f: furniture.cabinet(p, f.w, f.tall, 0.3)), large=True
    ),
    "bed": Kind(0.17, _bed, 0.0, large=True),
    "sofa": Kind(0.16, _sofa, large=True),
    "shelf": Kind(0.13, _wide(0.02, 0.2, lambda p, f: furniture.shelf(p, f.w, f.tall))),
    "kitchen": Kind(0.08, _kitchen, 2.0, large=True),
    "plant": Kind(0.08, _plant),
    "desk": Kind(0.05, _desk),
    "cubes": Kind(0.03, _wide(0.02, 0.2, lambda p, f: furniture.cubes(p, f.w))),
    "bench": Kind(0.03, _wide(0.0, 0.22, lambda p, f: seats.bench(p, f.w))),
    "fridge": Kind(0.025, Piece(0.33, 0.36, fixtures.fridge), 2.1),
    "washer": Kind(0.015, Piece(0.31, 0.32, fixtures.washer)),
    "bath": Kind(0.015, Piece(0.87, 0.4, fixtures.bath), 2.1, large=True),
    "basin": Kind(0.025, Piece(0.5, 0.28, fixtures.basin), 1.9),
    "toilet": Kind(0.012, Piece(0.3, 0.36, fixtures.toilet)),
    "shower": Kind(0.01, Piece(0.47, 0.47, fixtures.shower), 2.2),
    "fireplace": Kind(0.02, Piece(0.9, 0.3, fixtures.fireplace)),
    "bunk": Kind(0.012, Piece(1.05, 0.52, furniture.bunk), 1.85, large=True),
    "piano": Kind(0.012, Piece(0.76, 0.82, fixtures.piano), large=True),
    "clothes": Kind(0.015, Piece(0.6, 0.26, fixtures.clothes), 1.75),
    "clutter": Kind(0.03, Piece(0.4, 0.36, clutter)),
    "stairs": Kind(0.01, _stairs, 0.0, large=True),
}
# Theme of a room: its share of rooms, a factor, and the kinds whose share it multiplies.
THEMES: dict[str, tuple[float, float, tuple[str, ...]]] = {
    "any": (0.5, 1.0, ()),
    "living": (0.15, 3.0, ("sofa", "shelf", "cabinet", "fireplace", "piano", "plant")),
    "bedroom": (0.14, 4.0, ("bed", "wardrobe", "bunk", "clothes", "desk")),
    "kitchen": (0.08, 12.0, ("kitchen", "fridge", "washer")),
    "bathroom": (0.06, 25.0, ("bath", "basin", "toilet", "shower", "washer")),
    "office": (0.07, 6.0, ("desk", "cubes", "shelf")),
}


def theme_shares(rng: Draws) -> dict[str, float]:
    """The shares of the kinds of pieces at the walls of one room, not normalised."""
    theme = rng.weighted({name: share for name, (share, _, _) in THEMES.items()})
    _, factor, kinds = THEMES[theme]
    return {n: k.share * (factor if n in kinds else 1.0) for n, k in WALL_PIECES.items()}


def wall_piece(name: str, rng: Draws, side: Side, room: Room) -> Piece | None:
    """A piece of furniture of the named kind that fits the side, or None."""
    most = side.half - 0.03
    w, low = min(rng.uniform(0.4, 1.35), most), min(rng.uniform(0.4, 1.1), room.height - 0.3)
    fit = Fit(rng, room, most, w, low, min(rng.uniform(1.6, 2.4), room.height - 0.05))
    kind = WALL_PIECES[name]
    if room.height < kind.least:
        return None
    return kind.make if isinstance(kind.make, Piece) else kind.make(fit)


def _lamp(p: Place) -> None:
    lamp_shade(p, (0, 0, 0), p.rng.uniform(1.2, 1.8))


_SMALL = {  # and their shares
    Piece(0.32, 0.32, seats.chair): 0.36,
    Piece(0.4, 0.36, clutter): 0.34,
    Piece(0.3, 0.3, figure, PERSON): 0.06,
    Piece(0.45, 0.45, seats.armchair): 0.1,
    Piece(0.5, 0.5, fixtures.toys): 0.05,
    Piece(0.3, 0.3, _lamp): 0.04,
    Piece(0.85, 0.2, fixtures.screen): 0.02,
    Piece(0.35, 0.35, lambda p: plants.big_plant(p, p.rng.uniform(0.8, 1.8)), PLANT): 0.03,
}


def middle_piece(rng: Draws, room: Room) -> Piece:
    """A table with chairs, a sofa, or a small thing; in large rooms rows of seats or shelves."""
    style = rng.random()
    if room.area > 25 and rng.random() < 0.18:
        return _large_piece(rng)
    if style < 0.36:
        w, d = rng.uniform(0.4, 1.0), rng.uniform(0.35, 0.55)
        height = rng.pick((0.42, 0.75))
        reach = 0.5 if height > 0.6 else 0.05
        return Piece(w + reach, d + reach, lambda p: furniture.dining(p, (w, d), height))
    if style < 0.54:
        w = rng.uniform(0.4, 1.0)
        return Piece(w + 0.1, 0.52, lambda p: seats.sofa(p, w))
    if style < 0.58 and room.area > 12:
        w = rng.uniform(0.5, 1.2)
        return Piece(w, 0.75, lambda p: furniture.bar(p, w))
    return rng.weighted(_SMALL)


def _large_piece(rng: Draws) -> Piece:
    style = rng.random()
    if style < 0.35:
        w = rng.uniform(1.0, 2.4)
        return Piece(w + 0.1, 1.3, lambda p: furniture.conference(p, w))
    if style < 0.65:
        w, rows = rng.uniform(0.8, 2.2), int(rng.integers(2, 5))
        return Piece(w + 0.05, rows * 0.55 + 0.15, lambda p: seats.seats(p, w, rows))
    w, tall = rng.uniform(0.8, 1.8), rng.uniform(1.4, 2.1)
    return Piece(w, 0.42, lambda p: furniture.back_to_back(p, w, tall))

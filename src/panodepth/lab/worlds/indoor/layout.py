"""Where furniture stands: pieces along the walls, groups in the middle, none inside another."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor import pieces
from panodepth.lab.worlds.indoor.fixtures import rug
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.indoor.plans import Side
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import FLOOR, Piece

BEHIND = 0.03  # metres between a piece and the wall


def furnish(here: Interior, crowded: float) -> None:
    """Furnish a room, 0 = sparsely to 1 = full, on the ground that is still free."""
    rng, room = here.rng, here.room
    shares = pieces.theme_shares(rng)
    sides = [s for s in room.sides if s.half > 0.35]
    lengths = dict(enumerate(s.half for s in sides))
    chosen = [
        (sides[rng.weighted(lengths)], rng.weighted(shares))
        for _ in range(min(22, int(4 + crowded * 2.0 * room.area**0.75)))
    ]
    # The large ones find room first.
    for side, name in sorted(chosen, key=lambda c: not pieces.WALL_PIECES[c[1]].large):
        piece = pieces.wall_piece(name, rng, side, room)
        if piece is not None:
            _along_wall(here, side, piece)
    if rng.random() < 0.4:
        half = (rng.uniform(0.5, 1.5), rng.uniform(0.4, 1.1))
        yaw = rng.pick((0.0, np.pi / 2)) + rng.uniform(0, 0.3)
        x, _, z = room.centre
        if room.contains(Footprint.rectangle((x, z), yaw, *half).corners):
            rug(here.place(room.centre, yaw, FLOOR), half)
    for _ in range(int(2 + crowded * 1.1 * room.area**0.7)):
        _in_the_middle(here)


def _along_wall(here: Interior, side: Side, piece: Piece) -> None:
    rng = here.rng
    if piece.half_x > side.half:
        return
    for _ in range(4):
        along = rng.uniform(-1, 1) * (side.half - piece.half_x)
        if rng.random() < 0.25:
            along = rng.pick((-1, 1)) * (side.half - piece.half_x - 0.02)  # in a corner
        out = piece.half_z + BEHIND
        foot = side.rectangle(along, out, piece.half_x, piece.half_z)
        inner = side.rectangle(along, out, piece.half_x - 0.02, piece.half_z - 0.02)
        if here.room.contains(inner.corners) and here.ground.claim(foot):
            piece.build(here.along(side, piece.label).at(along, 0, out))
            return


def _in_the_middle(here: Interior) -> None:
    """One thing or group somewhere on the floor, if it finds room."""
    rng, room = here.rng, here.room
    x, z = rng.uniform(*room.x), rng.uniform(*room.z)
    square = rng.random() < 0.5  # along the walls, or at any angle
    yaw = rng.integers(4) * np.pi / 2 if square else rng.uniform(0, 2 * np.pi)
    piece = pieces.middle_piece(rng, room)
    if here.claim(Footprint.rectangle((x, z), yaw, piece.half_x, piece.half_z), 0.05, 0.02):
        piece.build(here.place(np.array([x, 0.0, z]), yaw, piece.label))

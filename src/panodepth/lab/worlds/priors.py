"""What decides which worlds are drawn: their version, and the chances of what is in them."""

from __future__ import annotations

from dataclasses import dataclass

# Of each version, how often its worlds have changed: raise it together with their checksums.
STATES = {1: 1, 2: 3}


@dataclass(frozen=True)
class Priors:
    """Chances in [0, 1] by which worlds are drawn.

    version: 1, or 2, which adds the kinds of `kinds.py` to those of version 1. openings: rooms that
    open into another one. overcast: outdoor worlds without sun. The others are of version 2 alone,
    but for recesses. new: worlds of its own kinds. near, halls: of these, the indoor ones with the
    camera above or beside something low, and the large ones; the others are usual rooms with
    mirrors and thin things. corridors: rooms whose doors lead into narrow passages. white: worlds
    close to something low in which it is white, and mostly the floor too. open_plan: rooms as large
    as a flat. lowered, partitions, headers: of those two kinds, ceilings lowered in parts, what
    divides a room, lintels and beams from wall to wall. far: new outdoor worlds that reach far; the
    others are version 1's places under a hard sky. perch, canopy: far ones with the camera on a
    table, a wall, a rock, and under a roof on posts. sky: far ones under a hard sky. haze: new
    outdoor worlds in hazy air. recesses: houses at streets whose ground floor or upper floors stand
    back, and half as many front yards. glare, evening: new indoor worlds with windows far brighter
    than the room, and after dark. dim: pictures that are exposed too dark.
    """

    openings: float = 0.5
    overcast: float = 0.6
    version: int = 1
    new: float = 0.5
    near: float = 0.5
    halls: float = 0.35
    corridors: float = 0.3
    white: float = 0.45
    open_plan: float = 0.2
    lowered: float = 0.4
    partitions: float = 0.25
    headers: float = 0.0
    far: float = 0.6
    perch: float = 0.15
    canopy: float = 0.15
    sky: float = 0.65
    haze: float = 0.45
    recesses: float = 0.0
    glare: float = 0.4
    evening: float = 0.12
    dim: float = 0.2


USUAL = Priors()

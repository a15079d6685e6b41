"""Buildings: a body with a front in relief, an arcade or an overhanging upper floor, a roof."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.outdoor import facades
from panodepth.lab.worlds.outdoor.facades import Storey, wall_look
from panodepth.lab.worlds.outdoor.roofs import add_roof
from panodepth.lab.worlds.parts.place import Pair, Place, bays, joints
from panodepth.lab.worlds.render.solids import arch

_GROUND_FLOORS = {"front": 0.74, "recess": 0.2, "arcade": 0.06}


@dataclass(frozen=True)
class Mass:
    """A building's size: half width and depth [m], storeys, and whether it is seen from near by.

    ground: "front" flush with the wall above, "recess" behind it, or "arcade" with arches. loggia:
    how far [m] the walls of upper floors stand back behind their railings.
    """

    half: float
    depth: float
    storeys: int
    detail: bool = True
    ground: str = ""
    loggia: float = 0.0


def house(p: Place, m: Mass) -> None:
    """A building whose front is the local plane z = 0, its middle at the origin of `p`."""
    rng, tall = p.rng, p.rng.uniform(2.7, 3.7)
    height, look = m.storeys * tall, wall_look(rng)
    plain = not m.detail and rng.random() < 0.5
    if plain or rng.random() < 0.12:
        look = rng.printed("facade", scale=(8.0, 2 * tall))
    ground = m.ground or rng.weighted(_GROUND_FLOORS)
    z, low = 0.0, 0.0  # where the wall of the ground floor stands, and where the upper floors begin
    if ground != "front" and m.storeys > 1 and m.detail:
        z = -(rng.uniform(0.5, 2.5) if ground == "recess" else rng.uniform(1.8, 3.2))
        z, low = max(z, 1.5 - m.depth), tall
        deep = (m.depth + z) / 2
        p.box((0, tall / 2, z - deep), (m.half, tall / 2, deep), wall_look(rng))
        (_piers if ground == "recess" else _arches)(p, m, tall, look)
    back = min(m.loggia, m.depth - 1.5) if m.detail and m.storeys > 1 else 0.0
    solid = tall if back > 0 else height  # where what reaches to the front ends
    if solid > low:
        box = (m.half, (solid - low) / 2, m.depth / 2)
        p.box((0, (low + solid) / 2, -m.depth / 2), box, look)
    if back > 0:
        _loggias(p, m, (tall, back), look)
    if not plain:
        _dress(p, m, (tall, z), 0.0 - back)
    add_roof(p, (m.half, m.depth / 2), height, look, m.detail)


def _dress(p: Place, m: Mass, ground: Pair, upper: float) -> None:
    """Windows, doors and what stands out of the front; ground = (storey height, wall z).

    upper: z of the upper floors' walls.
    """
    rng, (tall, z) = p.rng, ground
    style, low = facades.style_of(rng, m.half), Storey(0.0, tall, z, m.half)
    facades.ground_storey(p, low, style, m.detail)
    if z == 0.0 and m.detail and rng.random() < 0.25:
        facades.overhang(p, low)
    for level in range(1, m.storeys):
        if rng.random() < 0.15:  # most buildings repeat one storey
            style = facades.style_of(rng, m.half)
        storey = Storey(level * tall, tall, upper, m.half)
        facades.upper_storey(p, storey, style, m.detail and level < 4)
    if m.detail and m.storeys > 1 and upper == 0 and rng.random() < 0.15:
        x, count = rng.uniform(-0.5, 0.5) * m.half, int(rng.integers(1, m.storeys))
        facades.bay_window(p, x, Storey(tall, tall, 0.0, m.half), count, style)
    if m.detail and rng.random() < 0.2:  # a string course
        y = tall * rng.integers(1, m.storeys + 1)
        p.box((0, y, 0), (m.half, 0.1, 0.08), rng.tinted((0.3, 0.9, 0.1)))


def _loggias(p: Place, m: Mass, size: Pair, look: Material) -> None:
    """Upper floors whose wall stands back behind a railing, between slabs and side walls.

    size: (storey height, how far the wall stands back) [m].
    """
    rng, (tall, back), height = p.rng, size, m.storeys * size[0]
    middle, half = (tall + height) / 2, (height - tall) / 2
    deep = (m.depth - back) / 2
    p.box((0, middle, -back - deep), (m.half, half, deep), look)
    p.pair((m.half - 0.1, middle, -back / 2), (0.1, half, back / 2), look)
    rail = look if rng.random() < 0.5 else rng.tinted((0.1, 0.9, 0.2), "grille", "plain", scale=1.0)
    tops = rng.uniform(0.05, 0.4)  # from a ceiling down to the lintel before it
    for level in range(1, m.storeys):
        floor = level * tall
        p.box((0, floor, -back / 2), (m.half, 0.1, back / 2), look)
        p.box((0, floor + 0.5, -0.06), (m.half, 0.5, 0.05), rail)
        p.box((0, floor + tall - tops, -0.08), (m.half, tops, 0.08), look)


def _piers(p: Place, m: Mass, tall: float, look: Material) -> None:
    """Square or round posts under the overhanging floors, or none (brackets)."""
    rng = p.rng
    if rng.random() < 0.2:
        return
    n = max(1, int(m.half / rng.uniform(1.2, 3.0)))
    r, round_ = rng.uniform(0.1, 0.28), rng.random() < 0.3
    for x in joints(n, m.half - r):
        if round_:
            p.tube((x, tall / 2, -r), r, tall / 2, look, taper=0.9)
        else:
            p.box((x, tall / 2, -r), (r, tall / 2, r), look)


def _arches(p: Place, m: Mass, tall: float, look: Material) -> None:
    """An arcade along the front: arches on piers under the first floor."""
    rng = p.rng
    n = max(1, round(m.half / rng.uniform(1.1, 1.9)))
    bay, thick = m.half / n, rng.uniform(0.15, 0.35)
    pier = min(rng.uniform(0.15, 0.35), 0.35 * bay)
    rise = min((bay - pier) * rng.uniform(0.5, 1.0), 0.45 * tall)
    spring = tall - rise - 0.2
    over = (tall - spring) / 2
    stone = look if rng.random() < 0.5 else wall_look(rng)
    for x in bays(n, m.half):
        p.solid(arch((bay, over, thick), (bay - pier, rise)), stone, (x, spring + over, -thick))
    for x in joints(n, m.half):
        p.box((x, spring / 2, -thick), (pier, spring / 2, thick), stone)


def yard_wall(p: Place, half: float) -> None:
    """A low wall with posts and a gate in front of a house set back from the street."""
    rng, tall = p.rng, p.rng.uniform(0.8, 1.9)
    look, gate = wall_look(rng), rng.uniform(0.5, min(1.4, 0.5 * half))
    x = rng.uniform(-0.6, 0.6) * (half - gate)
    for a, b in ((-half, x - gate), (x + gate, half)):
        if b - a > 0.2:
            p.box(((a + b) / 2, tall / 2, 0), ((b - a) / 2, tall / 2, 0.1), look)
    p.pair((gate, tall * 0.55, 0), (0.18, tall * 0.55, 0.18), look, about=x)
    if rng.random() < 0.75:
        bars = rng.tinted((0.05, 0.7, 0.4), "grille", "panel", "shutter")
        p.box((x, tall * 0.5, 0), (gate, tall * 0.48, 0.03), bars.fitted(2 * gate, tall))
    if rng.random() < 0.3:
        rail = rng.tinted((0.05, 0.5, 0.2), "grille", scale=(1.0, 0.5))
        p.box((0, tall + 0.25, 0), (half, 0.25, 0.02), rail)


def bridge(p: Place, half: float, clear: float) -> None:
    """A bridge along x over the ground: a deck `clear` metres up, on arches or on piers."""
    rng, wide = p.rng, p.rng.uniform(1.5, 5.0)
    look = wall_look(rng)
    deck = rng.uniform(0.25, 0.6)
    p.box((0, clear + deck, 0), (half + 15, deck, wide), look)
    for z in (-wide, wide):
        p.box((0, clear + 2 * deck + 0.4, z), (half + 15, 0.4, 0.08), look)
    if rng.random() < 0.5:
        rise = min(half, clear * 0.7)
        over = clear - 0.9 * (clear - rise)
        vault = arch((half + 0.8, over / 2, wide - 0.1), (half, rise * 0.98))
        p.solid(vault, look, (0, clear - over / 2, 0))
        legs = (half + 0.4, 0.4)
    else:
        legs = (half * 0.9, rng.uniform(0.2, 0.6))
    p.pair((legs[0], clear / 2, 0), (legs[1], clear / 2, wide - 0.1), look)


def gateway(p: Place, half: float, tall: float) -> None:
    """A building across the way with an arched passage through it, `half` metres half wide."""
    rng, deep, wide = p.rng, p.rng.uniform(1.0, 4.0), p.rng.uniform(1.2, 2.5)
    wide, look = min(wide, half * 0.8), wall_look(rng)
    spring, rise = rng.uniform(1.6, 2.6), wide * rng.uniform(0.4, 1.0)
    rise = min(rise, tall - spring - 0.3)
    over = (tall - spring) / 2
    p.solid(arch((half, over, deep), (wide, rise)), look, (0, spring + over, -deep))
    p.pair(((half + wide) / 2, spring / 2, -deep), ((half - wide) / 2, spring / 2, deep), look)
    style = facades.style_of(rng, half)
    for level in range(1, int(tall / 3.2)):
        if level * 3.2 > spring + rise:
            facades.upper_storey(p, Storey(level * 3.2, 3.2, 0.0, half), style, True)
    add_roof(p, (half, deep), tall, look, True)
    p.box((wide + 0.3, np.clip(spring, 1.8, 2.4), 0.1), (0.08, 0.15, 0.1), facades.LANTERN)

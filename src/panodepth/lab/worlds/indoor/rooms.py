"""Indoor worlds: a main room, rooms seen through its openings, furniture, lamps, the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panodepth.lab.worlds.camera.pose import camera_rotation
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.ceilings import ceiling, ceiling_height, choose_roof, floor, trim
from panodepth.lab.worlds.indoor.interior import Gap, Interior
from panodepth.lab.worlds.indoor.lamps import lamps
from panodepth.lab.worlds.indoor.layout import furnish
from panodepth.lab.worlds.indoor.plans import OVERHANG, WALL_HALF, Room, Side, outline
from panodepth.lab.worlds.indoor.structures import columns, half_wall, mezzanine, spiral
from panodepth.lab.worlds.indoor.walls import doorway, dress_wall, room_looks, wall
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.footprints import Footprint, Ground
from panodepth.lab.worlds.parts.place import FITTING, FLOOR, FURNITURE, PLANT, Pair, Triple
from panodepth.lab.worlds.parts.plants import plant
from panodepth.lab.worlds.render.primitives import Scene, Sky
from panodepth.lab.worlds.render.shapes import Array

CLEARANCE = 0.22  # metres between the camera and everything
Looks = tuple[Material, Material, Material]


def indoor_scene(rng: Draws, openings: float = 0.5) -> Scene:
    """One furnished indoor world with the camera in its main room.

    openings: how likely the room opens into one or two others.
    """
    for attempt in range(20):
        scene = Scene(indoor=True)
        main = Interior(scene, rng, main_room(rng))
        shell(main, openings)
        built_in(main)
        furnish(main, rng.random())
        lamps(main)
        if place_camera(main, relax=attempt > 10):
            break
    indoor_light(scene, rng)
    return scene


def indoor_light(scene: Scene, rng: Draws) -> None:
    """Ambient light, and the sky behind open windows."""
    power = rng.uniform(0.25, 0.9)
    warm = rng.normal(0, 0.06)
    scene.ambient = (power * (1 + warm), power, power * (1 - warm))
    scene.sky = Sky(zenith=(0.6, 0.75, 1.0), power=rng.uniform(1, 4))


def main_room(rng: Draws) -> Room:
    style = rng.random()
    if style < 0.12:  # hall
        size, height = rng.uniform(8, 22, 2), rng.uniform(3.0, 8.0)
    elif style < 0.25:  # corridor, bathroom, store room
        size = np.array([rng.uniform(1.4, 2.4), rng.uniform(2.0, 9.0)])
        height = rng.uniform(2.2, 3.0)
    else:
        size, height = np.exp(rng.normal(np.log(4.6), 0.28, 2)), rng.uniform(2.35, 3.3)
    w, d = np.maximum(size, 1.3) / 2
    return choose_roof(rng, Room(outline(rng, float(w), float(d)), height))


def shell(
    main: Interior, likely: float, looks: Looks | None = None, behind: Pair = (2.5, 7.0)
) -> None:
    """Floor, ceiling and walls of the main room, and of rooms seen through its openings.

    looks: of the three; None = drawn. behind: how much farther than its opening to either side, and
    how deep, the other rooms reach at most [m].
    """
    rng, room = main.rng, main.room
    looks = looks or room_looks(rng)
    floor(main, looks[0])
    ceiling(main, looks[2])
    for part in room.parts:
        main.plots.take(Footprint([(float(x), float(z)) for x, z in part]))
    openings = rng.weighted({0: 1 - likely, 1: 0.66 * likely, 2: 0.34 * likely})
    if room.roof == "attic":
        openings = 0
    outside = rng.random() < 0.05 and room.height > 2.3
    sides = room.sides
    order = [k for k in rng.permutation(len(sides)).tolist() if sides[k].half > 0.55]
    for k, side in enumerate(sides):
        paper = looks[1] if rng.random() < 0.8 else room_looks(rng)[1]
        gap, is_open = None, False
        if k in order[:openings]:
            gap = _opening(rng, room, side)
            own = (looks[0], paper, looks[2])
            is_open = _next_room(main, side, gap, own, behind)
        elif outside and k == order[-1] and side.half > 0.7:
            gap = _open_window(rng, room, side)
            is_open = _yard(main, side, gap)
        _close(main, side, paper, gap if is_open else None)
    trim(main)


def _close(here: Interior, side: Side, paper: Material, gap: Gap | None) -> None:
    """One wall of a room, with a gap and what frames it, or with things on it."""
    wall(here, side, here.room.height + here.room.rise, paper, gap)
    if gap is None:
        dress_wall(here, side)
    else:
        doorway(here, side, gap)
        here.ground.take(side.footprint(gap.at, gap.half, 0.7 if gap.sill == 0 else 0.1))


def _opening(rng: Draws, room: Room, side: Side) -> Gap:
    """A doorway or a wide opening, sometimes under an arch."""
    narrow = rng.random() < 0.55
    half = rng.uniform(0.4, 0.55) if narrow else rng.uniform(0.6, 1.0) * side.half
    half = min(half, side.half)
    at = rng.uniform(-1, 1) * (side.half - half)
    top = rng.uniform(2.0, 2.3) if half < 0.6 else room.height - rng.pick((0, 0.3))
    top, rise = min(room.height, top), 0.0
    if rng.random() < 0.12 and half < side.half - 0.05:
        low = 1.7 if half < 0.6 else 1.4
        rise = float(np.clip(rng.uniform(0.3, 1.0) * half, 0.1, max(top - low, 0.1)))
    return Gap(at, half, top, rise=rise)


def _open_window(rng: Draws, room: Room, side: Side) -> Gap:
    """An opening with a sill and a view."""
    half = min(rng.uniform(0.4, 1.4), side.half - 0.1)
    top = min(rng.uniform(1.9, 2.5), room.height - 0.1)
    at = rng.uniform(-1, 1) * (side.half - half)
    return Gap(at, half, top, rng.uniform(0.4, 1.0))


def _plot(here: Interior, side: Side, gap: Gap, size: Triple) -> Array | None:
    """(4, 2) corners of the ground behind an opening, or None when it is taken.

    size: (half width, depth, shift) [m]; smaller ones are tried too.
    """
    half, depth, shift = size
    for _ in range(3):
        plot = side.rectangle(gap.at + shift, -depth / 2 - 2 * WALL_HALF, half, depth / 2)
        if here.plots.claim(plot):
            # Exactly along the axes where it nearly is: boxes are cheaper than prisms.
            corners = np.round(plot.corners, 6)
            along = np.isclose(np.abs(np.diff(corners, axis=0)).min(1), 0).all()
            return corners if along else np.array(plot.corners)
        half, depth = max(gap.half + 0.1, 0.6 * half), 0.5 * depth
        shift = float(np.clip(shift, gap.half - half, half - gap.half))
    return None


def _next_room(
    here: Interior, side: Side, gap: Gap, looks: Looks, reach: Pair, depth: int = 0
) -> bool:
    """A room on the far side of an opening, with a few things in it; False when nothing fits.

    reach: as `behind` of `shell`.
    """
    rng = here.rng
    half = gap.half + rng.uniform(0.15, reach[0])
    shift = rng.uniform(-1, 1) * (half - gap.half)
    plot = _plot(here, side, gap, (half, rng.uniform(1.2, reach[1]), shift))
    if plot is None:
        return False
    most = here.room.height
    height = most if rng.random() < 0.7 else rng.uniform(gap.top, most + 0.01)
    beyond = replace(here, room=Room(plot, height), ground=Ground())
    own = looks if rng.random() < 0.6 else room_looks(rng)
    threshold = (gap.half + OVERHANG, 0.1, WALL_HALF + 0.005)
    here.along(side, FLOOR).box((gap.at, -0.1 - 1e-3, -WALL_HALF), threshold, own[0])
    floor(beyond, own[0])
    ceiling(beyond, own[2])
    beyond.ground.take(side.footprint(gap.at, gap.half, -1.6))
    further = depth == 0 and rng.random() < 0.25
    for other in beyond.room.sides:
        facing = other.inward @ side.inward
        if facing < -0.5:  # the shared wall, already built from the main room
            continue
        hole = None
        if further and other.half > 0.6 and facing > 0.5:
            further = False
            hole = _opening(rng, beyond.room, other)
            if not _next_room(beyond, other, hole, own, reach, depth + 1):
                hole = None
        _close(beyond, other, own[1], hole)
    furnish(beyond, 0.4 * rng.random())
    power = rng.uniform(0.5, 3.0) * height
    lamp = beyond.place(beyond.room.centre, 0.0, FITTING)
    lamp.light((0, height - 0.35, 0), (power, power, 0.92 * power))
    return True


def _yard(here: Interior, side: Side, gap: Gap) -> bool:
    """What lies outside an open window: ground, plants, house fronts, under a bright sky."""
    rng = here.rng
    size = (gap.half + rng.uniform(2.0, 9.0), rng.uniform(3.0, 15.0), 0.0)
    plot = _plot(here, side, gap, size)
    if plot is None:
        return False
    yard = replace(here, room=Room(plot, here.room.height + rng.uniform(1.0, 8.0)))
    glow = rng.uniform(0.4, 1.5)

    def lit(group: str, scale: float) -> Material:
        return rng.tinted((0.4, 0.95, 0.2), group, scale=scale, emission=glow)

    floor(yard, lit(rng.pick(("grass", "asphalt", "tiles")), 3.0))
    white = (0.9, 0.95, 1.0)
    ceiling(yard, rng.printed("cloud", "plain", tint=white, scale=9.0, emission=3 * glow))
    for other in yard.room.sides:
        if other.inward @ side.inward > -0.5:
            group = rng.pick(("facade", "foliage", "brick", "plaster"))
            wall(yard, other, yard.room.height, lit(group, 6.0 if group == "facade" else 2.5))
    p = here.along(side, FITTING)
    for _ in range(rng.integers(0, 6)):
        q = p.at(gap.at + rng.normal(0, 2), 0, -rng.uniform(1.5, 8), -side.yaw, PLANT)
        if yard.room.contains([(q.origin[0], q.origin[2])], 0.8):
            plant(q, rng.uniform(0.5, 2.5))
    bars = rng.painted()
    mid, tall = (gap.top + gap.sill) / 2, (gap.top - gap.sill) / 2
    p.box((gap.at, gap.sill, -0.03), (gap.half + 0.05, 0.02, 0.12), bars)
    for x in (-1.0, 0.0, 1.0) if rng.random() < 0.6 else (-1.0, 1.0):
        p.box((gap.at + x * gap.half, mid, -WALL_HALF), (0.03, tall, 0.03), bars)
    power = glow * gap.half * tall * rng.uniform(1, 4)
    p.light((gap.at, mid, 0.3), (power, power, 0.92 * power))
    return True


def built_in(here: Interior) -> None:
    """Galleries, columns, partitions, spiral stairs: each now and then."""
    rng, room = here.rng, here.room
    flat, wide = room.roof == "flat", room.wide
    if room.box and flat and room.height > 4.4 and wide > 5 and rng.random() < 0.3:
        mezzanine(here)
    elif wide > 5 and rng.random() < 0.3:
        columns(here)
    if wide > 3 and rng.random() < 0.08:
        half_wall(here, room_looks(rng)[1])
    if wide > 3.5 and flat and rng.random() < 0.02:
        x, z = rng.uniform(*room.x), rng.uniform(*room.z)
        if here.claim(Footprint.rectangle((x, z), 0.0, 0.9, 0.9), 0.05):
            p = here.place(np.array([x, 0.0, z]), rng.uniform(0, 6), FURNITURE)
            spiral(p, 0.8, room.height - 0.02)


def place_camera(here: Interior, relax: bool) -> bool:
    """Put the camera somewhere free, at 0.3 m to 3 m, slightly tilted, at any yaw."""
    scene, rng, room, taken = here.scene, here.rng, here.room, here.ground.taken
    for _ in range(40):
        style = rng.random()
        if style < 0.07:  # near a wall
            side = rng.pick(room.sides)
            at = side.at(rng.uniform(-0.9, 0.9) * side.half, rng.uniform(0.28, 0.6))
        elif style < 0.35 and taken:  # beside a piece of furniture
            x, z, radius = rng.pick(taken).circle
            turn, away = rng.uniform(0, 2 * np.pi), radius + rng.uniform(0.0, 0.9)
            at = np.array([x + away * np.cos(turn), 0.0, z + away * np.sin(turn)])
        else:
            u, v = rng.uniform(-1, 1, 2) * (0.92 if rng.random() < 0.2 else 0.6)
            at = room.middle + [u * room.half[0], 0.0, v * room.half[1]]
        if rng.random() < 0.85:
            height = float(np.clip(rng.normal(1.45, 0.25), 0.5, 2.6))
        else:
            height = rng.uniform(0.3, 2.2) if rng.random() < 0.9 else rng.uniform(2.2, 3.0)
        if not room.contains([(at[0], at[2])], 0.1):
            continue
        at[1] = min(height, ceiling_height(room, at[0], at[2]) - 0.4)
        if scene.clearance(at) > (CLEARANCE if not relax else 0.1):
            scene.camera = at
            scene.camera_rotation = camera_rotation(rng)
            return True
    return False

"""Indoor worlds: a main room, rooms seen through its openings, furniture, lamps, the camera."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.ceilings import ceiling, ceiling_height, choose_roof, floor, trim
from panodepth.lab.worlds.indoor.furniture import PLANT, Place, Rng, tint
from panodepth.lab.worlds.indoor.lamps import lamps
from panodepth.lab.worlds.indoor.layout import furnish
from panodepth.lab.worlds.indoor.plans import (
    OVERHANG,
    WALL_HALF,
    Footprint,
    Ground,
    Room,
    Side,
    oriented,
    outline,
)
from panodepth.lab.worlds.indoor.structures import columns, half_wall, mezzanine, spiral
from panodepth.lab.worlds.indoor.walls import Gap, doorway, dress_wall, room_looks, wall
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.render.primitives import Array, Light, Material, Scene, yaw_matrix

CLEARANCE = 0.22  # metres between the camera and everything
Looks = tuple[Material, Material, Material]


@dataclass
class House:
    """A world under construction: its scene, its random numbers, and the ground its rooms take."""

    scene: Scene
    rng: Rng
    plots: Ground = field(default_factory=Ground)


def indoor_scene(rng: Rng, openings: float = 0.5) -> Scene:
    """One furnished indoor world with the camera in its main room.

    openings: how likely the room opens into one or two others.
    """
    for attempt in range(20):
        scene = Scene(indoor=True)
        house, main, ground = House(scene, rng), _main_room(rng), Ground()
        _shell(house, main, ground, openings)
        _built_in(scene, rng, main, ground)
        furnish(scene, rng, main, float(rng.random()), ground)
        lamps(scene, rng, main)
        if _place_camera(scene, rng, main, ground, relax=attempt > 10):
            break
    power = float(rng.uniform(0.25, 0.9))
    warm = rng.normal(0, 0.06)
    scene.ambient = (power * (1 + warm), power, power * (1 - warm))
    scene.sky = {"power": float(rng.uniform(1, 4)), "r": 0.6, "g": 0.75, "b": 1.0}
    return scene


def _main_room(rng: Rng) -> Room:
    style = rng.random()
    if style < 0.12:  # hall
        size, height = rng.uniform(8, 22, 2), rng.uniform(3.0, 8.0)
    elif style < 0.25:  # corridor, bathroom, store room
        size = np.array([rng.uniform(1.4, 2.4), rng.uniform(2.0, 9.0)])
        height = rng.uniform(2.2, 3.0)
    else:
        size, height = np.exp(rng.normal(np.log(4.6), 0.28, 2)), rng.uniform(2.35, 3.3)
    w, d = np.maximum(size, 1.3) / 2
    return choose_roof(rng, Room(outline(rng, float(w), float(d)), float(height)))


def _shell(house: House, main: Room, ground: Ground, likely: float) -> None:
    """Floor, ceiling and walls of the main room, and of rooms seen through its openings."""
    scene, rng = house.scene, house.rng
    looks = room_looks(rng)
    floor(scene, main, looks[0])
    ceiling(scene, main, looks[2])
    for part in main.parts:
        house.plots.take([(float(x), float(z)) for x, z in part])
    openings = int(rng.choice(3, p=[1 - likely, 0.66 * likely, 0.34 * likely])) * (
        main.roof != "attic"
    )
    outside = rng.random() < 0.05 and main.height > 2.3
    sides = main.sides()
    order = [k for k in rng.permutation(len(sides)).tolist() if sides[k].half > 0.55]
    for k, side in enumerate(sides):
        paper = looks[1] if rng.random() < 0.8 else room_looks(rng)[1]
        gap = None
        if k in order[:openings]:
            gap = _opening(rng, main, side)
            behind = _next_room(house, main, side, gap, (*looks[:1], paper, looks[2]))
        elif outside and k == order[-1] and side.half > 0.7:
            gap = _open_window(rng, main, side)
            behind = _yard(house, main, side, gap)
        if gap is not None and behind:
            wall(scene, side, main.height + main.rise, paper, gap)
            doorway(scene, rng, side, gap)
            ground.take(side.footprint(gap.at, gap.half, 0.7 if gap.sill == 0 else 0.1))
        else:
            wall(scene, side, main.height + main.rise, paper)
            dress_wall(scene, rng, main, side, ground)
    trim(scene, rng, main)


def _opening(rng: Rng, room: Room, side: Side) -> Gap:
    """A doorway or a wide opening, sometimes under an arch."""
    narrow = rng.random() < 0.55
    half = float(rng.uniform(0.4, 0.55) if narrow else rng.uniform(0.6, 1.0) * side.half)
    half = min(half, side.half)
    at = float(rng.uniform(-1, 1)) * (side.half - half)
    top = float(rng.uniform(2.0, 2.3)) if half < 0.6 else room.height - float(rng.choice([0, 0.3]))
    top = min(room.height, top)
    if rng.random() < 0.12 and half < side.half - 0.05:
        low = 1.7 if half < 0.6 else 1.4
        rise = float(np.clip(rng.uniform(0.3, 1.0) * half, 0.1, max(top - low, 0.1)))
        return Gap(at, half, top, 0.0, rise)
    return Gap(at, half, top)


def _open_window(rng: Rng, room: Room, side: Side) -> Gap:
    """An opening with a sill and a view."""
    half = min(float(rng.uniform(0.4, 1.4)), side.half - 0.1)
    top = min(float(rng.uniform(1.9, 2.5)), room.height - 0.1)
    at = float(rng.uniform(-1, 1)) * (side.half - half)
    return Gap(at, half, top, float(rng.uniform(0.4, 1.0)))


def _plot(house: House, side: Side, gap: Gap, size: tuple[float, float, float]) -> Footprint | None:
    """The ground behind an opening; size = (half width, depth, shift) [m]; None when taken."""
    half, depth, shift = size
    for _ in range(3):
        plot = side.rectangle(gap.at + shift, -depth / 2 - 2 * WALL_HALF, half, depth / 2)
        if house.plots.free(plot):
            house.plots.take(plot)
            return plot
        half, depth = max(gap.half + 0.1, 0.6 * half), 0.5 * depth
        shift = float(np.clip(shift, gap.half - half, half - gap.half))
    return None


def _next_room(
    house: House, main: Room, side: Side, gap: Gap, looks: Looks, depth: int = 0
) -> bool:
    """A room on the far side of an opening, with a few things in it; False when nothing fits."""
    scene, rng = house.scene, house.rng
    half = gap.half + float(rng.uniform(0.15, 2.5))
    shift = float(rng.uniform(-1, 1)) * (half - gap.half)
    plot = _plot(house, side, gap, (half, float(rng.uniform(1.2, 7.0)), shift))
    if plot is None:
        return False
    height = main.height if rng.random() < 0.7 else float(rng.uniform(gap.top, main.height + 0.01))
    room = Room(_tidy(plot), height)
    own = looks if rng.random() < 0.6 else room_looks(rng)
    _floor_through(scene, side, gap, own[0])
    floor(scene, room, own[0])
    ceiling(scene, room, own[2])
    ground, toward = Ground(), yaw_matrix(side.yaw) @ np.array([0.0, 0.0, 1.0])
    ground.take(side.footprint(gap.at, gap.half, -1.6))
    further = depth == 0 and rng.random() < 0.25
    for other in room.sides():
        inward = yaw_matrix(other.yaw) @ np.array([0.0, 0.0, 1.0])
        if inward @ toward < -0.5:  # the shared wall, already built from the main room
            continue
        if further and other.half > 0.6 and inward @ toward > 0.5:
            further = False
            hole = _opening(rng, room, other)
            if _next_room(house, room, other, hole, own, depth + 1):
                wall(scene, other, height, own[1], hole)
                doorway(scene, rng, other, hole)
                ground.take(other.footprint(hole.at, hole.half, 0.7))
                continue
        wall(scene, other, height, own[1])
        dress_wall(scene, rng, room, other, ground)
    furnish(scene, rng, room, 0.4 * float(rng.random()), ground)
    _light(scene, room.centre + [0, height - 0.35, 0], float(rng.uniform(0.5, 3.0)) * height)
    return True


def _tidy(plot: Footprint) -> Array:
    """(4, 2) the plot's corners in order, exactly along the axes where it nearly is."""
    rounded = np.round(plot, 6)
    return (
        rounded if np.isclose(np.abs(np.diff(rounded, axis=0)).min(1), 0).all() else np.array(plot)
    )


def _floor_through(scene: Scene, side: Side, gap: Gap, look: Material) -> None:
    """The threshold: floor within the thickness of the wall."""
    p = Place(scene, np.random.default_rng(0), side.middle, side.yaw, f.FLOOR)
    half = (gap.half + OVERHANG, 0.1, WALL_HALF + 0.005)
    p.box((gap.at, -0.1 - 1e-3, -WALL_HALF), half, look)


def _light(scene: Scene, at: Array, power: float) -> None:
    place = (float(at[0]), float(at[1]), float(at[2]))
    scene.lights.append(Light(place, (power, power, 0.92 * power)))


def _yard(house: House, main: Room, side: Side, gap: Gap) -> bool:
    """What lies outside an open window: ground, plants, house fronts, under a bright sky."""
    scene, rng = house.scene, house.rng
    size = (gap.half + float(rng.uniform(2.0, 9.0)), float(rng.uniform(3.0, 15.0)), 0.0)
    plot = _plot(house, side, gap, size)
    if plot is None:
        return False
    room = Room(_tidy(plot), main.height + float(rng.uniform(1.0, 8.0)))
    glow = float(rng.uniform(0.4, 1.5))

    def lit(group: str, scale: float, level: float) -> Material:
        return Material(
            tint(rng, 0.4, 0.95, 0.2), choose(rng, group), (scale, scale), emission=level
        )

    floor(scene, room, lit(str(rng.choice(["grass", "asphalt", "tiles"])), 3.0, glow))
    white = Material((0.9, 0.95, 1.0), choose(rng, "cloud", "plain"), (9.0, 9.0))
    ceiling(scene, room, replace(white, emission=3 * glow))
    toward = yaw_matrix(side.yaw) @ np.array([0.0, 0.0, 1.0])
    for other in room.sides():
        inward = yaw_matrix(other.yaw) @ np.array([0.0, 0.0, 1.0])
        if inward @ toward > -0.5:
            group = str(rng.choice(["facade", "foliage", "brick", "plaster"]))
            wall(scene, other, room.height, lit(group, 6.0 if group == "facade" else 2.5, glow))
    for _ in range(int(rng.integers(0, 6))):
        at = side.at(gap.at + rng.normal(0, 2), -float(rng.uniform(1.5, 8)))
        if room.contains([(at[0], at[2])], 0.8):
            f.plant(Place(scene, rng, at, 0.0, PLANT), float(rng.uniform(0.5, 2.5)))
    bars = f.painted(rng)
    p = Place(scene, rng, side.middle, side.yaw, f.FITTING)
    mid, tall = (gap.top + gap.sill) / 2, (gap.top - gap.sill) / 2
    p.box((gap.at, gap.sill, -0.03), (gap.half + 0.05, 0.02, 0.12), bars)
    for x in (-1.0, 0.0, 1.0) if rng.random() < 0.6 else (-1.0, 1.0):
        p.box((gap.at + x * gap.half, mid, -WALL_HALF), (0.03, tall, 0.03), bars)
    _light(scene, side.at(gap.at, 0.3, mid), glow * gap.half * tall * float(rng.uniform(1, 4)))
    return True


def _built_in(scene: Scene, rng: Rng, room: Room, ground: Ground) -> None:
    """Galleries, columns, partitions, spiral stairs: each now and then."""
    wide = min(room.x[1] - room.x[0], room.z[1] - room.z[0])
    if room.box and room.roof == "flat" and room.height > 4.4 and wide > 5 and rng.random() < 0.3:
        mezzanine(scene, rng, room, ground)
    elif wide > 5 and rng.random() < 0.3:
        columns(scene, rng, room, ground)
    if wide > 3 and rng.random() < 0.08:
        half_wall(scene, rng, room, room_looks(rng)[1], ground)
    if wide > 3.5 and room.roof == "flat" and rng.random() < 0.02:
        spot = np.array([rng.uniform(*room.x), 0.0, rng.uniform(*room.z)])
        foot = oriented((spot[0], spot[2]), 0.0, 0.9, 0.9)
        if room.contains(foot, 0.05) and ground.free(foot):
            ground.take(foot)
            spiral(Place(scene, rng, spot, float(rng.uniform(0, 6))), 0.8, room.height - 0.02)


def _place_camera(scene: Scene, rng: Rng, room: Room, ground: Ground, relax: bool) -> bool:
    """Put the camera somewhere free, at 0.3 m to 3 m, slightly tilted, at any yaw."""
    for _ in range(40):
        style = rng.random()
        if style < 0.07:  # near a wall
            sides = room.sides()
            side = sides[int(rng.integers(len(sides)))]
            at = side.at(float(rng.uniform(-0.9, 0.9)) * side.half, float(rng.uniform(0.28, 0.6)))
        elif style < 0.35 and ground.taken:  # beside a piece of furniture
            x, z, radius, _ = ground.taken[int(rng.integers(len(ground.taken)))]
            turn, away = rng.uniform(0, 2 * np.pi), radius + float(rng.uniform(0.0, 0.9))
            at = np.array([x + away * np.cos(turn), 0.0, z + away * np.sin(turn)])
        else:
            u, v = rng.uniform(-1, 1, 2) * (0.92 if rng.random() < 0.2 else 0.6)
            hx, hz = (room.x[1] - room.x[0]) / 2, (room.z[1] - room.z[0]) / 2
            at = np.array([sum(room.x) / 2 + u * hx, 0.0, sum(room.z) / 2 + v * hz])
        if rng.random() < 0.85:
            height = float(np.clip(rng.normal(1.45, 0.25), 0.5, 2.6))
        else:
            height = float(rng.uniform(0.3, 2.2) if rng.random() < 0.9 else rng.uniform(2.2, 3.0))
        if not room.contains([(at[0], at[2])], 0.1):
            continue
        at[1] = min(height, ceiling_height(room, float(at[0]), float(at[2])) - 0.4)
        if scene.clearance(at) > (CLEARANCE if not relax else 0.1):
            scene.camera = at
            scene.camera_rotation = camera_rotation(rng)
            return True
    return False


def camera_rotation(rng: Rng) -> Array:
    """(3, 3) world-from-camera: any yaw, and a small tilt now and then (y-up axes)."""
    yaw = yaw_matrix(
        float(rng.uniform(0, 2 * np.pi))
        if rng.random() < 0.7
        else float(rng.integers(4)) * np.pi / 2
    )
    if rng.random() < 0.6:
        return yaw
    a, b = rng.normal(0, np.radians(3.0), 2)
    pitch = np.array([[1.0, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    roll = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1.0]])
    return np.asarray(yaw @ pitch @ roll)

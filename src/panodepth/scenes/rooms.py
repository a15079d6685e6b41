"""Indoor worlds: a main room, rooms seen through its openings, furniture, lamps, the camera."""

from __future__ import annotations

import numpy as np

from panodepth.scenes import furniture as f
from panodepth.scenes.furniture import FITTING, FLOOR, Place, Rng
from panodepth.scenes.primitives import Array, Light, Material, Scene, yaw_matrix
from panodepth.scenes.textures import choose
from panodepth.scenes.walls import WALL_HALF, Room, Side, dress_wall, room_looks, slabs, trim, wall

CLEARANCE = 0.22  # metres between the camera and everything


def indoor_scene(rng: Rng) -> Scene:
    """One furnished indoor world with the camera in its main room."""
    for attempt in range(20):
        scene = Scene(indoor=True)
        main = _main_room(rng)
        _shell(scene, rng, main)
        _furnish(scene, rng, main, crowded=float(rng.random()))
        _lamps(scene, rng, main)
        if _place_camera(scene, rng, main, relax=attempt > 10):
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
        size, height = (
            np.array([rng.uniform(1.4, 2.4), rng.uniform(2.0, 9.0)]),
            rng.uniform(2.2, 3.0),
        )
    else:
        size, height = np.exp(rng.normal(np.log(4.6), 0.28, 2)), rng.uniform(2.35, 3.3)
    w, d = np.maximum(size, 1.3) / 2
    return Room((-float(w), float(w)), (-float(d), float(d)), float(height))


def _shell(scene: Scene, rng: Rng, main: Room) -> None:
    """Floor, ceiling and walls of the main room, and of rooms seen through its openings."""
    looks = room_looks(rng)
    openings = int(rng.choice([0, 1, 2], p=[0.5, 0.33, 0.17]))
    open_sides = set(rng.permutation(4)[:openings].tolist())
    slabs(scene, rng, main, looks)
    for number, side in enumerate(main.sides()):
        if number in open_sides:
            gap = float(
                rng.uniform(0.4, 0.55) if rng.random() < 0.55 else rng.uniform(0.6, 1.0) * side.half
            )
            gap = min(gap, side.half)
            at = float(rng.uniform(-1, 1)) * (side.half - gap)
            top = min(
                main.height,
                float(rng.uniform(2.0, 2.3)) if gap < 0.6 else main.height - rng.choice([0, 0.3]),
            )
            wall(scene, side, main.height, looks[1], (at, gap, top))
            _next_room(scene, rng, main, side, (at, gap, top), looks)
        else:
            paper = looks[1] if rng.random() < 0.8 else room_looks(rng)[1]
            wall(scene, side, main.height, paper, None)
            dress_wall(scene, rng, main, side)
    trim(scene, rng, main)


def _next_room(
    scene: Scene,
    rng: Rng,
    main: Room,
    side: Side,
    gap: tuple[float, float, float],
    looks: tuple[Material, ...],
) -> None:
    """A closed room on the far side of an opening, with a few things in it."""
    turn = yaw_matrix(side.yaw)
    at, half_gap, top = gap
    half_w, depth = half_gap + float(rng.uniform(0.15, 2.5)), float(rng.uniform(1.2, 7.0))
    shift = at + float(rng.uniform(-1, 1)) * (half_w - half_gap)
    centre = side.middle + turn @ np.array([shift, 0.0, -depth / 2 - 2 * WALL_HALF])
    hx, hz = (half_w, depth / 2) if abs(np.cos(side.yaw)) > 0.5 else (depth / 2, half_w)
    room = Room(
        (centre[0] - hx, centre[0] + hx),
        (centre[2] - hz, centre[2] + hz),
        main.height if rng.random() < 0.7 else float(rng.uniform(top, main.height + 0.01)),
    )
    own = looks if rng.random() < 0.6 else room_looks(rng)
    slabs(scene, rng, room, own)
    toward = turn @ np.array([0.0, 0.0, 1.0])
    for other in room.sides():
        inward = yaw_matrix(other.yaw) @ np.array([0.0, 0.0, 1.0])
        if inward @ toward < -0.5:  # the shared wall, already built from the main room
            continue
        wall(scene, other, room.height, own[1], None)
        dress_wall(scene, rng, room, other)
    _furnish(scene, rng, room, crowded=0.4 * float(rng.random()))
    lamp = tuple(float(v) for v in room.centre + [0, room.height - 0.35, 0])
    power = float(rng.uniform(0.5, 3.0)) * room.height
    scene.lights.append(Light((lamp[0], lamp[1], lamp[2]), (power, power, 0.92 * power)))


def _furnish(scene: Scene, rng: Rng, room: Room, crowded: float) -> None:
    """Pieces along the walls and groups in the middle, kept apart by circles on the floor."""
    taken: list[tuple[float, float, float]] = []

    def free(x: float, z: float, radius: float) -> bool:
        inside = room.x[0] + 0.1 < x < room.x[1] - 0.1 and room.z[0] + 0.1 < z < room.z[1] - 0.1
        clear = all((x - a) ** 2 + (z - b) ** 2 > (radius + r) ** 2 for a, b, r in taken)
        if inside and clear:
            taken.append((x, z, radius))
        return inside and clear

    area = (room.x[1] - room.x[0]) * (room.z[1] - room.z[0])
    sides = room.sides()
    for _ in range(min(14, int(2 + crowded * 1.1 * area**0.75))):
        side = sides[int(rng.integers(4))]
        name, radius, depth, build = _wall_piece(rng, side, room)
        if radius > side.half + 0.1:
            continue
        along = float(rng.uniform(-1, 1)) * max(side.half - radius, 0.0)
        at = side.middle + yaw_matrix(side.yaw) @ np.array([along, 0.0, depth + 0.04])
        if free(float(at[0]), float(at[2]), radius * (0.75 if name != "bed" else 1.0)):
            build(Place(scene, rng, at, side.yaw))
    if rng.random() < 0.4:
        rug = Material((1, 1, 1), choose(rng, "carpet")).fitted(2.4, 1.8)
        p = Place(scene, rng, room.centre, float(rng.uniform(0, 0.3)), FLOOR)
        p.box((0, 0.006, 0), (1.2, 0.006, 0.9), rug)
    for _ in range(int(1 + crowded * 0.5 * area**0.7)):
        x, z = float(rng.uniform(*room.x)), float(rng.uniform(*room.z))
        style = rng.random()
        yaw = float(rng.uniform(0, 2 * np.pi))
        if style < 0.4 and free(x, z, 1.0):
            _dining(scene, rng, np.array([x, 0.0, z]), yaw)
        elif style < 0.6 and free(x, z, 0.9):
            f.sofa(Place(scene, rng, np.array([x, 0.0, z]), yaw), float(rng.uniform(0.4, 1.0)))
        elif free(x, z, 0.35):
            p = Place(scene, rng, np.array([x, 0.0, z]), yaw)
            (f.chair, f.clutter, f.person)[int(rng.choice(3, p=[0.45, 0.48, 0.07]))](p)


def _dining(scene: Scene, rng: Rng, at: Array, yaw: float) -> None:
    w, d = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.35, 0.55))
    height = float(rng.choice([0.42, 0.75]))
    f.table(Place(scene, rng, at, yaw), (w, d), height)
    if height > 0.6:
        for k in range(int(rng.integers(0, 5))):
            turn = k * np.pi / 2
            reach = (d if k % 2 == 0 else w) + float(rng.uniform(0.1, 0.4))
            spot = at + yaw_matrix(yaw + turn) @ np.array([0.0, 0.0, -reach])
            f.chair(Place(scene, rng, spot, float(yaw + turn + rng.normal(0, 0.2))))


def _wall_piece(rng: Rng, side: Side, room: Room) -> tuple[str, float, float, f.Assembly]:
    """(name, radius along the wall [m], half depth [m], builder) of a piece of furniture."""
    w = float(min(rng.uniform(0.35, 1.2), side.half))
    h, kind = (
        float(rng.uniform(0.4, 1.1)),
        int(rng.choice(9, p=[0.22, 0.14, 0.13, 0.15, 0.13, 0.07, 0.04, 0.11, 0.01])),
    )
    tall = float(rng.uniform(1.6, min(2.4, room.height - 0.05)))
    steps = int((room.height - 0.4) / 0.17)
    return (
        ("cabinet", w, 0.24, lambda p: f.cabinet(p, w, h, 0.22)),
        ("wardrobe", w, 0.32, lambda p: f.cabinet(p, w, tall, 0.3)),
        ("bed", 1.25, 1.12, f.bed),
        ("sofa", w + 0.15, 0.5, lambda p: f.sofa(p, max(w, 0.4))),
        ("shelf", w, 0.2, lambda p: f.shelf(p, w, tall)),
        ("kitchen", max(w, 0.9), 0.32, lambda p: f.kitchen(p, max(w, 0.9), room.height)),
        ("bathroom", 1.3, 0.42, f.bathroom),
        ("plant", 0.35, 0.35, lambda p: f.plant(p, float(p.rng.uniform(0.4, 1.7)))),
        ("stairs", 0.7, steps * 0.135, lambda p: f.stairs(p, 0.5, steps)),
    )[kind]


def _lamps(scene: Scene, rng: Rng, room: Room) -> None:
    """Ceiling lamps with point lights, floor lamps; the first lights in the list light the room."""
    h, look = room.height, Material((0.95, 0.93, 0.88), 0, emission=float(rng.uniform(1, 6)))
    spots = [room.centre]
    if rng.random() < 0.35:
        dx = (room.x[1] - room.x[0]) / 4
        spots = [room.centre + [-dx, 0, 0], room.centre + [dx, 0, 0]]
    own = []
    for spot in spots:
        spot = spot + np.array([rng.normal(0, 0.4), 0.0, rng.normal(0, 0.4)])
        p = Place(scene, rng, spot, 0.0, FITTING)
        style, drop = rng.random(), float(rng.uniform(0.2, 0.9)) * (h > 2.5)
        if style < 0.3:
            p.tube((0, h - 0.05, 0), float(rng.uniform(0.12, 0.35)), 0.05, look)
        elif style < 0.5:
            p.box((0, h - 0.03, 0), (rng.uniform(0.1, 0.6), 0.03, rng.uniform(0.1, 0.6)), look)
        elif style < 0.8 and drop > 0.25:
            p.tube((0, h - drop / 2, 0), 0.012, drop / 2, f.painted(rng))
            if rng.random() < 0.5:
                p.ball((0, h - drop, 0), (0.18, 0.12, 0.18), look)
            else:
                ring, arms = float(rng.uniform(0.2, 0.5)), int(rng.integers(3, 9))
                p.tube((0, h - drop, 0), ring, 0.015, f.painted(rng))
                for a in np.arange(arms) / arms * 2 * np.pi:
                    p.ball(
                        (ring * np.cos(a), h - drop + 0.07, ring * np.sin(a)),
                        (0.05, 0.07, 0.05),
                        look,
                    )
        else:  # spots in the ceiling
            for _ in range(int(rng.integers(2, 9))):
                x, z = rng.uniform(-0.8, 0.8, 2) * [
                    (room.x[1] - room.x[0]) / 2,
                    (room.z[1] - room.z[0]) / 2,
                ]
                q = Place(scene, rng, room.centre + [x, 0, z], 0.0, FITTING)
                q.tube((0, h - 0.01, 0), 0.05, 0.012, look)
        power = float(rng.uniform(0.4, 2.2)) * h / len(spots)
        warm = float(rng.uniform(0.7, 1.0))
        below = max(h - drop - 0.45, 0.5 * h)
        own.append(
            Light(
                (float(spot[0]), below, float(spot[2])),
                (power, power * (1 + warm) / 2, power * warm),
            )
        )
    scene.lights = (own + scene.lights)[: 2 + int(rng.random() < 0.5)]


def _place_camera(scene: Scene, rng: Rng, room: Room, relax: bool) -> bool:
    """Put the camera somewhere free, at 0.5 m to 2.6 m, slightly tilted, at any yaw."""
    for _ in range(30):
        u, v = rng.uniform(-1, 1, 2) * (0.92 if rng.random() < 0.2 else 0.6)
        height = (
            float(np.clip(rng.normal(1.45, 0.25), 0.5, 2.6))
            if rng.random() < 0.85
            else float(rng.uniform(0.4, 2.2))
        )
        height = min(height, room.height - 0.4)
        hx, hz = (room.x[1] - room.x[0]) / 2, (room.z[1] - room.z[0]) / 2
        point = room.centre + np.array([u * hx, height, v * hz])
        if scene.clearance(point) > (CLEARANCE if not relax else 0.1):
            scene.camera = point
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

"""Indoor worlds: floor plans on a grid of cells, walls with doors, and furnished rooms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panodepth.scenes import furniture as f
from panodepth.scenes.furniture import CEILING, FITTING, FLOOR, WALL, Place, Rng, tint
from panodepth.scenes.primitives import BOX, Array, Light, Material, Scene, yaw_matrix
from panodepth.scenes.textures import choose

WALL_HALF = 0.06  # metres
CLEARANCE = 0.22  # metres between the camera and everything


@dataclass(frozen=True)
class Side:
    """One wall face of a room: its middle on the floor, inward yaw, half length; metres."""

    middle: Array
    yaw: float
    half: float


@dataclass(frozen=True)
class Room:
    """A rectangle x0..x1, z0..z1 with a ceiling height, and its solid sides."""

    x: tuple[float, float]
    z: tuple[float, float]
    height: float

    @property
    def centre(self) -> Array:
        return np.array([sum(self.x) / 2, 0.0, sum(self.z) / 2])

    def sides(self) -> list[Side]:
        c, hx, hz = self.centre, (self.x[1] - self.x[0]) / 2, (self.z[1] - self.z[0]) / 2
        return [
            Side(c + [0, 0, -hz], 0.0, hx),
            Side(c + [0, 0, hz], np.pi, hx),
            Side(c + [-hx, 0, 0], np.pi / 2, hz),
            Side(c + [hx, 0, 0], -np.pi / 2, hz),
        ]


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


def _looks(rng: Rng) -> tuple[Material, Material, Material]:
    """Floor, wall and ceiling materials that go together loosely."""
    s = float(rng.uniform(0.6, 2.2))
    shift = (float(rng.random()), float(rng.random()))
    kind = str(
        rng.choice(
            ["wood", "wood", "wood", "tiles", "tiles", "marble", "carpet", "speckle", "fabric"]
        )
    )
    level = float(rng.uniform(0.6, 1.3))
    floor_tint = (level, level, level) if kind in ("wood", "carpet") else tint(rng, 0.15, 0.95, 0.2)
    floor = Material(floor_tint, choose(rng, kind), (s, s), shift, gloss=0.4 * rng.random())
    style = rng.random()
    group = (
        "plain"
        if style < 0.6
        else str(rng.choice(["plaster", "stripes", "brick", "marble", "wood", "tiles", "fabric"]))
    )
    light = rng.random() < 0.75
    shade = tint(rng, 0.55 if light else 0.08, 0.92, 0.3)
    wall = Material(shade, choose(rng, group), (2 * s, 2 * s))
    ceiling = Material(
        tint(rng, 0.7, 0.95, 0.08) if rng.random() < 0.85 else tint(rng, 0.1, 0.8, 0.2),
        choose(rng, "plain", "plain", "plaster")
        if rng.random() < 0.85
        else choose(rng, "tiles", "wood"),
        (1.5, 1.5),
    )
    return floor, wall, ceiling


def _shell(scene: Scene, rng: Rng, main: Room) -> None:
    """Floor, ceiling and walls of the main room, and of rooms seen through its openings."""
    looks = _looks(rng)
    openings = int(rng.choice([0, 1, 2], p=[0.5, 0.33, 0.17]))
    open_sides = set(rng.permutation(4)[:openings].tolist())
    _slabs(scene, rng, main, looks)
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
            _wall(scene, side, main.height, looks[1], (at, gap, top))
            _next_room(scene, rng, main, side, (at, gap, top), looks)
        else:
            wall = looks[1] if rng.random() < 0.8 else _looks(rng)[1]
            _wall(scene, side, main.height, wall, None)
            _dress_wall(scene, rng, main, side)
    _trim(scene, rng, main)


def _slabs(scene: Scene, rng: Rng, room: Room, looks: tuple[Material, ...]) -> None:
    c, hx, hz = room.centre, (room.x[1] - room.x[0]) / 2 + 0.12, (room.z[1] - room.z[0]) / 2 + 0.12
    scene.add(BOX, c + [0, -0.1, 0], (hx, 0.1, hz), 0.0, looks[0], label=FLOOR)
    if rng.random() < 0.08 and room.height > 2.6:  # sloped ceiling
        slope = float(rng.uniform(0.15, 0.5))
        tilt = np.array(
            [[1.0, 0, 0], [0, np.cos(slope), -np.sin(slope)], [0, np.sin(slope), np.cos(slope)]]
        )
        lift = hz * np.tan(slope) + 0.1
        scene.add(
            BOX, c + [0, room.height + lift, 0], (hx, 0.1, 2 * hz), tilt, looks[2], label=CEILING
        )
        for side in room.sides():
            _wall(
                scene,
                replace(side, middle=side.middle + [0, room.height, 0]),
                2 * lift,
                looks[1],
                None,
            )
        return
    scene.add(BOX, c + [0, room.height + 0.1, 0], (hx, 0.1, hz), 0.0, looks[2], label=CEILING)


def _wall(
    scene: Scene, side: Side, height: float, look: Material, gap: tuple[float, float, float] | None
) -> None:
    """A wall behind `side`, with a gap (offset, half width, height) in metres if given."""
    place = Place(scene, np.random.default_rng(0), side.middle, side.yaw, WALL)
    z = -WALL_HALF
    if gap is None:
        place.box((0, height / 2, z), (side.half + 0.12, height / 2, WALL_HALF), look)
        return
    at, half, top = gap
    left, right = at - half + side.half, side.half - at - half
    if left > 0.01:
        place.box((-side.half + left / 2, height / 2, z), (left / 2, height / 2, WALL_HALF), look)
    if right > 0.01:
        place.box((side.half - right / 2, height / 2, z), (right / 2, height / 2, WALL_HALF), look)
    if height - top > 0.01:
        place.box((at, (height + top) / 2, z), (half, (height - top) / 2, WALL_HALF), look)


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
    own = looks if rng.random() < 0.6 else _looks(rng)
    _slabs(scene, rng, room, own)
    toward = turn @ np.array([0.0, 0.0, 1.0])
    for other in room.sides():
        inward = yaw_matrix(other.yaw) @ np.array([0.0, 0.0, 1.0])
        if inward @ toward < -0.5:  # the shared wall, already built from the main room
            continue
        _wall(scene, other, room.height, own[1], None)
        _dress_wall(scene, rng, room, other)
    _furnish(scene, rng, room, crowded=0.4 * float(rng.random()))
    lamp = tuple(float(v) for v in room.centre + [0, room.height - 0.35, 0])
    power = float(rng.uniform(0.5, 3.0)) * room.height
    scene.lights.append(Light((lamp[0], lamp[1], lamp[2]), (power, power, 0.92 * power)))


def _dress_wall(scene: Scene, rng: Rng, room: Room, side: Side) -> None:
    """Windows, curtains, doors, pictures, panelling, radiators on a solid wall."""
    p = Place(scene, rng, side.middle, side.yaw, FITTING)
    h = room.height
    style = rng.random()
    white = Material(tint(rng, 0.1, 0.95, 0.1), 0)
    if style < 0.35:
        _window(p, side, h)
    elif style < 0.52:  # a closed door
        x, w = (
            float(rng.uniform(-0.8, 0.8)) * max(side.half - 0.5, 0),
            float(rng.uniform(0.38, 0.5)),
        )
        door = Material(tint(rng, 0.1, 0.95, 0.3), choose(rng, "panel", "wood")).fitted(2 * w, 2.05)
        p.box((x, 1.02, 0.0), (w, 1.02, 0.025), door)
        p.box((x, 1.05, 0.0), (w + 0.07, 1.09, 0.018), white)
    elif style < 0.85:  # pictures
        for _ in range(int(rng.integers(1, 4))):
            w, t = float(rng.uniform(0.12, 0.7)), float(rng.uniform(0.12, 0.55))
            x = float(rng.uniform(-1, 1)) * max(side.half - w, 0)
            print_ = Material((1, 1, 1), choose(rng, "picture", "picture", "text", "books"))
            p.box(
                (x, rng.uniform(1.2, min(1.9, h - t)), 0.0),
                (w, t, 0.02),
                print_.fitted(2 * w, 2 * t),
            )
    elif style < 0.93:  # a panelled or differently papered stretch
        w = float(rng.uniform(0.3, 1.0)) * side.half
        x = float(rng.uniform(-1, 1)) * (side.half - w)
        group = str(rng.choice(["wood", "stripes", "marble", "fabric", "tiles"]))
        p.box(
            (x, h / 2, 0.0),
            (w, h / 2, 0.02),
            Material(tint(rng, 0.3, 1.0, 0.3), choose(rng, group)),
        )


def _window(p: Place, side: Side, height: float) -> None:
    rng = p.rng
    w = min(float(rng.uniform(0.4, 1.6)), side.half * 0.95)
    low = float(rng.choice([0.05, rng.uniform(0.5, 1.1)]))
    high = min(float(rng.uniform(1.9, 2.6)), height - 0.1)
    x, y, t = float(rng.uniform(-1, 1)) * (side.half - w), (low + high) / 2, (high - low) / 2
    glow = float(rng.uniform(0.3, 2.5))
    pane = Material((1, 1, 1), choose(rng, "window"), emission=glow, gloss=0.5).fitted(2 * w, 2 * t)
    p.box((x, y, -0.02), (w, t, 0.03), pane)
    p.box((x, low - 0.03, 0.03), (w + 0.08, 0.03, 0.1), Material((0.8, 0.8, 0.8), 0))
    if rng.random() < 0.6:
        inside = p.origin + yaw_matrix(p.yaw) @ np.array([x, y, 0.3])
        light = glow * w * t * float(rng.uniform(0.5, 3.0))
        p.scene.lights.append(
            Light(
                (float(inside[0]), float(inside[1]), float(inside[2])), (light, light, 1.08 * light)
            )
        )
    if rng.random() < 0.55:
        curtain = Material(tint(rng, 0.1, 0.95, 0.4), choose(rng, "stripes"), (1.2, 2.0))
        sheer = rng.random() < 0.25
        for edge in (-1, 1):
            half = w * 0.5 if sheer else float(rng.uniform(0.12, 0.4))
            cx = x + edge * (w * 0.5 if sheer else w)
            p.box((cx, height / 2, 0.09), (half, height / 2 - 0.02, 0.03), curtain)
            if not sheer:
                n = max(2, int(half / 0.07))
                for k in range(n):
                    fold = cx + (2 * (k + 0.5) / n - 1) * half
                    p.tube((fold, height / 2, 0.11), 0.05, height / 2 - 0.03, curtain)


def _trim(scene: Scene, rng: Rng, room: Room) -> None:
    """Skirting, cornices, beams, pillars."""
    skirting = Material(tint(rng, 0.1, 0.95, 0.1), 0) if rng.random() < 0.7 else None
    cornice = Material((0.85, 0.85, 0.83), 0) if rng.random() < 0.4 else None
    for side in room.sides():
        p = Place(scene, rng, side.middle, side.yaw, WALL)
        if skirting and rng.random() < 0.85:
            p.box((0, 0.05, 0), (side.half, 0.05, 0.012), skirting)
        if cornice:
            p.box((0, room.height - 0.06, 0), (side.half, 0.06, 0.05), cornice)
    p = Place(scene, rng, room.centre, 0.0, CEILING)
    hx, hz = (room.x[1] - room.x[0]) / 2, (room.z[1] - room.z[0]) / 2
    if rng.random() < 0.18:
        look, drop = f.wooden(rng), float(rng.uniform(0.06, 0.2))
        n = int(rng.integers(1, 6))
        for i in range(n):
            z = (i + 0.5) / n * 2 * hz - hz
            p.box((0, room.height - drop / 2, z), (hx, drop / 2, 0.08), look)
    if rng.random() < 0.25:  # lowered rim of a tray ceiling
        drop, rim = float(rng.uniform(0.08, 0.2)), float(rng.uniform(0.2, 0.6))
        look = Material(tint(rng, 0.75, 0.95, 0.05), 0)
        y = room.height - drop / 2
        for s in (-1, 1):
            p.box((s * (hx - rim / 2), y, 0), (rim / 2, drop / 2, hz), look)
            p.box((0, y, s * (hz - rim / 2)), (hx, drop / 2, rim / 2), look)
    if min(hx, hz) > 2.5 and rng.random() < 0.3:
        look = Material(
            tint(rng, 0.3, 0.95, 0.15), choose(rng, "plain", "plaster", "marble", "brick")
        )
        r = float(rng.uniform(0.12, 0.35))
        for x in (-0.5, 0.5):
            for z in (-0.5, 0.5):
                if rng.random() < 0.5:
                    p.tube((x * hx, room.height / 2, z * hz), r, room.height / 2, look)
                else:
                    p.box((x * hx, room.height / 2, z * hz), (r, room.height / 2, r), look)


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

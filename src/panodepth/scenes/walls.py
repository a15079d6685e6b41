"""The shell of a room: floor, ceiling, walls with gaps, and what hangs on and runs along them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panodepth.scenes import furniture as f
from panodepth.scenes.furniture import CEILING, FITTING, FLOOR, WALL, Place, Rng, tint
from panodepth.scenes.primitives import BOX, Array, Light, Material, Scene, yaw_matrix
from panodepth.scenes.textures import choose

WALL_HALF = 0.06  # metres


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


def room_looks(rng: Rng) -> tuple[Material, Material, Material]:
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


def slabs(scene: Scene, rng: Rng, room: Room, looks: tuple[Material, ...]) -> None:
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
            wall(
                scene,
                replace(side, middle=side.middle + [0, room.height, 0]),
                2 * lift,
                looks[1],
                None,
            )
        return
    scene.add(BOX, c + [0, room.height + 0.1, 0], (hx, 0.1, hz), 0.0, looks[2], label=CEILING)


def wall(
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


def dress_wall(scene: Scene, rng: Rng, room: Room, side: Side) -> None:
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


def trim(scene: Scene, rng: Rng, room: Room) -> None:
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

"""Outdoor worlds: streets, squares, yards, parks and open country, mostly under flat light."""

from __future__ import annotations

import numpy as np

from panodepth.scenes import furniture as f
from panodepth.scenes.buildings import house
from panodepth.scenes.furniture import BUILDING, GROUND, PLANT, VEHICLE, Place, Rng, tint
from panodepth.scenes.primitives import BOX, ELLIPSOID, Array, Light, Material, Scene
from panodepth.scenes.rooms import camera_rotation
from panodepth.scenes.textures import choose

HORIZON = 400.0  # metres; the ground ends here


def outdoor_scene(rng: Rng) -> Scene:
    """One outdoor world with the camera somewhere free near its middle."""
    for attempt in range(20):
        scene = Scene(indoor=False)
        kind = rng.choice(["street", "square", "park", "country"], p=[0.55, 0.2, 0.15, 0.1])
        _BUILDERS[str(kind)](scene, rng)
        spread = 0.8 if kind == "street" else 3.0
        height = float(np.clip(rng.normal(1.7, 0.3), 0.5, 3.0))
        point = np.array([rng.normal(0, spread), height, rng.normal(0, 3.0)])
        if scene.clearance(point) > (0.4 if attempt < 15 else 0.1):
            scene.camera = point
            break
    scene.camera_rotation = camera_rotation(rng)
    _weather(scene, rng)
    return scene


def _weather(scene: Scene, rng: Rng) -> None:
    overcast = rng.random() < 0.6
    blue = rng.uniform(0.3, 0.75)
    sky = {
        "gradient": float(rng.uniform(0.3, 0.9)),
        "cloud": float(choose(rng, "cloud")),
        "cloud_scale": float(rng.uniform(0.06, 0.2)),
        "cloud_offset": float(rng.random()),
        "cover": float(rng.uniform(0.0, 1.0)),
        "power": float(rng.uniform(0.8, 1.6)),
        "white": 1.0,
    }
    if overcast:
        grey = float(rng.uniform(0.7, 1.0))
        sky |= {"r": grey, "g": grey, "b": grey * 1.03, "hr": 0.98, "hg": 0.98, "hb": 1.0}
        sky["white"] = float(rng.uniform(0.6, 1.0))
        level = float(rng.uniform(0.7, 1.1))
        scene.ambient = (level, level, level * 1.03)
    else:
        sky |= {"r": 0.45 * blue, "g": 0.75 * blue, "b": 1.3 * blue}
        sky |= {"hr": 0.8, "hg": 0.88, "hb": 1.0}
        turn, high = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 1.3)
        toward = (np.cos(high) * np.cos(turn), np.sin(high), np.cos(high) * np.sin(turn))
        power = float(rng.uniform(0.2, 1.5))
        colour = (power, power * 0.95, power * 0.85)
        scene.lights.append(
            Light((float(toward[0]), float(toward[1]), float(toward[2])), colour, sun=True)
        )
        level = float(rng.uniform(0.4, 0.8))
        scene.ambient = (level * 0.93, level, level * 1.12)
    scene.sky = sky


def _ground(scene: Scene, rng: Rng, *groups: str) -> None:
    s = float(rng.uniform(1.5, 5.0))
    group = str(rng.choice(groups))
    level = float(rng.uniform(0.5, 1.3))
    flat = (level, level, level) if group == "grass" else tint(rng, 0.25, 0.95, 0.1)
    look = Material(flat, choose(rng, group), (s, s))
    scene.add(BOX, (0, -0.5, 0), (HORIZON, 0.5, HORIZON), 0.0, look, label=GROUND)


def _row(
    scene: Scene, rng: Rng, line: tuple[float, float, float], yaw: float, tall: tuple[int, int]
) -> None:
    """Houses side by side: line = (x of the fronts, z from, z to), fronts turned by `yaw`."""
    x, z, end = line
    turn = 1.0 if yaw > 0 else -1.0
    storeys = int(rng.integers(*tall))
    while z < end:
        half = float(rng.uniform(1.8, 6.0))
        storeys = int(rng.integers(*tall)) if rng.random() < 0.5 else storeys
        jitter = float(rng.choice([0.0, rng.normal(0, 0.3)]))
        front = np.array([x - turn * abs(jitter), 0.0, z + half])
        if rng.random() < 0.95:
            house(Place(scene, rng, front, yaw, BUILDING), half, float(rng.uniform(5, 12)), storeys)
        z += 2 * half + float(rng.choice([0.0, 0.0, 0.0, rng.uniform(0.5, 4.0)]))


def _street(scene: Scene, rng: Rng) -> None:
    """A street between two rows of houses along z; narrow lanes are common."""
    half = float(np.exp(rng.normal(np.log(3.8), 0.45)))
    lane = half < 4.0
    tall = (1, 4) if rng.random() < 0.65 else (3, 8)
    _ground(scene, rng, "asphalt", "asphalt", "speckle", "tiles", "plaster")
    left, right = half * rng.uniform(0.7, 1.3), half * rng.uniform(0.7, 1.3)
    length = float(rng.uniform(18, 60))
    _row(scene, rng, (-left, -length, length), np.pi / 2, tall)
    _row(scene, rng, (right, -length, length), -np.pi / 2, tall)
    for end in (-1, 1):
        if rng.random() < 0.45:
            at = np.array([rng.normal(0, 2), 0.0, end * (length + rng.uniform(2, 15))])
            look = Place(scene, rng, at, np.pi if end > 0 else 0.0, BUILDING)
            house(look, half + 5, 8.0, int(rng.integers(*tall)))
    if not lane and rng.random() < 0.7:
        kerb = Material(
            tint(rng, 0.35, 0.85, 0.08), choose(rng, "tiles", "speckle", "plaster"), (1.5, 1.5)
        )
        for side, edge in ((-1, left), (1, right)):
            wide = float(rng.uniform(0.6, min(2.0, 0.4 * edge)))
            scene.add(
                BOX, (side * (edge - wide), 0.06, 0), (wide, 0.07, length), 0.0, kerb, label=GROUND
            )
    if rng.random() < 0.4:
        paint = Material((0.85, 0.85, 0.8), 0)
        for k in range(-4, 5):
            scene.add(BOX, (0.3, 0.002, 4.0 * k), (0.07, 0.004, 1.2), 0.0, paint, label=GROUND)
    for _ in range(int(rng.integers(4, 22))):
        side = 1 if rng.random() < 0.5 else -1
        edge = right if side > 0 else left
        at = np.array([side * (edge - abs(rng.normal(0, 0.5)) - 0.5), 0.0, rng.normal(0, 9)])
        _street_thing(scene, rng, at, side)


def _street_thing(scene: Scene, rng: Rng, at: Array, side: int) -> None:
    kind = rng.choice(
        ["bike", "car", "pole", "plant", "tree", "person", "clutter", "wire"],
        p=[0.22, 0.16, 0.12, 0.16, 0.08, 0.1, 0.13, 0.03],
    )
    yaw = float(rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.25))
    p = Place(scene, rng, at, yaw, VEHICLE)
    if kind == "bike":
        _scooter(p)
    elif kind == "car":
        _car(
            Place(
                scene, rng, at - np.array([side * 0.6, 0, 0]), float(rng.normal(0, 0.08)), VEHICLE
            )
        )
    elif kind == "pole":
        tall = float(rng.uniform(2.5, 9))
        p.tube((0, tall / 2, 0), float(rng.uniform(0.03, 0.16)), tall / 2, f.painted(rng))
        if rng.random() < 0.5:
            sign = Material((1, 1, 1), choose(rng, "text")).fitted(0.7, 0.7)
            p.box((0, min(tall, 2.8), 0.06), (0.35, 0.35, 0.02), sign)
    elif kind == "plant":
        f.plant(Place(scene, rng, at, yaw, PLANT), float(rng.uniform(0.4, 1.6)))
    elif kind == "tree":
        _tree(Place(scene, rng, at, yaw, PLANT), float(rng.uniform(3, 8)))
    elif kind == "person":
        f.person(Place(scene, rng, at, yaw, f.PERSON))
    elif kind == "clutter":
        f.clutter(p)
    else:
        scene.add(
            BOX,
            (0, rng.uniform(4, 8), at[2]),
            (12, 0.02, 0.02),
            float(rng.normal(0, 0.3)),
            Material((0.05, 0.05, 0.05), 0),
        )


def _scooter(p: Place) -> None:
    look, dark = f.painted(p.rng), Material((0.04, 0.04, 0.045), 0)
    for z in (-0.6, 0.6):
        p.put(2, (0, 0.25, z), (0.25, 0.05, 0.25), dark, tilt=0.0)
        p.ball((0, 0.27, z), (0.05, 0.27, 0.27), dark)
    p.box((0, 0.45, -0.35), (0.15, 0.2, 0.4), look)
    p.box((0, 0.72, -0.3), (0.14, 0.05, 0.36), dark)
    p.box((0, 0.6, 0.5), (0.16, 0.35, 0.05), look, tilt=-0.25)
    p.box((0, 1.0, 0.42), (0.32, 0.02, 0.03), dark)


def _car(p: Place) -> None:
    rng, paint = p.rng, Material(tint(p.rng, 0.03, 0.9, 0.6), 0, gloss=1.0)
    glass, tyre = Material((0.03, 0.035, 0.04), 0, gloss=1.0), Material((0.03, 0.03, 0.03), 0)
    long, tall = float(rng.uniform(1.8, 2.4)), float(rng.uniform(1.35, 2.0))
    p.box((0, 0.58, 0), (0.85, 0.33, long), paint)
    cabin = float(rng.uniform(0.5, 0.8)) * long
    p.box((0, (0.9 + tall) / 2, -0.15), (0.75, (tall - 0.9) / 2, cabin), glass)
    p.box((0, tall, -0.15), (0.7, 0.04, cabin * 0.92), paint)
    for x in (-0.8, 0.8):
        for z in (-0.62, 0.62):
            p.ball((x, 0.32, z * long), (0.1, 0.32, 0.32), tyre)


def _tree(p: Place, height: float) -> None:
    rng, level = p.rng, float(p.rng.uniform(0.6, 1.8))
    bark = Material((0.5, 0.45, 0.4), choose(rng, "wood", "plaster"), (0.5, 2.0))
    leaves = Material(
        (level, level * rng.uniform(0.8, 1.1), level), choose(rng, "foliage"), (1.5, 1.5)
    )
    trunk = float(rng.uniform(0.02, 0.05)) * height
    p.tube((0, height * 0.35, 0), trunk, height * 0.35, bark, taper=0.6)
    if rng.random() < 0.2:
        for k in range(4):
            y = height * (0.25 + 0.2 * k)
            p.tube((0, y, 0), height * 0.2 * (1.1 - 0.2 * k), height * 0.16, leaves, taper=0.1)
        return
    for _ in range(int(rng.integers(6, 15))):
        r = float(rng.uniform(0.06, 0.17)) * height
        x, z = rng.normal(0, 0.13 * height, 2)
        y = height * float(rng.uniform(0.45, 0.95))
        p.ball((x, y, z), (r, r * rng.uniform(0.6, 1.0), r), leaves, yaw=rng.uniform(0, 3))


def _hills(scene: Scene, rng: Rng, count: int, nearest: float) -> None:
    for _ in range(count):
        turn, far = (
            rng.uniform(0, 2 * np.pi),
            float(np.exp(rng.uniform(np.log(nearest), np.log(250)))),
        )
        wide = far * float(rng.uniform(0.3, 0.7))
        look = Material((1, 1, 1), choose(rng, "grass", "foliage"), (6.0, 6.0))
        at = (far * np.cos(turn), -0.1 * wide, far * np.sin(turn))
        half = (wide, wide * float(rng.uniform(0.12, 0.5)), wide * float(rng.uniform(0.6, 1.2)))
        scene.add(ELLIPSOID, at, half, float(rng.uniform(0, 3)), look, label=GROUND)


def _square(scene: Scene, rng: Rng) -> None:
    """A square or courtyard closed by buildings on most sides."""
    _ground(scene, rng, "tiles", "speckle", "asphalt", "plaster", "grass")
    half_x, half_z = np.exp(rng.normal(np.log(9), 0.5, 2))
    tall = (1, 4) if rng.random() < 0.5 else (2, 7)
    for yaw, far, wide in (
        (np.pi / 2, half_x, half_z),
        (-np.pi / 2, half_x, half_z),
        (0.0, half_z, half_x),
        (np.pi, half_z, half_x),
    ):
        if rng.random() < 0.85:
            at = -far * np.array([np.sin(yaw), 0.0, np.cos(yaw)])
            n = int(rng.integers(1, 4))
            for k in range(n):
                x = (2 * (k + 0.5) / n - 1) * wide
                along = np.array([np.cos(yaw), 0.0, -np.sin(yaw)]) * x
                house(
                    Place(scene, rng, at + along, yaw, BUILDING),
                    wide / n,
                    8.0,
                    int(rng.integers(*tall)),
                )
    for _ in range(int(rng.integers(3, 18))):
        at = np.array([rng.uniform(-half_x, half_x), 0.0, rng.uniform(-half_z, half_z)])
        _street_thing(scene, rng, at, 0)


def _park(scene: Scene, rng: Rng) -> None:
    """Trees, shrubs, benches, fences, paths."""
    _ground(scene, rng, "grass", "grass", "speckle", "tiles")
    near = float(rng.uniform(2, 5))
    for _ in range(int(rng.integers(6, 26))):
        turn, far = rng.uniform(0, 2 * np.pi), near + float(rng.exponential(12))
        at = np.array([far * np.cos(turn), 0.0, far * np.sin(turn)])
        _tree(Place(scene, rng, at, 0.0, PLANT), float(rng.uniform(2.5, 14)))
    for _ in range(int(rng.integers(0, 10))):
        turn, far = rng.uniform(0, 2 * np.pi), float(rng.uniform(2, 12))
        at = np.array([far * np.cos(turn), 0.0, far * np.sin(turn)])
        if rng.random() < 0.5:
            f.plant(Place(scene, rng, at, 0.0, PLANT), float(rng.uniform(0.5, 2)))
        else:
            _street_thing(scene, rng, at, 0)
    if rng.random() < 0.4:
        _fence(scene, rng)
    if rng.random() < 0.5:
        turn = rng.uniform(0, 2 * np.pi)
        far = float(rng.uniform(6, 30))
        at = -far * np.array([np.sin(turn), 0.0, np.cos(turn)])
        house(
            Place(scene, rng, at, float(turn), BUILDING),
            float(rng.uniform(4, 12)),
            8.0,
            int(rng.integers(1, 4)),
        )
    _hills(scene, rng, int(rng.integers(0, 4)), 40)


def _fence(scene: Scene, rng: Rng) -> None:
    look, z, tall = f.wooden(rng), float(rng.uniform(2.5, 9)), float(rng.uniform(0.8, 1.8))
    solid = rng.random() < 0.5
    p = Place(scene, rng, np.zeros(3), float(rng.uniform(0, 6.3)), BUILDING)
    if solid:
        p.box((0, tall / 2, z), (15, tall / 2, 0.05), look)
        return
    for x in np.arange(-8, 8.1, 1.6):
        p.box((x, tall / 2, z), (0.06, tall / 2, 0.06), look)
    for y in (0.35, 0.85):
        p.box((0, tall * y, z), (8, 0.06, 0.03), look)


def _country(scene: Scene, rng: Rng) -> None:
    """Open ground with hills, and a few trees or rocks."""
    _ground(scene, rng, "grass", "grass", "speckle", "plaster")
    _hills(scene, rng, int(rng.integers(2, 9)), 15)
    for _ in range(int(rng.integers(0, 12))):
        turn, far = rng.uniform(0, 2 * np.pi), 2.5 + float(rng.exponential(15))
        at = np.array([far * np.cos(turn), 0.0, far * np.sin(turn)])
        if rng.random() < 0.6:
            _tree(Place(scene, rng, at, 0.0, PLANT), float(rng.uniform(1.5, 9)))
        else:
            r = float(rng.uniform(0.2, 1.5))
            rock = Material(tint(rng, 0.2, 0.7, 0.1), choose(rng, "plaster", "speckle"))
            p = Place(scene, rng, at, float(rng.uniform(0, 6)), GROUND)
            p.ball((0, 0.2 * r, 0), (r, r * 0.7, r * rng.uniform(0.5, 1.2)), rock)
    if rng.random() < 0.3:
        _fence(scene, rng)


_BUILDERS = {"street": _street, "square": _square, "park": _park, "country": _country}

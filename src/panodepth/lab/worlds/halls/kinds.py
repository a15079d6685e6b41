"""The kinds of large interiors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from panodepth.lab.worlds.camera.pose import camera_rotation
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.halls import contents, parts
from panodepth.lab.worlds.halls.hall import (
    Plan,
    build_shell,
    column_grid,
    lamp_grid,
    lengths,
    light_hall,
    skylights,
    stand,
    trusses,
    windows,
)
from panodepth.lab.worlds.halls.vaults import cellar, tunnel
from panodepth.lab.worlds.indoor import ceilings
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.outdoor.vehicles import car
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import CEILING, FLOOR, FURNITURE, VEHICLE, Pair, Place, bays
from panodepth.lab.worlds.priors import Priors
from panodepth.lab.worlds.render.primitives import Scene

GLAZED = 0.2  # of the roofs of factories and public halls
CLEARANCE = 0.25  # metres between the camera and everything


def _glow(rng: Draws, priors: Priors) -> float:
    """Of windows and skylights: as bright as the room, or blown out."""
    return float(rng.uniform(4, 14) if rng.random() < priors.glare else rng.uniform(0.5, 3))


def _windows(here: Interior, priors: Priors, sill: Pair, share: float = 0.6) -> None:
    glow, h = _glow(here.rng, priors), here.room.height
    for side in here.room.sides:
        if here.rng.random() < share:
            low = here.rng.uniform(*sill)
            windows(here, side, low, h - here.rng.uniform(0.2, 0.25 * h), glow)


def factory(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """A workshop or industrial hall: trusses, skylights, machines, crates."""
    size, height = lengths(rng, 14, 60), rng.uniform(4.5, 11)
    roof = rng.weighted({"flat": 0.5, "gable": 0.3, "vault": 0.2})
    rise = 0.0 if roof == "flat" else min(min(size) * rng.uniform(0.15, 0.5), 7.0)
    here = build_shell(scene, rng, Plan(size, height, roof, rise, rng.random() < GLAZED))
    eye = stand(here)
    if rng.random() < 0.8:
        trusses(here)
    if roof == "flat" and rng.random() < 0.6:
        skylights(here, _glow(rng, priors))
    _windows(here, priors, (0.8, 0.5 * height))
    if rng.random() < 0.5:
        column_grid(here, rng.uniform(5, 10), rng.uniform(0.1, 0.3), rng.metal())
    parts.wall_gear(here)
    contents.strew(here, "industry", int(rng.integers(10, 60)), eye)
    lamp_grid(here, rng.uniform(0.1, 1.5), 25)
    light_hall(here)
    return here, eye


def garage(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """A low wide car park: columns, beams, strips of light, bays and parked cars."""
    here = build_shell(scene, rng, Plan(lengths(rng, 18, 60), rng.uniform(2.2, 3.4)))
    eye, (hx, hz) = stand(here), here.room.half
    pillar = rng.tinted((0.3, 0.95, 0.2), "concrete", "plain", "plaster")
    column_grid(here, rng.uniform(5, 8.5), rng.uniform(0.15, 0.35), pillar)
    paint = grey(0.85) if rng.random() < 0.7 else Material((0.8, 0.6, 0.05))
    p, full = here.place(here.room.middle, 0.0, FLOOR), rng.uniform(0.1, 0.8)
    for row, z in enumerate(bays(max(1, min(5, int(hz / 5.5))), hz)):
        for x in np.arange(-hx + 2, hx - 2, 2.6):
            if abs(x - eye[0]) < 20 and row % 2 == 0:
                p.box((x + 1.3, 0.004, z), (0.05, 0.004, 2.4), paint)
            near = float(np.hypot(x - eye[0], z - eye[1]))
            foot = Footprint.rectangle((float(x), z), 0.0, 1.0, 2.4)
            if near < 24 and rng.random() < full and here.claim(foot):
                q = here.place(np.array([x, 0.0, z]), rng.integers(2) * np.pi, VEHICLE)
                car(q, near + 4)
    for _ in range(rng.integers(0, 5)):  # pipes and ducts under the ceiling
        x, r = rng.uniform(-1, 1) * hx, rng.uniform(0.05, 0.2)
        top = here.place(np.array([x, here.room.height - r - 0.05, 0]), 0.0, CEILING)
        top.disc((0, 0, 0), r, hz, rng.metal())
    parts.wall_gear(here)
    contents.strew(here, "industry", int(rng.integers(0, 9)), eye)
    lamp_grid(here, 0.06)
    if rng.random() < 0.3:
        _windows(here, priors, (0.9, 1.3), 0.4)
    light_hall(here)
    return here, eye


def warehouse(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """Aisles between tall racks, or a shop or library with lower shelves."""
    shop = rng.random() < 0.5
    height = rng.uniform(2.8, 4.5) if shop else rng.uniform(5, 12)
    here = build_shell(scene, rng, Plan(lengths(rng, 14, 50), height))
    tall = rng.uniform(1.3, 2.2) if shop else min(rng.uniform(2.5, 8), height - 0.8)
    long, deep = min(rng.uniform(2, 10), 0.45 * here.room.half[0]), 0.45 if shop else 0.6
    eye = stand(here)

    def rack(p: Place) -> None:
        look, levels = rng.metal(), max(2, int(tall / rng.uniform(0.5, 1.6)))
        levels = min(levels, 5)
        p.pair((long, tall / 2, 0), (0.05, tall / 2, deep), look)
        if rng.random() < 0.5:
            p.box((0, tall / 2, 0), (long, tall / 2, 0.02), look)
        for k in range(levels):
            y, gap = tall * k / levels + 0.1, tall / levels
            p.box((0, y, 0), (long, 0.04, deep), look)
            for x in bays(max(1, min(3, int(long / 1.2))), long):
                half = (rng.uniform(0.3, 0.9) * long / 3, rng.uniform(0.2, 0.42) * gap, 0.9 * deep)
                goods = rng.printed("books", "text", "panel", scale=(0.6, 0.4))
                if rng.random() < 0.5:
                    goods = rng.tinted((0.05, 0.9, 0.6), "plain", "text", "wood")
                p.box((x, y + 0.04 + half[1], 0), half, goods)

    contents.rows(here, rng.uniform(2.0, 4.0), (long, deep), rack, rng.uniform(0.8, 2.0))
    contents.strew(here, "public" if shop else "industry", int(rng.integers(2, 24)), eye)
    if not shop and rng.random() < 0.6:
        trusses(here)
    if rng.random() < 0.4:
        _windows(here, priors, (0.5 * height, 0.8 * height))
    lamp_grid(here, rng.uniform(0.05, 0.8))
    light_hall(here)
    return here, eye


def church(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """A nave with arcades or columns, a vault or an open roof, pews, tall windows, an altar."""
    size = (rng.uniform(4.5, 12), rng.uniform(8, 26))
    roof = rng.weighted({"vault": 0.6, "gable": 0.3, "flat": 0.1})
    rise = 0.0 if roof == "flat" else size[0] * rng.uniform(0.35, 0.95)
    here = build_shell(scene, rng, Plan(size, rng.uniform(4, 12), roof, rise))
    eye, height = stand(here), here.room.height
    stone = rng.tinted((0.3, 0.95, 0.15), "plain", "plaster", "marble", "stone")
    x, n = size[0] * rng.uniform(0.5, 0.75), int(np.clip(size[1] / rng.uniform(1.6, 3), 2, 7))
    if rng.random() < 0.8:
        parts.arcade(here, x, n, stone)
    if roof != "flat":
        q = here.place(here.room.middle, 0.0, CEILING)
        for z in bays(n, size[1]):  # ties across
            if rng.random() < 0.4:
                q.box((0, height, z), (size[0], 0.08, 0.08), rng.wooden())
    _windows(here, priors, (1.5, 0.5 * height), 0.9)
    wide = min(x - 1.3, 3.0)
    wood = rng.wooden()

    def pew(p: Place) -> None:
        p.box((0, 0.45, 0), (wide / 2, 0.02, 0.2), wood)
        p.box((0, 0.5, 0.22), (wide / 2, 0.5, 0.02), wood)
        p.pair((wide / 2, 0.45, 0), (0.03, 0.45, 0.25), wood)

    if wide > 0.8 and rng.random() < 0.8:
        contents.rows(here, rng.uniform(0.9, 1.4), (wide / 2 + 0.03, 0.27), pew, 0.8)
    altar = here.place(np.array([0.0, 0.0, -size[1] + 1.5]), 0.0, FURNITURE)
    altar.box((0, 0.1, 0), (2.0, 0.1, 1.2), stone)
    altar.box((0, 0.7, 0), (0.9, 0.5, 0.4), rng.wooden())
    contents.strew(here, "public", int(rng.integers(0, 12)), eye)
    if rng.random() < 0.6:
        lamp_grid(here, rng.uniform(0.3, 0.6) * height, 12)
    light_hall(here)
    return here, eye


def public_hall(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """A ballroom, lobby, station or gym: polished floor, few things, doors, balconies."""
    size, height = lengths(rng, 12, 55), rng.uniform(3.5, 12)
    roof = rng.weighted({"flat": 0.6, "vault": 0.2, "dome": 0.12, "gable": 0.08})
    rise = 0.0 if roof == "flat" else min(size) * rng.uniform(0.15, 0.5)
    here = build_shell(scene, rng, Plan(size, height, roof, rise, rng.random() < GLAZED))
    eye = stand(here)
    _windows(here, priors, (0.05, 0.4 * height), 0.5)
    if roof == "flat" and rng.random() < 0.4:
        skylights(here, _glow(rng, priors))
    if rng.random() < 0.45:
        look = rng.tinted((0.3, 0.95, 0.15), "plain", "plaster", "marble")
        column_grid(here, rng.uniform(4, 10), rng.uniform(0.15, 0.5), look)
    if height > 5.5 and rng.random() < 0.5:
        parts.galleries(here)
    parts.pilasters(here)
    contents.strew(here, "public", int(rng.integers(0, 45)), eye)
    lamp_grid(here, rng.uniform(0.05, 0.3 * height), 16)
    light_hall(here)
    return here, eye


def theatre(scene: Scene, rng: Draws, priors: Priors) -> tuple[Interior, Pair]:
    """Seats that rise in steps before a stage, under a flat ceiling or a vault."""
    size = lengths(rng, 16, 44)
    height = rng.uniform(6, 12)
    roof = rng.weighted({"flat": 0.6, "vault": 0.4})
    rise = 0.0 if roof == "flat" else min(size) * rng.uniform(0.15, 0.4)
    here = build_shell(scene, rng, Plan(size, height, roof, rise))
    eye = parts.tiers(here, 0.5 * height)
    lamp_grid(here, 0.1, 20)
    light_hall(here, strong=0.6)
    return here, eye


KINDS: dict[str, tuple[float, Callable[[Scene, Draws, Priors], tuple[Interior, Pair]]]] = {
    "factory": (0.22, factory),
    "garage": (0.16, garage),
    "warehouse": (0.12, warehouse),
    "church": (0.12, church),
    "public hall": (0.2, public_hall),
    "theatre": (0.06, theatre),
    "cellar": (0.06, cellar),
    "tunnel": (0.06, tunnel),
}


def hall_scene(rng: Draws, priors: Priors, kind: str | None = None) -> Scene:
    """One large interior. kind: a key of KINDS or None."""
    shares = {name: share for name, (share, _) in KINDS.items()}
    while True:
        scene = Scene(indoor=True)
        here, (x, z) = KINDS[kind or rng.weighted(shares)][1](scene, rng, priors)
        tall = float(np.clip(rng.normal(1.6, 0.25), 0.5, 2.4))
        roof = ceilings.ceiling_height(here.room, x, z)
        at = np.array([x, min(tall, roof - 0.4), z])
        if scene.clearance(at) > CLEARANCE:
            break
    scene.camera, scene.camera_rotation = at, camera_rotation(rng)
    return scene

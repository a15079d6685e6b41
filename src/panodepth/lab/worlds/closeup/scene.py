"""Rooms with the camera above or beside something low and wide, with mirrors and thin things."""

from __future__ import annotations

import math

import numpy as np

from panodepth.lab.worlds.camera.pose import camera_rotation
from panodepth.lab.worlds.closeup.headers import headers
from panodepth.lab.worlds.closeup.low import Low, draw_low, white
from panodepth.lab.worlds.closeup.lowered import lower_ceiling, partition
from panodepth.lab.worlds.closeup.thin import strew_thin
from panodepth.lab.worlds.closeup.walls import hang
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.ceilings import ceiling_height
from panodepth.lab.worlds.indoor.interior import Interior
from panodepth.lab.worlds.indoor.lamps import lamps
from panodepth.lab.worlds.indoor.layout import furnish
from panodepth.lab.worlds.indoor.plans import Room, outline
from panodepth.lab.worlds.indoor.rooms import built_in, indoor_light, main_room, place_camera, shell
from panodepth.lab.worlds.indoor.walls import room_looks
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import FURNITURE
from panodepth.lab.worlds.priors import Priors
from panodepth.lab.worlds.render.primitives import Scene
from panodepth.lab.worlds.render.shapes import Array

CLEARANCE = 0.15  # metres between the camera and everything
HEADROOM = 0.35  # metres between the camera and the ceiling
ABOVE_SHARE = 0.7
NARROWEST = 2.3  # metres across the room
OPEN_PLAN = (8.5, 0.25)  # metres, and the spread of their logarithm
EYE_ROOM = 0.3  # metres on the plan kept free around a camera that stands on the floor


def room(rng: Draws, priors: Priors, close: bool = True) -> Scene:
    """One furnished room with mirrors and thin things; the camera close to something low, or
    anywhere.
    """
    pale = close and rng.random() < priors.white
    while True:
        scene = Scene(indoor=True)
        here = Interior(scene, rng, _plan(rng, priors))
        if close and here.room.wide < NARROWEST:
            continue
        _walls(here, priors, pale)
        eye = _set_down(here, pale) if close else None
        if close and eye is None:
            continue
        built_in(here)
        furnish(here, (0.7 if close else 1.0) * rng.random())
        lamps(here)
        if eye is not None:
            scene.camera, scene.camera_rotation = eye, camera_rotation(rng)
        elif not place_camera(here, relax=False):
            continue
        if scene.clearance(scene.camera) > CLEARANCE:
            break
    if rng.random() < priors.lowered:
        lower_ceiling(here, scene.camera, HEADROOM)
    if rng.random() < priors.partitions:
        partition(here, scene.camera, HEADROOM)
    if priors.headers and rng.random() < priors.headers:
        headers(here, scene.camera)
    hang(here, int(rng.integers(0, 4)))
    strew_thin(here, scene.camera, int(rng.integers(0, 6)), CLEARANCE)
    indoor_light(scene, rng)
    return scene


def _plan(rng: Draws, priors: Priors) -> Room:
    """A usual room, or one as large as a whole flat."""
    if rng.random() >= priors.open_plan:
        return main_room(rng)
    half_x, half_z = np.exp(rng.normal(np.log(OPEN_PLAN[0]), OPEN_PLAN[1], 2)) / 2
    return Room(outline(rng, float(half_x), float(half_z)), rng.uniform(2.4, 3.3))


def _walls(here: Interior, priors: Priors, pale: bool) -> None:
    """The room's shell; behind its doors lie rooms, or corridors as narrow as the door."""
    rng, looks = here.rng, room_looks(here.rng)
    if pale and rng.random() < 0.6:
        looks = (white(rng), *looks[1:])
    corridors = rng.random() < priors.corridors
    likely = 1.0 if corridors else priors.openings
    shell(here, likely, looks, (0.5, 11.0) if corridors else (2.5, 7.0))


def _set_down(here: Interior, pale: bool) -> Array | None:
    """Put one or two low things down; returns where the camera goes, or None without room."""
    eye = None
    for _ in range(1 + int(here.rng.random() < 0.3)):
        low = draw_low(here.rng, pale)
        for _ in range(8):
            if frame := _frame(here, low):
                x, z, yaw = frame
                low.build(here.place(np.array([x, 0.0, z]), yaw, FURNITURE))
                eye = _eye(here, low, frame) if eye is None else eye
                break
    return eye


def _frame(here: Interior, low: Low) -> tuple[float, float, float] | None:
    """(x, z, yaw) of a free place for it, now taken; None when the first try finds none."""
    rng, room, half = here.rng, here.room, tuple(h + low.reach for h in low.half)
    if low.wall:
        side = rng.pick(room.sides)
        out = low.half[1] + 0.12
        along = rng.uniform(-1, 1) * (side.half - half[0])
        if side.half < half[0] + 0.05:
            return None
        at, yaw = side.at(along, out), side.yaw
        half, margin = (half[0], low.half[1]), 0.0
    else:
        at = np.array([rng.uniform(*room.x), 0.0, rng.uniform(*room.z)])
        turned = rng.random() < 0.3
        yaw = rng.uniform(0, 2 * np.pi) if turned else rng.integers(4) * np.pi / 2
        margin = 0.05
    foot = Footprint.rectangle((float(at[0]), float(at[2])), yaw, half[0], half[1])
    if not here.claim(foot, margin):
        return None
    return float(at[0]), float(at[2]), float(yaw)


def _eye(here: Interior, low: Low, frame: tuple[float, float, float]) -> Array | None:
    """A place above the thing or beside it, (3,) [m]; None when that is not in the room."""
    rng, (x, z, yaw), (w, d) = here.rng, frame, low.half
    above = rng.random() < ABOVE_SHARE
    if above:
        u, v = rng.uniform(-0.95, 0.95, 2) * low.half
        height = low.top + float(np.exp(rng.uniform(np.log(0.2), np.log(1.2))))
        if low.top < 0.1:
            height = rng.uniform(0.8, 1.7)
    else:
        u, v = rng.uniform(-1, 1, 2) * low.half
        away = rng.uniform(EYE_ROOM, 0.7)
        if low.wall or rng.random() < 0.5:
            v = (1 if low.wall else rng.pick((-1, 1))) * (d + away)
        else:
            u = rng.pick((-1, 1)) * (w + away)
        height = float(np.clip(rng.normal(1.4, 0.25), 0.6, 1.9))
    c, s = math.cos(yaw), math.sin(yaw)
    at = np.array([x + c * u + s * v, height, z - s * u + c * v])
    if not here.room.contains([(at[0], at[2])], 0.2):
        return None
    if not above:
        here.ground.take(Footprint.rectangle((at[0], at[2]), yaw, EYE_ROOM, EYE_ROOM))
    at[1] = min(height, ceiling_height(here.room, at[0], at[2]) - HEADROOM)
    return at

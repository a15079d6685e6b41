"""What the camera stands on or under outdoors: tables, walls, boulders; roofs on posts."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import BUILDING, FURNITURE, Pair, joints
from panodepth.lab.worlds.render.shapes import Array

CLEAR = 0.2  # metres between the camera and what it stands on


def perch(site: Site, eye: Array) -> None:
    """Something low under the camera `eye` (3,) [m], or right beside it, if it finds room."""
    rng, ground = site.rng, site.ground(*site.eye)
    style = rng.weighted({"table": 0.35, "wall": 0.3, "block": 0.2, "boulder": 0.15})
    half = {
        "table": (rng.uniform(0.35, 1.0), rng.uniform(0.3, 0.5)),
        "wall": (rng.uniform(0.8, 4.0), rng.uniform(0.1, 0.3)),
        "block": (rng.uniform(0.3, 1.0), rng.uniform(0.3, 1.0)),
        "boulder": (rng.uniform(0.35, 0.9), rng.uniform(0.35, 0.9)),
    }[style]
    top = float(eye[1] - ground - CLEAR - rng.exponential(0.4))
    yaw = rng.uniform(0, 6.3)
    shift = rng.uniform(-0.7, 0.7, 2) * half
    p = site.spot(*site.eye, yaw).at(*(shift[0], 0.0, shift[1]), label=FURNITURE)
    if top < 0.3 or not _free(site, (float(p.origin[0]), float(p.origin[2])), yaw, half):
        return
    w, d = half
    look = rng.wooden() if rng.random() < 0.5 else wall_look(rng)
    if style == "table":
        p.box((0, top - 0.025, 0), (w, 0.025, d), look)
        p.four((w - 0.06, top / 2 - 0.025, d - 0.06), (0.04, top / 2 - 0.025, 0.04), look)
    elif style == "boulder":
        p.ball((0, 0.3 * top, 0), (w, 0.7 * top, d), wall_look(rng), yaw=rng.uniform(0, 3))
    else:
        p.box((0, top / 2, 0), (w, top / 2, d), wall_look(rng))


def _free(site: Site, at: Pair, yaw: float, half: Pair) -> bool:
    """Whether nothing but the camera's own place is on a rectangle of ground."""
    wanted, (x, z) = Footprint.rectangle(at, yaw, *half), site.eye
    others = (o for o in site.taken.taken if np.hypot(o.circle[0] - x, o.circle[1] - z) > 0.01)
    return not any(wanted.overlaps(o) for o in others)


def canopy(site: Site, eye: Array) -> None:
    """A roof on posts over the camera `eye` (3,) [m]: a porch, a pavilion, a forecourt."""
    rng, ground = site.rng, site.ground(*site.eye)
    half = tuple(np.exp(rng.uniform(np.log(1.8), np.log(12), 2)).tolist())
    clear = rng.uniform(2.4, 3.2) if max(half) < 4 else rng.uniform(3.0, 7.0)
    yaw, thick = rng.uniform(0, 6.3), rng.uniform(0.08, 0.5)
    shift = rng.uniform(-0.8, 0.8, 2) * half
    p = site.spot(*site.eye, yaw, BUILDING).at(*(shift[0], 0.0, shift[1]))
    clear = max(clear, float(eye[1] - ground) + 0.5)
    roof = rng.tinted((0.3, 0.95, 0.15), "plain", "wood", "shutter", "concrete", scale=2.0)
    p.box((0, clear + thick, 0), (half[0], thick, half[1]), roof)
    if rng.random() < 0.5:  # beams
        for x in joints(max(2, int(half[0])), half[0] - 0.1):
            p.box((x, clear - 0.08, 0), (0.06, 0.1, half[1]), roof)
    post, radius = rng.metal(), rng.uniform(0.04, 0.3)
    for x in joints(max(1, round(half[0] / 2.5)), 0.94 * half[0]):
        for z in (-0.94 * half[1], 0.94 * half[1]):
            far = np.hypot(x + shift[0], z + shift[1])
            if far < radius + 0.4:
                continue
            if radius < 0.12:
                p.tube((x, clear / 2, z), radius, clear / 2, post)
            else:
                p.box((x, clear / 2, z), (radius, clear / 2, radius), post)
    if rng.random() < 0.3:  # closed on one side
        p.box((0, clear / 2, -half[1]), (half[0], clear / 2, 0.08), wall_look(rng))

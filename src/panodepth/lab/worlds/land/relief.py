"""Ground out to several kilometres: plains, valleys, ridges, slopes, with mountains behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.parts.place import GROUND
from panodepth.lab.worlds.render.heightfield import HeightField, graded_axis
from panodepth.lab.worlds.render.primitives import Solid
from panodepth.lab.worlds.render.shapes import BOX, CYLINDER, ELLIPSOID, Array

CELLS = 9  # of the height field, from the camera to its rim


@dataclass(frozen=True)
class Relief:
    """How the ground rises: metres, at the origin level with y = 0.

    reach: where it ends. rough: bumps near by. far: how high hills are at `begin` and beyond.
    fall: how deep the ground falls off around the camera, as from a ridge; tilt: slope of a flank.
    """

    reach: float
    rough: float
    far: float
    begin: float
    fall: float = 0.0
    tilt: float = 0.0


def draw_relief(rng: Draws, kind: str) -> Relief:
    """A "plain", "valley", "ridge" or "slope"."""
    reach = float(np.exp(rng.uniform(np.log(700), np.log(4000))))
    rough = rng.uniform(0.05, 0.8)
    begin = reach * rng.uniform(0.05, 0.4)
    if kind == "plain":
        return Relief(reach, 0.3 * rough, reach * rng.uniform(0.0, 0.03), 0.6 * reach)
    if kind == "valley":
        return Relief(reach, rough, reach * rng.uniform(0.08, 0.35), begin)
    fall = min(reach * rng.uniform(0.02, 0.12), 160.0)
    far = reach * rng.uniform(0.02, 0.2)
    if kind == "ridge":
        return Relief(reach, rough, far, begin, fall)
    return Relief(reach, rough, far, begin, 0.0, rng.uniform(0.08, 0.35) * rng.pick((-1, 1)))


def relief(site: Site, r: Relief, look: Material) -> None:
    """Add the ground to the scene and set `site.ground`."""
    rng, axis = site.rng, graded_axis(r.reach, CELLS, 2.6)
    near = _waves(rng, (8.0, 30.0), r.rough)
    hills = _waves(rng, (0.25 * r.reach, 1.5 * r.reach), r.far)
    crags = _waves(rng, (0.08 * r.reach, 0.3 * r.reach), 0.35 * r.far)
    turn, narrow = rng.uniform(0, 6.3), rng.uniform(0.15, 1.0)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])

    def height(x: Array, z: Array) -> Array:
        u, v = x * along[0] + z * along[1], x * across[0] + z * across[1]
        far = np.hypot(narrow * u, v)  # a valley or a ridge is longer than wide
        rise = 1 - np.exp(-((far / r.begin) ** 2))
        y = near(x, z) + rise * (np.abs(hills(x, z)) + crags(x, z) + 0.4 * r.far)
        y = y - r.fall * (1 - np.exp(-((far / (3 * r.fall + 12)) ** 2)))
        return np.asarray(y + r.tilt * u * np.exp(-np.abs(u) / (0.5 * r.reach)))

    surface = HeightField(axis, axis, height(*np.meshgrid(axis, axis)) - height(*np.zeros((2, 1))))
    surface.add_to(site.scene, look, GROUND)
    site.ground = lambda px, pz: float(surface.at(px, pz))


def _waves(rng: Draws, length: tuple[float, float], size: float) -> Callable[[Array, Array], Array]:
    """A sum of six waves of about `size` [m] with lengths from, to [m]."""
    long = np.exp(rng.uniform(np.log(length[0]), np.log(length[1]), 6))
    turn, phase = rng.uniform(0, 2 * np.pi, (2, 6))
    vector = 2 * np.pi / long[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    amount = size * rng.uniform(0.3, 1.0, 6) / np.sqrt(6)

    def value(x: Array, z: Array) -> Array:
        angle = x[..., None] * vector[:, 0] + z[..., None] * vector[:, 1] + phase
        return np.asarray((np.sin(angle) * amount).sum(-1))

    return value


def flat_ground(site: Site, reach: float, look: Material) -> None:
    """A level plane out to `reach` [m]."""
    site.scene.add(Solid(BOX, (reach, 0.5, reach)), (0, -0.5, 0), 0.0, look, GROUND)


def mountains(site: Site, count: int, distance: tuple[float, float]) -> None:
    """Rounded or pointed mountains from, to [m] away, one beside the other or alone."""
    rng = site.rng
    pointed = rng.random() < 0.5
    start, spread = rng.uniform(0, 6.3), rng.pick((6.3, 2.0))
    look = rng.printed("grass", "foliage", "stone", "plaster", scale=60.0)
    far = float(np.exp(rng.uniform(*np.log(distance))))
    for k in range(count):
        turn = start + spread * (k + rng.random()) / count
        away = far * rng.uniform(0.8, 1.3)
        wide = away * rng.uniform(0.2, 0.5)
        at = (away * np.cos(turn), -0.15 * wide, away * np.sin(turn))
        tall = wide * rng.uniform(0.2, 0.5)
        half = (wide, tall, 0.6 * wide)
        site.scene.add(Solid(ELLIPSOID, half), at, rng.uniform(0, 3), look, GROUND)
        for _ in range(rng.integers(0, 4)):  # shoulders
            x, _, z = rng.normal(0, 0.5, 3) * half
            size = rng.uniform(0.3, 0.7)
            bump = Solid(ELLIPSOID, (size * wide, size * tall, size * 0.7 * wide))
            foot = (at[0] + x, at[1] + 0.4 * tall, at[2] + z)
            site.scene.add(bump, foot, rng.uniform(0, 3), look, GROUND)
        for _ in range(rng.integers(0, 3) if pointed else 0):
            size = rng.uniform(0.25, 0.6)
            cone = Solid(CYLINDER, (size * wide, size * tall, 0.5 * size * wide), taper=0.04)
            x, y, z = rng.normal(0, 0.3, 3) * half
            foot = (at[0] + x, 0.5 * tall + 0.3 * abs(y), at[2] + z)
            site.scene.add(cone, foot, rng.uniform(0, 3), look, GROUND)

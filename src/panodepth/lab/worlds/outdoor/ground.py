"""The ground of outdoor worlds: flat surfaces, paint on them, rolling terrain, far hills."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.parts.place import GROUND, Pair, Triple
from panodepth.lab.worlds.render.heightfield import HeightField, graded_axis
from panodepth.lab.worlds.render.primitives import Solid
from panodepth.lab.worlds.render.shapes import BOX, ELLIPSOID, Array

HORIZON = 400.0  # metres; the ground ends here
PAINT = 0.006  # metres that paint and patches rise above the ground
LAYERS = 7  # of paint, so that overlapping marks do not share a plane
WHITE_PAINT = Material((0.85, 0.85, 0.8))


def ground_look(rng: Draws, *groups: str) -> Material:
    """Paving, asphalt, earth or grass from one of the texture groups."""
    s = rng.uniform(1.5, 5.0)
    group = rng.pick(groups)
    level = rng.uniform(0.5, 1.3)
    flat = (level, level, level) if group == "grass" else rng.tint(0.25, 0.95, 0.1)
    return Material(flat, rng.texture(group), (s, s))


def ground(site: Site, *groups: str) -> None:
    """Level ground out to the horizon, with a look of one of the texture groups."""
    level_slab(site, ground_look(site.rng, *groups))


def level_slab(site: Site, look: Material) -> None:
    """Level ground out to the horizon."""
    site.scene.add(Solid(BOX, (HORIZON, 0.5, HORIZON)), (0, -0.5, 0), 0.0, look, GROUND)


def paint(site: Site, at: Triple, half: Pair, look: Material = WHITE_PAINT) -> None:
    """A flat mark on level ground at (x, z, yaw): white paint, or any look."""
    level, (x, z, yaw) = PAINT + 0.0004 * (len(site.scene) % LAYERS), at
    site.spot(x, z, yaw, GROUND).box((0, level, 0), (half[0], level, half[1]), look)


def terrain(site: Site, look: Material, rough: float, hills: float) -> None:
    """Rolling ground as a height field: bumps of `rough` [m] near by, hills of `hills` [m] far off.

    Level with y = 0 at the origin. Sets `site.ground`.
    """
    rng, axis = site.rng, graded_axis(HORIZON * 0.9, 7, 2.4)
    # A sum of waves, five short ones and five long ones.
    length = np.exp(rng.uniform(np.log(9.0), np.log(30.0), 5))
    length = np.concatenate([length, np.exp(rng.uniform(np.log(60.0), np.log(300.0), 5))])
    turn = rng.uniform(0, 2 * np.pi, 10)
    vector = 2 * np.pi / length[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)  # [rad/m]
    size = np.array([rough] * 5 + [hills] * 5) * rng.uniform(0.2, 1.0, 10) / np.sqrt(5)
    phase = rng.uniform(0, 2 * np.pi, 10)

    def height(x: Array, z: Array) -> Array:
        waves = np.sin(x[..., None] * vector[:, 0] + z[..., None] * vector[:, 1] + phase) * size
        # Hills grow with the distance, so that the camera stands on ground of a moderate slope.
        far = np.hypot(x, z)[..., None]
        near, wide = waves[..., :5], waves[..., 5:] * np.minimum(far / 40.0, 1.5)
        return np.asarray((near + wide * 0.9).sum(-1))

    surface = HeightField(axis, axis, height(*np.meshgrid(axis, axis)) - height(*np.zeros((2, 1))))
    surface.add_to(site.scene, look, GROUND)
    site.ground = lambda px, pz: float(surface.at(px, pz))


def hills(site: Site, count: int, nearest: float) -> None:
    """Rounded hills on level ground, `nearest` metres away or farther."""
    rng = site.rng
    for _ in range(count):
        turn = rng.uniform(0, 2 * np.pi)
        far = float(np.exp(rng.uniform(np.log(nearest), np.log(250))))
        wide = far * rng.uniform(0.3, 0.7)
        look = rng.printed("grass", "foliage", scale=6.0)
        at = (far * np.cos(turn), -0.1 * wide, far * np.sin(turn))
        half = (wide, wide * rng.uniform(0.12, 0.5), wide * rng.uniform(0.6, 1.2))
        site.scene.add(Solid(ELLIPSOID, half), at, rng.uniform(0, 3), look, GROUND)

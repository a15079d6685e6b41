"""A garden behind a house: hedges, beds, terraces, walls, a shed, paths, furniture."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.outdoor.buildings import Mass, house
from panodepth.lab.worlds.outdoor.facades import wall_look
from panodepth.lab.worlds.outdoor.ground import ground, ground_look
from panodepth.lab.worlds.outdoor.nature import far_house, trees
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_things import fence, thing
from panodepth.lab.worlds.outdoor.vegetation import hedge
from panodepth.lab.worlds.parts.place import FITTING, GROUND, PLANT

_SHARES = {
    "bed": 0.2,
    "shrub": 0.22,
    "pot": 0.16,
    "table": 0.08,
    "bench": 0.05,
    "clutter": 0.08,
    "laundry": 0.05,
    "tree": 0.1,
    "person": 0.06,
}


def garden(site: Site) -> None:
    """A house at −z, a terrace before it, hedges or fences on the other sides, things between."""
    rng = site.rng
    ground(site, "grass", "grass", "tiles", "speckle")
    half = wide, deep = (rng.uniform(2.5, 7), rng.uniform(3, 9))
    site.stand(*(np.clip(rng.normal(0, 0.3, 2), -0.6, 0.6) * half))
    house(site.spot(0, -deep), Mass(wide + 1, 8.0, int(rng.integers(1, 4))))
    site.block(0, -deep - 4, 0.0, (wide + 1, 4.0))
    if rng.random() < 0.6:
        _terrace(site, wide, deep)
    if rng.random() < 0.25:  # steps of ground behind the garden
        for k in range(3):
            p, rise = site.spot(0, deep + 1.5 * k, 0.0, GROUND), 0.3 * k + 0.3
            p.box((0, 0.3 * k, 10), (30, rise, 10), ground_look(rng, "grass", "speckle"))
            p.at(label=FITTING).box((0, rise, -0.1), (30, 0.3 * k + 0.32, 0.1), wall_look(rng))
    left, right, _, behind = site.fronts(half, PLANT)
    for p, long in (left, right, behind):
        style, (x, _, z) = rng.random(), p.origin
        if style < 0.45:
            hedge(p, (long, 0.35), rng.uniform(1.0, 3.2))
            site.block(x, z, p.yaw, (long, 0.5))
        elif style < 0.9:
            fence(p, long)
            site.block(x, z, p.yaw, (long, 0.2))
        if rng.random() < 0.7:
            far_house(site, 9, 22)
    for _ in range(rng.integers(8, 26)):
        x, z = rng.uniform(-1, 1, 2) * (wide - 0.4, deep - 0.4)
        if rng.random() < 0.4:
            x, z = np.clip(site.around(1.2, 1.5), np.negative(half), half)
        thing(site, rng.weighted(_SHARES), x, z, rng.integers(4) * np.pi / 2)
    if rng.random() < 0.35:
        _shed(site, wide, deep)
    trees(site, int(rng.integers(3, 11)), max(half) + 1, 7.0, (4, 12))


def _terrace(site: Site, wide: float, deep: float) -> None:
    """A paved terrace by the house, sometimes raised."""
    rng = site.rng
    out, high = rng.uniform(1.0, 2.0), rng.pick((0.03, 0.03, 0.17, 0.34))
    stone = ground_look(rng, "tiles", "speckle", "wood")
    z = -deep + out
    if abs(site.eye[1] - z) > out + 0.6 or high < 0.1:  # the camera does not stand in a raised one
        site.spot(0, z, 0.0, GROUND).box((0, high / 2, 0), (wide * 0.9, high / 2, out), stone)
        if high > 0.1:
            site.block(0, z, 0.0, (wide * 0.9, out))


def _shed(site: Site, wide: float, deep: float) -> None:
    rng = site.rng
    x, z = rng.pick((-1, 1)) * (wide - 1.4), deep - 1.4
    if p := site.claimed(x, z, (1.2, 1.2)):
        wood = rng.wooden()
        p = p.at(yaw=np.pi)
        p.box((0, 1.05, 0), (1.1, 1.05, 1.0), wood)
        p.box((0, 2.2, 0), (1.25, 0.05, 1.25), rng.painted(), tilt=0.15)
        door = rng.tinted((0.1, 0.7, 0.3), "panel").fitted(0.8, 1.8)
        p.box((0.2, 0.95, 1.0), (0.4, 0.9, 0.03), door)

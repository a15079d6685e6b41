"""Far outdoors: open country with a wide spread of distances, towns, edges of woods."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from panodepth.lab.worlds.camera.pose import camera_rotation
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.land import growth, town
from panodepth.lab.worlds.land.perch import canopy, perch
from panodepth.lab.worlds.land.relief import draw_relief, flat_ground, mountains, relief
from panodepth.lab.worlds.outdoor import vegetation
from panodepth.lab.worlds.outdoor.ground import ground_look
from panodepth.lab.worlds.outdoor.nature import far_house
from panodepth.lab.worlds.outdoor.places import place_camera
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.outdoor.street_things import fence, pole, thing
from panodepth.lab.worlds.outdoor.vehicles import car
from panodepth.lab.worlds.parts.place import FITTING, GROUND, PLANT, VEHICLE
from panodepth.lab.worlds.parts.slender import slender
from panodepth.lab.worlds.priors import Priors
from panodepth.lab.worlds.render.primitives import Scene

CLEARANCE = 0.15  # metres between the camera and everything
_RELIEFS = {"plain": 0.3, "valley": 0.3, "ridge": 0.2, "slope": 0.2}


def _small(site: Site, count: int, spread: float = 6.0) -> None:
    """Rocks, tufts and shrubs on the ground around the camera."""
    rng = site.rng
    for _ in range(count):
        x, z = site.around(1.0, spread)
        size = float(np.exp(rng.normal(np.log(0.35), 0.6)))
        if not site.claim(x, z, (size, size)):
            continue
        p = site.spot(x, z, rng.uniform(0, 6.3), PLANT)
        style = rng.random()
        if style < 0.45:
            vegetation.rock(p, size)
        elif style < 0.8:
            vegetation.tuft(p, min(size, 0.6))
        else:
            vegetation.shrub(p, 1.5 * size, 4)


def country(site: Site) -> None:
    """A plain, a valley, a ridge or a slope, with trees near and far, fences, houses."""
    rng = site.rng
    kind = rng.weighted(_RELIEFS)
    shape = draw_relief(rng, kind)
    relief(site, shape, ground_look(rng, "grass", "grass", "speckle", "stone"))
    site.stand(*rng.normal(0, 0.7, 2))
    if kind == "plain" and rng.random() < 0.6:
        mountains(site, int(rng.integers(3, 12)), (0.4 * shape.reach, shape.reach))
    _small(site, int(rng.integers(4, 36)))
    if rng.random() < 0.7:
        growth.far_trees(site, int(rng.integers(3, 40)), (6, 0.4 * shape.reach))
    if rng.random() < 0.5:
        growth.tree_line(site, float(np.exp(rng.uniform(np.log(25), np.log(0.3 * shape.reach)))))
    if rng.random() < 0.3:
        x, z = site.around(1.5, 5)
        if p := site.claimed(x, z, (12.0, 0.15), rng.uniform(0, 6.3)):
            fence(p, 12.0)
    for _ in range(rng.integers(0, 4)):
        far_house(site, 15, 200)
    for _ in range(rng.integers(0, 3)):
        x, z = site.around(1.5, 5)
        thing(site, rng.pick(("person", "group", "bench", "pole")), x, z, 0.0)


def shore(site: Site) -> None:
    """A beach, a quay or a lakeside: land on one side, water on the other, land far across."""
    rng = site.rng
    reach = float(np.exp(rng.uniform(np.log(800), np.log(4000))))
    drop, quay = rng.uniform(0.3, 2.5), rng.random() < 0.4
    water = rng.printed("marble", "speckle", tint=(0.12, 0.22, 0.27), scale=12, gloss=1.0)
    site.spot(0, 0, 0.0, GROUND).box((0, -drop - 0.5, 0), (reach, 0.5, reach), water)
    groups = ("tiles", "concrete", "stone", "wood") if quay else ("speckle", "grass", "stone")
    edge, p = rng.uniform(1.5, 9.0), site.spot(0, 0, rng.uniform(0, 6.3), GROUND)
    look = ground_look(rng, *groups)
    deep = reach if rng.random() < 0.6 else rng.uniform(1.5, 5.0)  # a pier has water behind too
    p.box((0, -drop, edge - deep), (reach if deep == reach else 0.5 * reach, drop, deep), look)
    site.stand(*rng.normal(0, 0.4, 2))
    if quay and rng.random() < 0.6:
        x, _, z = p.point((0, 0, edge - 0.2))
        fence(site.spot(x, z, p.yaw), 25.0)
    mountains(site, int(rng.integers(0, 9)), (0.1 * reach, reach))
    if rng.random() < 0.5:
        growth.tree_line(site, float(np.exp(rng.uniform(np.log(40), np.log(0.5 * reach)))))
    _small(site, int(rng.integers(0, 15)), 3.0)
    for _ in range(rng.integers(0, 8)):
        x, z = site.around(1.2, 4)
        thing(site, rng.pick(("person", "bench", "pole", "container")), x, z, p.yaw)


def road(site: Site) -> None:
    """A straight road to the horizon with posts, lamps, rails and cars at growing distances."""
    rng = site.rng
    flat_ground(site, 3000.0, ground_look(rng, "grass", "grass", "speckle", "concrete"))
    wide = rng.uniform(2.5, 9.0)
    p = site.spot(0, 0, rng.uniform(0, 6.3), GROUND)
    p.box((0, 0.01, 0), (wide, 0.012, 2500), ground_look(rng, "asphalt", "concrete"))
    for x in (-wide + 0.2, 0.0, wide - 0.2):
        p.box((x, 0.025, 0), (0.07, 0.003, 1500), rng.tinted((0.7, 0.9, 0.05)))
    x, _, z = p.point((rng.uniform(-1.3, 1.3) * wide, 0, 0))
    site.stand(x, z)
    step, tall = rng.uniform(8, 40), rng.random() < 0.6
    for side in (-1, 1):
        if rng.random() < 0.3:
            continue
        look = rng.metal()
        if rng.random() < 0.5:  # a guard rail
            p.box((side * (wide + 0.8), 0.6, 0), (0.03, 0.15, 300), look)
        for k in range(-9, 10):
            z = k * step * (1 + 0.3 * abs(k)) + 3.0
            q = p.at(side * (wide + 1.0), 0, z, label=FITTING)
            if site.far(q.origin[0], q.origin[2]) < 0.6:
                continue
            half = (3.5 if tall else 0.5) * rng.uniform(0.9, 1.1)
            q.tube((0, half, 0), 0.08, half, look, taper=0.7)
            if tall:
                q.box((-side * 0.7, 2 * half, 0), (0.7, 0.05, 0.06), look)
    for _ in range(rng.integers(0, 9)):
        far = float(np.exp(rng.uniform(np.log(5), np.log(200)))) * rng.pick((-1, 1))
        x, _, z = p.point((rng.pick((-0.5, 0.5)) * wide, 0, far))
        if site.claim(x, z, (1.0, 2.6), p.yaw):
            car(site.spot(x, z, p.yaw, VEHICLE), abs(far))
    growth.far_trees(site, int(rng.integers(0, 25)), (15, 900))
    mountains(site, int(rng.integers(0, 8)), (600, 2500))
    _small(site, int(rng.integers(0, 10)))
    pole(site.spot(x + 30, z + 30, 0.0))


def wood(site: Site) -> None:
    """A clearing or the edge of a wood: ragged crowns and bare branches before the sky."""
    rng = site.rng
    relief(site, draw_relief(rng, "plain"), ground_look(rng, "grass", "grass", "speckle"))
    site.stand(*rng.normal(0, 0.7, 2))
    growth.edge_of_wood(site, rng.uniform(1.5, 7.0))
    growth.far_trees(site, int(rng.integers(0, 25)), (12, 300))
    growth.tree_line(site, rng.uniform(20, 120))
    _small(site, int(rng.integers(4, 25)), 4.0)


KINDS: dict[str, tuple[float, Callable[[Site], None]]] = {
    "country": (0.35, country),
    "shore": (0.13, shore),
    "road": (0.1, road),
    "wood": (0.14, wood),
    "plaza": (0.17, town.plaza),
    "rooftop": (0.11, town.rooftop),
}


def land_scene(rng: Draws, priors: Priors, kind: str | None = None) -> Scene:
    """One far-reaching outdoor world, still without light. kind: a key of KINDS or None."""
    shares = {name: share for name, (share, _) in KINDS.items()}
    while True:
        scene = Scene(indoor=False)
        site = Site(scene, rng)
        KINDS[kind or rng.weighted(shares)][1](site)
        for _ in range(int(rng.integers(0, 5))):
            x, z = site.around(0.8, 3.0)
            if p := site.claimed(x, z, (0.2, 0.2), rng.uniform(0, 6.3), FITTING):
                slender(p, outdoors=True)
        if not place_camera(site):
            continue
        style = rng.random()
        if style < priors.perch:
            perch(site, scene.camera)
        elif style < priors.perch + priors.canopy:
            canopy(site, scene.camera)
        if scene.clearance(scene.camera) > CLEARANCE:
            break
    scene.camera_rotation = camera_rotation(rng)
    return scene

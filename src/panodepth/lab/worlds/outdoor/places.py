"""Outdoor worlds: streets of all widths, squares, yards, gardens, forests, open country.

Semantic labels (`parts.place` holds the numbers): BUILDING walls, roofs, windows and what is fixed
to them; GROUND streets, paint, terrain, water; PLANT trees, shrubs, hedges; VEHICLE cars, buses,
two-wheelers; PERSON people; FITTING poles, lamps, signs, fences, fountains, scaffolding, wires;
FURNITURE movable things: benches, bins, stalls, tables, clutter. The sky is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from panodepth.lab.worlds.camera.pose import camera_rotation
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.outdoor import nature, squares, streets
from panodepth.lab.worlds.outdoor.garden import garden
from panodepth.lab.worlds.outdoor.playground import playground
from panodepth.lab.worlds.outdoor.site import Site
from panodepth.lab.worlds.render.primitives import Light, Scene, Sky

CLEARANCE = 0.3  # metres between the camera and everything

# Kind: (share of the outdoor worlds, builder). Streets lead: they are what people photograph, and
# more of anything wider made predictions on real panoramas worse.
KINDS: dict[str, tuple[float, Callable[[Site], None]]] = {
    "street": (0.42, streets.street),
    "alley": (0.07, streets.alley),
    "avenue": (0.05, streets.avenue),
    "square": (0.11, squares.square),
    "courtyard": (0.08, squares.courtyard),
    "car_park": (0.03, squares.car_park),
    "playground": (0.02, playground),
    "garden": (0.05, garden),
    "park": (0.07, nature.park),
    "forest": (0.05, nature.forest),
    "country": (0.05, nature.country),
}


def outdoor_scene(
    rng: Draws, kind: str | None = None, overcast: float = 0.6, recesses: float = 0.0
) -> Scene:
    """One outdoor world with the camera somewhere free in it.

    kind: a key of KINDS or None. overcast: how likely there is no sun. recesses: as in `Priors`.
    """
    shares = {name: share for name, (share, _) in KINDS.items()}
    while True:
        scene = Scene(indoor=False)
        site = Site(scene, rng, recesses)
        KINDS[kind or rng.weighted(shares)][1](site)
        if place_camera(site):
            break
    scene.camera_rotation = camera_rotation(rng)
    weather(scene, rng, rng.random() < overcast)
    return scene


def place_camera(site: Site) -> bool:
    """Put the camera 0.3 to 3 m above the ground where the builder kept room; says if it fits."""
    rng, (x, z) = site.rng, site.eye
    for attempt in range(6):
        style = rng.random()
        if style < 0.78:
            height = float(np.clip(rng.normal(1.65, 0.22), 0.9, 2.4))
        else:
            height = rng.uniform(0.35, 1.3) if style < 0.9 else rng.uniform(1.9, 3.0)
        dx, dz = rng.normal(0, 0.12 * attempt, 2)
        at = (x + dx, z + dz)
        point = np.array([at[0], site.ground(*at) + height, at[1]])
        if site.scene.clearance(point) > CLEARANCE:
            site.scene.camera = point
            return True
    return False


def weather(scene: Scene, rng: Draws, overcast: bool) -> None:
    """Sky, ambient light, and perhaps a sun."""
    blue = rng.uniform(0.3, 0.75)
    sky = Sky(
        gradient=rng.uniform(0.3, 0.9),
        cloud=rng.texture("cloud"),
        cloud_scale=rng.uniform(0.06, 0.2),
        cloud_offset=rng.random(),
        cover=rng.uniform(0.0, 1.0),
        power=rng.uniform(0.8, 1.6),
    )
    if overcast:
        grey, white = rng.uniform(0.7, 1.0), rng.uniform(0.6, 1.0)
        zenith, horizon = (grey, grey, grey * 1.03), (0.98, 0.98, 1.0)
        level = rng.uniform(0.7, 1.1)
        scene.ambient = (level, level, level * 1.03)
    else:
        white, zenith, horizon = 1.0, (0.45 * blue, 0.75 * blue, 1.3 * blue), (0.8, 0.88, 1.0)
        turn, high = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 1.3)
        toward = (np.cos(high) * np.cos(turn), np.sin(high), np.cos(high) * np.sin(turn))
        power = rng.uniform(0.2, 1.5)
        scene.lights.append(Light(toward, (power, power * 0.95, power * 0.85), sun=True))
        level = rng.uniform(0.4, 0.8)
        scene.ambient = (level * 0.93, level, level * 1.12)
    scene.sky = replace(sky, zenith=zenith, horizon=horizon, white=white)

"""The kinds of worlds that version 2 adds, and how often each is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panodepth.lab.worlds.closeup.scene import room
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.halls.kinds import KINDS as HALLS
from panodepth.lab.worlds.halls.kinds import hall_scene
from panodepth.lab.worlds.land.places import KINDS as LANDS
from panodepth.lab.worlds.land.places import land_scene
from panodepth.lab.worlds.looks.weather import blow_windows, evening, hard_sky
from panodepth.lab.worlds.outdoor.places import KINDS as PLACES
from panodepth.lab.worlds.outdoor.places import outdoor_scene, weather
from panodepth.lab.worlds.priors import Priors
from panodepth.lab.worlds.render.primitives import Scene

HAZE_M = (250.0, 8000.0)  # metres at which 63 % of a colour are lost, from, to
KINDS = ("closeup", "room", *HALLS, *LANDS)


def new_scene(rng: Draws, indoor: bool, priors: Priors, kind: str | None = None) -> Scene:
    """One world of version 2's own kinds. kind: of KINDS, or one of version 1's outdoor places
    under a new sky; None = drawn.
    """
    if indoor:
        shares = {"closeup": priors.near, "hall": priors.halls}
        shares["room"] = max(0.0, 1 - sum(shares.values()))
        group = kind if kind in ("closeup", "room") else "hall" if kind else rng.weighted(shares)
        if group == "hall":
            scene = hall_scene(rng, priors, kind)
        else:
            scene = room(rng, priors, close=group == "closeup")
        light = rng.random()
        if light < priors.glare:
            blow_windows(scene, rng)
        elif light < priors.glare + priors.evening:
            evening(scene, rng)
        return scene
    far = kind in LANDS if kind else rng.random() < priors.far
    if far:
        scene = land_scene(rng, priors, kind)
    else:
        scene = outdoor_scene(rng, kind, priors.overcast, priors.recesses)
    if rng.random() < (priors.sky if far or kind else 1.0):
        scene.lights.clear()
        hard_sky(scene, rng)
    elif far:
        weather(scene, rng, rng.random() < priors.overcast)
    if rng.random() < priors.haze:
        haze_m = float(np.exp(rng.uniform(np.log(HAZE_M[0]), np.log(HAZE_M[1]))))
        scene.sky = replace(scene.sky, haze_m=haze_m)
    return scene


def named_scene(name: str, rng: Draws, priors: Priors) -> Scene:
    """One world of a kind of KINDS or of version 1's outdoor places."""
    return new_scene(rng, name not in LANDS and name not in PLACES, priors, name)

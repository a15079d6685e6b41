"""The world and the camera of a number: which version draws them, and which kind it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panodepth.errors import ConfigError
from panodepth.lab.worlds.camera.photograph import Camera, draw_camera, plain_camera
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor.rooms import indoor_scene
from panodepth.lab.worlds.kinds import new_scene
from panodepth.lab.worlds.outdoor.places import outdoor_scene
from panodepth.lab.worlds.priors import STATES, USUAL, Priors
from panodepth.lab.worlds.render.primitives import Scene

INDOOR_SHARE = 0.6  # of a "mixed" batch
HAZY_SHARE = 0.45  # of outdoor worlds
DIMMEST = 0.12  # of the exposure, in pictures that are too dark
_KINDS = ("mixed", "indoor", "outdoor")


def make_scene(seed: int, index: int, kind: str = "mixed", priors: Priors = USUAL) -> Scene:
    """The world number `index` of `seed`; the same on every machine and worker.

    Raises ConfigError for another kind or version.
    """
    if kind not in _KINDS:
        raise ConfigError(f"scene kind is {kind!r}, expected one of {', '.join(_KINDS)}")
    if priors.version not in STATES:
        raise ConfigError(f"version of the worlds is {priors.version}, expected 1 or 2")
    rng = Draws.of(seed, index)
    indoor = kind == "indoor" if kind != "mixed" else rng.random() < INDOOR_SHARE
    if priors.version == 2:
        own = Draws.of(seed, index, 11)
        if own.random() < priors.new:
            return new_scene(own, indoor, priors)
    if indoor:
        return indoor_scene(rng, priors.openings)
    scene = outdoor_scene(rng, overcast=priors.overcast, recesses=priors.recesses)
    # Haze came later than the first outdoor worlds: its own draws leave theirs as they were.
    air = Draws.of(seed, index, 9)
    if air.random() < HAZY_SHARE:
        haze_m = float(np.exp(air.uniform(np.log(120), np.log(2000))))
        scene.sky = replace(scene.sky, haze_m=haze_m)
    return scene


def make_camera(
    seed: int, index: int, priors: Priors = USUAL, faults: bool = True, *, panorama: bool = True
) -> Camera:
    """The camera of that world. faults: of lens, stitching, sensor and file; stitching only for
    panoramas.
    """
    camera = plain_camera(seed, index)
    if faults:
        camera = draw_camera(seed, index, panorama=panorama)
    if priors.version == 1:
        return camera
    own = Draws.of(seed, index, 12)
    if own.random() >= priors.dim:
        return camera
    return replace(camera, target=camera.target * float(np.exp(own.uniform(np.log(DIMMEST), 0))))

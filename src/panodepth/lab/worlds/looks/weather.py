"""Skies that are hard to tell from ceilings: night, dusk, dark cloud, contrast, blown white."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Colour, Material
from panodepth.lab.worlds.looks.textures import GROUPS
from panodepth.lab.worlds.render.primitives import Light, Scene, Sky

HARD = {"night": 0.24, "dusk": 0.2, "dull": 0.26, "storm": 0.18, "blown": 0.12}


def hard_sky(scene: Scene, rng: Draws, kind: str | None = None) -> None:
    """Give an outdoor scene a sky of HARD, and the light that goes with it."""
    {"night": _night, "dusk": _dusk, "dull": _dull, "storm": _storm, "blown": _blown}[
        kind or rng.weighted(HARD)
    ](scene, rng)


def _grey(rng: Draws, level: float, tone: float = 0.04) -> Colour:
    shift = rng.normal(0, tone)
    return level * (1 - shift), level, level * (1 + shift)


def _clouds(rng: Draws) -> Sky:
    return Sky(
        gradient=rng.uniform(0.3, 1.2),
        cloud=rng.texture("cloud"),
        cloud_scale=rng.uniform(0.04, 0.25),
        cloud_offset=rng.random(),
        cover=rng.uniform(0.3, 1.0),
    )


def _shine(scene: Scene, rng: Draws, direction: tuple[float, float], colour: Colour) -> None:
    """A sun or moon; direction: height from, to [rad]."""
    turn, high = rng.uniform(0, 2 * np.pi), rng.uniform(*direction)
    toward = (np.cos(high) * np.cos(turn), np.sin(high), np.cos(high) * np.sin(turn))
    scene.lights.append(Light(toward, colour, sun=True))


def _night(scene: Scene, rng: Draws) -> None:
    """A black, blue or orange-grey sky; moon or lamps light the ground, and windows shine."""
    level = float(np.exp(rng.uniform(np.log(0.004), np.log(0.08))))
    glow = rng.pick(((0.5, 0.7, 1.3), (1.2, 0.9, 0.6), (1.0, 1.0, 1.0)))
    zenith = (0.5 * glow[0], 0.5 * glow[1], 0.5 * glow[2])
    scene.sky = replace(_clouds(rng), zenith=zenith, horizon=glow, white=0.9, power=level)
    ambient = float(np.exp(rng.uniform(np.log(0.02), np.log(0.15))))
    scene.ambient = (ambient * 0.9, ambient * 0.95, ambient * 1.15)
    if rng.random() < 0.4:
        _shine(scene, rng, (0.4, 1.3), (0.1, 0.11, 0.14))
    _lamps(scene, rng, ambient)
    light_panes(scene, rng, rng.uniform(0.2, 0.7), 2.0)


def _lamps(scene: Scene, rng: Draws, ambient: float) -> None:
    """One or two street lamps near the camera, at the heads of its poles or free in the air."""
    warm = rng.uniform(0.45, 1.0)
    for _ in range(int(rng.integers(0, 3))):
        turn, far = rng.uniform(0, 6.3), rng.uniform(2.5, 14)
        at = scene.camera + [far * np.cos(turn), rng.uniform(2.0, 4.5), far * np.sin(turn)]
        if scene.clearance(at) < 0.3:
            continue
        power = rng.uniform(1.5, 10.0) * max(ambient, 0.05) * 10
        x, y, z = (float(v) for v in at)
        scene.lights.append(Light((x, y, z), (power, power * (1 + warm) / 2, power * warm)))


def light_panes(scene: Scene, rng: Draws, share: float, most: float) -> None:
    """Let some windows shine, up to `most` times a white wall in full light."""
    for k, (solid, at, turned, look, label) in enumerate(scene.rows):
        far = look.texture in GROUPS["facade"]  # painted: the whole front shines, or stays dark
        if not (far or look.texture in GROUPS["window"]) or rng.random() >= share * (1 - 0.6 * far):
            continue
        tone = rng.uniform(0.4, 1.0)
        lit = replace(
            look,
            tint=(1.0, 0.5 + 0.5 * tone, tone),
            texture=rng.texture("window") if far else look.texture,
            emission=most * rng.uniform(0.05, 0.3 if far else 1.0),
        )
        scene.rows[k] = (solid, at, turned, lit, label)


def _dusk(scene: Scene, rng: Draws) -> None:
    """After sunset or before sunrise: a bright rim under a dark vault, long light or none."""
    red = rng.uniform(0.3, 1.0)
    horizon = (1.0, 1.0 - 0.5 * red, 1.0 - 0.8 * red)
    deep = float(np.exp(rng.uniform(np.log(0.05), np.log(0.6))))
    zenith = (0.35 * deep, 0.5 * deep, 1.0 * deep)
    power = float(np.exp(rng.uniform(np.log(0.1), np.log(1.0))))
    scene.sky = replace(
        _clouds(rng), zenith=zenith, horizon=horizon, white=rng.uniform(0.05, 0.8), power=power
    )
    level = power * rng.uniform(0.3, 1.2)
    scene.ambient = (0.85 * level, 0.9 * level, 1.1 * level)
    if rng.random() < 0.5:
        bright = power * rng.uniform(0.3, 1.0)
        _shine(scene, rng, (0.03, 0.25), (bright, 0.7 * bright, 0.4 * bright))
    light_panes(scene, rng, rng.uniform(0, 0.5), 1.5 * power)


def _dull(scene: Scene, rng: Draws) -> None:
    """An even grey sky that is darker than the ground, or as dark."""
    level = rng.uniform(0.7, 1.1)
    scene.ambient = _grey(rng, level)
    sky, rim = rng.uniform(0.12, 0.55) * level, rng.uniform(0.8, 1.5)
    zenith, horizon = _grey(rng, sky), _grey(rng, rim * sky)
    scene.sky = replace(
        _clouds(rng), zenith=zenith, horizon=horizon, white=sky * rng.uniform(0.6, 1.5)
    )


def _storm(scene: Scene, rng: Draws) -> None:
    """Clouds of contrast: dark ones on a bright sky, or bright ones on a dark sky."""
    low, high = rng.uniform(0.05, 0.35), rng.uniform(0.6, 1.4)
    cloud, clear = (low, high) if rng.random() < 0.5 else (high, low)
    blue = rng.uniform(0, 0.5)
    zenith = (clear * (1 - blue), clear * (1 - 0.5 * blue), clear)
    scene.sky = replace(
        _clouds(rng),
        zenith=zenith,
        horizon=_grey(rng, rng.uniform(0.3, 1.1)),
        white=cloud,
        cover=rng.uniform(0.75, 1.0),
    )
    scene.ambient = _grey(rng, rng.uniform(0.5, 1.0))
    if rng.random() < 0.35:
        power = rng.uniform(0.2, 1.0)
        _shine(scene, rng, (0.2, 1.2), (power, 0.95 * power, 0.85 * power))


def _blown(scene: Scene, rng: Draws) -> None:
    """A white sky far brighter than anything under it."""
    level = rng.uniform(0.5, 1.0)
    scene.ambient = _grey(rng, level)
    white = _grey(rng, 1.0, 0.02)
    scene.sky = replace(
        _clouds(rng), zenith=white, horizon=white, white=1.0, power=level * rng.uniform(2, 7)
    )


def blow_windows(scene: Scene, rng: Draws) -> None:
    """Windows of a room far brighter than it: they show white, or almost."""
    gain, plain = rng.uniform(3, 12), rng.random() < 0.6
    for k, (solid, at, turned, look, label) in enumerate(scene.rows):
        if look.texture in GROUPS["window"] and look.emission > 0:
            lit: Material = replace(look, emission=look.emission * gain)
            if plain:
                lit = replace(lit, texture=0, tint=(0.95, 0.97, 1.0))
            scene.rows[k] = (solid, at, turned, lit, label)


def evening(scene: Scene, rng: Draws) -> None:
    """A room after dark: black panes, little light but that of its lamps."""
    for k, (solid, at, turned, look, label) in enumerate(scene.rows):
        if look.texture in GROUPS["window"] and look.emission > 0:
            pane = replace(look, tint=(0.04, 0.045, 0.06), emission=0.0, gloss=0.8)
            scene.rows[k] = (solid, at, turned, pane, label)
    r, g, b = scene.ambient
    level = rng.uniform(0.1, 0.5)
    scene.ambient = (1.1 * level * r, level * g, 0.85 * level * b)

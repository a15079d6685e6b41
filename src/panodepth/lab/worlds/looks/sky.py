"""Skies: a gradient from horizon to zenith, a sheet of clouds, the sun and its glow."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panodepth.lab.worlds.looks import textures
from panodepth.lab.worlds.render.primitives import Scene, camera_from_world

# Numbers of `Scene.sky`, all optional: colours of zenith and horizon, and how fast one becomes the
# other; the cloud sheet's texture, repeats per unit, shift, cover (0..1) and brightness; glow of
# the sun; power scales everything.
_DEFAULTS = {
    "r": 0.3,
    "g": 0.5,
    "b": 0.9,
    "hr": 0.9,
    "hg": 0.93,
    "hb": 1.0,
    "gradient": 0.5,
    "cloud": 0.0,
    "cloud_scale": 0.15,
    "cloud_offset": 0.0,
    "cover": 0.5,
    "white": 1.0,
    "glow": 1.0,
    "power": 1.0,
}
_OVERHEAD = 0.12  # keeps the cloud sheet finite at the horizon


def sky(scenes: Sequence[Scene], rows: Tensor, direction: Tensor) -> Tensor:
    """(3, R) linear sky colours of R rays: direction (3, R) in the camera frames of scenes `rows`.

    rows: (R,) int64.
    """
    device = direction.device
    table = torch.tensor([_numbers(s) for s in scenes], dtype=torch.float32, device=device)
    names = (*_DEFAULTS, *_AXES, *_SUN)
    of = dict(zip(names, table.T.contiguous().index_select(1, rows), strict=True))
    x, up, z = (
        of[f"{a}0"] * direction[0] + of[f"{a}1"] * direction[1] + of[f"{a}2"] * direction[2]
        for a in "xyz"
    )
    high = up.clamp_min(0)
    blend = high ** of["gradient"]
    flat = of["cloud_scale"] / (up.abs() + _OVERHEAD)
    cloud = textures.sample(
        of["cloud"],
        x * flat + of["cloud_offset"],
        z * flat + of["cloud_offset"],
        6.0 / (high + _OVERHEAD),
    )
    sun = (x * of["sun_x"] + up * of["sun_y"] + z * of["sun_z"]).clamp_min(0)
    glow = (8 * sun**1500 + 0.4 * sun**12) * of["glow"]
    out = []
    for k, channel in enumerate("rgb"):
        clear = torch.lerp(of[f"h{channel}"], of[channel], blend)
        clear = torch.lerp(clear, of["white"], cloud[k] * of["cover"])
        out.append((clear + glow) * of["power"])
    return torch.stack(out)


_AXES = tuple(f"{axis}{k}" for axis in "xyz" for k in range(3))
_SUN = ("sun_x", "sun_y", "sun_z")


def _numbers(scene: Scene) -> list[float]:
    """The sky's numbers, world-from-camera rows and the sun's direction (0 without a sun)."""
    view = camera_from_world(scene)
    toward = next((light.position for light in scene.lights if light.sun), (0.0, 0.0, 0.0))
    length = max(sum(t * t for t in toward) ** 0.5, 1e-9)
    chosen = [float(scene.sky.get(name, value)) for name, value in _DEFAULTS.items()]
    return [*chosen, *view.T.flatten().tolist(), *(t / length for t in toward)]


def haze(scenes: Sequence[Scene], radiance: Tensor, distance: Tensor) -> Tensor:
    """(3, b, R) radiance through air: with distance [m] (b, R) it turns into the horizon's colour.

    `Scene.sky["haze_m"]` is the distance at which 63 % is lost; without it the air is clear.
    """
    far = [s.sky.get("haze_m", 0.0) for s in scenes]
    if not any(far):
        return radiance
    rates = [1.0 / f if f else 0.0 for f in far]
    rate = torch.tensor(rates, dtype=torch.float32, device=distance.device)
    lost = 1 - torch.exp(-distance * rate[:, None])
    power = [s.sky.get("power", _DEFAULTS["power"]) for s in scenes]
    colour = torch.tensor(
        [
            [s.sky.get(c, _DEFAULTS[c]) * p for s, p in zip(scenes, power, strict=True)]
            for c in ("hr", "hg", "hb")
        ],
        dtype=torch.float32,
        device=distance.device,
    )
    return torch.lerp(radiance, colour[..., None], lost)

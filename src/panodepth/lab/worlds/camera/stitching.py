"""Faults of panoramas put together from several lenses, and what hides the tripod.

Lenses stand side by side around the vertical axis. Each has its own gain and falls off toward its
rim; at a seam, both pictures are a little out of place and blend. Seams are meridians, so all of
this is a function of the column, but for the rim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks import textures
from panodepth.lab.worlds.looks.patterns import SIZE, Array

SHIFT_REACH_RAD = 0.15  # a misplaced picture is back in place this far from the seam
NOTHING = 0.02  # share of a shift that is not worth moving pixels for


@dataclass(frozen=True)
class Stitch:
    """How a panorama was put together.

    lenses: how many. yaw_rad: of the first seam. gains: (lenses, 3) of r, g, b. vignette: darkening
    90° off a lens axis, 0..1. blend_rad: half width of a seam. shift_rad: (lenses, 2) longitude and
    latitude by which the two pictures are apart at each seam.
    """

    lenses: int
    yaw_rad: float
    gains: Array
    vignette: float
    blend_rad: float
    shift_rad: Array


@dataclass(frozen=True)
class Patch:
    """Something that covers the nadir, or the zenith.

    kind: "logo", "tripod", "smear" or "hole". half_angle_rad: from the pole to its edge. colour:
    sRGB. texture: of a logo. turn_rad: about the vertical.
    """

    kind: str
    half_angle_rad: float
    colour: tuple[float, float, float]
    texture: int = 0
    turn_rad: float = 0.0
    zenith: bool = False


def draw_stitch(rng: Draws) -> Stitch:
    """Two fisheyes in half of the cases, else up to six lenses."""
    lenses = rng.weighted({2: 0.5, 3: 0.15, 4: 0.2, 6: 0.15})
    step, tone = 0.12 * rng.random() ** 2, 0.04 * rng.random() ** 2
    gains = np.exp(step * rng.normal(size=(lenses, 1)) + tone * rng.normal(size=(lenses, 3)))
    shift = rng.normal(size=(lenses, 2)) * [0.012, 0.008] * (rng.random() < 0.6)
    return Stitch(
        lenses=lenses,
        yaw_rad=rng.uniform(0, 2 * np.pi),
        gains=gains,
        vignette=float(0.6 * rng.random() ** 2),
        blend_rad=float(np.exp(rng.uniform(np.log(0.005), np.log(0.12)))),
        shift_rad=np.clip(shift, -0.03, 0.03),
    )


def draw_patches(rng: Draws) -> tuple[Patch, ...]:
    """What covers the nadir, and seldom the zenith too."""

    def one(kind: str, zenith: bool) -> Patch:
        level = rng.weighted({0.0: 0.4, 0.05: 0.2, 0.5: 0.2, 1.0: 0.2})
        colour = np.clip(level + 0.1 * rng.normal(size=3) * (0.02 < level < 1), 0, 1)
        return Patch(
            kind=kind,
            half_angle_rad=math.radians(rng.uniform(7, 30 if kind == "smear" else 22)),
            colour=(float(colour[0]), float(colour[1]), float(colour[2])),
            texture=rng.texture("text", "text", "picture"),
            turn_rad=rng.uniform(0, 2 * np.pi),
            zenith=zenith,
        )

    kind = rng.weighted({"logo": 0.3, "tripod": 0.3, "smear": 0.3, "hole": 0.1})
    below = one(kind, False)
    if kind in ("smear", "hole") and rng.random() < 0.4:
        return below, one(kind, True)
    return (below,)


def _seams(stitch: Stitch, width: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Per column: angle past the nearest seam [rad], and the number of the lens after it."""
    lon = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    span = 2 * np.pi / stitch.lenses
    turns = np.mod(lon - stitch.yaw_rad, 2 * np.pi) / span
    nearest = np.round(turns)
    return (turns - nearest) * span, nearest.astype(np.int64) % stitch.lenses


def _weight(past: Array, stitch: Stitch) -> Array:
    """Share of the lens after the seam, (W,) in 0..1, smooth over the blend.

    past: (W,) angle past the nearest seam [rad].
    """
    t = np.clip(past / (2 * stitch.blend_rad) + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def lens_gain(image: Tensor, stitch: Stitch) -> Tensor:
    """Light through lenses of unlike gain that darken toward their rims.

    image: (3, H, W) linear RGB. Returns (3, H, W).
    """
    height, width = image.shape[-2:]
    past, after = _seams(stitch, width)
    weight = _weight(past, stitch)[:, None]
    gains = stitch.gains[after - 1] * (1 - weight) + stitch.gains[after] * weight
    # Lens axes lie level, midway between seams: the cosine from them is that of the longitude times
    # that of the latitude.
    beside = np.cos(math.pi / stitch.lenses - np.abs(past))
    lat = torch.arange(height, device=image.device, dtype=torch.float32)
    level = torch.cos(((lat + 0.5) / height - 0.5) * math.pi)[:, None]
    columns = torch.tensor(np.c_[gains, beside].T, dtype=torch.float32, device=image.device)
    rim = 1 - stitch.vignette * (1 - level * columns[3])
    return image * columns[:3, None] * rim


def misalign(image: Tensor, stitch: Stitch) -> Tensor:
    """A picture with both sides of every seam out of place by half of its shift.

    image: (3, H, W) sRGB. Returns (3, H, W).
    """
    height, width = image.shape[-2:]
    past, after = _seams(stitch, width)
    fall = np.exp(-((past / SHIFT_REACH_RAD) ** 2))
    shift = stitch.shift_rad[after] * fall[:, None] / 2
    size = np.abs(shift).max(1)
    # Only the columns near a seam move.
    chosen = np.flatnonzero(size > NOTHING * 0.01)
    if not len(chosen):
        return image
    lon = (chosen + 0.5) / width
    moved = np.stack([lon, shift[chosen, 0], shift[chosen, 1], _weight(past, stitch)[chosen]])
    u, du, dv, weight = torch.tensor(moved, dtype=torch.float32, device=image.device)
    v = (torch.arange(height, device=image.device, dtype=torch.float32) + 0.5)[:, None] / height
    calm = torch.sin(v * math.pi)  # poles stay where they are
    pad = 4 + width // 60
    wide = torch.cat([image[..., -pad:], image, image[..., :pad]], -1)[None]
    sides = []  # as the lens before the seam and the one after it show the columns
    for sign in (-1.0, 1.0):
        x = (u + sign * calm * du / (2 * math.pi)) * width + pad
        y = (v + sign * calm * dv / math.pi) * 2 - 1
        grid = torch.stack([x * (2 / (width + 2 * pad)) - 1, y], -1)[None]
        sides.append(F.grid_sample(wide, grid, padding_mode="border", align_corners=False)[0])
    mixed = torch.lerp(sides[0], sides[1], weight)
    return image.index_copy(2, torch.tensor(chosen, device=image.device), mixed)


def paint(image: Tensor, patches: tuple[Patch, ...]) -> Tensor:
    """A picture (3, H, W), sRGB, with patches over its poles."""
    for patch in patches:
        if patch.zenith:
            image = _paint_top(image, patch)
        else:
            image = _paint_top(image.flip(1), patch).flip(1)
    return image


def _paint_top(image: Tensor, patch: Patch) -> Tensor:
    """A picture (3, H, W) with a patch over its upper pole."""
    height, width = image.shape[-2:]
    rows = max(1, round(patch.half_angle_rad / math.pi * height))
    cap, device = image[:, :rows], image.device
    radius = ((torch.arange(rows, device=device) + 0.5) / rows)[:, None]
    lon = (torch.arange(width, device=device) + 0.5) / width * (2 * math.pi) + patch.turn_rad
    colour = torch.tensor(patch.colour, device=device)[:, None, None]
    if patch.kind == "smear":
        painted, cover = _smear(image[:, rows - 1 : rows + 2], radius), (4 - 4 * radius).clamp(0, 1)
    elif patch.kind == "tripod":
        # Three legs from a plate in the middle, equally wide all the way: angle times radius.
        leg = (torch.remainder(lon, 2 * math.pi / 3) - math.pi / 3).abs() * radius
        dark = ((leg < 0.07) | (radius < 0.3)).float()
        painted, cover = 0.15 * colour + 0.1 * cap.mean((1, 2), keepdim=True), dark
    elif patch.kind == "logo":
        x, y = radius * torch.sin(lon), radius * torch.cos(lon)
        texels, number = (torch.full_like(x, n) for n in (0.5 * SIZE / rows, patch.texture))
        painted = textures.sample(number, x * 0.5 + 0.5, y * 0.5 + 0.5, texels) ** (1 / 2.2)
        painted, cover = torch.where(radius > 0.93, colour, painted), torch.ones_like(radius)
    else:
        painted, cover = colour, torch.ones_like(radius)
    return torch.cat([torch.lerp(cap, painted.expand_as(cap), cover), image[:, rows:]], 1)


def _smear(edge: Tensor, radius: Tensor) -> Tensor:
    """(3, rows, W): the ring (3, n, W) round a cap drawn inward, smoother toward the pole."""
    ring = edge.mean(1)
    width = ring.shape[-1]
    pad = width // 12
    wide = torch.cat([ring[:, -pad:], ring, ring[:, :pad]], -1)[None]
    # Toward the pole a pixel spans more longitude, and all of it at the pole.
    soft = F.avg_pool1d(wide, 2 * pad + 1, 1)[0]
    mean = ring.mean(-1, keepdim=True)
    return torch.lerp(mean[:, None], soft[:, None], radius.clamp(0, 1))

"""The camera that photographs a rendered world: exposure, lens and stitching faults, sensor, JPEG.

Only the picture changes; distance, normals and masks stay exact. Every trait is drawn from the
scene's own numbers, so a picture is the same on any machine and beside any other scenes. What the
training augmentations do (white noise, even blur, one-coloured nadir patches, random colour) is
left to them; here are the faults that know where lenses, lamps and edges are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.worlds.camera import stitching
from panodepth.lab.worlds.camera.jpeg import jpeg
from panodepth.lab.worlds.camera.subset import column, each, where_set
from panodepth.lab.worlds.draws import Draws

GRAIN_COUNT = 1 << 20  # normal numbers shared by all sensors, read from a random place
_GRAIN_SEED = 20251118
BLOOM_FROM = 1.6  # exposed radiance above which light spills over
BLOOM_CELL = 4  # pixels averaged before the spill is spread
SHOWN_HEIGHT = 256  # rows for which pixel-sized strengths are given; smaller pictures show less


@dataclass(frozen=True)
class Camera:
    """One camera. The first five traits make the plain picture; the defaults of others do nothing.

    target: mean exposed level. shoulder: radiance that turns white. contrast, saturation: factors.
    balance: gains of r, g, b. bloom: share of bright light that spreads. halo: sharpening (> 0)
    or softness (< 0). fringe: pixels between red and blue. grain: noise of mid grey, of [0, 1].
    grain_start: place in the shared grain. quality: of the JPEG file, 0 = none.
    """

    target: float
    shoulder: float
    contrast: float
    saturation: float
    balance: tuple[float, float, float]
    bloom: float = 0.0
    halo: float = 0.0
    fringe: float = 0.0
    grain: float = 0.0
    grain_start: int = 0
    quality: int = 0
    stitch: stitching.Stitch | None = None
    patches: tuple[stitching.Patch, ...] = ()


def plain_camera(seed: int, index: int) -> Camera:
    """Exposure, tone curve and white balance of scene (seed, index), and no faults."""
    rng = Draws.of(seed, index, 7)
    warm, green = 0.08 * rng.normal(), 0.025 * rng.normal()
    balance = np.exp([warm - green, green, -warm - green])
    balance = balance / balance.mean()
    return Camera(
        target=rng.uniform(0.2, 0.75),
        shoulder=rng.uniform(1.5, 4.0),
        contrast=rng.uniform(0.95, 1.25),
        saturation=rng.uniform(0.7, 1.3),
        balance=(float(balance[0]), float(balance[1]), float(balance[2])),
    )


def draw_camera(seed: int, index: int, *, panorama: bool = True) -> Camera:
    """The camera of scene (seed, index) with its faults; stitching only for panoramas."""
    plain = plain_camera(seed, index)
    rng = Draws.of(seed, index, 8)
    dice, strength = rng.random(8), rng.random(8)
    start = int(rng.integers(GRAIN_COUNT))
    # Most pictures are a little soft at the pixel, some are oversharpened.
    halo = -0.15 - 0.5 * strength[1] if dice[1] < 0.55 else 0.2 + 0.9 * strength[1] ** 2
    halo = halo if dice[1] < 0.8 else 0.0
    stitch = stitching.draw_stitch(rng) if dice[5] < 0.4 else None
    patches = stitching.draw_patches(rng) if dice[6] < 0.2 else ()
    return replace(
        plain,
        bloom=0.05 + 0.3 * float(strength[0]) if dice[0] < 0.5 else 0.0,
        halo=float(halo),
        fringe=float(0.3 + 0.7 * strength[2]) if dice[2] < 0.15 else 0.0,
        grain=float(0.003 + 0.017 * strength[3] ** 2) if dice[3] < 0.25 else 0.0,
        grain_start=start,
        quality=round(35 + 58 * float(strength[4])) if dice[4] < 0.3 else 0,
        stitch=stitch if panorama else None,
        patches=patches if panorama else (),
    )


def photograph(linear: Tensor, cameras: Sequence[Camera], *, wrap: bool = True) -> Tensor:
    """Pictures of radiance, one camera each.

    linear: (B, 3, H, W) linear RGB, ≥ 0. wrap: left and right edges meet, as in a panorama. Returns
    (B, 3, H, W) sRGB in [0, 1].
    """
    scale = min(1.0, linear.shape[-2] / SHOWN_HEIGHT)
    stitches = [c.stitch for c in cameras]
    x = where_set(_meter(linear, cameras), [c.bloom for c in cameras], _bloom)
    each(x, stitches, stitching.lens_gain)
    x = _tone(x, cameras)
    each(x, stitches, stitching.misalign)
    x = where_set(x, [c.fringe * scale for c in cameras], partial(_fringe, wrap=wrap))
    x = where_set(x, [c.halo for c in cameras], partial(_halos, wrap=wrap))
    each(x, [c.patches or None for c in cameras], stitching.paint)
    starts = [c.grain_start for c in cameras if c.grain > 0]
    x = where_set(x, [c.grain * scale for c in cameras], partial(_grain, starts=starts))
    # A photograph that was made smaller shows less of its compression.
    shown = [round(100 - (100 - c.quality) * scale) if c.quality else 0 for c in cameras]
    return jpeg(x.clamp_(0.0, 1.0), shown)


def _meter(linear: Tensor, cameras: Sequence[Camera]) -> Tensor:
    """Radiance (B, 3, H, W) scaled to the exposure target, white balance applied."""
    grid = linear[:, :, 2::5, 2::5].mean(1).flatten(1)  # metering on a grid is enough
    # Between median and mean: a lamp or a bright window counts, but not for all it is worth.
    level = (0.5 * grid.median(1).values + 0.5 * grid.mean(1)).clamp_min(1e-4)
    gain = torch.tensor([c.balance for c in cameras], dtype=torch.float32, device=linear.device)
    gain = gain[:, :, None, None] * column([c.target for c in cameras], linear)
    return linear * (gain / level[:, None, None, None])


def _bloom(x: Tensor, share: Tensor) -> Tensor:
    """Light above BLOOM_FROM spreads over a few degrees, and thinly over the whole picture.

    x: (b, 3, H, W) linear. share: (b, 1, 1, 1) of that light.
    """
    height, width = x.shape[-2:]
    spill = F.avg_pool2d((x - BLOOM_FROM).clamp(0.0, 20.0), BLOOM_CELL, ceil_mode=True)
    reach = max(1, height // (BLOOM_CELL * 24))
    for _ in range(3):  # three boxes are nearly a Gaussian
        spill = F.avg_pool2d(spill, 2 * reach + 1, 1, reach, count_include_pad=False)
    veil = 0.15 * spill.mean((2, 3), keepdim=True)
    spread = F.interpolate(spill, size=(height, width), mode="bilinear")
    return x + share * (spread + veil)


def _tone(x: Tensor, cameras: Sequence[Camera]) -> Tensor:
    """Extended Reinhard curve, saturation, the sRGB code, contrast; (B, 3, H, W) linear to sRGB."""
    shoulder = column([c.shoulder for c in cameras], x)
    x = x * (1 + x / (shoulder * shoulder)) / (1 + x)  # reaches 1 at the shoulder
    grey = x.mean(1, keepdim=True)
    x = torch.lerp(grey, x, column([c.saturation for c in cameras], x)).clamp_(0, 1)
    coded = torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x.clamp_min(1e-6) ** (1 / 2.4) - 0.055)
    contrast = column([c.contrast for c in cameras], x)
    return (contrast * coded + (0.5 - 0.5 * contrast)).clamp_(0, 1)


def _beside(x: Tensor, wrap: bool) -> Tensor:
    """(b, 3, H + 2, W + 2): one more pixel on every side; the poles repeat their row."""
    if wrap:
        x = torch.cat([x[..., -1:], x, x[..., :1]], -1)
        return torch.cat([x[..., :1, :], x, x[..., -1:, :]], -2)
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def _fringe(x: Tensor, pixels: Tensor, wrap: bool) -> Tensor:
    """Red and blue lie apart by up to `pixels` along the rows, most where the lens looks askew.

    x: (b, 3, H, W). pixels: (b, 1, 1, 1).
    """
    around = _beside(x, wrap)[..., 1:-1, :]
    slope = 0.5 * (around[..., 2:] - around[..., :-2])
    side = torch.linspace(-1.0, 1.0, x.shape[-1], device=x.device)
    # Two lenses back to back: none on their axes and at the seam, so that the seam stays closed.
    askew = torch.sin(2 * math.pi * side) if wrap else side
    sign = torch.tensor([1.0, 0.0, -1.0], device=x.device)[:, None, None]
    # A shift of less than a pixel is the slope times the shift.
    return x + slope * (0.5 * pixels * askew) * sign


def _halos(x: Tensor, amount: Tensor, wrap: bool) -> Tensor:
    """Unsharp masking with a 3 × 3 blur; a negative amount mixes the blur in.

    x: (b, 3, H, W). amount: (b, 1, 1, 1).
    """
    around = _beside(x, wrap)
    along = around[..., :-2] + 2 * around[..., 1:-1] + around[..., 2:]
    blurred = (along[..., :-2, :] + 2 * along[..., 1:-1, :] + along[..., 2:, :]) / 16
    return x + amount * (x - blurred)


@lru_cache(maxsize=4)
def _grain_table(device: str) -> Tensor:
    """(GRAIN_COUNT,) normal numbers."""
    return torch.randn(GRAIN_COUNT, generator=torch.Generator().manual_seed(_GRAIN_SEED)).to(device)


def _grain(x: Tensor, amount: Tensor, starts: Sequence[int]) -> Tensor:
    """Photon noise: strongest in the coded picture's darks, mostly common to the channels.

    x: (b, 3, H, W) sRGB. amount: (b, 1, 1, 1). starts: one place in the shared grain per picture.
    """
    table, places = _grain_table(str(x.device)), torch.arange(x[0].numel(), device=x.device)
    start = torch.tensor(starts, device=x.device)[:, None]
    noise = table[(start + places) % GRAIN_COUNT].view_as(x)
    noise = 0.5 * noise + 0.9 * noise[:, 1:2]
    return torch.addcmul(x, noise, amount * (1.4 - x))

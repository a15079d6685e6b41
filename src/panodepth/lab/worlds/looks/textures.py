"""A small atlas of procedural textures with mipmaps: made once per process, looked up per pixel.

Every texture is (SIZE, SIZE, 3) linear RGB, tileable, made from a fixed seed. Groups name the
index ranges that generators choose from, e.g. `GROUPS["wood"]`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from panodepth.lab.worlds.looks import masonry, patterns, prints
from panodepth.lab.worlds.looks.patterns import SIZE, Array, Rng

LEVELS = 6  # 128, 64, 32, 16, 8, 4
_SEED = 20250926
GRIMES = 4

Maker = Callable[[Rng], Array]

_MAKERS: dict[str, tuple[Maker, int]] = {
    "plain": (patterns.plain, 6),
    "plaster": (patterns.plaster, 10),
    "wood": (patterns.wood, 24),
    "tiles": (masonry.tiles, 20),
    "brick": (masonry.brick, 8),
    "marble": (patterns.marble, 10),
    "fabric": (patterns.fabric, 12),
    "carpet": (patterns.carpet, 16),
    "stripes": (patterns.stripes, 8),
    "speckle": (patterns.speckle, 10),
    "foliage": (patterns.foliage, 14),
    "grass": (patterns.grass, 10),
    "picture": (prints.picture, 40),
    "window": (prints.window, 18),
    "panel": (prints.panel, 12),
    "books": (prints.books, 8),
    "text": (prints.text, 16),
    "facade": (prints.facade, 14),
    "grille": (patterns.grille, 6),
    "shutter": (patterns.shutter, 6),
    "asphalt": (patterns.asphalt, 8),
    "concrete": (masonry.concrete, 8),
    "stone": (patterns.stone, 10),
    "grime": (patterns.grime, GRIMES),
    "cloud": (prints.cloud, 8),
}


_STOPS = accumulate(count for _, count in _MAKERS.values())
GROUPS = {
    n: range(stop - k, stop) for (n, (_, k)), stop in zip(_MAKERS.items(), _STOPS, strict=True)
}


# The atlas is one picture: ACROSS textures side by side. The largest mip level of a texture stands
# left, the others in a column beside it; each has a border of one texel that continues it.
ACROSS = 20
STRIP = SIZE + 2 + SIZE // 2 + 2  # texels: width of one texture's place
TALL = SIZE - SIZE // 2 ** (LEVELS - 1) + 2 * LEVELS  # and its height


@lru_cache(maxsize=4)
def atlas(device: str = "cpu") -> Tensor:
    """(1, 3, h, w) float32 linear RGB: all textures with their mip levels, laid out as above."""
    total = sum(count for _, count in _MAKERS.values())
    out = torch.zeros(1, 3, -(-total // ACROSS) * TALL, ACROSS * STRIP)
    place = 0
    for number, (maker, count) in enumerate(_MAKERS.values()):
        for k in range(count):
            texture = maker(np.random.default_rng([_SEED, number, k]))
            level = torch.from_numpy(np.clip(texture, 0, 1)).float().permute(2, 0, 1)[None]
            x, y = place % ACROSS * STRIP, place // ACROSS * TALL
            for nth in range(LEVELS):
                size = level.shape[-1] + 2
                wrapped = torch.nn.functional.pad(level, (1, 1, 1, 1), mode="circular")
                out[..., y : y + size, x : x + size] = wrapped
                level = torch.nn.functional.avg_pool2d(level, 2)
                x, y = (x + size, y) if nth == 0 else (x, y + size)
            place += 1
    return out.to(device)


def sample(texture: Tensor, u: Tensor, v: Tensor, texels_per_pixel: Tensor) -> Tensor:
    """Bilinear texture colours from the best mip level.

    texture: (...) index, as float or int. u, v: (...) in repeats, any number. texels_per_pixel:
    (...) of the largest level, > 0. Returns (3, ...) linear RGB in [0, 1].
    """
    table = atlas(str(u.device))
    height, width = table.shape[-2:]
    level = texels_per_pixel.clamp(1.0, 2.0 ** (LEVELS - 1)).log2().round()
    size = SIZE * torch.exp2(-level)
    row = torch.floor((texture + 0.5) / ACROSS)
    beside = level.clamp_max(1.0)  # 1 for all levels but the largest
    above = beside * (SIZE - 2 * size + 2 * (level - 1))  # texels of the levels between
    x = (u - u.floor()) * size + beside * (SIZE + 2) + 1 + (texture - row * ACROSS) * STRIP
    y = (v - v.floor()) * size + above + 1 + row * TALL
    grid = torch.stack([x * (2 / width) - 1, y * (2 / height) - 1], -1).view(1, 1, -1, 2)
    found = torch.nn.functional.grid_sample(table, grid, align_corners=False)
    return found.view(3, *texture.shape)

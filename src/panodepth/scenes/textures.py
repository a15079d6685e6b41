"""A small atlas of procedural textures with mipmaps: made once per process, looked up per pixel.

Every texture is (SIZE, SIZE, 3) linear RGB, tileable, made from a fixed seed. Groups name the
index ranges that generators choose from, e.g. `GROUPS["wood"]`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SIZE = 128
LEVELS = 6  # 128, 64, 32, 16, 8, 4
_SEED = 20250926

Array = npt.NDArray[np.float64]
Maker = Callable[[np.random.Generator], Array]

_Y, _X = np.meshgrid(np.arange(SIZE) / SIZE, np.arange(SIZE) / SIZE, indexing="ij")


def _noise(rng: np.random.Generator, power: float = 1.6, stretch: float = 1.0) -> Array:
    """(SIZE, SIZE) tileable noise in 0..1 with a 1/f^power spectrum; stretch > 1 = along x."""
    f = np.fft.fftfreq(SIZE) * SIZE
    radius = np.hypot(f[:, None], f[None, :] * stretch)
    radius[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) / radius**power
    spectrum[0, 0] = 0.0
    field = np.fft.ifft2(spectrum).real
    return np.asarray(np.clip(0.5 + field / (5.0 * field.std()), 0, 1))


def _rgb(value: Array, low: npt.ArrayLike, high: npt.ArrayLike) -> Array:
    low, high = np.asarray(low, float), np.asarray(high, float)
    return np.asarray(low + value[..., None] * (high - low))


def _colour(rng: np.random.Generator, saturation: float = 0.5) -> Array:
    base = rng.uniform(0.1, 0.95)
    return np.asarray(np.clip(base * (1 + saturation * rng.uniform(-1, 1, 3)), 0.02, 1.0))


def _plain(rng: np.random.Generator) -> Array:
    strength = rng.uniform(0.01, 0.08)
    return np.repeat((0.92 + strength * (_noise(rng, 1.0) - 0.5))[..., None], 3, -1)


def _plaster(rng: np.random.Generator) -> Array:
    return np.repeat((0.75 + 0.35 * (_noise(rng, rng.uniform(0.9, 1.8)) - 0.3))[..., None], 3, -1)


def _wood(rng: np.random.Generator) -> Array:
    planks = int(rng.choice([1, 4, 6, 8]))
    grain = _noise(rng, 1.2, stretch=rng.uniform(6, 14))
    row = np.floor(_Y * planks).astype(int)
    shade = rng.uniform(0.75, 1.05, planks)[row]
    value = np.clip(shade * (0.6 + 0.55 * grain), 0, 1)
    gap = (np.mod(_Y * planks, 1) < 0.035 * (planks > 1)) & (rng.random() < 0.85)
    ends = np.mod(_X + rng.uniform(0, 1, planks)[row], 1) < 0.006 * (planks > 1)
    value = np.where(gap | ends, 0.45 * value, value)
    dark = np.array([0.25, 0.13, 0.06]) * rng.uniform(0.5, 1.6)
    return _rgb(value, dark, np.clip(dark * rng.uniform(2.4, 3.4) + 0.08, 0, 1))


def _tiles(rng: np.random.Generator) -> Array:
    n = int(rng.choice([2, 3, 4, 6]))
    cell = rng.uniform(0.85, 1.0, (n, n)) if rng.random() < 0.7 else np.ones((n, n))
    if rng.random() < 0.3:
        checker = (np.add.outer(np.arange(n), np.arange(n)) % 2).astype(float)
        n_even = n % 2 == 0
        cell = cell * (1 - rng.uniform(0.3, 0.8) * checker) if n_even else cell
    index = np.floor(_Y * n).astype(int), np.floor(_X * n).astype(int)
    value = cell[index] * (0.85 + 0.15 * _noise(rng, 1.5))
    width = rng.uniform(0.02, 0.05)
    line = (np.mod(_Y * n, 1) < width) | (np.mod(_X * n, 1) < width)
    grout = rng.uniform(0.3, 1.0)
    value = np.where(line, grout, value)
    return _rgb(value, [0, 0, 0], 0.7 + 0.3 * _colour(rng, 0.15))


def _brick(rng: np.random.Generator) -> Array:
    rows, columns = 8, 4
    row = np.floor(_Y * rows).astype(int)
    shifted = np.mod(_X * columns + 0.5 * (row % 2), columns)
    shade = rng.uniform(0.6, 1.0, (rows, columns))[row, np.floor(shifted).astype(int)]
    value = shade * (0.75 + 0.5 * (_noise(rng, 1.0) - 0.5))
    line = (np.mod(_Y * rows, 1) < 0.12) | (np.mod(shifted, 1) < 0.06)
    base = np.array([0.5, 0.24, 0.16]) if rng.random() < 0.6 else _colour(rng, 0.2)
    out = _rgb(np.clip(value, 0, 1), [0, 0, 0], base * 1.3)
    out[line] = rng.uniform(0.3, 0.7)
    return out


def _marble(rng: np.random.Generator) -> Array:
    veins = 1 - np.abs(np.sin(2 * np.pi * (_X + _Y + 1.5 * _noise(rng, 1.7)))) ** 0.35
    return _rgb(np.clip(veins, 0, 1), [0.88, 0.87, 0.85], _colour(rng, 0.1) * 0.6)


def _fabric(rng: np.random.Generator) -> Array:
    n = int(rng.choice([32, 43, 64]))
    weave = 0.5 + 0.25 * np.sin(2 * np.pi * n * _X) + 0.25 * np.sin(2 * np.pi * n * _Y)
    return np.repeat((0.6 + 0.25 * weave + 0.25 * _noise(rng, 1.3))[..., None], 3, -1)


def _carpet(rng: np.random.Generator) -> Array:
    ground, figure, third = _colour(rng, 0.6), _colour(rng, 0.6), _colour(rng, 0.6)
    n, m = rng.integers(1, 5), rng.integers(1, 5)
    motif = np.sin(2 * np.pi * n * _X) * np.sin(2 * np.pi * m * _Y) + 0.8 * (_noise(rng) - 0.5)
    out = np.where((motif > 0.25)[..., None], figure, ground)
    out = np.where((motif < -0.45)[..., None], third, out)
    edge = np.minimum(np.minimum(_X, 1 - _X), np.minimum(_Y, 1 - _Y))
    out = np.where(((edge > 0.04) & (edge < 0.08))[..., None], figure, out)
    return np.asarray(out * (0.8 + 0.4 * _noise(rng, 0.6))[..., None])


def _stripes(rng: np.random.Generator) -> Array:
    n = int(rng.choice([3, 5, 8, 12, 16]))
    wave = np.sin(2 * np.pi * n * _X + rng.uniform(0, 6))
    value = wave > rng.uniform(-0.5, 0.5) if rng.random() < 0.3 else 0.5 + 0.5 * wave
    low = rng.uniform(0.35, 0.85)
    return np.repeat((low + (1 - low) * np.asarray(value, float))[..., None], 3, -1)


def _speckle(rng: np.random.Generator) -> Array:
    value = 0.7 + 0.6 * (_noise(rng, rng.uniform(0.2, 0.8)) - 0.5) + 0.15 * (_noise(rng, 1.6) - 0.5)
    return np.repeat(np.clip(value, 0, 1)[..., None], 3, -1)


def _foliage(rng: np.random.Generator) -> Array:
    value = _noise(rng, rng.uniform(0.5, 1.1)) ** 1.5
    dark = np.array([0.01, 0.035, 0.008])
    bright = np.array([0.16, 0.3, 0.06]) * rng.uniform(0.6, 1.5, 3)
    return _rgb(np.clip(value * 1.5, 0, 1), dark, bright)


def _grass(rng: np.random.Generator) -> Array:
    value = 0.2 + 0.6 * _noise(rng, 0.4) + 0.3 * (_noise(rng, 1.6) - 0.3)
    earth = rng.random() < 0.35
    low, high = (
        ([0.09, 0.06, 0.03], [0.35, 0.27, 0.17])
        if earth
        else ([0.02, 0.05, 0.01], [0.26, 0.36, 0.1])
    )
    return _rgb(np.clip(value, 0, 1), low, high)


def _picture(rng: np.random.Generator) -> Array:
    """A framed print: a landscape, an abstract, or a portrait-like arrangement of blobs."""
    style = rng.random()
    if style < 0.4:
        horizon = rng.uniform(0.35, 0.7) + 0.15 * (_noise(rng, 2.0) - 0.5)
        sky = _rgb(1 - _Y, [0.7, 0.75, 0.8], _colour(rng, 0.6))
        land = _rgb(_noise(rng, 1.3), _colour(rng, 0.7) * 0.3, _colour(rng, 0.7) * 0.7)
        out = np.where((horizon < _Y)[..., None], land, sky)
    else:
        out = np.broadcast_to(_colour(rng, 0.3), (SIZE, SIZE, 3)).copy()
        for _ in range(rng.integers(4, 25)):
            cx, cy = rng.uniform(0, 1, 2)
            rx, ry = rng.uniform(0.03, 0.35, 2)
            if style < 0.7:
                shape = (np.abs(_X - cx) < rx) & (np.abs(_Y - cy) < ry)
            else:
                shape = ((_X - cx) / rx) ** 2 + ((_Y - cy) / ry) ** 2 < 1
            out[shape] = _colour(rng, 0.9)
        out = out * (0.85 + 0.3 * _noise(rng, 1.2))[..., None]
    edge = np.minimum(np.minimum(_X, 1 - _X), np.minimum(_Y, 1 - _Y))
    if rng.random() < 0.5:
        out = np.where((edge < 0.12)[..., None], 0.85, out)
    out[edge < 0.05] = _colour(rng, 0.3) * rng.choice([0.15, 0.6])
    return np.asarray(out)


def _window(rng: np.random.Generator) -> Array:
    """A window on a solid wall: frame and bars, and behind the glass sky, houses or blinds."""
    style = rng.random()
    if style < 0.35:
        n = int(rng.choice([10, 16, 24]))
        view = np.repeat((0.6 + 0.4 * np.sin(2 * np.pi * n * _Y))[..., None], 3, -1)
    elif style < 0.6:
        view = np.repeat((0.85 + 0.15 * _noise(rng, 1.8, 0.2))[..., None], 3, -1)
    else:
        horizon = rng.uniform(0.3, 0.7) + 0.3 * (_noise(rng, 1.6) - 0.5)
        sky = _rgb(_Y, [0.75, 0.85, 1.0], [1.0, 1.0, 1.0])
        land = _rgb(_noise(rng, 1.0), [0.08, 0.12, 0.06], [0.4, 0.45, 0.3])
        view = np.where((horizon < _Y)[..., None], land, sky)
    frame = rng.choice([0.04, 0.25, 0.9])
    bars_x, bars_y = rng.integers(1, 4), rng.integers(1, 4)
    w = 0.05
    bar = (np.abs(np.mod(_X * bars_x + 0.5, 1) - 0.5) < w * bars_x / 2) | (
        np.abs(np.mod(_Y * bars_y + 0.5, 1) - 0.5) < w * bars_y / 2
    )
    view[bar] = frame
    return np.asarray(view)


def _panel(rng: np.random.Generator) -> Array:
    """Doors and cupboards: recessed panels, lines and a handle."""
    nx, ny = rng.integers(1, 4), rng.integers(1, 4)
    fx, fy = np.mod(_X * nx, 1), np.mod(_Y * ny, 1)
    edge = np.minimum(np.minimum(fx, 1 - fx) / nx, np.minimum(fy, 1 - fy) / ny)
    value = np.full((SIZE, SIZE), 0.9)
    value[edge < 0.012] = 0.3
    if rng.random() < 0.6:
        value[(edge > 0.05) & (edge < 0.065)] = 0.6
    value[(np.abs(fx - 0.88) < 0.03) & (np.abs(fy - 0.5) < 0.06)] = 0.25
    value = value * (0.9 + 0.2 * (_noise(rng, 1.2, 5) - 0.5))
    return np.repeat(np.clip(value, 0, 1)[..., None], 3, -1)


def _books(rng: np.random.Generator) -> Array:
    out = np.zeros((SIZE, SIZE, 3))
    x = 0
    while x < SIZE:
        w = int(rng.integers(3, 10))
        top = int(rng.integers(0, 40))
        out[top:, x : x + w] = _colour(rng, 0.9)
        out[:top, x : x + w] = 0.03
        out[top + 8 : top + 12, x : x + w] *= 1.6
        x += w
    return np.clip(out, 0, 1)


def _text(rng: np.random.Generator) -> Array:
    ground, ink = _colour(rng, 0.9), _colour(rng, 0.9)
    out = np.broadcast_to(ground, (SIZE, SIZE, 3)).copy()
    rows = int(rng.integers(1, 7))
    for r in range(rows):
        y0, y1 = int((r + 0.2) * SIZE / rows), int((r + 0.75) * SIZE / rows)
        x = 8
        while x < SIZE - 8:
            w = int(rng.integers(2, max(4, 30 // rows)))
            if rng.random() < 0.75:
                out[y0:y1, x : x + w] = ink
            x += w + 3
    return out


def _facade(rng: np.random.Generator) -> Array:
    """One storey-by-bay grid of windows, for buildings without modelled relief."""
    wall = _colour(rng, 0.25) * (0.8 + 0.3 * _noise(rng, 1.4))[..., None]
    nx, ny = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    fx, fy = np.mod(_X * nx, 1), np.mod(_Y * ny, 1)
    w, h = rng.uniform(0.2, 0.42), rng.uniform(0.22, 0.4)
    inside = (np.abs(fx - 0.5) < w) & (np.abs(fy - 0.5) < h)
    frame = (np.abs(fx - 0.5) < w + 0.05) & (np.abs(fy - 0.5) < h + 0.05) & ~inside
    glass = np.array([0.05, 0.07, 0.09]) + 0.35 * _noise(rng, 1.8)[..., None] ** 2
    out = np.where(inside[..., None], glass, wall)
    out = np.where(frame[..., None], rng.uniform(0.2, 0.9), out)
    out = np.where((inside & (np.abs(fx - 0.5) < 0.03))[..., None], 0.5, out)
    return np.asarray(np.clip(out, 0, 1))


def _grille(rng: np.random.Generator) -> Array:
    nx, ny = int(rng.integers(4, 16)), int(rng.integers(2, 10))
    bars = (np.mod(_X * nx, 1) < 0.3) | (np.mod(_Y * ny, 1) < 0.2)
    back = 0.05 + 0.25 * _noise(rng, 1.5)
    return np.repeat(np.where(bars, rng.uniform(0.3, 0.9), back)[..., None], 3, -1)


def _shutter(rng: np.random.Generator) -> Array:
    n = int(rng.choice([12, 18, 28]))
    ridge = 0.75 + 0.25 * np.sin(2 * np.pi * n * (_Y if rng.random() < 0.6 else _X))
    grime = 0.75 + 0.4 * (_noise(rng, 1.7) - 0.3)
    return np.repeat(np.clip(ridge * grime, 0, 1)[..., None], 3, -1)


def _asphalt(rng: np.random.Generator) -> Array:
    blotch = rng.uniform(0.05, 0.25)
    value = 0.55 + 0.3 * (_noise(rng, 0.5) - 0.5) + blotch * (_noise(rng, 1.6) - 0.5)
    return np.repeat(np.clip(value, 0, 1)[..., None], 3, -1)


def _cloud(rng: np.random.Generator) -> Array:
    value = np.clip((_noise(rng, 2.1) - rng.uniform(0.3, 0.6)) * rng.uniform(2, 5), 0, 1)
    return np.repeat(value[..., None], 3, -1)


_MAKERS: dict[str, tuple[Maker, int]] = {
    "plain": (_plain, 4),
    "plaster": (_plaster, 6),
    "wood": (_wood, 14),
    "tiles": (_tiles, 10),
    "brick": (_brick, 6),
    "marble": (_marble, 5),
    "fabric": (_fabric, 5),
    "carpet": (_carpet, 10),
    "stripes": (_stripes, 8),
    "speckle": (_speckle, 6),
    "foliage": (_foliage, 8),
    "grass": (_grass, 6),
    "picture": (_picture, 24),
    "window": (_window, 14),
    "panel": (_panel, 10),
    "books": (_books, 6),
    "text": (_text, 8),
    "facade": (_facade, 14),
    "grille": (_grille, 6),
    "shutter": (_shutter, 6),
    "asphalt": (_asphalt, 4),
    "cloud": (_cloud, 6),
}


def _ranges() -> dict[str, range]:
    out, start = {}, 0
    for name, (_, count) in _MAKERS.items():
        out[name] = range(start, start + count)
        start += count
    return out


GROUPS: dict[str, range] = _ranges()


def choose(rng: np.random.Generator, *names: str) -> int:
    """A random texture index from the named groups."""
    group = GROUPS[names[int(rng.integers(len(names)))]]
    return int(rng.integers(group.start, group.stop))


# The atlas is one picture: ACROSS textures side by side, each as a strip of its mip levels from
# large to small, every level with a border of one texel that continues it on the other side.
ACROSS = 16
STRIP = 2 * SIZE - 2 * (SIZE >> LEVELS) + 2 * LEVELS  # texels
TALL = SIZE + 2


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
            for _ in range(LEVELS):
                size = level.shape[-1] + 2
                wrapped = torch.nn.functional.pad(level, (1, 1, 1, 1), mode="circular")
                out[..., y : y + size, x : x + size] = wrapped
                x += size
                level = torch.nn.functional.avg_pool2d(level, 2)
            place += 1
    return out.to(device)


def sample(texture: Tensor, u: Tensor, v: Tensor, texels_per_pixel: Tensor) -> Tensor:
    """Bilinear texture colours from the best mip level: (3, R) linear RGB.

    texture: (R,) index, as float or int. u, v: (R,) in repeats. texels_per_pixel: (R,) footprint
    at level 0.
    """
    table = atlas(str(u.device))
    height, width = table.shape[-2:]
    level = texels_per_pixel.clamp(1.0, 2.0 ** (LEVELS - 1)).log2().round()
    size = SIZE * torch.exp2(-level)
    row = torch.floor((texture + 0.5) / ACROSS)
    before = 2 * (SIZE - size + level) + 1  # texels of the larger levels and the border
    x = (u - u.floor()) * size + before + (texture - row * ACROSS) * STRIP
    y = (v - v.floor()) * size + 1 + row * TALL
    grid = torch.stack([x * (2 / width) - 1, y * (2 / height) - 1], -1)[None, None]
    found = torch.nn.functional.grid_sample(table, grid, align_corners=False)
    return found[0, :, 0]

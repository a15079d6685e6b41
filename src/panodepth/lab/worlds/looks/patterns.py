"""Patterns of building materials, cloth and plants.

Each function makes one (SIZE, SIZE, 3) picture in linear RGB from a random generator, tileable
where that makes sense; `textures` puts them into the atlas.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SIZE = 128  # texels

Array = npt.NDArray[np.float64]
Rng = np.random.Generator

Y, X = np.meshgrid(np.arange(SIZE) / SIZE, np.arange(SIZE) / SIZE, indexing="ij")


def noise(rng: Rng, power: float = 1.6, stretch: float = 1.0) -> Array:
    """(SIZE, SIZE) tileable noise in 0..1 with a 1/f^power spectrum; stretch > 1 = along x."""
    f = np.fft.fftfreq(SIZE) * SIZE
    radius = np.hypot(f[:, None], f[None, :] * stretch)
    radius[0, 0] = 1.0
    # White noise filtered in its spectrum; the transform is periodic, hence tileable.
    spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) / radius**power
    spectrum[0, 0] = 0.0
    field = np.fft.ifft2(spectrum).real
    return np.asarray(np.clip(0.5 + field / (5.0 * field.std()), 0, 1))


def rgb(value: Array, low: npt.ArrayLike, high: npt.ArrayLike) -> Array:
    """(SIZE, SIZE, 3) from `low` where the value is 0 to `high` where it is 1, both linear RGB."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    return np.asarray(low + value[..., None] * (high - low))


def shaded(value: Array, colour: npt.ArrayLike) -> Array:
    """(SIZE, SIZE, 3): a value, clipped to 0..1, times a colour."""
    return rgb(np.clip(value, 0, 1), [0, 0, 0], colour)


def over(mask: npt.NDArray[np.bool_], top: npt.ArrayLike, below: npt.ArrayLike) -> Array:
    """(SIZE, SIZE, 3): `top` where the mask is True, `below` elsewhere; pictures or colours."""
    return np.where(mask[..., None], top, below)


def colour(rng: Rng, saturation: float = 0.5) -> Array:
    """(3,) linear RGB: mostly the browns, greys, reds and blues of paint and dye, some anything."""
    base = rng.uniform(0.1, 0.95)
    if rng.random() < 0.3:
        return np.asarray(np.clip(base * (1 + saturation * rng.uniform(-1, 1, 3)), 0.02, 1.0))
    warm, green = rng.normal(0.5, 1.0), 0.4 * rng.normal()
    hue = warm * np.array([0.9, 0.1, -0.9]) + green * np.array([-0.6, 0.8, -0.6])
    return np.asarray(np.clip(base * np.exp(0.8 * saturation * hue), 0.02, 1.0))


def grey(value: Array) -> Array:
    """(SIZE, SIZE, 3) without colour; the value is clipped to 0..1."""
    return np.repeat(np.clip(value, 0, 1)[..., None], 3, -1)


def cells(rng: Rng, count: int) -> tuple[Array, npt.NDArray[np.int64], Array]:
    """About `count` Voronoi cells on the torus: distance to the nearest point, its number (below
    `count`), and how much farther the second point is. Points are strewn over a grid, one a square.
    """
    n = max(3, int(count**0.5))
    place = (rng.random((n, n, 2)) + np.stack(np.meshgrid(range(n), range(n)), -1)) / n
    column, row = (X * n).astype(int), (Y * n).astype(int)
    near, second = np.full(X.shape, np.inf), np.full(X.shape, np.inf)
    number = np.zeros(X.shape, np.int64)
    # With one point a square, the nearest two lie within two squares.
    for dy in (-2, -1, 0, 1, 2):
        for dx in (-2, -1, 0, 1, 2):
            j, i = (row + dy) % n, (column + dx) % n
            away = np.abs(np.stack([X, Y], -1) - place[j, i])
            far = np.hypot(*np.moveaxis(np.minimum(away, 1 - away), -1, 0))
            same = (number == j * n + i) & (near < np.inf)  # met before, on a grid of few squares
            far = np.where(same, np.inf, far)
            second = np.minimum(second, np.maximum(far, near))
            number = np.where(far < near, j * n + i, number)
            near = np.minimum(far, near)
    return near, number, second - near


def cracks(rng: Rng, width: float = 0.02) -> Array:
    """(SIZE, SIZE) 0..1: thin wandering lines where smooth noise crosses its middle."""
    field = noise(rng, 1.9) - 0.5
    lines = np.exp(-((field / width) ** 2))
    return np.asarray(lines * np.clip(3 * noise(rng, 2.0) - 1.2, 0, 1))


def plain(rng: Rng) -> Array:
    return grey(0.92 + rng.uniform(0.01, 0.08) * (noise(rng, 1.0) - 0.5))


def plaster(rng: Rng) -> Array:
    value = 0.75 + 0.35 * (noise(rng, rng.uniform(0.9, 1.8)) - 0.3)
    if rng.random() < 0.25:  # run marks of rain
        value = value - 0.25 * np.clip(noise(rng, 1.3, 0.12) - 0.45, 0, 1)
    if rng.random() < 0.2:
        value = value - 0.3 * cracks(rng, 0.012)
    return grey(value)


def stone(rng: Rng) -> Array:
    """Cobbles, flagstones or rubble: irregular cells with dark or light joints."""
    gap_width = rng.uniform(0.012, 0.035)
    _, cell, gap = cells(rng, int(rng.choice([10, 25, 60, 110])))
    shade = rng.uniform(0.55, 1.0, 128)[cell] * (0.75 + 0.4 * (noise(rng, 1.2) - 0.4))
    round_off = np.clip(gap / gap_width, 0, 1) ** 0.5  # stones bulge toward their middle
    joint = rng.choice([0.15, 0.25, 0.6])
    value = joint * (1 - round_off) + shade * round_off
    return shaded(value, 0.5 * colour(rng, 0.15) + 0.45)


def wood(rng: Rng) -> Array:
    """Boards, single planks or herringbone parquet, of birch to wenge, or washed grey."""
    grain = noise(rng, 1.2, stretch=rng.uniform(6, 14))
    value, line = (_parquet if rng.random() < 0.2 else _boards)(rng, grain)
    value = np.where(line, 0.45 * value, value)
    # Grain runs between the dark and the bright tone of a species.
    species = rng.random()
    dark = np.array([0.25, 0.13, 0.06]) * rng.uniform(0.5, 1.6)
    bright = np.clip(dark * rng.uniform(2.4, 3.4) + 0.08, 0, 1)
    if species < 0.15:  # walnut, wenge
        dark, bright = np.array([0.03, 0.018, 0.012]), np.array([0.2, 0.12, 0.08])
    elif species < 0.35:  # washed, weathered, or painted over
        level = rng.uniform(0.35, 0.8)
        tone = np.array([1.0, rng.uniform(0.93, 1.0), rng.uniform(0.8, 1.0)])
        dark, bright = 0.55 * level * tone, level * tone
    elif species < 0.5:  # birch, ash
        dark, bright = np.array([0.45, 0.32, 0.2]), np.array([0.8, 0.66, 0.48])
    return rgb(value, dark, bright)


def _boards(rng: Rng, grain: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    planks = int(rng.choice([1, 4, 6, 8]))
    row = np.floor(Y * planks).astype(int)
    shade = rng.uniform(0.75, 1.05, planks)[row]
    gap = (np.mod(Y * planks, 1) < 0.035 * (planks > 1)) & (rng.random() < 0.85)
    ends = np.mod(X + rng.uniform(0, 1, planks)[row], 1) < 0.006 * (planks > 1)
    return np.clip(shade * (0.6 + 0.55 * grain), 0, 1), gap | ends


def _parquet(rng: Rng, grain: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Blocks of short boards that lie across each other."""
    n, boards = int(rng.choice([2, 4])), int(rng.choice([3, 4, 5]))
    column, row = np.floor(X * n).astype(int), np.floor(Y * n).astype(int)
    across = (column + row) % 2 == 0
    along = np.where(across, np.mod(Y * n, 1), np.mod(X * n, 1)) * boards
    edge = np.where(across, np.mod(X * n, 1), np.mod(Y * n, 1))
    shade = rng.uniform(0.75, 1.05, (n, n, boards))[row, column, along.astype(int)]
    value = np.clip(shade * (0.6 + 0.55 * np.where(across, grain, grain.T)), 0, 1)
    return value, (np.mod(along, 1) < 0.06) | (edge < 0.02)


def marble(rng: Rng) -> Array:
    """White to dark stone with veins: wandering bands, or a few sharp lines over clouds."""
    ground = np.array([0.88, 0.87, 0.85]) * rng.choice([1.0, 1.0, 0.6, 0.12])
    vein = colour(rng, 0.15) * 0.6 if ground[0] > 0.3 else np.array([0.5, 0.5, 0.48])
    if rng.random() < 0.4:
        value = 1 - np.abs(np.sin(2 * np.pi * (X + Y + 1.5 * noise(rng, 1.7)))) ** 0.35
    else:
        value = 0.35 * noise(rng, 1.7) + 0.8 * cracks(rng, 0.015) + 0.4 * cracks(rng, 0.05)
    return rgb(np.clip(value, 0, 1), ground, vein)


def fabric(rng: Rng) -> Array:
    """Weave, tweed, quilt or leather."""
    style = rng.random()
    if style < 0.5:
        n = int(rng.choice([32, 43, 64]))
        weave = 0.5 + 0.25 * np.sin(2 * np.pi * n * X) + 0.25 * np.sin(2 * np.pi * n * Y)
        return grey(0.6 + 0.25 * weave + 0.25 * noise(rng, 1.3))
    if style < 0.7:
        fleck = 0.6 * noise(rng, 0.1) + 0.4 * noise(rng, 1.0)
        return rgb(np.clip(2 * fleck - 0.5, 0, 1), 0.4 * colour(rng, 0.3), [0.95, 0.93, 0.9])
    if style < 0.85:
        n = int(rng.choice([3, 5, 8]))
        a, b = np.abs(np.sin(np.pi * n * (X + Y))), np.abs(np.sin(np.pi * n * (X - Y)))
        return grey(0.5 + 0.5 * np.minimum(a, b) ** 0.4 * (0.9 + 0.2 * noise(rng, 1.3)))
    _, _, gap = cells(rng, 150)
    return grey(0.65 + 0.3 * np.clip(gap / 0.03, 0, 1) * (0.7 + 0.6 * noise(rng, 1.4)))


def carpet(rng: Rng) -> Array:
    """Woven motifs, a medallion within borders, a plain ground with a border, or shag."""
    style = rng.random()
    ground, figure, third = (colour(rng, 0.5) for _ in range(3))
    edge = np.minimum(np.minimum(X, 1 - X), np.minimum(Y, 1 - Y))
    if style < 0.4:
        n, m = rng.integers(1, 5), rng.integers(1, 5)
        motif = np.sin(2 * np.pi * n * X) * np.sin(2 * np.pi * m * Y) + 0.8 * (noise(rng) - 0.5)
        out = over(motif > 0.25, figure, ground)
        out = over(motif < -0.45, third, out)
        out = over((edge > 0.04) & (edge < 0.08), figure, out)
    elif style < 0.75:  # symmetric about both axes, as the knotted ones are
        # One quarter, mirrored twice.
        half = noise(rng, 1.1)[: SIZE // 2, : SIZE // 2]
        field = np.block([[half, half[:, ::-1]], [half[::-1], half[::-1, ::-1]]])
        round_ = np.hypot((X - 0.5) / 0.32, (Y - 0.5) / 0.32)
        out = over(field > 0.58, figure, ground)
        out = over(field < 0.4, third, out)
        out = over(round_ < 1, np.roll(out, 1, -1) * 0.5 + 0.5 * figure, out)
        for k, at in enumerate((0.03, 0.06, 0.14, 0.17)):
            band = ((edge > at) & (edge < at + (0.08 if k == 1 else 0.02)))[..., None]
            out = np.where(band, third if k % 2 else 0.6 * figure, out)
    else:
        out = np.broadcast_to(ground, (SIZE, SIZE, 3)).copy()
        if style < 0.9:
            out[(edge > 0.05) & (edge < rng.uniform(0.07, 0.15))] = figure
    return np.asarray(out * (0.75 + 0.5 * noise(rng, rng.uniform(0.3, 0.8)))[..., None])


def stripes(rng: Rng) -> Array:
    n = int(rng.choice([3, 5, 8, 12, 16]))
    wave = np.sin(2 * np.pi * n * X + rng.uniform(0, 6))
    value = wave > rng.uniform(-0.5, 0.5) if rng.random() < 0.3 else 0.5 + 0.5 * wave
    low = rng.uniform(0.35, 0.85)
    return grey(low + (1 - low) * np.asarray(value, float))


def speckle(rng: Rng) -> Array:
    """Fine grain; terrazzo or gravel."""
    if rng.random() < 0.25:
        _, cell, gap = cells(rng, int(rng.choice([500, 900])))
        shade = rng.uniform(0.45, 1.0, 900)[cell]
        chip = (gap > 0.012) | (rng.random() < 0.4)
        return grey(np.where(chip, shade, 0.75) * (0.9 + 0.2 * (noise(rng, 1.4) - 0.5)))
    value = 0.7 + 0.6 * (noise(rng, rng.uniform(0.2, 0.8)) - 0.5) + 0.15 * (noise(rng, 1.6) - 0.5)
    return grey(value)


def foliage(rng: Rng) -> Array:
    """Leaves: lit ones over dark gaps; mostly green, some yellow, red or bluish."""
    if rng.random() < 0.5:
        value = noise(rng, rng.uniform(0.5, 1.1)) ** 1.5
    else:
        far, cell, _ = cells(rng, int(rng.choice([90, 180, 320])))
        lit = rng.random(320)[cell] ** 1.5
        value = lit * np.clip(1.2 - far / far.max(), 0, 1) * (0.5 + noise(rng, 1.3))
    dark = np.array([0.01, 0.035, 0.008])
    bright = np.array([0.16, 0.3, 0.06]) * rng.uniform(0.6, 1.5, 3)
    turned = rng.random()
    if turned < 0.12:
        dark, bright = np.array([0.05, 0.025, 0.008]), np.array([0.5, 0.27, 0.06])
    elif turned < 0.4:
        bright = 0.5 * bright + 0.5 * bright.mean() * np.array([0.95, 1.1, 0.75])
    return rgb(np.clip(value * 1.5, 0, 1), dark, bright)


def grass(rng: Rng) -> Array:
    """Lawn or meadow, dry or fresh, with bare patches; or earth, sand and pebbles."""
    value = 0.2 + 0.6 * noise(rng, 0.4) + 0.3 * (noise(rng, 1.6) - 0.3)
    fresh = rgb(np.clip(value, 0, 1), [0.02, 0.05, 0.01], [0.26, 0.36, 0.1])
    dry = rgb(np.clip(value, 0, 1), [0.09, 0.06, 0.03], [0.35, 0.27, 0.17])
    if rng.random() < 0.35:
        if rng.random() < 0.5:
            _, cell, gap = cells(rng, 200)
            pebble = (rng.random(200) < 0.15)[cell] & (gap > 0.01)
            dry = np.where(pebble[..., None], rng.uniform(0.3, 0.6), dry)
        return np.asarray(dry * rng.uniform(0.7, 1.6))
    # Fresh grass wears through to dry ground in patches.
    bare = np.clip(4 * (noise(rng, 1.5) - rng.uniform(0.35, 0.9)), 0, 1)[..., None]
    fresh = fresh * np.array([rng.uniform(0.8, 1.5), 1.0, rng.uniform(0.8, 1.4)])
    return np.asarray(fresh * (1 - bare) + dry * bare)


def grille(rng: Rng) -> Array:
    nx, ny = int(rng.integers(4, 16)), int(rng.integers(2, 10))
    bars = (np.mod(X * nx, 1) < 0.3) | (np.mod(Y * ny, 1) < 0.2)
    back = 0.05 + 0.25 * noise(rng, 1.5)
    return grey(np.where(bars, rng.uniform(0.3, 0.9), back))


def shutter(rng: Rng) -> Array:
    n = int(rng.choice([12, 18, 28]))
    ridge = 0.75 + 0.25 * np.sin(2 * np.pi * n * (Y if rng.random() < 0.6 else X))
    grime = 0.75 + 0.4 * (noise(rng, 1.7) - 0.3)
    return grey(ridge * grime)


def grime(rng: Rng) -> Array:
    """Broad unevenness round 0.5, laid over other textures so that their repeats differ."""
    return grey(0.5 + 0.5 * (noise(rng, rng.uniform(1.3, 2.0)) - 0.5))


def asphalt(rng: Rng) -> Array:
    """Road surface with blotches; some with cracks, tar lines, patches or oil."""
    blotch = rng.uniform(0.05, 0.25)
    value = 0.55 + 0.3 * (noise(rng, 0.5) - 0.5) + blotch * (noise(rng, 1.6) - 0.5)
    if rng.random() < 0.5:
        value = value - 0.35 * cracks(rng, 0.012)
    if rng.random() < 0.3:
        x, y, w, h = rng.uniform(0.1, 0.5, 4)
        inside = (np.abs(X - 0.2 - x) < w / 2) & (np.abs(Y - 0.2 - y) < h / 2)
        value = np.where(inside, 0.8 * value, value)
    if rng.random() < 0.4:
        value = value * (1 - 0.5 * np.clip(3 * (noise(rng, 1.8) - 0.68), 0, 1))
    return grey(value)

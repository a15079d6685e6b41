"""Pictures of things: prints, windows, doors, books, signs, fronts of houses, clouds.

Each function makes one (SIZE, SIZE, 3) picture in linear RGB from a random generator, tileable
where that makes sense; `textures` puts them into the atlas.
"""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.looks.patterns import SIZE, Array, Rng, X, Y, colour, grey, noise, rgb


def picture(rng: Rng) -> Array:
    """A framed print: a landscape, an abstract, a portrait, a drawing or a photograph."""
    style = rng.random()
    if style < 0.3:
        out = _landscape(rng)
    elif style < 0.5:
        out = _portrait(rng)
    elif style < 0.65:
        ink = np.clip(1 - 6 * np.abs(noise(rng, rng.uniform(1.4, 2.2)) - 0.5), 0, 1) ** 3
        out = rgb(ink, [0.88, 0.86, 0.8], colour(rng, 0.5) * 0.3)
    else:
        out = np.broadcast_to(colour(rng, 0.3), (SIZE, SIZE, 3)).copy()
        square = rng.random() < 0.5
        for _ in range(rng.integers(4, 25)):
            cx, cy = rng.uniform(0, 1, 2)
            rx, ry = rng.uniform(0.03, 0.35, 2)
            if square:
                shape = (np.abs(X - cx) < rx) & (np.abs(Y - cy) < ry)
            else:
                shape = ((X - cx) / rx) ** 2 + ((Y - cy) / ry) ** 2 < 1
            out[shape] = colour(rng, 0.9)
        out = out * (0.85 + 0.3 * noise(rng, 1.2))[..., None]
    if rng.random() < 0.2:
        out = np.repeat(out.mean(-1, keepdims=True), 3, -1)
    edge = np.minimum(np.minimum(X, 1 - X), np.minimum(Y, 1 - Y))
    if rng.random() < 0.5:
        out = np.where((edge < rng.uniform(0.08, 0.2))[..., None], 0.85, out)
    if rng.random() < 0.8:
        out[edge < rng.uniform(0.02, 0.07)] = colour(rng, 0.3) * rng.choice([0.08, 0.25, 0.7])
    return np.asarray(out)


def _landscape(rng: Rng) -> Array:
    """Sky and one to three ridges, each darker or nearer than the last."""
    out = rgb(1 - Y, [0.7, 0.75, 0.8], colour(rng, 0.6))
    horizon = rng.uniform(0.3, 0.6)
    for _ in range(int(rng.integers(1, 4))):
        line = horizon + 0.2 * (noise(rng, 2.0)[0] - 0.5)
        land = rgb(noise(rng, 1.3), colour(rng, 0.5) * 0.3, colour(rng, 0.5) * 0.7)
        out = np.where((line[None] < Y)[..., None], land, out)
        horizon += rng.uniform(0.08, 0.25)
    return np.asarray(out)


def _portrait(rng: Rng) -> Array:
    """A head and shoulders before a cloudy ground."""
    out = rgb(noise(rng, 1.9), colour(rng, 0.3) * 0.2, colour(rng, 0.3) * 0.6)
    x, top, size = rng.uniform(0.4, 0.6), rng.uniform(0.25, 0.45), rng.uniform(0.1, 0.2)
    body = ((X - x) / (2.2 * size)) ** 2 + ((Y - top - 3 * size) / (2.0 * size)) ** 2 < 1
    out[body] = colour(rng, 0.6) * 0.7
    hair = ((X - x) / size) ** 2 + ((Y - top + 0.2 * size) / (1.35 * size)) ** 2 < 1
    out[hair] = np.array([0.1, 0.06, 0.03]) * rng.uniform(0.2, 4)
    face = ((X - x) / (0.8 * size)) ** 2 + ((Y - top - 0.1 * size) / (1.1 * size)) ** 2 < 1
    out[face] = np.array([0.65, 0.42, 0.3]) * rng.uniform(0.25, 1.2)
    return np.asarray(out * (0.8 + 0.4 * noise(rng, 1.6))[..., None])


def window(rng: Rng) -> Array:
    """A window on a solid wall: frame and bars, and behind the glass sky, houses or blinds."""
    style = rng.random()
    if style < 0.35:
        n = int(rng.choice([10, 16, 24]))
        view = grey(0.6 + 0.4 * np.sin(2 * np.pi * n * Y))
    elif style < 0.6:
        view = grey(0.85 + 0.15 * noise(rng, 1.8, 0.2))
    else:
        horizon = rng.uniform(0.3, 0.7) + 0.3 * (noise(rng, 1.6) - 0.5)
        sky = rgb(Y, [0.75, 0.85, 1.0], [1.0, 1.0, 1.0])
        land = rgb(noise(rng, 1.0), [0.08, 0.12, 0.06], [0.4, 0.45, 0.3])
        view = np.where((horizon < Y)[..., None], land, sky)
    frame = rng.choice([0.04, 0.25, 0.9])
    bars_x, bars_y = rng.integers(1, 4), rng.integers(1, 4)
    for at, bars in ((X, bars_x), (Y, bars_y)):
        view[np.abs(np.mod(at * bars + 0.5, 1) - 0.5) < 0.05 * bars / 2] = frame
    return np.asarray(view)


def panel(rng: Rng) -> Array:
    """Doors and cupboards: recessed panels, lines and a handle."""
    nx, ny = rng.integers(1, 4), rng.integers(1, 4)
    fx, fy = np.mod(X * nx, 1), np.mod(Y * ny, 1)
    edge = np.minimum(np.minimum(fx, 1 - fx) / nx, np.minimum(fy, 1 - fy) / ny)
    value = np.full((SIZE, SIZE), 0.9)
    value[edge < 0.012] = 0.3
    if rng.random() < 0.6:
        value[(edge > 0.05) & (edge < 0.065)] = 0.6
    value[(np.abs(fx - 0.88) < 0.03) & (np.abs(fy - 0.5) < 0.06)] = 0.25
    value = value * (0.9 + 0.2 * (noise(rng, 1.2, 5) - 0.5))
    return grey(value)


def books(rng: Rng) -> Array:
    out = np.zeros((SIZE, SIZE, 3))
    x = 0
    while x < SIZE:
        w = int(rng.integers(3, 10))
        top = int(rng.integers(0, 40))
        out[top:, x : x + w] = colour(rng, 0.9)
        out[:top, x : x + w] = 0.03
        out[top + 8 : top + 12, x : x + w] *= 1.6
        x += w
    return np.clip(out, 0, 1)


def text(rng: Rng) -> Array:
    """Signs, posters and pages: rows of marks, some under an emblem."""
    ground, ink = colour(rng, 0.9), colour(rng, 0.9)
    if rng.random() < 0.5:
        ground, ink = np.full(3, rng.uniform(0.7, 0.95)), colour(rng, 0.9) * 0.25
    if rng.random() < 0.3:
        ground, ink = ink, ground
    out = np.broadcast_to(ground, (SIZE, SIZE, 3)).copy()
    rows, first = int(rng.integers(1, 11)), 0
    if rng.random() < 0.35:  # an emblem or a picture above the lines
        first = max(1, rows // 2)
        bottom = max(0.3, first / rows)
        shape = np.hypot(X - 0.5, Y - bottom / 2) < 0.4 * bottom
        if rng.random() < 0.5:
            shape = (np.abs(X - 0.5) < 0.4) & (np.abs(Y - bottom / 2) < 0.4 * bottom)
        out[shape] = colour(rng, 0.9)
    for r in range(first, rows):
        y0, y1 = int((r + 0.2) * SIZE / rows), int((r + 0.75) * SIZE / rows)
        x, end = 8, SIZE - 8 - int(rng.integers(0, 50)) * (r % 3 == 2)
        while x < end:
            w = int(rng.integers(2, max(4, 30 // rows)))
            if rng.random() < 0.75:
                out[y0:y1, x : x + w] = ink
            x += w + (3 if rows < 6 else 1)
    return out


def facade(rng: Rng) -> Array:
    """One storey-by-bay grid of windows, for buildings without modelled relief."""
    wall = colour(rng, 0.25) * (0.8 + 0.3 * noise(rng, 1.4))[..., None]
    nx, ny = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    fx, fy = np.mod(X * nx, 1), np.mod(Y * ny, 1)
    w, h = rng.uniform(0.2, 0.42), rng.uniform(0.22, 0.4)
    inside = (np.abs(fx - 0.5) < w) & (np.abs(fy - 0.5) < h)
    frame = (np.abs(fx - 0.5) < w + 0.05) & (np.abs(fy - 0.5) < h + 0.05) & ~inside
    glass = np.array([0.05, 0.07, 0.09]) + 0.35 * noise(rng, 1.8)[..., None] ** 2
    out = np.where(inside[..., None], glass, wall)
    out = np.where(frame[..., None], rng.uniform(0.2, 0.9), out)
    out = np.where((inside & (np.abs(fx - 0.5) < 0.03))[..., None], 0.5, out)
    return np.asarray(np.clip(out, 0, 1))


def cloud(rng: Rng) -> Array:
    value = np.clip((noise(rng, 2.1) - rng.uniform(0.3, 0.6)) * rng.uniform(2, 5), 0, 1)
    return grey(value)

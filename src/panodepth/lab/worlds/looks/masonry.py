"""Concrete, tiles and bricks, made as `patterns` are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from panodepth.lab.worlds.looks.patterns import Array, Rng, X, Y, colour, cracks, noise, shaded


def concrete(rng: Rng) -> Array:
    """Cast concrete: clouds, pores, joints and the holes of the formwork."""
    value = 0.62 + 0.3 * (noise(rng, 1.5) - 0.5) + 0.08 * (noise(rng, 0.3) - 0.5)
    nx, ny = rng.integers(1, 3, 2)
    fx, fy = np.mod(X * nx, 1), np.mod(Y * ny, 1)
    if rng.random() < 0.7:
        value = np.where((fx < 0.015 * nx) | (fy < 0.015 * ny), 0.7 * value, value)
        for hx, hy in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
            hole = np.hypot((fx - hx) / nx, (fy - hy) / ny) < 0.014
            value = np.where(hole, 0.4 * value, value)
    value = value - 0.2 * np.clip(noise(rng, 1.3, 0.1) - 0.5, 0, 1)
    return shaded(value, rng.uniform(0.75, 1.0) * np.array([1, 0.99, 0.96]))


def tiles(rng: Rng) -> Array:
    """Square tiles, plain, checkered or printed; subway tiles; hexagons."""
    style = rng.random()
    if style < 0.12:
        return _printed_tiles(rng)
    n = int(rng.choice([2, 3, 4, 6]))
    if style < 0.25:  # laid like bricks
        rows = 3 * n
        row = np.floor(Y * rows).astype(int)
        shifted = np.mod(X * n + 0.5 * (row % 2), n)
        cell = rng.uniform(0.88, 1.0, (rows, n))[row, np.floor(shifted).astype(int)]
        line = (np.mod(Y * rows, 1) < 0.08) | (np.mod(shifted, 1) < 0.03)
    elif style < 0.35:
        cell, line = _hexagons(rng, n)
    else:
        index = np.floor(Y * n).astype(int), np.floor(X * n).astype(int)
        grid = rng.uniform(0.85, 1.0, (n, n)) if rng.random() < 0.7 else np.ones((n, n))
        if rng.random() < 0.3 and n % 2 == 0:
            checker = (np.add.outer(np.arange(n), np.arange(n)) % 2).astype(float)
            grid = grid * (1 - rng.uniform(0.3, 0.8) * checker)
        cell, width = grid[index], rng.uniform(0.02, 0.05)
        line = (np.mod(Y * n, 1) < width) | (np.mod(X * n, 1) < width)
    value = np.where(line, rng.uniform(0.3, 1.0), cell * (0.85 + 0.15 * noise(rng, 1.5)))
    if rng.random() < 0.15:
        value = value - 0.25 * cracks(rng, 0.03)  # veined stone
    return shaded(value, 0.7 + 0.3 * colour(rng, 0.15))


def _hexagons(rng: Rng, n: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """(shade, joint) of hexagons: cells of points in staggered rows."""
    rows = 2 * n
    grid = [((i + 0.5 * (j % 2)) / n, (j + 0.5) / rows) for j in range(rows) for i in range(n)]
    place = np.array(grid, dtype=np.float32)
    # The nearest two points of a staggered grid: where they are equally far is a joint.
    dx, dy = (np.abs(c[..., None] - place[:, k]) for k, c in enumerate((X, Y)))
    far = np.hypot(np.minimum(dx, 1 - dx), np.minimum(dy, 1 - dy))
    nearest = far.argmin(-1)[..., None]
    least = np.take_along_axis(far, nearest, -1)
    np.put_along_axis(far, nearest, np.inf, -1)
    shade = rng.uniform(0.8, 1.0, len(place))[nearest[..., 0]]
    return shade, far.min(-1) - least[..., 0] < 0.05 / n


def _printed_tiles(rng: Rng) -> Array:
    """Cement tiles: one motif, mirrored in both directions, in two or three colours."""
    n = int(rng.choice([2, 4]))
    fx, fy = np.abs(np.mod(X * n, 1) - 0.5), np.abs(np.mod(Y * n, 1) - 0.5)
    a, b = np.maximum(fx, fy), np.minimum(fx, fy)  # mirrored in the diagonals too
    k = rng.uniform(4, 18, 3)
    motif = np.sin(k[0] * a + k[1] * b) + np.sin(k[2] * np.hypot(a - rng.uniform(0, 0.5), b))
    out = np.where((motif > 0.3)[..., None], colour(rng, 0.4), 0.5 + 0.4 * colour(rng, 0.2))
    out = np.where((motif < -0.7)[..., None], colour(rng, 0.4), out)
    return np.asarray(out * (0.85 + 0.2 * noise(rng, 1.2))[..., None])


def brick(rng: Rng) -> Array:
    rows, columns = 8, 4
    row = np.floor(Y * rows).astype(int)
    # Every other row starts half a brick later.
    shifted = np.mod(X * columns + 0.5 * (row % 2), columns)
    shade = rng.uniform(0.6, 1.0, (rows, columns))[row, np.floor(shifted).astype(int)]
    value = shade * (0.75 + 0.5 * (noise(rng, 1.0) - 0.5))
    line = (np.mod(Y * rows, 1) < 0.12) | (np.mod(shifted, 1) < 0.06)
    base = np.array([0.5, 0.24, 0.16]) if rng.random() < 0.6 else colour(rng, 0.2)
    out = shaded(value, base * 1.3)
    out[line] = rng.uniform(0.3, 0.7)
    return out

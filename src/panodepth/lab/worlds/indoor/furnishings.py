"""More furniture: desks, bunk beds, benches, bars, toys, clothes, screens, rows of seats."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor import furniture as f
from panodepth.lab.worlds.indoor.furniture import Place, cloth, painted, things, tint, wooden
from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.render.primitives import CYLINDER, Material
from panodepth.lab.worlds.render.solids import cone, prism, tapered, wedge

_BLACK = Material((0.02, 0.02, 0.025), 0, gloss=1.0)


def desk(p: Place, half_width: float) -> None:
    """A desk with one or two screens, a keyboard, drawers, and a chair in front."""
    rng, top, d = p.rng, wooden(p.rng), 0.34
    p.box((0, 0.73, 0), (half_width, 0.018, d), top)
    for s in (-1, 1):
        if rng.random() < 0.4:
            p.box((s * (half_width - 0.2), 0.35, 0), (0.19, 0.35, d - 0.04), wooden(rng))
        else:
            p.box((s * (half_width - 0.03), 0.36, 0), (0.025, 0.36, d - 0.02), top)
    screens = int(rng.integers(1, 3)) if half_width > 0.55 else 1
    for k in range(screens):
        x = (k - (screens - 1) / 2) * 0.56
        lit = Material((1, 1, 1), choose(rng, "picture", "text", "window"), emission=0.8)
        look = lit.fitted(0.5, 0.3) if rng.random() < 0.5 else _BLACK
        turn = float(rng.normal(0, 0.1)) - 0.2 * np.sign(x)
        p.box((x, 1.02, -0.12), (0.26, 0.15, 0.012), look, yaw=turn)
        p.tube((x, 0.8, -0.14), 0.02, 0.06, _BLACK)
        p.box((x, 0.755, -0.12), (0.11, 0.006, 0.08), _BLACK)
    p.box((0, 0.757, 0.12), (0.2, 0.008, 0.07), painted(rng))
    q = p.moved((0.3, 0.0, -0.05))
    things(q, (half_width - 0.35, 0.2), 0.75, int(rng.integers(0, 4)))
    if rng.random() < 0.3:
        f.lamp_shade(p, (-half_width + 0.12, 0.75, -0.18), 0.4)
    if rng.random() < 0.8:
        f.chair(
            p.moved((rng.normal(0, 0.1), 0, d + rng.uniform(0.05, 0.4)), np.pi + rng.normal(0, 0.4))
        )


def bunk(p: Place) -> None:
    """A bunk bed with posts, two mattresses and a ladder; its long side along the wall."""
    look, sheet = wooden(p.rng), cloth(p.rng)
    for x in (-1.0, 1.0):
        for z in (-0.43, 0.43):
            p.box((x, 0.85, z), (0.04, 0.85, 0.04), look)
    for y in (0.35, 1.25):
        p.box((0, y, 0), (1.0, 0.06, 0.43), look)
        p.box((0, y + 0.12, 0), (0.95, 0.07, 0.4), sheet)
        p.ball((-0.75, y + 0.24, 0), (0.18, 0.08, 0.28), Material((0.85, 0.85, 0.85), 0))
    p.box((0, 1.55, 0.43), (1.0, 0.05, 0.02), look)
    for k in range(4):
        p.box((0.7, 0.25 + 0.3 * k, 0.48), (0.18, 0.02, 0.02), look)


def bench(p: Place, half_width: float) -> None:
    """A bench or low board with cushions, shoes or boxes on it."""
    rng, look, tall = p.rng, wooden(p.rng), float(p.rng.uniform(0.35, 0.5))
    p.box((0, tall, 0), (half_width, 0.025, 0.2), look)
    for s in (-1, 1):
        p.box((s * (half_width - 0.06), tall / 2, 0), (0.03, tall / 2, 0.18), look)
    if rng.random() < 0.5:
        p.box((0, tall + 0.06, 0), (half_width * 0.95, 0.04, 0.19), cloth(rng))
    else:
        things(p, (half_width, 0.12), tall + 0.025, int(rng.integers(0, 4)))


def piano(p: Place) -> None:
    """An upright piano with its stool."""
    look = Material((0.03, 0.025, 0.02), 0, gloss=1.0) if p.rng.random() < 0.5 else wooden(p.rng)
    p.box((0, 0.6, -0.12), (0.74, 0.6, 0.18), look)
    p.box((0, 0.66, 0.16), (0.74, 0.06, 0.14), look)
    p.box(
        (0, 0.735, 0.18),
        (0.66, 0.012, 0.09),
        Material((0.9, 0.9, 0.88), choose(p.rng, "stripes"), (0.4, 1)),
    )
    for s in (-1, 1):
        p.box((s * 0.7, 0.3, 0.24), (0.03, 0.3, 0.03), look)
    p.box((0, 0.47, 0.62), (0.3, 0.04, 0.18), look)
    p.box((0, 0.22, 0.62), (0.24, 0.22, 0.14), look)


def clothes(p: Place) -> None:
    """A rack or row of hooks with hanging clothes."""
    rng, metal = p.rng, painted(p.rng)
    for s in (-1, 1):
        p.tube((s * 0.55, 0.8, 0), 0.015, 0.8, metal)
        p.box((s * 0.55, 0.02, 0), (0.02, 0.02, 0.22), metal)
    p.box((0, 1.6, 0), (0.56, 0.015, 0.015), metal)
    for x in np.arange(-0.45, 0.46, float(rng.uniform(0.08, 0.2))):
        if rng.random() < 0.8:
            long = float(rng.uniform(0.25, 0.55))
            p.box((x, 1.56 - long, 0), (0.035, long, float(rng.uniform(0.15, 0.24))), cloth(rng))


def cubes(p: Place, half_width: float) -> None:
    """A rack of open cubes with boxes and things in them."""
    rng, look = p.rng, wooden(p.rng)
    n, rows = max(1, round(half_width / 0.19)), int(rng.integers(1, 5))
    cell, d = 2 * half_width / n, 0.19
    p.box((0, rows * cell / 2, -d + 0.01), (half_width, rows * cell / 2, 0.01), look)
    for i in range(n + 1):
        p.box((i * cell - half_width, rows * cell / 2, 0), (0.014, rows * cell / 2, d), look)
    for j in range(rows + 1):
        p.box((0, j * cell, 0), (half_width + 0.014, 0.014, d), look)
        for i in range(n if j < rows else 0):
            x, style = (i + 0.5) * cell - half_width, rng.random()
            q = p.moved((x, j * cell + 0.014, 0))
            if style < 0.35:
                tall = float(rng.uniform(0.25, 0.44)) * cell
                q.box((0, tall, 0), (cell * 0.42, tall, d * 0.9), painted(rng))
            elif style < 0.6:
                books = Material((1, 1, 1), choose(rng, "books"), (0.5, 0.8 * cell), (0.0, 0.5))
                q.box((0, cell * 0.36, -0.03), (cell * 0.4, cell * 0.36, d * 0.7), books)
            elif style < 0.75:
                r = cell * float(rng.uniform(0.15, 0.35))
                q.ball((0, r, 0), (r, r, r), painted(rng))
    things(p, (half_width, 0.1), rows * cell + 0.014, int(rng.integers(0, 4)))


def bar(p: Place, half_width: float) -> None:
    """A counter or kitchen island with stools."""
    rng, top = p.rng, wooden(p.rng)
    tall = float(rng.uniform(0.88, 1.1))
    p.box(
        (0, tall / 2, 0), (half_width - 0.05, tall / 2, 0.3), f.fronted(rng, 2 * half_width, tall)
    )
    p.box((0, tall + 0.02, 0.08), (half_width, 0.025, 0.42), top)
    things(p, (half_width, 0.3), tall + 0.045, int(rng.integers(1, 6)))
    for k in range(int(rng.integers(0, 4))):
        x = (k - 1) * 0.5
        if abs(x) < half_width:
            q = p.moved((x + rng.normal(0, 0.05), 0, 0.65 + rng.uniform(0, 0.2)))
            q.tube((0, tall - 0.3, 0), 0.17, 0.03, cloth(rng))
            q.tube((0, (tall - 0.3) / 2, 0), 0.025, (tall - 0.3) / 2, painted(rng))
            q.tube((0, 0.015, 0), 0.2, 0.015, painted(rng))


def conference(p: Place, half_width: float) -> None:
    """A long table with chairs on both sides."""
    rng, d = p.rng, float(p.rng.uniform(0.4, 0.7))
    f.table(p, (half_width, d), 0.74)
    n = max(1, int(half_width / 0.38))
    for k in range(n):
        x = (2 * (k + 0.5) / n - 1) * half_width * 0.92
        for s in (-1, 1):
            if rng.random() < 0.85:
                turn = (np.pi if s > 0 else 0.0) + float(rng.normal(0, 0.15))
                f.chair(p.moved((x, 0, s * (d + rng.uniform(0.1, 0.45))), turn))


def seats(p: Place, half_width: float, rows: int) -> None:
    """Rows of chairs or desks as in a class room, a theatre, an office."""
    rng, style = p.rng, p.rng.random()
    n = max(1, int(half_width / 0.32))
    pad = cloth(rng)
    for r in range(rows):
        z = (r - (rows - 1) / 2) * 1.1
        if style < 0.4:
            p.box((0, 0.72, z + 0.5), (half_width, 0.02, 0.22), wooden(rng))
            p.box((0, 0.36, z + 0.6), (half_width * 0.98, 0.36, 0.02), wooden(rng))
        p.box((0, 0.43, z), (half_width, 0.03, 0.21), pad)
        p.box((0, 0.2, z), (half_width, 0.2, 0.03), painted(rng))
        for k in range(n):
            x = (2 * (k + 0.5) / n - 1) * half_width
            p.box((x, 0.7, z - 0.2), (half_width / n * 0.85, 0.26, 0.03), pad, tilt=-0.12)


def toys(p: Place) -> None:
    """Blocks, balls, a cone, a little house, strewn on the floor."""
    rng = p.rng
    for _ in range(int(rng.integers(3, 9))):
        x, z = rng.uniform(-0.4, 0.4, 2)
        r, style = float(rng.uniform(0.03, 0.12)), rng.random()
        turn = float(rng.uniform(0, 6.3))
        if style < 0.4:
            p.box((x, r, z), (r * rng.uniform(0.6, 1.6), r, r), painted(rng), yaw=turn)
        elif style < 0.65:
            p.ball((x, r, z), (r, r, r), painted(rng))
        elif style < 0.8:
            p.solid(cone(r, 2.5 * r), painted(rng), (x, 0, z))
        elif style < 0.9:
            p.solid(wedge((r, r, 1.5 * r)), painted(rng), (x, r, z), yaw=turn)
        else:
            p.put(CYLINDER, (x, r, z), (r, 1.2 * r, r), painted(rng))


def armchair(p: Place) -> None:
    """A round or square armchair, a pouf, or a bean bag."""
    rng, look, style = p.rng, cloth(p.rng), p.rng.random()
    if style < 0.3:
        r = float(rng.uniform(0.22, 0.42))
        p.tube((0, r * 0.5, 0), r, r * 0.5, look)
    elif style < 0.45:
        p.ball((0, 0.3, 0), (0.45, 0.32, 0.42), look)
        p.ball((0, 0.55, -0.15), (0.33, 0.3, 0.28), look)
    else:
        p.box((0, 0.24, 0), (0.34, 0.1, 0.34), look)
        p.solid(tapered((0.34, 0.42, 0.12), 0.8), look, (0, 0.5, -0.3), tilt=-0.12)
        for s in (-1, 1):
            p.box((s * 0.36, 0.34, 0.02), (0.06, 0.22, 0.3), look)
            for z in (-0.28, 0.28):
                p.tube((s * 0.3, 0.07, z), 0.02, 0.07, wooden(rng))
        if rng.random() < 0.5:
            p.ball((0, 0.52, -0.12), (0.2, 0.18, 0.09), cloth(rng), tilt=-0.2)


def screen(p: Place) -> None:
    """A folding screen, easel or flip chart."""
    rng, tall = p.rng, float(p.rng.uniform(0.75, 0.95))
    look = Material(tint(rng, 0.2, 0.95, 0.4), choose(rng, "fabric", "picture", "wood", "text"))
    for k in range(int(rng.integers(1, 4))):
        turn = 0.5 if k % 2 else -0.5
        p.box(((k - 1) * 0.5, tall, 0), (0.28, tall, 0.015), look.fitted(0.56, 2 * tall), yaw=turn)


def big_plant(p: Place, height: float) -> None:
    """A tall house plant with blades or a stemmed crown."""
    rng, pot = p.rng, float(p.rng.uniform(0.14, 0.25))
    if rng.random() < 0.4:
        p.box((0, pot, 0), (pot, pot, pot), painted(rng))
    else:
        p.tube((0, pot, 0), pot * 0.75, pot, painted(rng), taper=1.3)
    level = float(rng.uniform(0.6, 2.0))
    leaves = Material((level, level, level), choose(rng, "foliage"), (0.3, 0.3))
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(5, 10))):
            turn, lean = float(rng.uniform(0, 6.3)), float(rng.uniform(0.1, 0.5))
            half = height * float(rng.uniform(0.3, 0.5))
            away = half * np.sin(lean)
            at = (away * np.sin(turn), 2 * pot + half * np.cos(lean) - 0.05, away * np.cos(turn))
            p.ball(at, (0.05 + 0.03 * rng.random(), half, 0.015), leaves, yaw=turn, tilt=lean)
    else:
        p.tube((0, height * 0.4, 0), 0.025, height * 0.4, Material((0.2, 0.12, 0.06), 0))
        for _ in range(int(rng.integers(4, 9))):
            r = float(rng.uniform(0.1, 0.22)) * height
            x, z = rng.normal(0, 0.1 * height, 2)
            p.ball((x, height * rng.uniform(0.7, 1.0), z), (r, 0.6 * r, r), leaves)


def rug(p: Place, half: tuple[float, float]) -> None:
    """A rug: a rectangle, a circle or an octagon, a few millimetres thick."""
    rng, (w, d), style = p.rng, half, p.rng.random()
    look = Material((1, 1, 1), choose(rng, "carpet", "carpet", "fabric", "stripes"))
    look = look.fitted(2 * w, 2 * d)
    if style < 0.75:
        p.box((0, 0.006, 0), (w, 0.006, d), look)
    elif style < 0.93:
        p.tube((0, 0.006, 0), min(w, d), 0.006, look)
    else:
        turn = (np.arange(8) + 0.5) * np.pi / 4
        p.solid(prism(min(w, d) * np.stack([np.cos(turn), np.sin(turn)], 1), 0.0, 0.012), look)

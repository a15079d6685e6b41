"""Furniture: tables, bars, desks, beds, cupboards, shelves; z points to the front."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.looks.materials import Material, grey
from panodepth.lab.worlds.parts.place import Pair, Place, bays
from panodepth.lab.worlds.parts.seats import chair, stool
from panodepth.lab.worlds.parts.small_things import BLACK, lamp_shade, things


def table(p: Place, size: Pair, height: float) -> None:
    """A table top of half size (w, d) [m] on legs or a pedestal, with things on it."""
    rng, (w, d) = p.rng, size
    top, thick = rng.wooden(), rng.uniform(0.012, 0.04)
    if rng.random() < 0.25:
        radius = min(w, d)
        p.tube((0, height - thick, 0), radius, thick, top)
        p.tube((0, height / 2, 0), 0.05, height / 2, top)
        p.tube((0, 0.02, 0), radius * 0.55, 0.02, top)
        w = d = radius * 0.7
    else:
        p.box((0, height - thick, 0), (w, thick, d), top)
        if rng.random() < 0.25:
            p.pair((w * 0.7, height / 2, 0), (w * 0.25, height / 2, d * 0.92), top)
        else:
            leg = rng.uniform(0.015, 0.04)
            p.four((w - leg, height / 2, d - leg), (leg, height / 2, leg), top)
    things(p, (w, d), height, (0, 5))


def dining(p: Place, size: Pair, height: float) -> None:
    """A table of half size (w, d) [m] with chairs around it, when it is a high one."""
    (w, d), rng = size, p.rng
    table(p, (w, d), height)
    if height < 0.6:
        return
    for k in range(rng.integers(0, 5)):
        turn = k * np.pi / 2
        reach = (d if k % 2 == 0 else w) + rng.uniform(0.05, 0.25)
        yaw = turn + np.pi + rng.normal(0, 0.2)
        chair(p.at(reach * np.sin(turn), 0.0, reach * np.cos(turn), yaw))


def conference(p: Place, half_width: float) -> None:
    """A long table with chairs on both sides."""
    rng, d = p.rng, p.rng.uniform(0.4, 0.7)
    table(p, (half_width, d), 0.74)
    for middle in bays(max(1, int(half_width / 0.38)), half_width):
        for s in (-1, 1):
            if rng.random() < 0.85:
                turn = (np.pi if s > 0 else 0.0) + rng.normal(0, 0.15)
                chair(p.at(middle * 0.92, 0, s * (d + rng.uniform(0.1, 0.45)), turn))


def bar(p: Place, half_width: float) -> None:
    """A counter or kitchen island with stools."""
    rng, top = p.rng, p.rng.wooden()
    tall = rng.uniform(0.88, 1.1)
    front = fronted(rng, 2 * half_width, tall)
    p.box((0, tall / 2, 0), (half_width - 0.05, tall / 2, 0.3), front)
    p.box((0, tall + 0.02, 0.08), (half_width, 0.025, 0.42), top)
    things(p, (half_width, 0.3), tall + 0.045, (1, 6))
    for k in range(rng.integers(0, 4)):
        x = (k - 1) * 0.5
        if abs(x) < half_width:
            stool(p.at(x + rng.normal(0, 0.05), 0, 0.65 + rng.uniform(0, 0.2)), tall - 0.3)


def desk(p: Place, half_width: float) -> None:
    """A desk with one or two screens, a keyboard, drawers, and a chair in front."""
    rng, top, d = p.rng, p.rng.wooden(), 0.34
    p.box((0, 0.73, 0), (half_width, 0.018, d), top)
    for s in (-1, 1):
        if rng.random() < 0.4:
            p.box((s * (half_width - 0.2), 0.35, 0), (0.19, 0.35, d - 0.04), rng.wooden())
        else:
            p.box((s * (half_width - 0.03), 0.36, 0), (0.025, 0.36, d - 0.02), top)
    screens = int(rng.integers(1, 3)) if half_width > 0.55 else 1
    for k in range(screens):
        x = (k - (screens - 1) / 2) * 0.56
        lit = rng.printed("picture", "text", "window", emission=0.8)
        look = lit.fitted(0.5, 0.3) if rng.random() < 0.5 else BLACK
        turn = rng.normal(0, 0.1) - 0.2 * np.sign(x)
        p.box((x, 1.02, -0.12), (0.26, 0.15, 0.012), look, yaw=turn)
        p.tube((x, 0.8, -0.14), 0.02, 0.06, BLACK)
        p.box((x, 0.755, -0.12), (0.11, 0.006, 0.08), BLACK)
    p.box((0, 0.757, 0.12), (0.2, 0.008, 0.07), rng.painted())
    things(p.at(0.3, 0.0, -0.05), (half_width - 0.35, 0.2), 0.75, (0, 4))
    if rng.random() < 0.3:
        lamp_shade(p, (-half_width + 0.12, 0.75, -0.18), 0.4)
    if rng.random() < 0.8:
        x, z = rng.normal(0, 0.1), d + rng.uniform(0.05, 0.4)
        chair(p.at(x, 0, z, np.pi + rng.normal(0, 0.4)))


def bed(p: Place, half_width: float, stands: bool) -> None:
    """A bed with headboard, mattress, blanket, pillows, and perhaps night stands with lamps."""
    rng = p.rng
    w, d, h = half_width, 1.02, rng.uniform(0.42, 0.65)
    frame, sheet = rng.wooden(), rng.tinted((0.6, 0.95, 0.1), "plain", "fabric")
    p.box((0, h * 0.3, 0), (w + 0.03, h * 0.3, d + 0.03), frame)
    p.box((0, h * 0.8, 0), (w, h * 0.22, d), sheet)
    if rng.random() < 0.8:
        long = rng.uniform(0.4, 0.95)
        p.box((0, h * 0.83, d - d * long + 0.02), (w + 0.02, h * 0.24, d * long), rng.cloth())
    if rng.random() < 0.85:
        head = rng.cloth() if rng.random() < 0.5 else frame
        tall = rng.uniform(0.4, 0.75)
        p.box((0, tall, -d - 0.06), (w + 0.04, tall, 0.05), head)
    for x in (-0.5, 0.5) if w > 0.65 else (0.0,):
        p.ball((x * w, h + 0.13, -d + 0.3), (0.34, 0.1, 0.2), sheet, tilt=-0.3)
        if rng.random() < 0.5:
            p.ball((x * w, h + 0.14, -d + 0.55), (0.22, 0.18, 0.09), rng.cloth(), tilt=-0.5)
    for side in (-1, 1):
        if stands and rng.random() < 0.85:
            x, top = side * (w + 0.35), rng.uniform(0.4, 0.6)
            p.box((x, top / 2, -d + 0.2), (0.24, top / 2, 0.2), fronted(rng, 0.48, top))
            if rng.random() < 0.7:
                lamp_shade(p, (x, top, -d + 0.2), rng.uniform(0.3, 0.5))


def bunk(p: Place) -> None:
    """A bunk bed with posts, two mattresses and a ladder; its long side along the wall."""
    look, sheet = p.rng.wooden(), p.rng.cloth()
    p.four((1.0, 0.85, 0.43), (0.04, 0.85, 0.04), look)
    for y in (0.35, 1.25):
        p.box((0, y, 0), (1.0, 0.06, 0.43), look)
        p.box((0, y + 0.12, 0), (0.95, 0.07, 0.4), sheet)
        p.ball((-0.75, y + 0.24, 0), (0.18, 0.08, 0.28), grey(0.85))
    p.box((0, 1.55, 0.43), (1.0, 0.05, 0.02), look)
    for k in range(4):
        p.box((0.7, 0.25 + 0.3 * k, 0.48), (0.18, 0.02, 0.02), look)


def fronted(rng: Draws, width: float, height: float) -> Material:
    """A cupboard front: wood, or paint with panel lines fitted to the face."""
    base = rng.wooden()
    if rng.random() < 0.5:
        return base
    return rng.tinted((0.2, 0.95, 0.25), "panel", gloss=0.2).fitted(width, height)


def cabinet(p: Place, half_width: float, height: float, depth: float) -> None:
    """A chest, sideboard, wardrobe or TV stand, closed, with things on it when it is low."""
    rng = p.rng
    p.box((0, height / 2, 0), (half_width, height / 2, depth), fronted(rng, 2 * half_width, height))
    if rng.random() < 0.5:
        p.box((0, height, 0), (half_width + 0.02, 0.015, depth + 0.02), rng.wooden())
    if height < 1.3:
        things(p, (half_width, depth * 0.7), height + 0.015, (0, 5))
        if height < 0.8 and rng.random() < 0.5:
            w = rng.uniform(0.4, min(0.8, half_width + 0.2))
            screen = Material((0.015, 0.015, 0.02), gloss=1.0)
            if rng.random() < 0.3:
                screen = rng.printed("picture", emission=1.0).fitted(2 * w, 1.1 * w)
            p.box((0, height + 0.58 * w + 0.05, -depth * 0.3), (w, 0.56 * w, 0.025), screen)


def shelf(p: Place, half_width: float, height: float) -> None:
    """An open shelf with boards, books and things."""
    rng, look, d = p.rng, p.rng.wooden(), 0.16
    p.pair((half_width, height / 2, 0), (0.015, height / 2, d), look)
    if rng.random() < 0.7:
        p.box((0, height / 2, -d), (half_width, height / 2, 0.01), look)
    n = int(rng.integers(3, 6))
    for i in range(n + 1):
        y = height * i / n
        p.box((0, y, 0), (half_width, 0.012, d), look)
        if i < n and rng.random() < 0.75:
            tall, w = rng.uniform(0.08, 0.13), rng.uniform(0.3, 0.9) * half_width
            books = rng.printed("books", scale=(0.5, 2 * tall), offset=(0.0, 0.5))
            x = rng.uniform(-1, 1) * (half_width - w)
            p.box((x, y + tall, -0.02), (w, tall, 0.1), books)


def back_to_back(p: Place, half_width: float, height: float) -> None:
    """Two shelves that turn their backs to each other."""
    for turn, out in ((0.0, 0.2), (np.pi, -0.2)):
        shelf(p.at(0, 0, out, turn), half_width, height)


def cubes(p: Place, half_width: float) -> None:
    """A rack of open cubes with boxes and things in them."""
    rng, look = p.rng, p.rng.wooden()
    n, rows = max(1, round(half_width / 0.19)), int(rng.integers(1, 5))
    cell, d = 2 * half_width / n, 0.19
    p.box((0, rows * cell / 2, -d + 0.01), (half_width, rows * cell / 2, 0.01), look)
    for i in range(n + 1):
        p.box((i * cell - half_width, rows * cell / 2, 0), (0.014, rows * cell / 2, d), look)
    for j in range(rows + 1):
        p.box((0, j * cell, 0), (half_width + 0.014, 0.014, d), look)
        for i in range(n if j < rows else 0):
            style, q = rng.random(), p.at((i + 0.5) * cell - half_width, j * cell + 0.014, 0)
            if style < 0.35:
                tall = rng.uniform(0.25, 0.44) * cell
                q.box((0, tall, 0), (cell * 0.42, tall, d * 0.9), rng.painted())
            elif style < 0.6:
                books = rng.printed("books", scale=(0.5, 0.8 * cell), offset=(0.0, 0.5))
                q.box((0, cell * 0.36, -0.03), (cell * 0.4, cell * 0.36, d * 0.7), books)
            elif style < 0.75:
                r = cell * rng.uniform(0.15, 0.35)
                q.ball((0, r, 0), (r, r, r), rng.painted())
    things(p, (half_width, 0.1), rows * cell + 0.014, (0, 4))

"""Furniture and fittings, assembled from primitives in a frame: x right, y up, z to the front."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from panodepth.lab.worlds.looks.textures import choose
from panodepth.lab.worlds.render.primitives import (
    BOX,
    CYLINDER,
    ELLIPSOID,
    Array,
    Material,
    Scene,
    Solid,
    yaw_matrix,
)

Rng = np.random.Generator

WALL, FLOOR, CEILING, FURNITURE, FITTING, BUILDING, GROUND, PLANT, VEHICLE, PERSON = range(1, 11)


@dataclass(frozen=True)
class Place:
    """Where an assembly stands: origin (3,) on its floor [m], yaw [rad], its label."""

    scene: Scene
    rng: Rng
    origin: Array
    yaw: float = 0.0
    label: int = FURNITURE
    turned: Array = field(init=False)  # (3, 3) rotation of the assembly
    _anchor: tuple[float, float, float] = field(init=False)
    _heading: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "turned", yaw_matrix(self.yaw))
        object.__setattr__(self, "_anchor", tuple(float(v) for v in self.origin))
        object.__setattr__(self, "_heading", (math.cos(self.yaw), math.sin(self.yaw)))

    def put(self, kind: int, at: Any, half: Any, material: Material, **more: Any) -> None:
        """Add a primitive at the local position `at` (3,) with half sizes `half` (3,) in metres.

        yaw, tilt: turn it about its own vertical axis, then about its x axis [rad].
        """
        taper = float(more.pop("taper", 1.0))
        rotation, centre = self._turn(**more), self._point(at)
        self.scene.add(kind, centre, half, rotation, material, taper=taper, label=self.label)

    def solid(
        self, solid: Solid, material: Material, at: Any = (0.0, 0.0, 0.0), **more: float
    ) -> None:
        """Add a `Solid` whose own frame stands at the local position `at`; turns as for `put`."""
        rotation, origin = self._turn(**more), self._point(at)
        self.scene.add_solid(solid, origin, rotation, material, label=self.label)

    def _turn(self, yaw: float = 0.0, tilt: float = 0.0) -> Array:
        """(3, 3) rotation of a part turned by `yaw`, then tilted about its x axis."""
        rotation = self.turned if yaw == 0 else yaw_matrix(self.yaw + yaw)
        if tilt == 0:
            return rotation
        c, s = np.cos(tilt), np.sin(tilt)
        return np.asarray(rotation @ np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]]))

    def _point(self, at: Any) -> tuple[float, float, float]:
        """World place of a local point; plain floats, as hundreds are asked for."""
        (x, y, z), (ox, oy, oz), (c, s) = at, self._anchor, self._heading
        return ox + c * x + s * z, oy + y, oz - s * x + c * z

    def moved(self, at: Any, yaw: float = 0.0) -> Place:
        """The place `at` (3,) in this one's frame, turned by `yaw` more."""
        origin = self.origin + self.turned @ np.asarray(at, float)
        return Place(self.scene, self.rng, origin, self.yaw + yaw, self.label)

    def box(self, at: Any, half: Any, material: Material, **more: Any) -> None:
        self.put(BOX, at, half, material, **more)

    def ball(self, at: Any, half: Any, material: Material, **more: Any) -> None:
        self.put(ELLIPSOID, at, half, material, **more)

    def tube(self, at: Any, radius: float, half: float, material: Material, **more: Any) -> None:
        self.put(CYLINDER, at, (radius, half, radius), material, **more)


def tint(rng: Rng, low: float = 0.05, high: float = 0.9, saturation: float = 0.35) -> Any:
    """A random linear RGB colour; most things are greyish, some are strong."""
    base = rng.uniform(low, high)
    strength = saturation * (1.0 if rng.random() < 0.35 else 0.3)
    warm, green = rng.normal(0.4, 1.0), 0.35 * rng.normal()  # interiors lean to beige and brown
    hue = (warm - 0.5 * green, 0.1 * warm + green, -warm - 0.5 * green)
    return tuple(min(max(base * math.exp(strength * h), 0.015), 0.97) for h in hue)


def wooden(rng: Rng) -> Material:
    if rng.random() < 0.35:
        return Material(tint(rng, 0.1, 0.92, 0.15), choose(rng, "plain"), gloss=0.2)
    level = float(rng.uniform(0.7, 1.5))
    s = float(rng.uniform(0.6, 1.6))
    shift = (float(rng.random()), float(rng.random()))
    return Material((level, level, level), choose(rng, "wood"), (s, s), shift, gloss=0.2)


def cloth(rng: Rng) -> Material:
    s = float(rng.uniform(0.3, 1.5))
    group = rng.choice(["fabric", "fabric", "stripes", "plain", "carpet", "speckle"])
    return Material(tint(rng, 0.06, 0.95, 0.5), choose(rng, str(group)), (s, s))


def painted(rng: Rng) -> Material:
    return Material(tint(rng, 0.05, 0.95, 0.5), choose(rng, "plain", "plaster"), gloss=0.3)


def table(p: Place, size: tuple[float, float], height: float) -> None:
    """A table top on legs or a pedestal, with things on it."""
    rng, (w, d) = p.rng, size
    top, thick = wooden(rng), float(rng.uniform(0.012, 0.04))
    if rng.random() < 0.25:
        radius = min(w, d)
        p.tube((0, height - thick, 0), radius, thick, top)
        p.tube((0, height / 2, 0), 0.05, height / 2, top)
        p.tube((0, 0.02, 0), radius * 0.55, 0.02, top)
        w = d = radius * 0.7
    else:
        p.box((0, height - thick, 0), (w, thick, d), top)
        if rng.random() < 0.25:
            p.box((-w * 0.7, height / 2, 0), (w * 0.25, height / 2, d * 0.92), top)
            p.box((w * 0.7, height / 2, 0), (w * 0.25, height / 2, d * 0.92), top)
        else:
            leg = float(rng.uniform(0.015, 0.04))
            for sx in (-1, 1):
                for sz in (-1, 1):
                    p.box((sx * (w - leg), height / 2, sz * (d - leg)), (leg, height / 2, leg), top)
    things(p, (w, d), height, int(rng.integers(0, 5)))


def things(p: Place, size: tuple[float, float], height: float, count: int) -> None:
    """Small objects on a surface of half size `size` at `height`."""
    rng, (w, d) = p.rng, size
    for _ in range(count):
        x, z = rng.uniform(-0.8, 0.8, 2) * (w, d)
        style, look = rng.random(), painted(rng)
        r = float(rng.uniform(0.03, 0.1))
        if style < 0.3:
            p.tube(
                (x, height + r * 1.4, z), r * 0.7, r * 1.4, look, taper=float(rng.uniform(0.3, 1.2))
            )
        elif style < 0.5:
            p.ball((x, height + r, z), (r, r, r), look)
        elif style < 0.65:
            p.tube((x, height + r, z), r * 0.6, r, look)
            leaves = Material((1, 1, 1), choose(rng, "foliage"), (0.2, 0.2))
            p.ball((x, height + 3 * r, z), (r * 1.6, r * 1.5, r * 1.6), leaves)
        elif style < 0.85 or w < 0.35:
            book = Material(tint(rng, 0.05, 0.9, 0.6), choose(rng, "text", "plain"), (0.25, 0.25))
            p.box((x, height + 0.02, z), (0.12, 0.02, 0.09), book, yaw=rng.uniform(0, 6.3))
        else:
            screen = Material((0.02, 0.02, 0.025), 0, gloss=1.0)
            p.box((x, height + 0.2, z), (0.28, 0.17, 0.02), screen, yaw=rng.normal(0, 0.3))


def chair(p: Place) -> None:
    """A dining or office chair, or a stool."""
    rng = p.rng
    seat, w = float(rng.uniform(0.4, 0.5)), float(rng.uniform(0.19, 0.26))
    frame = wooden(rng)
    pad = frame if rng.random() < 0.5 else cloth(rng)
    p.box((0, seat, 0), (w, 0.03, w), pad)
    if rng.random() < 0.3:
        p.tube((0, seat / 2, 0), 0.03, seat / 2, frame)
        p.tube((0, 0.03, 0), w, 0.03, frame, taper=0.2)
    else:
        for sx in (-1, 1):
            for sz in (-1, 1):
                p.box((sx * (w - 0.02), seat / 2, sz * (w - 0.02)), (0.018, seat / 2, 0.018), frame)
    if rng.random() < 0.85:
        tall = float(rng.uniform(0.2, 0.35))
        p.box((0, seat + tall, -w), (w, tall * rng.uniform(0.5, 1.0), 0.02), pad, tilt=-0.1)


def sofa(p: Place, half_width: float) -> None:
    """A sofa or armchair with arms, back, seat cushions and pillows."""
    rng, look = p.rng, cloth(p.rng)
    d, seat = float(rng.uniform(0.38, 0.5)), float(rng.uniform(0.36, 0.46))
    back = seat + float(rng.uniform(0.3, 0.5))
    base = 0.0 if rng.random() < 0.6 else 0.1
    p.box((0, (seat + base) / 2, 0), (half_width, (seat - base) / 2, d), look)
    p.box((0, back / 2 + base / 2, -d + 0.12), (half_width, back / 2 - base / 2, 0.12), look)
    arm = seat + float(rng.uniform(0.1, 0.25))
    if rng.random() < 0.8:
        for side in (-1, 1):
            p.box((side * half_width, arm / 2, 0), (0.1, arm / 2, d), look)
    n = max(1, round(half_width / 0.4))
    for i in range(n):
        x = (i + 0.5) / n * 2 * half_width - half_width
        w = half_width / n * 0.97
        p.box((x, seat + 0.06, 0.08), (w, 0.06, d - 0.1), look)
        if rng.random() < 0.6:
            p.ball((x, seat + 0.3, -d + 0.3), (w * 0.8, 0.2, 0.13), cloth(rng), tilt=-0.3)


def bed(p: Place, half_width: float, stands: bool) -> None:
    """A bed with headboard, mattress, blanket, pillows, and perhaps night stands with lamps."""
    rng = p.rng
    w, d, h = half_width, 1.02, float(rng.uniform(0.42, 0.65))
    frame, sheet = wooden(rng), Material(tint(rng, 0.6, 0.95, 0.1), choose(rng, "plain", "fabric"))
    p.box((0, h * 0.3, 0), (w + 0.03, h * 0.3, d + 0.03), frame)
    p.box((0, h * 0.8, 0), (w, h * 0.22, d), sheet)
    if rng.random() < 0.8:
        long = float(rng.uniform(0.4, 0.95))
        p.box((0, h * 0.83, d - d * long + 0.02), (w + 0.02, h * 0.24, d * long), cloth(rng))
    if rng.random() < 0.85:
        head = cloth(rng) if rng.random() < 0.5 else frame
        tall = float(rng.uniform(0.4, 0.75))
        p.box((0, tall, -d - 0.06), (w + 0.04, tall, 0.05), head)
    for x in (-0.5, 0.5) if w > 0.65 else (0.0,):
        p.ball((x * w, h + 0.13, -d + 0.3), (0.34, 0.1, 0.2), sheet, tilt=-0.3)
        if rng.random() < 0.5:
            p.ball((x * w, h + 0.14, -d + 0.55), (0.22, 0.18, 0.09), cloth(rng), tilt=-0.5)
    for side in (-1, 1):
        if stands and rng.random() < 0.85:
            x, top = side * (w + 0.35), float(rng.uniform(0.4, 0.6))
            p.box((x, top / 2, -d + 0.2), (0.24, top / 2, 0.2), fronted(rng, 0.48, top))
            if rng.random() < 0.7:
                lamp_shade(p, (x, top, -d + 0.2), float(rng.uniform(0.3, 0.5)))


def lamp_shade(p: Place, at: tuple[float, float, float], height: float) -> None:
    """A table or floor lamp of the given height standing at `at`."""
    x, y, z = at
    lit = float(p.rng.choice([0.0, 2.0, 5.0]))
    shade = Material(tint(p.rng, 0.6, 0.95, 0.15), choose(p.rng, "plain", "fabric"), emission=lit)
    radius = 0.1 + 0.06 * height
    p.tube((x, y + height * 0.35, z), 0.015 + 0.02 * p.rng.random(), height * 0.35, painted(p.rng))
    p.tube((x, y + height * 0.85, z), radius, height * 0.15 + 0.05, shade, taper=0.75)


def fronted(rng: Rng, width: float, height: float) -> Material:
    """A cupboard front: wood, or paint with panel lines fitted to the face."""
    base = wooden(rng)
    if rng.random() < 0.5:
        return base
    return Material(tint(rng, 0.2, 0.95, 0.25), choose(rng, "panel"), gloss=0.2).fitted(
        width, height
    )


def cabinet(p: Place, half_width: float, height: float, depth: float) -> None:
    """A chest, sideboard, wardrobe or TV stand, closed, with things on it when it is low."""
    rng = p.rng
    p.box((0, height / 2, 0), (half_width, height / 2, depth), fronted(rng, 2 * half_width, height))
    if rng.random() < 0.5:
        p.box((0, height, 0), (half_width + 0.02, 0.015, depth + 0.02), wooden(rng))
    if height < 1.3:
        things(p, (half_width, depth * 0.7), height + 0.015, int(rng.integers(0, 5)))
        if height < 0.8 and rng.random() < 0.5:
            w = float(rng.uniform(0.4, min(0.8, half_width + 0.2)))
            screen = Material((0.015, 0.015, 0.02), 0, gloss=1.0)
            if rng.random() < 0.3:
                screen = Material((1, 1, 1), choose(rng, "picture"), emission=1.0).fitted(
                    2 * w, 1.1 * w
                )
            p.box((0, height + 0.58 * w + 0.05, -depth * 0.3), (w, 0.56 * w, 0.025), screen)


def shelf(p: Place, half_width: float, height: float) -> None:
    """An open shelf with boards, books and things."""
    rng, look, d = p.rng, wooden(p.rng), 0.16
    for side in (-1, 1):
        p.box((side * half_width, height / 2, 0), (0.015, height / 2, d), look)
    if rng.random() < 0.7:
        p.box((0, height / 2, -d), (half_width, height / 2, 0.01), look)
    n = int(rng.integers(3, 6))
    for i in range(n + 1):
        y = height * i / n
        p.box((0, y, 0), (half_width, 0.012, d), look)
        if i < n and rng.random() < 0.75:
            tall, w = float(rng.uniform(0.08, 0.13)), float(rng.uniform(0.3, 0.9)) * half_width
            books = Material((1, 1, 1), choose(rng, "books"), (0.5, 2 * tall), (0.0, 0.5))
            x = float(rng.uniform(-1, 1)) * (half_width - w)
            p.box((x, y + tall, -0.02), (w, tall, 0.1), books)


def plant(p: Place, height: float) -> None:
    """A potted plant or, outdoors, a shrub: a pot and blobs of leaves."""
    rng = p.rng
    pot = float(rng.uniform(0.1, 0.22))
    p.tube((0, pot, 0), pot * 0.8, pot, painted(rng), taper=1.25)
    level = float(rng.uniform(0.6, 2.0))
    leaves = Material((level, level, level), choose(rng, "foliage"), (0.4, 0.4))
    p.tube((0, height / 2, 0), 0.02, height / 2, Material((0.2, 0.12, 0.06), 0))
    for _ in range(int(rng.integers(3, 7))):
        r = float(rng.uniform(0.12, 0.3)) * height
        x, z = rng.normal(0, 0.15 * height, 2)
        y = float(rng.uniform(0.5, 1.0)) * height
        p.ball((x, y, z), (r, r * rng.uniform(0.4, 1.0), r), leaves, yaw=rng.uniform(0, 3))


def person(p: Place) -> None:
    """A standing figure."""
    rng, h = p.rng, float(p.rng.uniform(1.45, 1.9))
    skin = Material((0.55, 0.38, 0.28), 0)
    for side in (-0.09, 0.09):
        p.tube((side, h * 0.24, 0), 0.075, h * 0.24, cloth(rng))
    p.ball((0, h * 0.66, 0), (0.22, h * 0.2, 0.14), cloth(rng))
    p.ball((0, h * 0.93, 0), (0.09, 0.12, 0.1), skin)


def clutter(p: Place) -> None:
    """A cardboard box, bin, ball, suitcase or stack on the floor."""
    rng, r = p.rng, float(p.rng.uniform(0.1, 0.35))
    style = rng.random()
    if style < 0.5:
        look = Material(tint(rng, 0.05, 0.9, 0.5), choose(rng, "plain", "text", "wood", "plaster"))
        p.box((0, r, 0), (r * rng.uniform(0.6, 1.5), r, r * rng.uniform(0.6, 1.2)), look)
        if rng.random() < 0.4:
            p.box(
                (0.05, 2.6 * r, 0), (r * 0.7, r * 0.6, r * 0.6), painted(rng), yaw=rng.uniform(0, 1)
            )
    elif style < 0.8:
        p.tube((0, r, 0), r * 0.7, r, painted(rng), taper=float(rng.uniform(0.7, 1.3)))
    else:
        p.ball((0, r * 0.8, 0), (r, r * 0.8, r), cloth(rng))


Assembly = Callable[[Place], None]

"""People-like shapes: standing, walking, sitting, alone or in groups."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.place import PERSON, Place

_SKINS = ((0.62, 0.42, 0.32), (0.45, 0.29, 0.2), (0.2, 0.11, 0.07), (0.7, 0.5, 0.4))
_POSES = {"stand": 0.5, "walk": 0.42, "sit": 0.08}
_SHOE = Material((0.06, 0.05, 0.05))


def figure(p: Place) -> None:
    """A standing figure without arms, as rooms have them."""
    rng, h = p.rng, p.rng.uniform(1.45, 1.9)
    for side in (-0.09, 0.09):
        p.tube((side, h * 0.24, 0), 0.075, h * 0.24, rng.cloth())
    p.ball((0, h * 0.66, 0), (0.22, h * 0.2, 0.14), rng.cloth())
    p.ball((0, h * 0.93, 0), (0.09, 0.12, 0.1), Material((0.55, 0.38, 0.28)))


def person(p: Place, pose: str | None = None) -> None:
    """One person, 1.0 to 1.95 m tall. pose: "stand", "walk" or "sit"; None = drawn at random."""
    rng = p.rng
    pose = pose or rng.weighted(_POSES)
    tall = rng.uniform(1.5, 1.95) if rng.random() < 0.88 else rng.uniform(1.0, 1.4)
    hip = 0.49 * tall
    p = p.at(0, 0.45 - hip if pose == "sit" else 0, 0, label=PERSON)  # a seat is at 0.45 m
    skin = Material(rng.pick(_SKINS))
    legs, coat = rng.cloth(), rng.cloth()
    _legs(p, hip, legs, pose)
    wide = rng.uniform(0.16, 0.25)
    chest = 0.67 * tall
    if rng.random() < 0.25:  # a coat or skirt
        p.tube((0, 0.52 * tall, 0), 1.15 * wide, 0.2 * tall, coat, taper=0.75)
    p.ball((0, chest, 0), (wide, 0.2 * tall, 0.6 * wide), coat)
    for side in (-1, 1):
        swing = rng.normal(0, 0.35 if pose == "walk" else 0.12)
        arm = (side * (wide + 0.02), chest - 0.02 * tall, 0.1 * np.sin(-swing))
        p.tube(arm, 0.045, 0.17 * tall, coat, tilt=swing)
    p.ball((0, 0.925 * tall, 0.01), (0.078, 0.075 * tall, 0.095), skin)
    hair = rng.tinted((0.02, 0.35, 0.3))
    p.ball((0, 0.95 * tall, -0.015), (0.085, 0.06 * tall, 0.1), hair)
    if rng.random() < 0.3:
        look = rng.cloth()
        if rng.random() < 0.6:  # a rucksack
            p.box((0, 0.69 * tall, -0.75 * wide - 0.06), (0.14, 0.19, 0.09), look)
        else:  # a bag
            p.box((wide + 0.1, 0.36 * tall, 0), (0.06, 0.14, 0.17), look)


def _legs(p: Place, hip: float, legs: Material, pose: str) -> None:
    stride = p.rng.uniform(0.15, 0.45) if pose == "walk" else 0.04
    for side in (-1, 1):
        x, swing = 0.09 * side, side * stride
        if pose == "sit":
            p.disc((x, hip, 0.22), 0.075, 0.22, legs)
            p.tube((x, hip - 0.22, 0.42), 0.06, 0.22, legs)
            continue
        at = (x, hip * 0.52, -0.5 * hip * np.sin(swing))
        p.tube(at, 0.06, hip * 0.48, legs, taper=1.3, tilt=swing)
        p.box((x, 0.04, -hip * np.sin(swing) + 0.05), (0.045, 0.04, 0.13), _SHOE)


def group(p: Place, count: int) -> None:
    """Several people close together, facing each other."""
    for k in range(count):
        turn = 2 * np.pi * k / count + p.rng.normal(0, 0.3)
        away = 0.35 + 0.15 * count
        person(p.at(away * np.sin(turn), 0, away * np.cos(turn), yaw=turn + np.pi), "stand")

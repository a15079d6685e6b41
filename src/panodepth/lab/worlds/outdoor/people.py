"""People-like shapes: standing, walking, sitting, alone or in groups."""

from __future__ import annotations

import numpy as np

from panodepth.lab.worlds.indoor.furniture import PERSON, Rng, cloth, tint
from panodepth.lab.worlds.outdoor.site import Spot
from panodepth.lab.worlds.render.primitives import Material

_SKINS = ((0.62, 0.42, 0.32), (0.45, 0.29, 0.2), (0.2, 0.11, 0.07), (0.7, 0.5, 0.4))


def person(p: Spot, pose: str | None = None) -> None:
    """One figure, 1.0 to 1.95 m tall. pose: "stand", "walk" or "sit"; None = drawn at random."""
    rng = p.rng
    pose = pose or str(rng.choice(["stand", "walk", "sit"], p=[0.5, 0.42, 0.08]))
    tall = float(rng.uniform(1.5, 1.95)) if rng.random() < 0.88 else float(rng.uniform(1.0, 1.4))
    hip, low = 0.49 * tall, 0.0
    if pose == "sit":
        low = -(hip - 0.45)  # the seat is at 0.45 m
    p = p.at(0, low, 0, label=PERSON)
    skin = Material(_SKINS[int(rng.integers(len(_SKINS)))], 0)
    legs, coat = cloth(rng), cloth(rng)
    _legs(p, hip, legs, pose)
    wide = float(rng.uniform(0.16, 0.25))
    chest = 0.67 * tall
    if rng.random() < 0.25:  # a coat or skirt
        p.tube((0, 0.52 * tall, 0), 1.15 * wide, 0.2 * tall, coat, taper=0.75)
    p.ball((0, chest, 0), (wide, 0.2 * tall, 0.6 * wide), coat)
    for side in (-1, 1):
        swing = float(rng.normal(0, 0.35 if pose == "walk" else 0.12))
        arm = (side * (wide + 0.02), chest - 0.02 * tall, 0.1 * np.sin(-swing))
        p.tube(arm, 0.045, 0.17 * tall, coat, tilt=swing)
    p.ball((0, 0.925 * tall, 0.01), (0.078, 0.075 * tall, 0.095), skin)
    hair = Material(tint(rng, 0.02, 0.35, 0.3), 0)
    p.ball((0, 0.95 * tall, -0.015), (0.085, 0.06 * tall, 0.1), hair)
    if rng.random() < 0.3:
        _luggage(p, wide, tall, rng)


def _legs(p: Spot, hip: float, legs: Material, pose: str) -> None:
    rng, shoe = p.rng, Material((0.06, 0.05, 0.05), 0)
    stride = float(rng.uniform(0.15, 0.45)) if pose == "walk" else 0.04
    for side in (-1, 1):
        x = 0.09 * side
        if pose == "sit":
            p.tube((x, hip, 0.22), 0.075, 0.22, legs, tilt=np.pi / 2)
            p.tube((x, hip - 0.22, 0.42), 0.06, 0.22, legs)
            continue
        swing = side * stride
        p.tube(
            (x, hip * 0.52, -0.5 * hip * np.sin(swing)), 0.06, hip * 0.48, legs, taper=1.3,
            tilt=swing,
        )  # fmt: skip
        p.box((x, 0.04, -hip * np.sin(swing) + 0.05), (0.045, 0.04, 0.13), shoe)


def _luggage(p: Spot, wide: float, tall: float, rng: Rng) -> None:
    look = cloth(rng)
    if rng.random() < 0.6:  # a rucksack
        p.box((0, 0.69 * tall, -0.75 * wide - 0.06), (0.14, 0.19, 0.09), look)
    else:
        p.box((wide + 0.1, 0.36 * tall, 0), (0.06, 0.14, 0.17), look)


def group(p: Spot, count: int) -> None:
    """Several people close together, facing each other."""
    for k in range(count):
        turn = 2 * np.pi * k / count + float(p.rng.normal(0, 0.3))
        away = 0.35 + 0.15 * count
        q = p.at(away * np.sin(turn), 0, away * np.cos(turn), yaw=turn + np.pi)
        person(q, "stand")

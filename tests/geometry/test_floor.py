"""Metres by the floor, against rooms whose distance is known in closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tests.drawn import drawn

from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.floor import check_shows_something, find_floor
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.predict.options import PredictOptions
from panodepth.types import Prediction, Up

H, W = 96, 192


def box_room(
    floor: float, ceiling: float, sides: tuple[float, float, float, float]
) -> torch.Tensor:
    """Distance (H, W) in a box: camera `floor` above the floor, walls at +x, -x, +z, -z."""
    x, y, z = erp_rays(H, W, dtype=torch.float64).unbind(-1)
    planes = [
        (y, floor),
        (-y, ceiling),
        (x, sides[0]),
        (-x, sides[1]),
        (z, sides[2]),
        (-z, sides[3]),
    ]
    hits = [torch.where(c > 1e-9, d / c.clamp_min(1e-9), torch.inf) for c, d in planes]
    return torch.stack(hits).amin(0)


ALL = torch.ones(H, W, dtype=torch.bool)
SIDE = (1.7, 8.0)


@drawn(30, floor=(1.0, 1.8), ceiling=(0.6, 3.0), a=SIDE, b=SIDE, c=SIDE, d=SIDE, unit=(0.01, 100.0))
def test_box_rooms_within_one_percent(
    floor: float, ceiling: float, a: float, b: float, c: float, d: float, unit: float
) -> None:
    sides = (a, b, c, d)
    distance = box_room(floor, ceiling, sides)
    scale = floor / find_floor((distance / unit).float(), ALL).height
    assert scale == pytest.approx(unit, rel=0.01)


def test_tripod_rug_and_noise_are_outvoted() -> None:
    distance = box_room(1.6, 1.2, (3, 3, 3, 3))
    y = erp_rays(H, W, dtype=torch.float64)[..., 1]
    distance = torch.where(y > math.sin(math.radians(80)), 0.4 / y, distance)  # a tripod's head
    distance[70:, 20:50] = (1.0 / y[70:, 20:50]).clamp_max(3.0)  # a table
    noise = torch.randn(H, W, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert find_floor(distance * (1 + 0.001 * noise), ALL).height == pytest.approx(1.6, rel=0.01)


def test_a_masked_photographer_does_not_count() -> None:
    distance = box_room(1.6, 1.2, (3, 3, 3, 3))
    valid = ALL.clone()
    valid[72:, :120] = False
    distance[~valid] = 0.3
    assert find_floor(distance, valid).height == pytest.approx(1.6, rel=0.01)


def test_no_floor_is_refused() -> None:
    with pytest.raises(InputError, match="no consistent floor"):
        find_floor(torch.full((H, W), 3.0), ALL)  # inside a ball
    slope = box_room(1.6, 1.2, (3, 3, 3, 3)).roll(H // 4, 0)  # a wall where the floor should be
    with pytest.raises(InputError, match="floor"):
        find_floor(slope, ALL)
    noise = torch.randn(H, W, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rubble = box_room(1.6, 1.2, (3, 3, 3, 3)) * (1 + 0.04 * noise)  # one level, but nothing flat
    with pytest.raises(InputError, match="no consistent floor"):
        find_floor(rubble, ALL)
    below_masked = ALL.clone()
    below_masked[H // 2 :] = False
    with pytest.raises(InputError, match="no floor found"):
        find_floor(box_room(1.6, 1.2, (3, 3, 3, 3)), below_masked)


@pytest.mark.parametrize(
    ("height", "told"),
    [
        (0.0, "^camera height must be a positive number of metres: 0.0$"),
        (-1.0, "^camera height must be a positive number of metres: -1.0$"),
        (math.nan, "^camera_height must be a number, not nan$"),
        (math.inf, "^camera_height must be a number, not inf$"),
    ],
)
def test_impossible_heights(height: float, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        PredictOptions(camera_height=height)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["white", "normal", "grey", "black", "nearly grey"])
def test_noise_and_one_colour_show_nothing(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = {
        "white": lambda: rng.random((H, W)),
        "normal": lambda: rng.normal(0.5, 0.2, (H, W)).clip(0, 1),
        "grey": lambda: np.full((H, W), 0.5),
        "black": lambda: np.zeros((H, W)),
        "nearly grey": lambda: 0.5 + 0.002 * rng.random((H, W)),
    }[kind]()
    with pytest.raises(
        InputError, match=r"the picture is (noise|one colour), nothing in it tells metres"
    ):
        check_shows_something(picture)


@pytest.mark.parametrize("name", ["interior", "courtyard"])
def test_photographs_show_something(name: str) -> None:
    image = cv2.imread(str(Path(__file__).parents[2] / f"examples/{name}.jpg"))
    for brightness in (1, 0.1):  # by night too
        small = cv2.resize(image, (W, H), interpolation=cv2.INTER_AREA).mean(-1) / 255
        check_shows_something(small * brightness)


def test_a_prediction_becomes_metres_afterwards() -> None:
    distance = box_room(1.6, 1.2, (3, 3, 3, 3)).float().numpy()
    image = np.repeat(np.linspace(0, 255, W).astype(np.uint8)[None, :, None], H, 0).repeat(3, 2)
    far = distance.copy()
    far[: H // 4] = np.inf
    made = Prediction(far / 4, np.isfinite(far), image, {"name": "box"}, distance / 4)
    assert (made.unit, made.scale) == ("relative", None)
    metres = made.to_metres(camera_height=1.6)
    assert (metres.unit, metres.scale) == ("m", pytest.approx(4, rel=0.01))
    assert metres.meta["floor_support"] > 0.8
    assert np.allclose(metres.distance[made.mask], distance[made.mask], rtol=0.01)
    assert np.array_equal(metres.sky, made.sky)
    assert np.allclose(metres.solid, distance, rtol=0.01)
    twice = made.to_metres(scale=2.0).to_metres(scale=3.0)
    assert twice.scale == 6.0
    assert np.allclose(twice.solid, distance * 1.5)
    told = {"unit": "m", "metres_per_unit": metres.scale * 2, "metres_by": "scale", "name": "box"}
    assert metres.to_metres(scale=2.0).meta == told  # nothing of the floor, which no longer counts
    assert made.unit == "relative"  # the first one is as it was
    for wrong in ({}, {"scale": 0.0}, {"scale": np.nan}, {"scale": 1.0, "camera_height": 1.0}):
        with pytest.raises(ConfigError, match="one of both"):
            made.to_metres(**wrong)
    tilted = replace(made, level=Up((0.5, -math.sqrt(0.75), 0)))
    assert tilted.to_metres(camera_height=1.6).scale == metres.scale
    assert tilted.to_metres(scale=2.0).scale == 2.0
    flat = Prediction(distance, made.mask, np.zeros((H, W, 3), np.uint8))
    with pytest.raises(InputError, match="one colour"):
        flat.to_metres(camera_height=1.6)
    assert repr(metres) == f"Prediction(box: {W}×{H} px, unit 'm', 75% surface, 25% sky)"


@pytest.mark.parametrize("roll_deg", [20, 90, 180])
def test_metres_afterwards_are_by_the_floor_however_the_camera_is_held(roll_deg: float) -> None:
    turn = rotation_from_yaw_pitch_roll(0, 0, math.radians(roll_deg))
    level = rotate_vectors(turn, erp_rays(H, W))
    walls = np.where(level > 0, [2.5, 1.6, 4.0] / level, [-2.0, -1.1, -3.0] / level)
    distance = walls.min(-1).astype(np.float32)
    image = np.repeat(np.linspace(0, 255, W).astype(np.uint8)[None, :, None], H, 0).repeat(3, 2)
    held = Prediction(distance / 4, np.ones((H, W), bool), image, rotation=turn)
    assert held.to_metres(camera_height=1.6).scale == pytest.approx(4, rel=0.01)

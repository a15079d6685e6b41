"""Metres by the floor, against rooms whose distance is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import erp_rays
from panodepth.predict.options import PredictOptions
from panodepth.predict.scale import floor_height, metres_per_unit

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
side = st.floats(1.7, 8.0)


@settings(max_examples=30, deadline=None)
@given(
    floor=st.floats(1.0, 1.8),
    ceiling=st.floats(0.6, 3.0),
    sides=st.tuples(side, side, side, side),
    unit=st.floats(0.01, 100.0),
)
def test_box_rooms_within_one_percent(
    floor: float, ceiling: float, sides: tuple[float, float, float, float], unit: float
) -> None:
    distance = box_room(floor, ceiling, sides)
    scale = metres_per_unit((distance / unit).float(), ALL, floor)
    assert scale == pytest.approx(unit, rel=0.01)


def test_tripod_rug_and_noise_are_outvoted() -> None:
    distance = box_room(1.6, 1.2, (3, 3, 3, 3))
    y = erp_rays(H, W, dtype=torch.float64)[..., 1]
    distance = torch.where(y > math.sin(math.radians(80)), 0.4 / y, distance)  # a tripod's head
    distance[70:, 20:50] = (1.0 / y[70:, 20:50]).clamp_max(3.0)  # a table
    noise = torch.randn(H, W, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert floor_height(distance * (1 + 0.001 * noise), ALL) == pytest.approx(1.6, rel=0.01)


def test_a_masked_photographer_does_not_count() -> None:
    distance = box_room(1.6, 1.2, (3, 3, 3, 3))
    valid = ALL.clone()
    valid[72:, :120] = False
    distance[~valid] = 0.3
    assert floor_height(distance, valid) == pytest.approx(1.6, rel=0.01)


def test_no_floor_is_refused() -> None:
    with pytest.raises(InputError, match="no consistent floor"):
        floor_height(torch.full((H, W), 3.0), ALL)  # inside a ball
    slope = box_room(1.6, 1.2, (3, 3, 3, 3)).roll(H // 4, 0)  # a wall where the floor should be
    with pytest.raises(InputError, match="floor"):
        floor_height(slope, ALL)
    noise = torch.randn(H, W, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rubble = box_room(1.6, 1.2, (3, 3, 3, 3)) * (1 + 0.04 * noise)  # one level, but nothing flat
    with pytest.raises(InputError, match="no consistent floor"):
        floor_height(rubble, ALL)
    below_masked = ALL.clone()
    below_masked[H // 2 :] = False
    with pytest.raises(InputError, match="no floor found"):
        floor_height(box_room(1.6, 1.2, (3, 3, 3, 3)), below_masked)


@pytest.mark.parametrize("height", [0.0, -1.0, math.nan, math.inf])
def test_impossible_heights(height: float) -> None:
    with pytest.raises(ConfigError, match="camera height"):
        PredictOptions(camera_height=height)

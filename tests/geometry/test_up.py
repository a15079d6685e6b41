"""Where up is: what counts how much, and how sure it says it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level import up as module
from panodepth.geometry.level.up import estimate_up

RAYS = erp_rays(96, 192, dtype=np.float64)
ALL = np.ones(RAYS.shape[:2], np.bool_)


def behind(planes: list[tuple[Any, float]]) -> np.ndarray:
    """Distance (H, W) in a room of planes: their directions, of length 1, and how far they are."""
    with np.errstate(divide="ignore"):
        far = [np.where(RAYS @ n > 1e-9, d / (RAYS @ n), np.inf) for n, d in planes]
    return np.asarray(np.min(far, axis=0))


def test_under_a_sloping_ceiling_the_floor_and_the_walls_tell() -> None:
    slope = math.radians(25)
    walls = [((s, 0.0, 0.0), 3.0) for s in (-1, 1)] + [((0.0, 0.0, s), 3.0) for s in (-1, 1)]
    floor, ceiling = ((0.0, 1.0, 0.0), 1.4), ((math.sin(slope), -math.cos(slope), 0.0), 1.4)
    found = estimate_up(behind([*walls, floor, ceiling]), ALL)
    assert found is not None
    assert found.tilt_deg < 1


def test_its_spread_is_the_jackknife_of_four_sectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that lack a sector each lie `off` to one side or the other of the whole."""
    off, level = 0.01, np.array([0.0, -1.0, 0.0])
    sides: Iterator[float] = iter((0, 1, -1, 1, -1))
    monkeypatch.setattr(
        module, "_refined", lambda *given: level + np.array([off * next(sides), 0, 0])
    )
    floor, ceiling = ((0.0, 1.0, 0.0), 1.6), ((0.0, -1.0, 0.0), 1.0)
    found = estimate_up(behind([floor, ceiling]), ALL)
    assert found is not None
    assert found.spread_deg == pytest.approx(math.degrees(off * math.sqrt(3)))

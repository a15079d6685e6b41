"""benchmarks/occupancy.py: beams that miss what is in the way count."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from panodepth.types import Prediction

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from occupancy import RANGE, beam_errors, compare, of_beams

FLOOR = 1.6  # m: the camera of conftest.py's room


def test_the_exact_distance_has_no_error(make_room: Callable[..., Prediction]) -> None:
    room = make_room(128, 256, masked=False)
    assert of_beams(beam_errors(room, room, FLOOR)) == {"beams": 0, "too far": 0}
    found = compare(room, room, FLOOR)
    assert found["near"] == 1
    assert found["free"] == 1
    assert found["wrong"] < 0.02  # cells with a surface just before the wall


def test_a_beam_without_anything_counts_as_the_range(make_room: Callable[..., Prediction]) -> None:
    """The walls of a quarter are missed: there the floor goes on to the range and beyond."""
    room = make_room(128, 256, masked=False)
    rows, columns = room.distance.shape
    missed = room.distance.copy()
    down = np.sin((np.arange(rows // 2, rows) + 0.5) / rows * np.pi - np.pi / 2)
    missed[rows // 2 :, : columns // 4] = (FLOOR / down)[:, None]
    missed[: rows // 2, : columns // 4] = 100
    errors = beam_errors(replace(room, distance=missed), room, FLOOR)
    assert (errors > 0).mean() == pytest.approx(0.25, abs=0.01)
    assert errors.max() < RANGE
    assert of_beams(errors)["too far"] == pytest.approx(0.25, abs=0.01)
    assert of_beams(np.concatenate([errors, np.full(360, 4.0)]))["beams"] > 2

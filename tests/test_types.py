"""Predictions and panoramas as values of Python: compared, kept in sets, copied, pickled."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from panodepth.errors import InputError
from panodepth.types import Panorama, Prediction

SHAPE = (4, 8)


def made(kind: str) -> Panorama | Prediction:
    picture = np.zeros((*SHAPE, 3))
    if kind == "panorama":
        return Panorama(picture.astype(np.float32))
    return Prediction(
        np.ones(SHAPE, np.float32), np.ones(SHAPE, np.bool_), picture.astype(np.uint8)
    )


@pytest.mark.parametrize("kind", ["panorama", "prediction"])
def test_each_is_itself_alone(kind: str) -> None:
    """Arrays have no one answer to ==, so that to find one in a list or a set is to find itself."""
    one, other = made(kind), made(kind)
    assert one in [other, one]
    assert one != other
    assert len({one, other, one}) == 2
    for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert np.array_equal(again.image, one.image)


def test_a_prediction_is_changed_by_making_another() -> None:
    """docs/cookbook.md: `raw` may be `distance` itself, and what is made of it has to follow."""
    kept = made("prediction")
    assert isinstance(kept, Prediction)
    shared = replace(kept, raw=kept.distance)
    assert np.array_equal(shared.points, kept.points)
    nearer = replace(shared, distance=shared.distance * 0.5, raw=None)
    for doubled in (nearer, shared.to_metres(scale=0.5)):
        assert np.array_equal(doubled.solid, doubled.distance)
        assert np.allclose(doubled.points, shared.points / 2)
        assert not np.shares_memory(doubled.distance, shared.distance)
    assert (shared.distance == 1).all()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"mask": np.ones(SHAPE, np.uint8)},
            r"bool \(4, 8\) .* not uint8 \(4, 8\)",
        ),
        (
            {"mask": np.ones((4, 9), np.bool_)},
            r"mask must be bool \(4, 8\) .* not bool \(4, 9\)",
        ),
        ({"image": np.zeros((*SHAPE, 3), np.float32)}, "and image float32"),
    ],
)
def test_a_mask_or_picture_of_another_kind_is_refused_before_anything_is_written(
    changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        replace(made("prediction"), **changed)

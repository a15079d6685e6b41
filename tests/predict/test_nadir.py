"""A tripod under the camera gives way to the floor around it; what is no tripod stays."""

from __future__ import annotations

import numpy as np
import pytest
from tests.drawn import drawn
from tests.predict.test_level import Painted, room

from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import erp_rays
from panodepth.predict.extras.nadir import filled
from panodepth.predict.options import PredictOptions
from panodepth.predict.torch_backend import TorchPredictor
from panodepth.types import Prediction

ALL = np.ones((128, 256), np.bool_)
ANGLE = np.degrees(np.arccos(erp_rays(128, 256, dtype=np.float64)[..., 1]))


def with_tripod(degrees: float, share: float = 0.4) -> np.ndarray:
    """A room whose camera stands on something that reaches so far from the lowest point."""
    return np.where(degrees > ANGLE, share * room(128), room(128)).astype(np.float32)


def fill(distance: np.ndarray, nadir: str) -> Prediction:
    image = np.zeros((128, 256, 3), np.uint8)
    return filled(Prediction(distance.astype(np.float32), ALL, image), nadir)


@drawn(15, degrees=(8.0, 33), share=(0.2, 0.8), unit=(0.1, 10))
def test_a_tripod_is_found_and_becomes_floor(degrees: float, share: float, unit: float) -> None:
    found = fill(with_tripod(degrees, share) * unit, "auto")
    assert found.meta["nadir_deg"] == pytest.approx(degrees, abs=2)
    np.testing.assert_allclose(found.distance, room(128) * unit, rtol=0.02)


def test_auto_leaves_floors_and_large_things_alone() -> None:
    for distance in (room(128), with_tripod(50), with_tripod(70)):
        found = fill(distance, "auto")
        assert "nadir_deg" not in found.meta
        np.testing.assert_array_equal(found.distance, distance.astype(np.float32))


def test_an_angle_is_taken_as_it_is() -> None:
    found = fill(with_tripod(20), "25")
    assert found.meta["nadir_deg"] == 25
    np.testing.assert_allclose(found.distance, room(128), rtol=0.02)
    with pytest.raises(InputError, match="no floor surrounds"):
        fill(np.full((128, 256), 2.0), "25")


def test_what_is_filled_meets_the_floor_around_it() -> None:
    """Also where that lies a little higher than the rest of the floor."""
    true = np.where(ANGLE < 26, 0.93 * room(128), room(128))
    found = fill(np.where(ANGLE < 15, 0.4 * true, true), "20")
    np.testing.assert_allclose(found.distance[ANGLE < 25], true[ANGLE < 25], rtol=0.015)


@pytest.mark.parametrize(("pitch", "roll"), [(10, 0), (-8, 15)])
def test_a_tripod_goes_with_the_tilted_camera(pitch: int, roll: int) -> None:
    true = room(128, pitch, roll)
    found = fill(np.where(ANGLE < 15, 0.5 * true, true), "auto")
    assert found.meta["nadir_deg"] == pytest.approx(15, abs=2)
    np.testing.assert_allclose(found.distance, true, rtol=0.02)


def test_what_is_filled_is_a_surface_also_where_it_was_masked() -> None:
    distance, mask = with_tripod(20), ANGLE > 25
    image = np.zeros((128, 256, 3), np.float32)
    image[..., 0] = np.log(distance) / 3 + 0.3
    model = TorchPredictor(Painted())  # type: ignore[arg-type]
    plain = model.predict(image, mask)
    assert "nadir_deg" not in plain.meta
    found = model.predict(image, mask, nadir=30)
    assert found.meta["nadir_deg"] == 30
    assert found.mask.all()
    far = np.abs(ANGLE - 30) > 4  # nothing is sharper than the network's map
    ratio = (found.distance / room(128))[far]
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=0.12)
    assert (plain.distance[ANGLE < 15] / found.distance[ANGLE < 15]).max() < 0.7


@pytest.mark.parametrize("nadir", ["90", "0", "some", "nan", -3])
def test_what_cannot_be_is_refused(nadir: object) -> None:
    with pytest.raises(ConfigError, match="unknown --nadir"):
        PredictOptions(nadir=nadir)  # type: ignore[arg-type]

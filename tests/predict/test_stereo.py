"""Pictures that hold two eyes' views: told by their look, and read where an option says so."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.painted_world import PREDICTOR

from panodepth.errors import ConfigError, InputError
from panodepth.predict.lenses.stereo import ALIKE, likeness
from panodepth.predict.request import halves_alike

H, W = 64, 128
NOTE = "two eyes see it"


def view(seed: int, height: int = H, width: int = W) -> np.ndarray:
    """(height, width, 3) uint8: patches of all sizes over a sky and a floor."""
    rng = np.random.default_rng(seed)
    found = np.linspace(200, 60, height)[:, None, None] * np.ones((height, width, 3))
    for cells in (4, 8, 16):
        noise = rng.normal(0, 25, (cells, 2 * cells, 3))
        found += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(found, 0, 255).astype(np.uint8)


def eyes(seed: int, shift: int) -> np.ndarray:
    """(H, W, 3): one view twice, its left half shifted more than its right half."""
    wide = view(seed, H, W // 2 + 8)
    near = wide[:, shift : shift + W // 2]
    near[:, : W // 4] = wide[:, 2 * shift : 2 * shift + W // 4]
    return np.concatenate([wide[:, : W // 2], near], axis=1)


def planes(pixels: np.ndarray) -> np.ndarray:
    return np.moveaxis(pixels, -1, 0).astype(np.float32) / 255


@pytest.mark.parametrize("seed", range(25))
def test_two_eyes_are_told_from_a_panorama(seed: int) -> None:
    # Drawn by seed: the limits are of noise, among whose kinds a search would find one beyond.
    shift = seed % 3
    assert likeness(planes(eyes(seed, shift))) > ALIKE
    assert likeness(planes(view(seed))) < ALIKE
    flat = np.repeat(view(seed)[:, :1], W, axis=1)  # rows of one colour: as if nothing was there
    assert likeness(planes(flat)) < ALIKE


def test_an_odd_number_of_columns_has_halves_too() -> None:
    pixels = planes(eyes(3, 1))
    assert halves_alike(pixels)
    assert halves_alike(np.insert(pixels, W // 2, 0.5, axis=2))
    assert not halves_alike(planes(view(3, H, W + 1)))


def test_a_pair_is_predicted_with_one_note() -> None:
    notes = PREDICTOR.predict(eyes(3, 1)).meta["notes"]
    assert [NOTE in note for note in notes] == [True]
    assert "--stereo left-right" in notes[0]
    assert "notes" not in PREDICTOR.predict(view(3)).meta
    assert "notes" not in PREDICTOR.predict(eyes(3, 1), projection="erp").meta  # said by the user


@pytest.mark.parametrize("stereo", ["left-right", "top-bottom"])
def test_the_left_eye_is_predicted_as_a_picture_of_its_own(stereo: str) -> None:
    left, right = view(1), view(2)
    pair = np.concatenate([left, right], axis=1 if stereo == "left-right" else 0)
    alone, found = PREDICTOR.predict(left), PREDICTOR.predict(pair, stereo=stereo)
    np.testing.assert_array_equal(found.distance, alone.distance)
    np.testing.assert_array_equal(found.image, left)
    assert found.meta["notes"] == [f"of two eyes ({stereo}) the left one is read"]
    valid = np.ones(pair.shape[:2], np.bool_)  # of the picture, as any mask
    valid[:H, : W // 2] = False
    masked = PREDICTOR.predict(pair, valid, stereo=stereo)
    np.testing.assert_array_equal(masked.mask, alone.mask & valid[:H, :W])


def test_half_a_sphere_of_each_eye() -> None:
    found = PREDICTOR.predict(eyes(1, 1), stereo="left-right", fov=(180.0,), sky="none")
    seen = found.mask.any(axis=0)
    quarter = len(seen) // 4
    assert seen[quarter + 1 : -quarter - 1].all()
    assert not seen[: quarter - 1].any()
    assert not seen[1 - quarter :].any()


def test_shapes_of_pairs_name_the_option(tmp_path: Path) -> None:
    for shape in ((W, W), (W // 2, 2 * W)):
        with pytest.raises(InputError, match="--stereo reads one eye"):
            PREDICTOR.predict(view(1, *shape))
    with pytest.raises(ConfigError, match="unknown --stereo 'both'"):
        PREDICTOR.predict(view(1), stereo="both")
    path = tmp_path / "pair.png"
    Image.fromarray(view(1, W, W)).save(path)
    assert PREDICTOR.predict(path, stereo="top-bottom").distance.shape == (H, W)


def test_a_picture_of_one_colour_is_noted() -> None:
    for value in (0, 90, 255):
        (note,) = PREDICTOR.predict(np.full((H, W, 3), value, np.uint8)).meta["notes"]
        assert "nothing to see" in note

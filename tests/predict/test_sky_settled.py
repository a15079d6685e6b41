"""Islands in the sky become sky, and a user's mask wins over what the network says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.predict.test_level import SIZE, Painted

from panodepth.errors import ConfigError, InputError
from panodepth.predict.sky.settled import without_islands
from panodepth.predict.torch_backend import TorchPredictor

H, W = SIZE
MODEL = TorchPredictor(Painted())  # type: ignore[arg-type]
EVERYWHERE = np.ones(SIZE, np.bool_)


def street() -> np.ndarray:
    """Logits: sky above the horizon, but for a tower that stands on the ground."""
    logit = np.where(np.arange(H)[:, None] < H // 2, 1.0, -1.0) * np.ones((1, W))
    logit[10 : H // 2, 60:64] = -1
    return logit.astype(np.float32)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(4, 25), st.integers(0, W - 1), st.integers(0, W - 1))
def test_an_island_becomes_sky_wherever_it_lies(row: int, column: int, turn: int) -> None:
    logit = street()
    island = np.zeros(SIZE, np.bool_)
    island[row : row + 3, (column + np.arange(5)) % W] = True
    beside = [(column + k) % W for k in range(-2, 7)]
    if {59, 60, 61, 62, 63, 64} & set(beside):
        return  # it touches the tower
    found = without_islands(np.where(island, np.float32(-2), logit), EVERYWHERE)
    assert ((found > 0) == (logit > 0)).all()
    turned = without_islands(np.roll(np.where(island, -2, logit), turn, 1), EVERYWHERE)
    assert ((turned > 0) == np.roll(found > 0, turn, 1)).all()


def test_what_stands_or_hangs_together_over_the_zenith_or_is_large_stays() -> None:
    arch = street()
    arch[:10, 60:64] = -1  # the tower goes on over the zenith
    arch[:12, 120:124] = -1
    roof = street()
    roof[:20] = -1
    for logit in (street(), arch, roof):
        np.testing.assert_array_equal(without_islands(logit, EVERYWHERE), logit)


def test_a_masked_part_may_hold_what_it_hides() -> None:
    logit, valid = street(), EVERYWHERE.copy()
    logit[15:20, 20:25] = -1  # a lamp on a pole that the user masked
    valid[20 : H // 2, 21:23] = False
    np.testing.assert_array_equal(without_islands(logit, valid), logit)


def painted(sky: np.ndarray) -> np.ndarray:
    """A picture whose model sees this sky, over distances from 1 to e."""
    image = np.zeros((*sky.shape, 3), np.float32)
    image[..., 0] = np.linspace(0, 1 / 3, len(sky))[:, None]
    image[..., 2] = sky
    return image


def save(path: Path, sky: np.ndarray) -> Path:
    Image.fromarray((sky * 255).astype(np.uint8)).save(path)
    return path


def test_the_users_mask_wins(tmp_path: Path) -> None:
    says, true = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    says[:30], true[:20, 10:] = True, True
    plain = MODEL.predict(painted(says), level="none")
    assert plain.meta["sky"] == "model"
    assert plain.sky.mean() == pytest.approx(30 / H, abs=0.02)
    file = save(tmp_path / "sky.png", true.repeat(2, 0).repeat(2, 1))
    found = MODEL.predict(painted(says), level="none", sky=file)
    assert found.meta["sky"] == "given"
    np.testing.assert_array_equal(found.sky, true)
    np.testing.assert_array_equal(found.mask, ~true)
    assert found.distance[true].min() >= found.distance[~true].max()
    turned = MODEL.predict(painted(says), pitch=20, roll=-10, sky=file)
    np.testing.assert_array_equal(turned.sky, true)


def test_a_lens_has_its_mask_laid_on_the_sphere_too(tmp_path: Path) -> None:
    sky = np.arange(90)[:, None] < 30 + np.zeros(120)
    image = np.full((90, 120, 3), 0.2, np.float32)
    file = save(tmp_path / "sky.png", sky)
    lens = {"projection": "perspective", "fov": (90.0,), "out_projection": "input"}
    found = MODEL.predict(image, sky=file, level="none", **lens)
    assert (found.sky != sky).mean() < 0.03


def test_bad_masks_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown --sky 'nowhere"):
        MODEL.predict(painted(EVERYWHERE), sky="nowhere.png")
    file = save(tmp_path / "sky.png", np.ones((30, 30), np.bool_))
    with pytest.raises(InputError, match="of 30x30 has another aspect than its picture of 140x70"):
        MODEL.predict(painted(EVERYWHERE), sky=file)

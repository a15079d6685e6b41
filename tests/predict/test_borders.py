"""Black padding is masked; what is only dark stays."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.drawn import drawn
from tests.painted_world import PREDICTOR, error_percent, picture
from tests.predict.test_gpano import POSE, tagged

from panodepth.cli import main
from panodepth.geometry.lens import ERP
from panodepth.images import ImageData, read_image, to_image_data
from panodepth.predict.lenses.borders import content, without_borders
from panodepth.predict.lenses.options import LensOptions

H, W = 128, 256
EXAMPLES = Path(__file__).parents[2] / "examples"


@cache
def example(name: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    pixels = read_image(EXAMPLES / name).to_uint8()
    return cv2.resize(pixels, (W, H), interpolation=cv2.INTER_AREA)


def padded(pixels: np.ndarray, top: int, bottom: int, left: int = 0, right: int = 0) -> np.ndarray:
    found = np.zeros_like(pixels)
    rows, columns = slice(top, len(pixels) - bottom), slice(left, pixels.shape[1] - right)
    found[rows, columns] = pixels[rows, columns]
    return found


def as_jpeg(pixels: np.ndarray, quality: int = 90) -> ImageData:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return to_image_data(file.getvalue())


@pytest.mark.parametrize("name", ["interior.jpg", "courtyard.jpg"])
@drawn(
    40,
    top=(0, 42),
    bottom=(0, 42),
    sides=[(0, 0), (40, 40), (17, 85), (0, 64)],
    dtype=[np.uint8, np.uint16, np.float32],
)
def test_padding_is_found_to_the_pixel(
    name: str, top: int, bottom: int, sides: tuple[int, int], dtype: Any
) -> None:
    pixels = np.maximum(padded(example(name) // 2 + 60, top, bottom, *sides), 0).astype(dtype)
    if dtype != np.uint8:
        pixels = pixels * dtype(257) if dtype == np.uint16 else pixels / dtype(255)
    rows, columns = content(ImageData(pixels))
    top, bottom = (0 if count < 2 else count for count in (top, bottom))  # one row may be a frame
    assert rows == slice(top, H - bottom)
    assert columns == slice(sides[0], W - sides[1])


@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize("top", [16, 21, 40])
def test_padding_is_found_in_jpegs(top: int, quality: int) -> None:
    """Where it ends inside of a block of 8 pixels, too; what it blurs is masked with it."""
    rows, columns = content(as_jpeg(padded(example("interior.jpg"), top, 24), quality))
    assert top - 4 <= rows.start <= top + 4
    assert abs(rows.stop - (H - 24)) <= 4
    assert columns == slice(0, W)


def night(rng: np.random.Generator, sky: float, noise: float, glow: float) -> np.ndarray:
    """A skyline under a sky that a camera shows nearly or wholly black, with stars and lights."""
    elevation = np.linspace(90, -90, H)[:, None]
    steps = rng.uniform(-5, 30, rng.integers(1, 24))
    skyline = np.repeat(steps, -(-W // len(steps)))[:W]
    ground = elevation < skyline
    picture = np.broadcast_to(sky + glow * np.exp(-np.maximum(elevation, 0) / 20), (H, W)).copy()
    picture[ground] = rng.uniform(0, 120)
    picture += rng.normal(0, noise, picture.shape) if noise else 0
    lights = rng.integers(0, [H, W], (rng.integers(0, 80), 2))
    picture[lights[:, 0], lights[:, 1]] = 255
    return np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, 2)


@drawn(
    150,
    seed=(0, 10_000),
    sky=(-3.0, 12),
    noise=[0.0, 0.5, 2.0],
    glow=[0.0, 10.0, 80.0],
    jpeg=[False, True],
)
def test_a_night_keeps_its_sky(
    seed: int, sky: float, noise: float, glow: float, jpeg: bool
) -> None:
    pixels = night(np.random.default_rng(seed), sky, noise, glow)
    data = as_jpeg(pixels) if jpeg else ImageData(pixels)
    assert content(data) == (slice(0, H), slice(0, W))


@pytest.mark.parametrize("name", ["interior.jpg", "courtyard.jpg"])
@drawn(60, below=(0, 250), gain=(0.05, 4), turn=(0, W - 1))
def test_a_photograph_loses_nothing_however_dark(
    name: str, below: int, gain: float, turn: int
) -> None:
    """Its shadows crushed to black at any level, however bright the rest."""
    dark = np.clip((np.roll(example(name), turn, 1).astype(float) - below) * gain, 0, 255)
    assert content(ImageData(dark.astype(np.uint8))) == (slice(0, H), slice(0, W))


def test_what_is_masked_is_no_surface_and_the_rest_is_as_before() -> None:
    image = picture(ERP(), (H, W))
    strip = padded(image, 30, 20)
    found = PREDICTOR.predict(strip, sky="none")
    assert not found.mask[:30].any()
    assert not found.mask[-20:].any()
    assert found.mask[30:-20].all()
    assert error_percent(found.distance, ERP().rays((H, W)), found.mask) < 0.6
    note = "masked: 30 at the top, 20 at the bottom; --projection erp keeps them"
    assert note in found.meta["notes"][0]
    assert np.array_equal(found.image[30:-20], np.rint(strip * 255).astype(np.uint8)[30:-20])
    kept = PREDICTOR.predict(strip, sky="none", projection="erp")
    assert kept.mask.all()
    assert "notes" not in kept.meta


def test_a_tilted_picture_loses_its_padding_too() -> None:
    image = padded(picture(ERP(), (120, 240)), 0, 30)
    found = PREDICTOR.predict(tagged(image, POSE), sky="none")
    assert not found.mask[-29:].any()
    assert found.mask[:-32].mean() > 0.98
    assert any("30 at the bottom" in note for note in found.meta["notes"])


def test_a_user_s_mask_and_transparency_count_as_well() -> None:
    pixels = padded(example("interior.jpg"), 20, 0)
    valid = np.ones((H, W), bool)
    valid[60:70] = False
    found = without_borders(ImageData(pixels, valid), LensOptions())
    assert found.valid is not None
    assert found.valid.sum() == (H - 20 - 10) * W
    given_mask = PREDICTOR.predict(pixels, mask=valid, sky="none").mask
    assert np.array_equal(given_mask, found.valid)


def test_the_command_line_says_so(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(padded(example("interior.jpg"), 20, 0)).save(tmp_path / "a.png")
    arguments = ["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    arguments += ["--model", str(model_file), "--format", "npz"]
    assert main(arguments) == 0
    told = capsys.readouterr().err
    assert told.startswith("note: ")
    assert "20 at the top" in told
    with np.load(tmp_path / "out" / "a_distance.npz") as npz:
        assert not npz["mask"][:20].any()


@pytest.mark.parametrize(
    ("pixels", "most", "white"),
    [
        (example("interior.jpg").astype(np.uint16), "255", "65535"),  # 8 bits in 16
        (example("interior.jpg") * np.uint16(16), "4080", "65535"),
        (example("interior.jpg") / 255**2, "0.0039216", "1"),
        (example("interior.jpg") // 255, "1", "255"),
    ],
)
def test_a_picture_of_another_scale_is_not_read_as_night_without_a_word(
    pixels: np.ndarray, most: str, white: str
) -> None:
    (note,) = PREDICTOR.predict(pixels).meta["notes"]
    assert note.startswith(f"nearly black: its brightest value is {most} of {white}; ")


def test_a_dark_picture_with_one_lamp_is_night() -> None:
    night = example("interior.jpg") // 20
    night[37, 91] = 200
    assert "notes" not in PREDICTOR.predict(night).meta

"""Unstitched fisheye pictures are refused, panoramas are not."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.drawn import drawn
from tests.images.pictures import H, picture

from panodepth.errors import InputError
from panodepth.images import ImageData, check_stitched, read_image, to_image_data


def fisheyes(
    side: int, radius: float = 1.0, around: int = 0, light: float = 1.0, shift: float = 0.0
) -> np.ndarray:
    """(side, 2 side, 3) uint8: two circles side by side on a level, off the middle by a shift."""
    place = (np.arange(side) + 0.5) * (2 / side) - 1
    circle = np.hypot(place[:, None] - shift, place + shift) < radius
    shown = picture(1, side, 2 * side) * light
    return np.where(np.tile(circle, 2)[..., None], shown, around).astype(np.uint8)


@pytest.mark.parametrize("radius", [0.8, 0.86, 0.93, 0.97, 1.0, 1.05])
def test_two_circles_are_refused_by_their_pixels(tmp_path: Path, radius: float) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(fisheyes(128, radius)).save(path, quality=85)
    with pytest.raises(InputError, match=r"photo\.jpg: is not stitched.*two fisheye circles"):
        check_stitched(read_image(path))
    with pytest.raises(InputError, match="not stitched"):
        check_stitched(to_image_data(fisheyes(64, radius).astype(np.float32) / 255))


@pytest.mark.parametrize(
    "look",
    [
        {"radius": 0.7},
        {"radius": 1.2},
        {"radius": 0.85, "shift": 0.1},
        {"around": 40},
        {"around": 255},
        {"light": 0.15},
        {"radius": 0.9, "around": 20, "light": 0.4},
    ],
)
def test_circles_that_are_cut_dark_aside_or_on_another_colour(
    tmp_path: Path, look: dict[str, float]
) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(fisheyes(256, **look)).save(path, quality=90)
    data = read_image(path)
    assert data.may_be_padded
    with pytest.raises(InputError, match="two fisheye circles"):
        check_stitched(data)


def test_a_door_at_the_edge_of_each_half_is_looked_at_without_a_warning() -> None:
    """A part of the rim around it would lie beyond the picture: nothing divided by nothing."""
    half = np.full((96, 96, 3), 90, np.uint8)
    half[23:73, 96 - 33 :] = 230
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_stitched(to_image_data(np.tile(half, (1, 2, 1))))


def test_a_camera_s_own_files_are_refused(tmp_path: Path) -> None:
    """By the ending, and renamed by the mark that its files end with; not by the pixels."""
    plain = picture()
    own, renamed = tmp_path / "photo.INSP", tmp_path / "photo.jpg"
    for path in (own, renamed):
        Image.fromarray(plain).save(path, "JPEG")
    with renamed.open("ab") as file:
        file.write(bytes(40) + b"8db42d694ccc418790edff439fe026bf")
    for path in (own, renamed):
        data = read_image(path)
        assert data.may_be_padded == (path == own)
        with pytest.raises(InputError, match="use --projection dual-fisheye") as caught:
            check_stitched(data)
        assert str(path) in str(caught.value)
    check_stitched(to_image_data(plain))


@drawn(60, top=(0.0, 0.5), bottom=(0.0, 0.5), seed=(0, 20), shift=(0, 63), level=(0, 255))
def test_panoramas_pass_with_poles_of_one_colour_too(
    top: float, bottom: float, seed: int, shift: int, level: int
) -> None:
    pixels = np.roll(picture(seed), shift, axis=1)
    for colour in (0, level):
        pixels[: int(top * H)] = colour
        pixels[H - int(bottom * H) :] = colour
        check_stitched(ImageData(pixels))
        check_stitched(ImageData(np.full_like(pixels, colour)))

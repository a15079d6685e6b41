"""Out-painting: known pixels to the bit, no seam, one colour at a pole, repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from panodepth.errors import ConfigError
from panodepth.lab.curation.outpaint import OUTPAINTERS, make_outpainter
from panodepth.lab.curation.outpainters.diffuse import Diffusion

H, W = 64, 128


def picture() -> np.ndarray:
    """Orange below, blue above, with grain."""
    rows = np.linspace(0, 1, H)[:, None, None]
    colour = (1 - rows) * [60, 90, 200] + rows * [200, 120, 40]
    noise = np.random.default_rng(0).normal(0, 12, (H, W, 1))
    return np.clip(colour + noise, 0, 255).astype(np.uint8)


def window(column: int = 20) -> np.ndarray:
    known = np.zeros((H, W), bool)
    known[20:44, :34] = True
    return np.roll(known, column, 1)


@pytest.mark.parametrize("name", OUTPAINTERS)
def test_known_pixels_are_kept_and_the_rest_does_not_matter(name: str) -> None:
    known, image = window(), picture()
    painter = make_outpainter(name)
    filled = painter.fill(image, known, 5)
    assert (filled[known] == image[known]).all()
    other = np.where(known[..., None], image, np.uint8(77))
    np.testing.assert_array_equal(filled, painter.fill(other, known, 5))
    assert (filled[~known] == 0).all() == (name == "none")


def test_an_unknown_painter_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="diffuse"):
        make_outpainter("crayon")


def test_same_seed_same_bytes_another_seed_other_grain() -> None:
    known, image = window(), picture()
    first = Diffusion().fill(image, known, 1)
    np.testing.assert_array_equal(first, Diffusion().fill(image, known, 1))
    assert (first != Diffusion().fill(image, known, 2)).any()


@pytest.mark.parametrize("shift", [4, 64, 100])
def test_turning_the_panorama_turns_the_result(shift: int) -> None:
    known, image = window(), picture()
    plain = Diffusion(texture=0)
    turned = plain.fill(np.roll(image, shift, 1), np.roll(known, shift, 1), 0)
    straight = np.roll(plain.fill(image, known, 0), shift, 1)
    assert np.abs(turned.astype(int) - straight).max() <= 1


@pytest.mark.parametrize("column", [20, 111, 60])
def test_no_seam_and_poles_of_one_colour(column: int) -> None:
    filled = Diffusion(texture=0).fill(picture(), window(column), 0).astype(float)
    unknown = ~window(column)
    steps = np.abs(np.roll(filled, -1, 1) - filled).mean(-1)
    both = unknown & np.roll(unknown, -1, 1)
    edge, interior = steps[:, -1][both[:, -1]], steps[:, :-1][both[:, :-1]]
    assert edge.mean() <= interior.mean() + 0.5
    for row in (0, -1):
        assert np.ptp(filled[row], axis=0).max() <= 6
        across = np.abs(filled[row] - np.roll(filled[row], W // 2, axis=0))
        assert across.max() <= 6


def test_colours_go_on_where_they_were() -> None:
    """Blue stays above and orange below, far from the window too; the border is continuous."""
    known, image = window(0), picture()
    filled = Diffusion(texture=0).fill(image, known, 0).astype(float)
    far = filled[:, 80]
    assert far[10, 2] > far[54, 2] + 15
    assert far[54, 0] > far[10, 0] + 15
    inside = image[24:40, 30:34].mean((0, 1))
    outside = filled[24:40, 34:37].mean((0, 1))
    assert np.abs(inside - outside).max() < 20


def test_the_texture_is_the_picture_s_grain() -> None:
    known = window()
    image = picture()
    grainy = Diffusion().fill(image, known, 0).astype(float) - Diffusion(0).fill(image, known, 0)
    flat = np.full_like(image, 128)
    calm = Diffusion().fill(flat, known, 0)
    assert 2 < grainy[~known].std() < 14
    assert (calm[~known] == 128).all()


def test_nothing_or_everything_known() -> None:
    image = picture()
    for known in (np.ones((H, W), bool), np.zeros((H, W), bool)):
        np.testing.assert_array_equal(Diffusion().fill(image, known, 0), image)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 8"):
        Diffusion().fill(np.zeros((60, 120, 3), np.uint8), np.ones((60, 120), bool), 0)

"""The sky's border follows the picture: closed-form skylines, and worlds whose sky is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import panodepth
from panodepth.geometry.resizing import resize_erp
from panodepth.images import to_image_data
from panodepth.lab.worlds import render_batch
from panodepth.predict.sky.border import MOST, along_picture

SKY, WALL = (0.55, 0.7, 0.9), (0.35, 0.25, 0.2)
RNG = np.random.default_rng(11)


def teeth(height: int, depth: float = 0.03) -> np.ndarray:
    """(H, 2H) bool: sky above a skyline of battlements, `depth` of the height up and down."""
    column = np.arange(2 * height) * 64 // (2 * height)
    edge = height * (0.4 + depth * np.where(column % 2, 1, -1))
    return np.arange(height)[:, None] < edge[None]


def painted(sky: np.ndarray, noise: float = 0.03) -> np.ndarray:
    """(H, W, 3) float32 picture of it."""
    image = np.where(sky[..., None], SKY, WALL) + noise * RNG.standard_normal((*sky.shape, 3))
    return image.clip(0, 1).astype(np.float32)


def blurred(sky: np.ndarray) -> np.ndarray:
    """What a network of 42 rows says of it, at its size."""
    signs = np.where(sky, np.float32(8), np.float32(-8))
    small = resize_erp(signs, (42, 84))
    return resize_erp(small, sky.shape, antialias=False)


@pytest.mark.parametrize("height", [128, 200, 256, 512, 1024])
def test_battlements_that_the_network_blurs_come_back(height: int) -> None:
    sky = teeth(height)
    logit = blurred(sky)
    found = along_picture(logit, None, to_image_data(painted(sky))) > 0
    assert found.shape == sky.shape
    assert ((logit > 0) != sky).mean() > 0.01
    assert (found != sky).mean() < 0.002


def test_where_both_sides_look_alike_the_network_is_believed() -> None:
    sky = teeth(256)
    logit = blurred(sky)
    grey = np.full((256, 512, 3), 0.6, np.float32)
    found = along_picture(logit, None, to_image_data(grey))
    assert np.array_equal(found > 0, logit > 0)


def test_what_the_network_is_sure_of_stays() -> None:
    sky = teeth(256)
    image = painted(sky)
    image[110:118, 40:60] = SKY  # a window that shows the sky
    logit = np.where(sky, np.float32(MOST + 0.1), np.float32(-MOST - 0.1))
    found = along_picture(logit, None, to_image_data(image))
    assert np.array_equal(found > 0, sky)


def test_masked_pixels_have_no_say_and_stay() -> None:
    sky = teeth(256)
    image, valid = painted(sky), np.ones_like(sky)
    valid[:, 200:300] = False
    image[~valid] = SKY
    logit = blurred(sky)
    found = along_picture(logit, valid, to_image_data(image))
    assert np.array_equal(found[~valid] > 0, logit[~valid] > 0)
    away = np.r_[0:190, 310:512]  # beside the mask a pixel has fewer neighbours
    assert ((found > 0) != sky)[:, away].mean() < 0.002


@settings(max_examples=10, deadline=None)
@given(cells=st.integers(0, 255))
def test_the_seam_does_not_show(cells: int) -> None:
    sky = teeth(256)
    image, logit = painted(sky), blurred(sky)
    turned = [np.roll(x, 2 * cells, 1) for x in (image, logit)]
    one = along_picture(logit, None, to_image_data(image))
    other = along_picture(turned[1], None, to_image_data(turned[0]))
    assert np.abs(np.roll(one, 2 * cells, 1) - other).max() < 1e-3


def test_a_picture_of_any_aspect_and_depth_is_compared() -> None:
    sky = teeth(300)[:, :450]
    image = (painted(sky) * 65535).round().astype(np.uint16)
    found = along_picture(blurred(sky), None, to_image_data(image)) > 0
    assert (found != sky).mean() < 0.004


def test_the_bundled_network_loses_a_third_less_of_the_sky() -> None:
    """Of worlds whose sky is known, by the default command; without colours in a second answer."""
    predictor = panodepth.load(device="cpu", dtype="float32")
    worlds = render_batch(1_000_000, range(6), 256, 512, kind="outdoor")
    wrong = {"colours": 0, "network": 0}
    for image, sky in zip(worlds.image.numpy(), worlds.sky.numpy(), strict=True):
        (output,) = predictor.run([resize_erp(image, predictor.size)])
        assert output.sky_logit is not None
        plain = resize_erp(output.sky_logit, sky.shape, antialias=False) > 0
        found = predictor.predict(np.moveaxis(image, 0, -1), level="none").sky
        wrong["colours"] += int((found != sky).sum())
        wrong["network"] += int((plain != sky).sum())
    assert wrong["colours"] < 0.67 * wrong["network"], wrong

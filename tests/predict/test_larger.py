"""More pixels than a network was made for: the whole from its own size, edges from the larger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import panodepth
from panodepth.errors import ModelError
from panodepth.geometry.resizing import resize_erp
from panodepth.lab.evaluation.measures.align import median_scale
from panodepth.lab.evaluation.measures.metrics import abs_rel
from panodepth.lab.worlds import render_batch
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput
from panodepth.size import Size

OWN, LARGE = (32, 64), (64, 128)
FULL_SCALE = 3.0  # log distance of a white pixel


class Lost(Predictor):
    """Red is the log distance, blue says sky; beyond its own size floors come out too far."""

    name, own_size = "lost", OWN

    def __init__(self, size: Size = LARGE, edges: Any = "sphere") -> None:
        self.size, self.edges, self.seen = size, edges, list[Size]()

    def describe(self) -> dict[str, Any]:
        return {"dtype": "float32", "device": "cpu"}

    def checked_size(self, size: Size) -> Size:
        return size

    def run(self, pixels: Sequence[np.ndarray]) -> list[RawOutput]:
        answers = []
        for red, _, blue in pixels:
            height, width = red.shape
            self.seen.append((height, width))
            below = np.linspace(0, height / OWN[0] - 1, height, dtype=np.float32)[:, None]
            log = FULL_SCALE * red + (below if height > OWN[0] else 0)
            answers.append(RawOutput(log, 4 * (blue - 0.5) + below))
        return answers


def picture() -> np.ndarray:
    """A slope along the equator, with an edge two pixels wide in every eighth column."""
    red = 0.4 + 0.2 * np.sin(np.arange(LARGE[1]) * 2 * np.pi / LARGE[1])
    red[::8] += 0.2
    image = np.zeros((*LARGE, 3), np.float32)
    image[..., 0] = red
    return image


def answer(predictor: Predictor, image: np.ndarray) -> np.ndarray:
    return np.log(predictor.predict(image, level="none", sky="none", quality="fast").distance)


def test_the_whole_comes_from_the_own_size_and_edges_from_the_larger() -> None:
    model, image = Lost(), picture()
    log = answer(model, image)
    assert model.seen == [LARGE, OWN]
    true = FULL_SCALE * image[..., 0]
    rest = log - true - np.median(log - true)
    assert np.abs(rest[16:-16]).max() < 0.06  # poles are smoothed; a floor is off by more
    own = answer(Lost(OWN), image)
    lost = own - true - np.median(own - true)
    assert np.abs(lost[16:-16]).max() > 0.25  # what the own size cannot hold of the edges


def test_a_map_shrunk_is_what_the_own_size_says() -> None:
    rng = np.random.default_rng(5)
    model = Lost()
    pixels = rng.random((3, *LARGE), np.float32)
    smooth = resize_erp(resize_erp(pixels, (8, 16)), LARGE, antialias=False)
    held = model.run_one(smooth)
    (own,) = model.run([resize_erp(smooth, OWN)])
    for large, small in zip(held, own, strict=True):
        assert large is not None
        assert np.abs(resize_erp(large, OWN) - small).max() < 0.02


@pytest.mark.parametrize("model", [Lost(OWN), Lost((16, 32)), Lost(edges="cut")])
def test_other_sizes_and_released_models_are_seen_once(model: Lost) -> None:
    answer(model, picture())
    assert model.seen == [model.size]


def test_a_size_for_one_picture_and_its_tiles_are_held_too() -> None:
    model = Lost(OWN)
    model.predict(picture(), size=LARGE, level="none", quality="fast")
    assert model.seen == [LARGE, OWN]


def test_a_smaller_size_for_one_picture_is_the_own_one() -> None:
    """At fewer pixels a network loses the whole; released models are taken at their word."""
    model = Lost(OWN)
    found = model.predict(picture(), size=(16, 32), level="none", quality="fast")
    assert model.seen == [OWN]
    assert found.meta["network_size"] == list(OWN)
    released = Lost(OWN, edges="cut")
    released.predict(picture(), size=(16, 32), level="none")
    assert released.seen == [(16, 32)]


def test_other_views_are_held_too() -> None:
    """What says how sure a network is, and where the floor is, sees the picture in other ways."""
    model = Lost(OWN)
    model.predict(picture(), size=LARGE, level="none", confidence=True, quality="fast")
    assert model.seen.count(LARGE) == model.seen.count(OWN) == 6
    model.seen.clear()
    floor = np.zeros((*LARGE, 3), np.float32)
    down = (np.arange(LARGE[0]) + 0.5) / LARGE[0] * np.pi - np.pi / 2
    floor[..., 0] = np.log(1.6 / np.sin(down.clip(0.3))).clip(0.01)[:, None] / FULL_SCALE
    found = model.predict(floor, size=LARGE, level="none", camera_height=1.6, quality="fast")
    assert found.unit == "m"
    assert model.seen.count(LARGE) == model.seen.count(OWN) == 4


def test_the_sky_of_both_is_weighed() -> None:
    image = picture()
    image[: LARGE[0] // 3, :, 2] = 1
    found = Lost().predict(image, level="none", sky="auto")
    assert found.sky_mask is not None
    assert found.sky_mask[: LARGE[0] // 3 - 2].all()
    assert not found.sky_mask[LARGE[0] // 3 + 2 :].any()  # the larger alone calls the floor sky


def test_nan_at_the_own_size_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Lost()

    def run(pixels: Sequence[np.ndarray]) -> list[RawOutput]:
        value = np.nan if pixels[0].shape[1] == OWN[0] else 0.0
        return [RawOutput(np.full(p.shape[1:], value, np.float32), None) for p in pixels]

    monkeypatch.setattr(model, "run", run)
    with pytest.raises(ModelError, match="NaN"):
        model.predict(picture())


def test_the_bundled_network_is_as_exact_at_twice_its_size() -> None:
    """Within 5 % of its own size, where one pass alone is more than twice as far off."""
    predictor = panodepth.load(device="cpu", dtype="float32")
    own, large = predictor.own_size, (252, 504)
    worlds = render_batch(1_000_000, range(4), *large, kind="indoor")
    errors = {"own": 0.0, "held": 0.0, "once": 0.0}
    for image, truth in zip(worlds.image.numpy(), worlds.distance.numpy(), strict=True):
        maps = {
            "own": predictor.run_one(resize_erp(image, own)),
            "held": predictor.run_one(image),
            "once": predictor.run([image])[0],
        }
        for name, output in maps.items():
            distance = resize_erp(np.exp(output.log_distance), large, antialias=False)
            scale = np.float32(median_scale(distance, truth, truth > 0))
            errors[name] += abs_rel(distance * scale, truth, truth > 0)
    assert errors["held"] < 1.05 * errors["own"], errors
    assert errors["once"] > 2 * errors["own"], errors

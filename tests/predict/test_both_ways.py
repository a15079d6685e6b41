"""What a network says of several looks at a picture together, from "standard" on: some are
mirrored, and they are turned by parts of a patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import panodepth
from panodepth.lab.evaluation.measures.align import median_scale
from panodepth.lab.evaluation.measures.metrics import abs_rel
from panodepth.lab.worlds import render_batch
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput, answers
from panodepth.size import Size

SIZE = (32, 64)


class Leaning(Predictor):
    """Red is the log distance and blue says sky, but what is on the right it takes for farther."""

    name, own_size, size = "leaning", SIZE, SIZE

    def __init__(self, edges: Any = "sphere", *, with_sky: bool = True) -> None:
        self.edges, self.with_sky, self.seen = edges, with_sky, 0

    def describe(self) -> dict[str, Any]:
        return {"dtype": "float32", "device": "cpu"}

    def checked_size(self, size: Size) -> Size:
        return size

    def run(self, pixels: Sequence[np.ndarray]) -> list[RawOutput]:
        self.seen += len(pixels)
        lean = np.linspace(0, 1, SIZE[1], dtype=np.float32)
        sky = [4 * (p[2] - 0.5) + lean if self.with_sky else None for p in pixels]
        return [RawOutput(p[0] + lean, s) for p, s in zip(pixels, sky, strict=True)]


def picture() -> np.ndarray:
    rng = np.random.default_rng(3)
    image = rng.random((*SIZE, 3), np.float32)
    image[..., 2] = 0
    image[:8, :, 2] = np.linspace(0.2, 0.8, SIZE[1])
    return image


def said(model: Predictor, image: np.ndarray, quality: str) -> RawOutput:
    request = model.prepare(image, None, PredictOptions(quality=quality, sky="none"))
    (answer,) = answers([request], model.run(request.pictures))
    return answer


@pytest.mark.parametrize("with_sky", [True, False])
def test_it_is_the_mean_of_all_looks_as_the_picture_is(with_sky: bool) -> None:
    model, pixels = Leaning(with_sky=with_sky), np.moveaxis(picture(), -1, 0)
    plain = model.prepare(picture(), None, PredictOptions(quality="fast"))
    request = model.prepare(picture(), None, PredictOptions())
    assert (len(plain.pictures), len(request.pictures)) == (1, 3)
    seen = model.run([*plain.pictures, *request.pictures])
    one, all_three = answers([plain, request], seen)
    np.testing.assert_array_equal(one.log_distance, seen[0].log_distance)
    # Column c is seen at c, at c + 9 and, in the mirror, at 63 - 5 - c; the mirror counts half.
    column = np.arange(SIZE[1])
    there, further, mirrored = (c % SIZE[1] for c in (column, column + 9, 58 - column))
    lean = ((there + further) / 4 + mirrored / 2) / (SIZE[1] - 1)
    np.testing.assert_allclose(all_three.log_distance, pixels[0] + lean, atol=1e-6)
    if with_sky:
        assert all_three.sky_logit is not None
        np.testing.assert_allclose(all_three.sky_logit, 4 * (pixels[2] - 0.5) + lean, atol=1e-6)
    else:
        assert all_three.sky_logit is None


@pytest.mark.parametrize(
    ("quality", "least", "most"),
    [("fast", 0.45, 0.55), ("standard", 0.02, 0.15), ("balanced", 0, 1e-6), ("best", 0, 1e-6)],
)
def test_a_mirrored_picture_has_the_mirrored_distance(
    quality: str, least: float, most: float
) -> None:
    one, other = (
        said(Leaning(), np.ascontiguousarray(image), quality)
        for image in (picture(), picture()[:, ::-1])
    )
    for ours, theirs in zip(one, other, strict=True):
        assert ours is not None
        assert theirs is not None
        assert least <= np.abs(ours - theirs[:, ::-1]).mean() <= most


class Patched(Leaning):
    """Takes what is at the border of its patches of 14 columns for farther."""

    own_size, size = (28, 56), (28, 56)

    def run(self, pixels: Sequence[np.ndarray]) -> list[RawOutput]:
        lean = ((np.arange(56) % 14 - 6.5) ** 2 / 50).astype(np.float32)
        return [RawOutput(p[0] + lean, None) for p in pixels]


@pytest.mark.parametrize(
    ("quality", "columns", "least", "most"),
    [
        ("fast", 7, 0.3, 0.5),
        ("standard", 7, 0.1, 0.2),
        ("standard", 14, 0, 1e-6),
        ("balanced", 7, 0, 1e-6),
        ("balanced", 4, 0.1, 0.2),
        ("best", 14, 0, 1e-6),
    ],
)
def test_a_picture_turned_by_part_of_a_patch(
    quality: str, columns: int, least: float, most: float
) -> None:
    model, image = Patched(), np.zeros((28, 56, 3), np.float32)
    image[..., 0] = np.random.default_rng(5).random((28, 56))
    plain, turned = (said(model, np.roll(image, c, 1), quality).log_distance for c in (0, columns))
    assert least <= np.abs(np.roll(turned, -columns, 1) - plain).mean() <= most


def test_at_a_larger_size_looks_are_turned_by_as_much_of_the_sphere() -> None:
    waves = np.sin(np.arange(112)[:, None] * (4 * np.pi / 112) + (0, 1, 2)) / 2 + 0.5
    image = np.broadcast_to(waves.astype(np.float32), (56, 112, 3))
    plain, larger = Patched(), Patched()
    larger.size = (56, 112)
    small, large = (m.prepare(image, None, PredictOptions()).pictures for m in (plain, larger))
    for one, other in zip(small, large, strict=True):
        halved = other.reshape(3, 28, 2, 56, 2).mean((2, 4))
        assert np.abs(halved - one).max() < 0.1  # half a column: each turns by whole ones


def test_how_often_the_picture_is_seen() -> None:
    def seen(model: Leaning, **options: Any) -> int:
        told = model.predict(picture(), level="none", **options).meta
        assert told["quality"] == options.get("quality", "standard")
        return model.seen

    assert PredictOptions().quality == "standard"
    assert seen(Leaning()) == 3
    assert seen(Leaning(), quality="fast") == 1
    assert seen(Leaning(), quality="balanced") == 4
    assert seen(Leaning(), quality="best") == 6  # no larger than the map: no tiles
    assert seen(Leaning("cut")) == 1  # as the authors of the released model see it
    assert seen(Leaning("cut"), quality="fast") == 1
    assert seen(Leaning("cut"), quality="balanced") == 1
    assert seen(Leaning("cut"), quality="best") == 4


def test_several_pictures_are_predicted_as_each_alone() -> None:
    images = [picture(), picture()[::-1].copy()]
    together = Leaning().predict_batch(images, level="none")
    for image, found in zip(images, together, strict=True):
        alone = Leaning().predict(image, level="none")
        np.testing.assert_array_equal(found.distance, alone.distance)


def test_the_bundled_network_is_nearer_to_the_truth_for_it() -> None:
    predictor = panodepth.load(device="cpu", dtype="float32")
    worlds = render_batch(1_000_000, range(16, 24), 128, 256, kind="indoor")
    errors = {"fast": 0.0, "standard": 0.0}
    images = worlds.image.permute(0, 2, 3, 1).numpy()
    for image, truth in zip(images, worlds.distance.numpy(), strict=True):
        for quality in errors:
            distance = predictor.predict(image, quality=quality, sky="none", level="none").distance
            scale = np.float32(median_scale(distance, truth, truth > 0))
            errors[quality] += abs_rel(distance * scale, truth, truth > 0)
    assert errors["standard"] < errors["fast"], errors

"""What `predict` promises: normalisation, masks, sizes, batches, threads.

`Painted` is a network whose answer is written in the picture, so the truth is known in closed form:
red is the log distance, blue says sky.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import panodepth
from panodepth.errors import ConfigError, InputError, ModelError
from panodepth.geometry.poles import settle_poles
from panodepth.model import ModelConfig, ModelOutput
from panodepth.predict.masks import shrink_mask
from panodepth.predict.options import PredictOptions
from panodepth.predict.torch_backend import TorchPredictor

SIZE = (56, 112)
RNG = np.random.default_rng(3)


class Painted(nn.Module):
    """log distance = 3 · red, sky where blue > 0.5; optionally with the released behaviour."""

    def __init__(self, *, own: bool = True, sky: bool = True) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.config = ModelConfig(size=SIZE, wrap_padding=own, sky_head=sky)

    def forward(self, image: torch.Tensor) -> ModelOutput:
        sky = image[:, 2] - 0.5 if self.config.sky_head else None
        return ModelOutput(3 * image[:, 0], sky)


def painted(red: np.ndarray, blue: np.ndarray | float = 0.0) -> np.ndarray:
    image = np.zeros((*red.shape, 3), np.float32)
    image[..., 0], image[..., 2] = red, blue
    return image


def predictor(**kind: bool) -> TorchPredictor:
    return TorchPredictor(Painted(**kind))  # type: ignore[arg-type]


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W) in [0, 1], periodic in longitude, constant along the pole rows."""
    rng = np.random.default_rng(seed)
    lon = (np.arange(width) + 0.5) / width * 2 * np.pi
    lat = ((np.arange(height) + 0.5) / height - 0.5) * np.pi
    wave = sum(
        rng.uniform(0.2, 1) * np.cos(lat[:, None]) ** 2 * np.sin(k * lon + rng.uniform(0, 6))
        for k in range(1, 5)
    )
    return ((wave - wave.min()) / (wave.max() - wave.min())).astype(np.float32)


def test_closed_form_at_the_networks_size() -> None:
    red = RNG.random(SIZE, dtype=np.float32)
    got = predictor(sky=False).predict(painted(red), sky="none")
    truth = np.exp(3 * red)
    settle_poles(truth, np.ones(SIZE, np.bool_))
    truth /= np.quantile(truth, 0.98)
    np.testing.assert_allclose(got.distance, truth, rtol=1e-5)
    assert got.mask.all()
    assert got.meta["unit"] == "relative"


def test_normalised_over_what_mask_and_model_call_valid() -> None:
    red = RNG.random(SIZE, dtype=np.float32)
    blue = (RNG.random(SIZE) < 0.3).astype(np.float32)
    mask = RNG.random(SIZE) < 0.7
    got = predictor().predict(painted(red, blue), mask)
    valid = mask & (blue < 0.5)
    np.testing.assert_array_equal(got.mask, valid)
    assert np.quantile(got.distance[valid], 0.98) == pytest.approx(1.0, rel=1e-5)
    assert np.quantile(got.distance, 0.98) != pytest.approx(1.0, rel=1e-3)


def test_sky_none_takes_every_pixel_for_a_surface() -> None:
    red = RNG.random(SIZE, dtype=np.float32)
    got = predictor().predict(painted(red, np.where(red > 0.5, 1.0, 0.0)), sky="none")
    assert got.mask.all()
    assert np.quantile(got.distance, 0.98) == pytest.approx(1.0, rel=1e-5)


def test_masked_pixels_do_not_move_the_scale() -> None:
    red = smooth(140, 280) * 0.5
    mask = np.ones(red.shape, np.bool_)
    mask[:30] = False
    wild = red.copy()
    wild[:25] = 1.0  # further off than half a network pixel from the mask's edge
    one, other = (predictor().predict(painted(r), mask) for r in (red, wild))
    np.testing.assert_allclose(one.distance[40:], other.distance[40:], rtol=1e-5)
    assert not one.mask[:30].any()
    assert one.mask[30:].all()


def test_a_speck_of_valid_pixels_is_enough() -> None:
    mask = np.zeros((560, 1120), np.bool_)
    mask[300, 500] = True
    got = predictor().predict(painted(smooth(560, 1120)), mask)
    assert got.mask.sum() == 1
    assert np.isfinite(got.distance).all()


@pytest.mark.parametrize(("share", "expected"), [(7, False), (8, True), (9, True)])
def test_a_mask_is_valid_where_half_of_the_area_is(share: int, expected: bool) -> None:
    mask = np.zeros((8, 16), np.bool_)
    mask[:4, :4].flat[:share] = True  # of the 16 pixels that become the first one
    mask[4:, 12:] = True
    small = shrink_mask(mask, (2, 4))
    assert (small[0, 0], small[1, 3], small.sum()) == (expected, True, 1 + expected)


def test_a_speck_between_the_pixels_of_the_network_is_enough() -> None:
    """Fewer rows than the network, more columns: masks are not averaged then."""
    mask = np.zeros((20, 1120), np.bool_)
    mask[3, 7] = True
    got = predictor().predict(painted(smooth(20, 1120)), mask, allow_any_aspect=True)
    assert got.mask.sum() == 1
    assert np.isfinite(got.distance).all()


@pytest.mark.parametrize("size", [(28, 56), (56, 112), (100, 200), (101, 200), (280, 560)])
def test_returns_float32_at_the_inputs_size(size: tuple[int, int]) -> None:
    got = predictor().predict(painted(smooth(*size)))
    assert got.distance.shape == got.mask.shape == size
    assert got.image.shape == (*size, 3)
    assert (got.distance.dtype, got.mask.dtype) == (np.float32, np.bool_)
    assert (got.distance > 0).all()
    assert np.isfinite(got.distance).all()
    assert got.meta["network_size"] == list(SIZE)


def test_rolling_the_panorama_rolls_the_result() -> None:
    image = painted(smooth(70, 140))
    got = predictor().predict(image)
    shift = 35  # 140 pixels become 112: 35 pixels are 28 whole ones
    rolled = predictor().predict(np.roll(image, shift, 1))
    np.testing.assert_allclose(np.roll(got.distance, shift, 1), rolled.distance, rtol=1e-5)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ((50, 112), "multiples of 14"),
        ((0, 14), "multiples of 14"),
        ((56,), "is not .height, width. in whole pixels"),
        ((-14, 28), "multiples of 14"),
    ],
)
def test_impossible_network_size(bad: tuple[int, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        predictor().predict(painted(smooth(56, 112)), size=bad)  # type: ignore[arg-type]


def test_a_swapped_size_is_told_so(model_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"1036×518 .*height×width.* did you mean 518×1036\?"):
        predictor().predict(painted(smooth(56, 112)), size=(1036, 518))
    with pytest.raises(ConfigError, match="did you mean 56×112"):
        panodepth.load(model_file, device="cpu", size=(112, 56))


def test_network_size_can_be_chosen_per_call(model_file: Path) -> None:
    loaded = panodepth.load(model_file, device="cpu", dtype="float32", size=(84, 168))
    assert loaded.predict(painted(smooth(56, 112))).meta["network_size"] == [84, 168]
    got = loaded.predict(painted(smooth(56, 112)), size=(70, 140))
    assert got.meta["network_size"] == [70, 140]
    small = panodepth.load(model_file, device="cpu", dtype="float32", size=(28, 56))
    assert small.size == (56, 112)  # its own


def test_aspect_is_checked_at_the_border() -> None:
    photo = painted(smooth(60, 90))
    with pytest.raises(InputError, match=r"90x60.*2 x"):
        predictor().predict(photo)
    assert predictor().predict(photo, allow_any_aspect=True).distance.shape == (60, 90)


def test_nothing_valid_is_an_error() -> None:
    image = painted(smooth(56, 112))
    with pytest.raises(InputError, match="no valid pixel"):
        predictor().predict(image, np.zeros(SIZE, np.bool_))
    with pytest.raises(InputError, match="sky"):
        predictor().predict(painted(smooth(56, 112), 1.0))


def test_mask_must_match(tmp_path: Path) -> None:
    image = painted(smooth(56, 112))
    with pytest.raises(InputError, match=r"\(10, 20\) does not match image \(56, 112\)"):
        predictor().predict(image, np.ones((10, 20), np.bool_))
    with pytest.raises(InputError, match="must be bool"):
        predictor().predict(image, np.ones(SIZE, np.uint8))
    path = tmp_path / "m.png"
    Image.fromarray(np.full((10, 20), 255, np.uint8)).save(path)
    with pytest.raises(InputError, match=r"m\.png"):
        predictor().predict(image, path)


def test_mask_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    white = RNG.random(SIZE) < 0.5
    Image.fromarray(np.where(white, 255, 0).astype(np.uint8)).save(path)
    got = predictor().predict(painted(smooth(*SIZE)), path)
    np.testing.assert_array_equal(got.mask, white)


def test_nan_in_the_input_is_masked() -> None:
    image = painted(smooth(*SIZE))
    image[5, 7, 1] = np.nan
    got = predictor().predict(image)
    assert not got.mask[5, 7]
    assert got.mask.sum() == got.mask.size - 1
    assert np.isfinite(got.distance).all()
    mask = np.ones(SIZE, np.bool_)
    mask[:10, 20:] = False
    both = predictor().predict(image, mask)
    assert both.mask.sum() == mask.sum() - 1


def test_a_broken_network_is_named() -> None:
    broken = Painted()
    broken.forward = lambda image: ModelOutput(image[:, 0] / 0 * 0, None)  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="NaN"):
        TorchPredictor(broken).predict(painted(smooth(*SIZE)))  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sky_that_is_not_a_number_is_told_too(bad: float) -> None:
    broken = Painted()
    logit = torch.full((1, *SIZE), -3.0)
    logit[0, 5, 7] = bad
    broken.forward = lambda image: ModelOutput(image[:, 0], logit)  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="NaN"):
        TorchPredictor(broken).predict(painted(smooth(*SIZE)), quality="fast")  # type: ignore[arg-type]


def test_every_kind_of_input_gives_the_same(model_file: Path, tmp_path: Path) -> None:
    loaded = panodepth.load(model_file, device="cpu", dtype="float32")
    pixels = (RNG.random((64, 128, 3)) * 255).astype(np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    reference = loaded.predict(pixels).distance
    for same in (
        path,
        str(path),
        Image.fromarray(pixels),
        pixels.astype(np.uint16) * 257,
        pixels.astype(np.float32) / 255,
        pixels.astype(np.float64) / 255,
    ):
        np.testing.assert_allclose(loaded.predict(same).distance, reference, rtol=1e-4)
    assert loaded.predict(path).meta["name"] == "a"


def test_batch_equals_one_by_one(model_file: Path) -> None:
    loaded = panodepth.load(model_file, device="cpu", dtype="float32")
    images = [RNG.random((h, 2 * h, 3), dtype=np.float32) for h in (56, 90, 64)]
    masks = [None, RNG.random((90, 180)) < 0.5, None]
    together = loaded.predict_batch(images, masks)
    for image, mask, got in zip(images, masks, together, strict=True):
        alone = loaded.predict(image, mask)
        np.testing.assert_allclose(got.distance, alone.distance, rtol=1e-5)
        np.testing.assert_array_equal(got.mask, alone.mask)
    assert loaded.predict_batch([]) == []
    with pytest.raises(InputError, match="2 masks do not match 3 images"):
        loaded.predict_batch(images, masks[:2])


@pytest.mark.parametrize("single", ["room.jpg", Path("room.jpg"), np.zeros((56, 112, 3)), b"x"])
def test_a_batch_is_a_list(single: object) -> None:
    with pytest.raises(InputError, match="takes a list of images; for a single one use predict"):
        predictor().predict_batch(single)  # type: ignore[arg-type]


def test_a_batch_may_be_one_array() -> None:
    images = np.stack([painted(smooth(*SIZE, seed)) for seed in (1, 2)])
    together = predictor().predict_batch(images)  # type: ignore[arg-type]
    for image, got in zip(images, together, strict=True):
        np.testing.assert_array_equal(got.distance, predictor().predict(image).distance)


def test_threads_get_identical_results(model_file: Path) -> None:
    loaded = panodepth.load(model_file, device="cpu", dtype="float32")
    images = [RNG.random((56, 112, 3), dtype=np.float32) for _ in range(4)]
    sizes = [(56, 112), (28, 56)]
    jobs = [(image, size) for size in sizes for image in images] * 3
    expected = [loaded.predict(image, size=size).distance for image, size in jobs]
    fresh = panodepth.load(model_file, device="cpu", dtype="float32")  # with empty caches
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda job: fresh.predict(job[0], size=job[1]).distance, jobs))
    for got, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_classical_mask_never_moves_the_scale() -> None:
    """A released-format model has no sky output: its quantile is over all pixels, as published."""
    height, width = 112, 224
    rows = ((np.arange(height) + 0.5) / height - 0.5)[:, None]
    image = np.where(rows[..., None] < -0.02, [0.45, 0.65, 0.95], [0.1, 0.25, 0.05])
    image = np.broadcast_to(image, (height, width, 3)).astype(np.float32).copy()
    image[..., 0] = np.where(rows < -0.02, 0.45, 0.02)  # red: sky far, ground near
    quiet, auto = (predictor(own=False, sky=False).predict(image, sky=s) for s in ("none", "auto"))
    np.testing.assert_array_equal(quiet.distance, auto.raw)
    np.testing.assert_array_equal(auto.distance, quiet.distance)  # a guess overwrites nothing
    np.testing.assert_array_equal(auto.sky, ~auto.mask)
    assert quiet.mask.all()
    assert not quiet.sky.any()
    assert not auto.mask[: height // 3].any()
    assert auto.mask[height // 2 + 5 :].all()
    assert auto.meta["sky"] == "classical"


def test_released_format_is_bilinear_without_a_wrap(released_file: Path) -> None:
    """Parity: an input at the network's size goes in untouched and comes out untouched."""
    loaded = panodepth.load(released_file, device="cpu", dtype="float32")
    image = RNG.random((112, 224, 3), dtype=np.float32)
    with torch.inference_mode():
        log = loaded.model(torch.from_numpy(image).permute(2, 0, 1)[None]).log_distance[0]
    truth = log.double().exp()
    truth = truth / torch.quantile(truth, 0.98)
    np.testing.assert_allclose(loaded.predict(image).distance, truth.numpy(), rtol=2e-6)


def test_metres_from_the_cameras_height() -> None:
    height, width = 112, 224
    latitude = ((np.arange(height) + 0.5) / height - 0.5) * np.pi
    distance = np.minimum(2.0 / np.maximum(np.abs(np.sin(latitude)), 1e-3), 6.0)
    red = np.repeat((np.log(distance) / 3)[:, None], width, 1).astype(np.float32)
    got = TorchPredictor(Painted(), size=(112, 224)).predict(painted(red), camera_height=1.6)  # type: ignore[arg-type]
    assert got.meta["unit"] == "m"
    assert got.meta["camera_height_m"] == 1.6
    np.testing.assert_allclose(got.distance[80:, 0], distance[80:] * 0.8, rtol=0.01)
    relative = TorchPredictor(Painted(), size=(112, 224)).predict(painted(red))  # type: ignore[arg-type]
    np.testing.assert_allclose(
        got.distance, relative.distance * got.meta["metres_per_unit"], rtol=1e-5
    )


def test_bfloat16_stays_close(released_file: Path) -> None:
    image = smooth(112, 224)[..., None].repeat(3, -1)
    exact, rough = (
        panodepth.load(released_file, device="cpu", dtype=dtype).predict(image).distance
        for dtype in ("float32", "bfloat16")
    )
    assert rough.dtype == np.float32
    assert np.abs(rough / exact - 1).mean() < 0.005


def test_leaving_cores_is_for_a_while() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        loaded = predictor()
        for count, left in ((1, 3), (9, 1)):
            with loaded.leaving_cores(count):
                assert torch.get_num_threads() == left
            assert torch.get_num_threads() == 4
        with pytest.raises(ZeroDivisionError), loaded.leaving_cores(1):
            _ = 1 // 0
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_options_by_name_or_as_a_whole() -> None:
    image = painted(smooth(60, 90))
    options = PredictOptions(allow_any_aspect=True, sky="none")
    whole = predictor().predict(image, None, options)
    by_name = predictor().predict(image, allow_any_aspect=True, sky="none")
    np.testing.assert_array_equal(whole.distance, by_name.distance)
    assert predictor().predict(image, None, options, sky="auto").meta["sky"] == "model"
    with pytest.raises(ConfigError, match=r"'camera_hight'; did you mean 'camera_height'\?"):
        predictor().predict(image, camera_hight=1.6)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="sky"):
        predictor().predict(painted(smooth(*SIZE)), sky="blue")  # type: ignore[arg-type]


def test_prediction_is_frozen() -> None:
    got = predictor().predict(painted(smooth(*SIZE)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        got.distance = got.distance  # type: ignore[misc]

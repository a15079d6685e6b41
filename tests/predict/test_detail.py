"""`--quality balanced`: tiles, seam, sizes, and what every model makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import ConfigError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.resizing import resize_erp
from panodepth.images import to_image_data
from panodepth.model.detail import DetailConfig, DetailNetwork
from panodepth.predict import detail
from panodepth.predict.detail import add_detail, double, first_size, sampled
from panodepth.predict.predictor import Predictor, RawOutput
from panodepth.types import FloatArray

SIZE = (20, 40)
RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def network() -> DetailNetwork:
    torch.manual_seed(0)
    made = DetailNetwork(DetailConfig(channels=6, first_dilations=(1, 2), first_rings=(1, 3)))
    torch.nn.init.normal_(made.first.head.weight)
    torch.nn.init.normal_(made.next.head.weight)
    return made.eval().requires_grad_(False)


def smooth(*size: int) -> np.ndarray:
    coarse = RNG.standard_normal((5, 10)).astype(np.float32)
    return np.asarray(resize_erp(coarse, (size[0], size[1])), np.float32)


def picture(*size: int) -> np.ndarray:
    return RNG.integers(0, 255, (*size, 3), np.uint8)


def test_tiles_make_the_same_map_as_the_whole(network: DetailNetwork) -> None:
    image, log, sky = picture(40, 80), smooth(*SIZE), smooth(*SIZE)
    for number, least in ((0, 0.0), (1, 0.0), (1, 0.01)):
        whole = double(network.step(number), image, log, sky, least=least)
        for tile in ((7, 11), (20, 13), (1, 40)):
            parts = double(network.step(number), image, log, sky, tile, least=least)
            for one, other in zip(whole, parts, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("columns", [1, 8, 20])
def test_it_commutes_with_rolling(network: DetailNetwork, columns: int) -> None:
    image, log, sky = picture(40, 80), smooth(*SIZE), smooth(*SIZE)
    for number in (0, 1):
        whole = double(network.step(number), image, log, sky)
        turned = (
            np.roll(image, 2 * columns, 1),
            np.roll(log, columns, 1),
            np.roll(sky, columns, 1),
        )
        rolled = double(network.step(number), *turned)
        for one, other in zip(whole, rolled, strict=True):
            np.testing.assert_allclose(np.roll(one, 2 * columns, 1), other, atol=2e-5, rtol=0)


@given(st.integers(2, 9000), st.integers(28, 600))
def test_the_first_map_is_about_as_large_as_the_coarse_one(height: int, coarse: int) -> None:
    (rows, columns), times = first_size((height, 2 * height), (coarse, 2 * coarse))
    assert times >= 1
    assert rows * 2**times >= height
    assert columns == 2 * rows or height % 2**times
    assert 0.9 * coarse <= rows <= max(1.8 * coarse + 1, coarse)


@settings(max_examples=12, deadline=None)
@given(st.integers(8, 120), st.integers(16, 200))
def test_any_size_of_picture(network: DetailNetwork, height: int, width: int) -> None:
    log = smooth(*SIZE)
    found, sky = add_detail(network, to_image_data(picture(height, width)), (log, None))
    assert sky is None
    assert found.shape == (height, width)
    assert found.dtype == np.float32
    assert found.min() >= log.min() - 1e-5
    assert found.max() <= log.max() + 1e-5


def test_another_size_keeps_planes_and_edges() -> None:
    rays, fine = erp_rays(60, 120), erp_rays(52, 104)
    # Four walls of a square room at two distances: straight, and two steps.
    near = np.maximum(np.abs(rays[..., 0]), np.abs(rays[..., 2]))
    log = -np.log(near)
    log[:, 60:] += 1
    found, sky = sampled(log, log, (52, 104))
    truth = -np.log(np.maximum(np.abs(fine[..., 0]), np.abs(fine[..., 2])))
    truth[:, 52:] += 1
    middle = np.abs(np.abs(fine[..., 0]) - np.abs(fine[..., 2])) > 0.15  # off the corners
    middle[:, [0, 51, 52, 103]] = False
    middle[:4] = middle[-4:] = False
    np.testing.assert_allclose(found[middle], truth[middle], atol=2e-3)
    assert np.isin(sky, log).all()


@pytest.mark.parametrize("rise", [0.0, 0.02, 0.1])
def test_how_far_an_edge_may_rise_is_bounded(network: DetailNetwork, rise: float) -> None:
    log, size = smooth(*SIZE), (2 * SIZE[0], 2 * SIZE[1])  # so one doubling
    given = network, to_image_data(picture(*size)), (log, None)
    free, bounded = add_detail(*given, rise=9.0)[0], add_detail(*given, rise=rise)[0]
    limit = resize_erp(log, size) + np.float32(rise)
    assert (free > limit).any()
    np.testing.assert_array_equal(bounded, np.minimum(free, limit))


def test_later_doublings_leave_small_changes_out(network: DetailNetwork) -> None:
    image, log, sky = picture(40, 80), smooth(*SIZE), smooth(*SIZE)
    plain = resize_erp(log, (40, 80))
    found, kept = (double(network.next, image, log, sky, least=t)[0] for t in (0.0, 0.02))
    change, left = found - plain, kept - plain
    small = np.abs(change) < 0.02
    assert 0.05 < small.mean() < 0.95
    np.testing.assert_allclose(left[small], 0, atol=1e-6)
    assert (np.abs(left) <= np.abs(change) + 1e-6).all()
    large = np.abs(change) > 0.2
    assert large.any()
    np.testing.assert_allclose(left[large], change[large], rtol=0.011, atol=1e-5)


def test_it_tells_how_far_it_is_and_stops_there(network: DetailNetwork) -> None:
    told: list[float] = []
    add_detail(network, to_image_data(picture(200, 400)), (smooth(*SIZE), None), watch=told.append)
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == 1.0
    assert told[0] < 0.1

    def stop(share: float) -> None:
        raise RuntimeError(f"at {share}")

    with pytest.raises(RuntimeError, match="at 0"):
        add_detail(network, to_image_data(picture(200, 400)), (smooth(*SIZE), None), watch=stop)


class Blurred(Predictor):
    """A model without a sky that takes what is red for far, softly."""

    name, size, own_size = "blurred", (32, 64), (32, 64)

    def __init__(self, edges: str) -> None:
        self.edges = edges  # type: ignore[assignment]

    def describe(self) -> dict[str, object]:
        return {}

    def checked_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        logs = []
        for picture in pixels:
            step = (picture[0].mean(0) > 0.5).astype(np.float32)
            row = np.mean([np.roll(step, k) for k in range(-2, 3)], axis=0, dtype=np.float32)
            logs.append(np.repeat(row[None], 32, 0))
        return [RawOutput(log, None) for log in logs]


@pytest.mark.parametrize("edges", ["sphere", "cut"])
def test_an_edge_goes_where_the_picture_has_it(edges: str) -> None:
    """With the bundled detail network, for a model of either kind of resizing."""
    image = np.full((128, 256, 3), 90, np.uint8)
    image[:, 128:] = (200, 170, 120)
    model = Blurred(edges)
    fast, sharp = (model.predict(image, sky="none", quality=q) for q in ("fast", "balanced"))
    assert (fast.meta["quality"], sharp.meta["quality"]) == ("fast", "balanced")
    steps = np.abs(np.diff(np.log(sharp.distance), axis=1))[20:-20, 64:192]
    enlarged = 1 / 5 / 4  # the model's slope is 5 of its pixels wide, and they become 4
    assert steps.max(1).mean() > 2.5 * enlarged
    assert (np.abs(steps.argmax(1) - 63) <= 2).mean() > 0.9
    near, far = (np.median(sharp.distance[20:-20, c]) for c in (90, 166))
    np.testing.assert_allclose(far / near, np.e, rtol=0.02)


@pytest.mark.parametrize("device", ["gpu.0", "cpu,gpu", "npu", "cuda:99", "cpu"])
def test_beside_a_device_that_torch_has_not_got_it_runs_on_the_cpu(device: str) -> None:
    """Devices of OpenVINO, and of an onnxruntime with CUDA beside a torch without."""
    model = Blurred("sphere")
    model.device = device  # type: ignore[attr-defined]
    sharp = model.predict(picture(64, 128), sky="none", quality="balanced")
    assert sharp.distance.shape == (64, 128)


def test_colours_of_16_bits_are_as_those_of_8(network: DetailNetwork) -> None:
    image, log, sky = picture(40, 80), smooth(*SIZE), smooth(*SIZE)
    found = [double(network.first, x, log, sky)[0] for x in (image, image.astype(np.uint16) * 257)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@pytest.mark.parametrize("shift", [-5, -3, -1, 0, 2, 4, 5])
@pytest.mark.parametrize("ratio", [1.1, 2.0])
def test_later_doublings_move_an_edge_to_the_picture_s(shift: int, ratio: float) -> None:
    """With the bundled network: a sharp edge on the border of two coarse pixels does not stay."""
    log = np.zeros((24, 48), np.float32)
    log[:, 24:] = np.log(ratio)
    wide = np.full((24 * 8, 48 * 8, 3), 90, np.uint8)
    wide[:, 24 * 8 + shift :] = (130, 120, 105)
    image, step, sky = to_image_data(wide), detail.bundled_detail("cpu").next, np.zeros_like(log)
    for finer in (2, 4, 8):
        given = detail.guide(image, (24 * finer, 48 * finer)), log, sky
        log, sky = double(step, *given, least=detail.LEAST_LATER)
    steps = np.abs(np.diff(log, axis=1))[32:-32, 96:288]  # the other edge is at the seam
    assert (np.abs(steps.argmax(1) - (24 * 8 - 96 - 1 + shift)) <= 1).mean() > 0.95
    assert steps.max(1).mean() > 0.6 * np.log(ratio)


def test_bad_qualities_and_a_missing_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fast, standard, balanced, best"):
        Blurred("cut").predict(picture(32, 64), quality="sharp")
    monkeypatch.setattr(detail, "WEIGHTS", tmp_path)
    detail.bundled_detail.cache_clear()
    with pytest.raises(detail.ModelError, match="--quality fast"):
        Blurred("cut").predict(picture(32, 64), quality="balanced")

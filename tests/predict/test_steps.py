"""Slopes of an enlarged map become steps, where they are some, and nothing else moves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.resizing import resize_erp
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput
from panodepth.predict.steps import REACH, enlarged
from panodepth.types import BoolArray, FloatArray

SIZE, LARGE = (64, 128), (256, 512)
ALL = np.ones(SIZE, np.bool_)


def scene(size: tuple[int, int], left_deg: float, right_deg: float, near: float) -> FloatArray:
    """Distances of a round wall at 3 m with a round pillar's face at `near` before it."""
    longitude = np.degrees(np.arctan2(*np.moveaxis(erp_rays(*size)[..., [0, 2]], -1, 0)))
    flat = np.where((longitude > left_deg) & (longitude < right_deg), near, 3.0)
    return (flat / np.sqrt(1 - erp_rays(*size)[..., 1] ** 2)).astype(np.float32)


def softened(distance: FloatArray) -> FloatArray:
    """As a network that is not sure where an edge is."""
    log = np.pad(np.log(distance), ((3, 3), (3, 3)), "wrap")
    return np.asarray(np.exp(cv2.GaussianBlur(log, (7, 7), 0.9)[3:-3, 3:-3]))


def box_room(sides: tuple[float, ...]) -> FloatArray:
    """Distances to six walls, so far from the camera to the right, left, down, up, on and back."""
    rays = erp_rays(*SIZE)
    walls = np.where(rays > 0, np.asarray(sides[::2]), np.asarray(sides[1::2]))
    return (walls / np.maximum(np.abs(rays), 1e-6)).min(-1).astype(np.float32)


@pytest.mark.parametrize("left_deg", [-50.0, -31.7, 150.0])
@pytest.mark.parametrize("near", [0.9, 1.5, 2.4])
def test_what_lay_between_two_surfaces_lies_on_one(left_deg: float, near: float) -> None:
    right_deg = min(left_deg + 80, 179.9)
    truth = scene(LARGE, left_deg, right_deg, near)
    plain = resize_erp(softened(scene(SIZE, left_deg, right_deg, near)), LARGE)
    cut = enlarged(softened(scene(SIZE, left_deg, right_deg, near)), ALL, LARGE)
    upright = slice(LARGE[0] // 4, -LARGE[0] // 4)
    both = np.log(scene(LARGE, 0, 0, 3.0)), np.log(scene(LARGE, -180, 180.1, near))
    floating = [
        np.minimum(*(np.abs(np.log(d) - one) for one in both))[upright] > 0.05 for d in (plain, cut)
    ]
    assert floating[0].mean() > 0.02
    assert floating[1].mean() < 0.25 * floating[0].mean()
    # Both edges within one and a half pixels of the map, which are four here.
    wrong = np.abs(np.log(cut / truth))[upright] > 0.1
    assert wrong.sum(1).max() <= 2 * 6
    # From the edges on, nothing is another distance.
    step = np.abs(np.diff(truth, axis=1, append=truth[:, :1])) > 0.2
    near_step = np.stack([np.roll(step, k, 1) for k in range(-16, 17)]).any(0)
    np.testing.assert_array_equal(cut[~near_step], plain[~near_step])


@given(sides=st.tuples(*[st.floats(0.8, 8.0)] * 6))
def test_walls_that_meet_stay_as_they_are(sides: tuple[float, ...]) -> None:
    room = box_room(sides)
    changed = np.abs(np.log(enlarged(room, ALL, LARGE) / resize_erp(room, LARGE)))
    assert (changed > 0.02).mean() < 0.002
    assert changed.max() < 0.25


@pytest.mark.parametrize("columns", [1, 40, 64])
def test_a_panorama_has_no_edge_here_either(columns: int) -> None:
    soft = softened(scene(SIZE, -60, 20, 1.0))
    rolled = enlarged(np.roll(soft, columns, 1), ALL, LARGE)
    wanted = np.roll(enlarged(soft, ALL, LARGE), 4 * columns, 1)
    np.testing.assert_allclose(rolled, wanted, rtol=1e-3)


def test_it_works_as_well_from_above_as_from_below() -> None:
    soft = softened(scene(SIZE, -60, 20, 1.0) * np.linspace(1, 1.3, SIZE[0])[:, None])
    soft = soft.astype(np.float32)
    upside_down = enlarged(soft[::-1].copy(), ALL, LARGE)[::-1]
    np.testing.assert_allclose(upside_down, enlarged(soft, ALL, LARGE), rtol=1e-3)


def test_beside_what_is_no_surface_nothing_is_cut() -> None:
    soft = softened(scene(SIZE, -60, 20, 1.0))
    surface: BoolArray = scene(SIZE, -60, 20, 1.0) > 2.9
    assert (enlarged(soft, ALL, LARGE) != resize_erp(soft, LARGE)).any()
    np.testing.assert_array_equal(enlarged(soft, surface, LARGE), resize_erp(soft, LARGE))


@pytest.mark.parametrize("size", [(64, 128), (48, 96)])
def test_a_map_that_is_not_enlarged_stays(size: tuple[int, int]) -> None:
    soft = softened(scene(SIZE, -60, 20, 1.0))
    np.testing.assert_array_equal(enlarged(soft, ALL, size), resize_erp(soft, size))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spread", [0.0, 1.0, 60.0])
@pytest.mark.parametrize("size", [(4, 8), (14, 28), SIZE])
def test_whatever_a_network_says_comes_back_as_distances(
    spread: float, size: tuple[int, int]
) -> None:
    logs = spread * np.random.default_rng(0).uniform(-1, 1, size)
    distance = np.exp(logs).astype(np.float32)
    got = enlarged(distance, np.ones(size, np.bool_), (99, 198))
    assert np.isfinite(got).all()
    assert got.min() > 0


class Pillar(Predictor):
    """A model that sees the pillar softly, whatever it is shown."""

    name, size, own_size = "pillar", SIZE, SIZE

    def describe(self) -> dict[str, object]:
        return {}

    def checked_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        return [RawOutput(np.log(softened(scene(SIZE, -40, 40, 1.0))), None)] * len(pixels)


def test_a_turned_picture_has_them_too() -> None:
    image = np.full((*LARGE, 3), 128, np.uint8)
    shares = []
    for pitch_deg in (0.0, 20.0):
        options = PredictOptions(sky="none", pitch=pitch_deg, quality="fast")
        got = Pillar().predict(image, options=options)
        rows = np.log(got.distance)[LARGE[0] // 3 : -LARGE[0] // 3]
        steps = np.abs(np.diff(rows, axis=1))
        shares.append(float(np.median(steps.max(1))))
    # A turned map is sampled once more, between two of its pixels.
    assert shares[0] > 0.9 * math.log(3)
    assert shares[1] > 0.45 * math.log(3)
    soft = np.log(resize_erp(softened(scene(SIZE, -40, 40, 1.0)), LARGE))
    assert np.abs(np.diff(soft, axis=1)).max() < 0.2 * math.log(3)
    assert REACH > 1

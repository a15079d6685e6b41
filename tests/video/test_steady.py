"""Frames held together, on made-up predictions of which the truth is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from panodepth.errors import InputError
from panodepth.types import Prediction
from panodepth.video.steady import Steadier, Steady

H, W = 64, 128
RNG = np.random.default_rng(1)


def smooth(seed: int) -> npt.NDArray[np.float32]:
    """(H, W) values of 0 to 1 that change slowly, closed over the seam."""
    rng = np.random.default_rng(seed)
    lat, lon = np.meshgrid(np.linspace(-1.5, 1.5, H), np.arange(W) / W * 2 * np.pi, indexing="ij")
    waves = sum(
        np.cos(k * lon + rng.uniform(0, 6)) * np.cos(lat) * np.cos(rng.uniform(1, 4) * lat) / k
        for k in range(1, 6)
    )
    return ((waves - waves.min()) / np.ptp(waves)).astype(np.float32)


PICTURE = (255 * np.stack([smooth(k) for k in range(3)], axis=-1)).astype(np.uint8)
DISTANCE = (1 + 2 * smooth(9)).astype(np.float32)


def frame(
    noise: float = 0.0,
    scale: float = 1.0,
    picture: npt.NDArray[np.uint8] = PICTURE,
    distance: npt.NDArray[np.float32] = DISTANCE,
    sky: npt.NDArray[np.bool_] | None = None,
) -> Prediction:
    """What a network might say: the truth, times noise for each pixel and a scale for all."""
    logs = np.log(distance * scale) + RNG.normal(0, noise, (H, W)) * (noise > 0)
    said = np.exp(logs).astype(np.float32)
    sky = np.zeros((H, W), bool) if sky is None else sky
    return Prediction(said, ~sky, picture, {"unit": "relative"}, said, sky_mask=sky)


def held(frames: list[Prediction]) -> list[Steady]:
    one = Steadier()
    return [one.hold(each) for each in frames]


def changes(frames: list[Prediction]) -> float:
    logs = [np.log(each.distance) for each in frames]
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(logs[5:])]))


def test_noise_of_still_pictures_is_a_third_at_most_and_the_mean_is_kept() -> None:
    frames = [frame(noise=0.02) for _ in range(20)]
    now = [each.prediction for each in held(frames)]
    assert changes(now) < changes(frames) / 3
    np.testing.assert_allclose(np.log(now[-1].distance / DISTANCE).mean(), 0, atol=2e-3)


def test_flicker_is_how_much_the_distances_of_what_is_still_change() -> None:
    found = held([frame(noise=0.02) for _ in range(10)])
    logs = [np.log(each.prediction.distance) for each in found]
    weight = np.cos((np.arange(H) + 0.5) / H * np.pi - np.pi / 2)
    for (before, now), each in zip(pairwise(logs), found[1:], strict=True):
        change = np.repeat(np.abs(now - before), np.rint(20 * weight).astype(int), axis=0)
        assert each.flicker == pytest.approx(np.median(change), rel=0.05)
    assert found[0].flicker is None
    still = held([frame(), frame(scale=1.5), frame()])
    assert [each.flicker for each in still[1:]] == pytest.approx([0, 0], abs=1e-5)
    other = held([frame(), frame(picture=np.roll(PICTURE, H // 2, axis=0)[:, ::-1].copy())])
    assert other[1].cut
    assert other[1].flicker is None


def test_one_scale_holds_for_the_shot() -> None:
    scales = [1.0, 1.2, 0.8, 1.5]
    found = held([frame(scale=scale) for scale in scales])
    for each, scale in zip(found, scales, strict=True):
        assert each.factor == pytest.approx(1 / scale, rel=1e-3)
        np.testing.assert_allclose(each.prediction.distance, DISTANCE, rtol=2e-3)
    assert [each.cut for each in found] == [True, False, False, False]


def test_what_moves_is_seen_at_once() -> None:
    frames = []
    for k in range(8):
        picture, distance = PICTURE.copy(), DISTANCE.copy()
        ball = np.s_[24:40, 10 + 12 * k : 26 + 12 * k]
        picture[ball], distance[ball] = (255, 40, 40), 0.5
        frames.append(frame(picture=picture, distance=distance))
    for k, each in enumerate(held(frames)):
        inside = each.prediction.distance[28:36, 14 + 12 * k : 22 + 12 * k]
        np.testing.assert_allclose(inside, 0.5, rtol=0.05)
        if k > 1:  # and what it covered two frames ago is back
            left = np.s_[28:36, 14 + 12 * (k - 2) : 20 + 12 * (k - 2)]
            np.testing.assert_allclose(each.prediction.distance[left], DISTANCE[left], rtol=0.05)


def test_another_picture_begins_another_shot() -> None:
    other = cv2.resize(RNG.integers(0, 255, (16, 32, 3)).astype(np.uint8), (W, H))
    found = held([frame(), frame(scale=1.3), frame(picture=other, scale=1.3), frame(picture=other)])
    assert [each.cut for each in found] == [True, False, True, False]
    np.testing.assert_allclose(found[2].prediction.distance, 1.3 * DISTANCE, rtol=1e-5)
    assert found[3].factor == pytest.approx(1.3, rel=1e-3)


def test_a_clip_that_begins_black_has_not_the_scale_of_nothing() -> None:
    black = np.zeros_like(PICTURE)
    found = held([frame(picture=black, scale=3.0), frame(picture=black), frame(), frame(scale=2.0)])
    assert [each.cut for each in found] == [True, False, True, False]
    np.testing.assert_allclose(found[2].prediction.distance, DISTANCE, rtol=1e-5)
    np.testing.assert_allclose(found[3].prediction.distance, DISTANCE, rtol=2e-3)


@pytest.mark.parametrize("grey", [0, 255])
def test_a_blank_frame_does_not_end_a_shot(grey: int) -> None:
    nothing = frame(picture=np.full_like(PICTURE, grey), scale=3.0, distance=DISTANCE[::-1])
    found = held([frame(), frame(scale=1.2), nothing, frame(scale=2.0)])
    assert [each.cut for each in found] == [True, False, False, False]
    assert found[3].factor == pytest.approx(0.5, rel=1e-3)
    np.testing.assert_allclose(found[3].prediction.distance, DISTANCE, rtol=2e-3)
    other = cv2.resize(RNG.integers(0, 255, (16, 32, 3)).astype(np.uint8), (W, H))
    assert held([frame(), nothing, frame(picture=other)])[2].cut


def test_sky_does_not_flicker() -> None:
    sky = np.zeros((H, W), bool)
    sky[:20] = True
    more = sky.copy()
    more[20:22] = True
    frames = [frame(sky=sky) for _ in range(6)] + [frame(sky=more), frame(sky=sky)]
    for each in held(frames):
        assert (each.prediction.sky == sky).all()
        assert not (each.prediction.mask & each.prediction.sky).any()
    back = held([frame(sky=sky), *[frame(sky=more) for _ in range(12)]])
    assert (back[-1].prediction.sky == more).all()


def test_metres_of_the_first_frame_are_those_of_the_shot() -> None:
    facts = {"unit": "m", "metres_per_unit": 4.0, "metres_by": "camera_height"}
    metres = replace(frame(scale=4.0), meta=facts)
    steadier = Steadier()
    first = steadier.hold(frame(), at_cut=lambda: metres)
    assert first.prediction is metres
    asked = []
    for scale in (1.0, 0.5):
        now = steadier.hold(frame(scale=scale), at_cut=lambda: asked.append(1) or metres)
        np.testing.assert_allclose(now.prediction.distance, 4 * DISTANCE, rtol=2e-3)
        assert now.prediction.unit == "m"
        assert now.prediction.meta["metres_by"] == "camera_height"
        assert now.prediction.scale == pytest.approx(4 / scale, rel=2e-3)
    assert not asked


def test_a_shot_without_a_scale_of_its_own_has_that_of_the_one_before() -> None:
    def no_floor() -> Prediction:
        raise InputError("no floor")

    facts = {"unit": "m", "metres_per_unit": 4.0, "metres_by": "camera_height"}
    steadier = Steadier()
    steadier.hold(frame(), at_cut=lambda: replace(frame(scale=4.0), meta=facts))
    steadier.hold(frame(scale=0.5))
    other = cv2.resize(RNG.integers(0, 255, (16, 32, 3)).astype(np.uint8), (W, H))
    now = steadier.hold(frame(scale=0.5, picture=other), at_cut=no_floor)
    assert now.cut
    assert now.note == "the scale is that of the shot before: no floor"
    assert (now.prediction.unit, now.factor) == ("m", pytest.approx(8, rel=2e-3))
    np.testing.assert_allclose(now.prediction.distance, 4 * DISTANCE, rtol=2e-3)
    with pytest.raises(InputError, match="no floor"):
        Steadier().hold(frame(), at_cut=no_floor)


def test_a_panorama_has_no_left_or_right_edge() -> None:
    frames = [frame(noise=0.02, scale=1 + k / 10) for k in range(5)]
    rolled = [
        replace(
            each,
            **{
                name: np.roll(getattr(each, name), 40, axis=1)
                for name in ("distance", "mask", "image", "raw", "sky_mask")
            },
        )
        for each in frames
    ]
    for one, other in zip(held(frames), held(rolled), strict=True):
        there = np.roll(one.prediction.distance, 40, axis=1)
        np.testing.assert_allclose(other.prediction.distance, there, rtol=1e-4)


def test_a_frame_is_not_changed_in_place() -> None:
    frames = [frame(noise=0.02), frame(noise=0.02)]
    copies = [each.distance.copy() for each in frames]
    held(frames)
    assert all((a.distance == b).all() for a, b in zip(frames, copies, strict=True))

"""Protocols on whole panoramas: quirks by hand, a slow twin, and what no protocol may break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.lab.evaluation import reference
from tests.lab.evaluation.conftest import Fixed, panorama

from panodepth.errors import ConfigError, InputError
from panodepth.lab.evaluation.protocol import PROTOCOLS, Extras, find_protocol
from panodepth.lab.evaluation.report.catalogue import MEASURES
from panodepth.lab.evaluation.scoring import compare, evaluate
from panodepth.types import Panorama

PERFECT = {"delta1": 1.0, "delta2": 1.0, "delta3": 1.0, "coverage": 1.0}
PERFECT |= {"normal_11": 1.0, "boundary_f1": 1.0, "f_score": 1.0}
NO_EXTRAS = Extras(geometry=False)


def small(truth, image=None) -> Panorama:
    truth = np.asarray(truth, np.float32)
    if image is None:
        image = np.ones((*truth.shape, 3), np.float32)
    return Panorama(image, truth, np.isfinite(truth) & (truth > 0), {"name": "x", "unit": "m"})


def with_black(where) -> np.ndarray:
    image = np.ones((2, 4, 3), np.float32)
    image[where] = 0
    return image


TRUTH = [[1.0, 2.0, 3.0, 4.0], [4.5, 4.9, 6.0, 20.0]]


def test_da2_leaves_black_out_of_the_alignment_only():
    image = with_black((0, slice(0, 2)))
    prediction = np.array(TRUTH) * [[5, 5, 1, 1], [1, 1, 1, 1]]
    made = small(TRUTH, image)
    # Fitted on 3, 4, 4.5 and 4.9, where the prediction is right: the scale is 1.
    found = evaluate(made, Fixed(prediction), PROTOCOLS["da2"], NO_EXTRAS)
    # 1 -> 5 (error 4); 2 -> 10, clipped to 5 (error 1.5); four exact
    assert found["abs_rel"] == pytest.approx((4 + 1.5) / 6, rel=1e-6)
    fixed = evaluate(made, Fixed(prediction), PROTOCOLS["da2-fixed"], NO_EXTRAS)
    assert fixed["abs_rel"] == pytest.approx(0, abs=1e-6)


def test_the_limits_are_strict_and_the_prediction_is_clipped():
    made = small([[0.0, 1e-3, 2.0, 2.0], [2.0, 5.0, 7.0, np.inf]])
    prediction = np.full((2, 4), 2.0)
    prediction[0, 2], prediction[1, 0] = 900.0, 2e-6
    compared = compare(made, Fixed(prediction)(made), PROTOCOLS["da2"])
    assert compared.valid.tolist() == [[False, False, True, True], [True, False, False, False]]
    assert compared.clipped[0, 2] == 5.0
    assert compared.clipped[1, 0] == np.float32(1e-3)
    assert compared.aligned[0, 2] == 900.0


def test_unik3d_takes_what_lies_beyond_five_metres():
    made = small(TRUTH)
    counts = [
        int(compare(made, Fixed(TRUTH)(made), PROTOCOLS[name]).valid.sum())
        for name in ("da2", "unik3d", "uncapped")
    ]
    assert counts == [6, 7, 8]


def test_metric_needs_metres_and_does_not_align():
    made = small(TRUTH)
    twice = np.array(TRUTH) * 2
    assert evaluate(made, Fixed(twice), PROTOCOLS["metric"], NO_EXTRAS)["abs_rel"] > 0.3
    with pytest.raises(InputError, match="metric needs metres"):
        evaluate(made, Fixed(twice, "relative"), PROTOCOLS["metric"], NO_EXTRAS)


def test_a_limit_in_metres_needs_metres():
    made = replace(small(TRUTH), meta={"name": "x", "unit": "relative"})
    with pytest.raises(InputError, match="use uncapped or sphere"):
        evaluate(made, Fixed(TRUTH), PROTOCOLS["da2"])
    assert evaluate(made, Fixed(TRUTH), PROTOCOLS["uncapped"])["abs_rel"] == 0


def test_da2_gives_the_picture_1092_wide_in_8_bits_and_other_protocols_as_it_is():
    seen = []

    def record(given: Panorama):
        seen.append(given)
        return Fixed(given.image[..., 0] + 1)(given)

    made = panorama(0, 64, 128)
    for name in ("da2", "uncapped"):
        evaluate(made, record, PROTOCOLS[name], NO_EXTRAS)
    assert seen[0].image.shape == (546, 1092, 3)
    assert np.allclose(seen[0].image * 255, np.rint(seen[0].image * 255), atol=1e-4)
    assert np.array_equal(seen[1].image, made.image)
    assert seen[0].distance is None
    assert seen[1].distance is None


def test_missing_predictions_are_not_measured_but_told():
    prediction = np.array(TRUTH)
    prediction[0, 0], prediction[0, 1] = np.nan, 0
    found = evaluate(small(TRUTH), Fixed(prediction), PROTOCOLS["uncapped"], NO_EXTRAS)
    assert found["abs_rel"] == 0
    assert found["coverage"] == 6 / 8


@pytest.mark.parametrize(
    ("truth", "prediction", "said"),
    [
        (np.full((2, 4), 9.0), np.ones((2, 4)), "no pixel is valid in protocol da2"),
        (TRUTH, np.zeros((2, 4)), "the prediction has no distance above 0"),
        (TRUTH, np.full((2, 4), np.nan), "the prediction has no distance above 0"),
    ],
)
def test_nothing_to_measure_is_an_error_and_never_nan(truth, prediction, said):
    with pytest.raises(InputError, match=said):
        evaluate(small(truth), Fixed(prediction), PROTOCOLS["da2"])


def test_only_black_pixels_cannot_be_aligned_on():
    made = small(TRUTH, np.zeros((2, 4, 3), np.float32))
    with pytest.raises(InputError, match="no valid pixel to align on"):
        evaluate(made, Fixed(TRUTH), PROTOCOLS["da2"])


def test_a_value_out_of_all_range_is_an_error():
    prediction = np.full((2, 4), 3e38)
    prediction.flat[:5] = 1e-30
    with pytest.raises(InputError, match="out of all range"):
        evaluate(small(TRUTH), Fixed(prediction), PROTOCOLS["uncapped"], NO_EXTRAS)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(PROTOCOLS)))
def test_every_protocol_equals_the_slow_twin(seed, name):
    random = np.random.default_rng(seed)
    truth = random.uniform(0.5, 12, (8, 16)).astype(np.float32)
    truth[0, 0] = 1.0
    image = random.uniform(0.1, 1, (8, 16, 3)).astype(np.float32)
    image[random.random((8, 16)) < 0.2] = 0
    image[0, 0] = 1
    mask = random.random((8, 16)) < 0.7
    mask[0, 0] = True
    mask[1, :2], image[1, :2], truth[1, :2] = True, 1, (2.0, 3.0)
    prediction = (truth * random.uniform(0.4, 2.5, truth.shape)).astype(np.float32)
    made = Panorama(image, truth, mask, {"name": "x", "unit": "m"})
    protocol = replace(PROTOCOLS[name], long_side=None)
    found = evaluate(made, Fixed(prediction), protocol, NO_EXTRAS)
    slow = reference.evaluate(image, prediction, truth, mask, name)
    # float32 alignment against float64: 1e-6; at a threshold a pixel may fall on the other side
    assert len(slow) == 10
    for key in slow:
        assert found[key] == pytest.approx(slow[key], rel=2e-5, abs=1e-5), key


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(PROTOCOLS)),
    st.floats(0.05, 1),
    st.floats(0.01, 100),
)
def test_a_perfect_prediction_is_perfect_under_every_mask_and_alignment(seed, name, share, scale):
    made = panorama(seed % 50, 16, 32)
    random = np.random.default_rng(seed)
    mask = random.random((16, 32)) < share
    mask[8, 16] = True
    made = replace(made, mask=mask)
    prediction = made.distance if name == "metric" else made.distance * np.float32(scale)
    far = PROTOCOLS[name].far
    assume(far is None or bool((made.distance[mask] < far).any()))
    found = evaluate(made, Fixed(prediction), PROTOCOLS[name], Extras(points=seed % 4 == 0))
    for key, value in found.items():
        if value is None or key == "seam_ratio":
            continue
        loose = 0.03 if key == "normal" else 2e-3 if key == "silog" else 2e-5
        assert value == pytest.approx(PERFECT.get(key, 0.0), abs=loose), key


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 99), st.floats(1e-3, 1e3), st.sampled_from(["da2-fixed", "sphere", "affine"]))
def test_a_factor_of_the_prediction_changes_nothing(seed, scale, name):
    made = panorama(seed, 16, 32)
    prediction = panorama(seed + 1, 16, 32).distance
    one, other = (
        evaluate(made, Fixed(prediction * np.float32(s)), PROTOCOLS[name]) for s in (1.0, scale)
    )
    for key in MEASURES.keys() & one.keys():
        assert other[key] == pytest.approx(one[key], rel=1e-2, abs=1e-4), key


def test_turning_the_panorama_changes_nothing():
    made, prediction = panorama(3, 32, 64), panorama(4, 32, 64).distance
    turned = replace(made, image=np.roll(made.image, 13, 1), distance=np.roll(made.distance, 13, 1))
    one = evaluate(made, Fixed(prediction), PROTOCOLS["da2-fixed"])
    other = evaluate(turned, Fixed(np.roll(prediction, 13, 1)), PROTOCOLS["da2-fixed"])
    for key, value in one.items():
        if not key.startswith("seam"):
            assert other[key] == pytest.approx(value, rel=1e-4), key


def test_a_prediction_of_another_size_is_resized():
    made = panorama(0)
    small_prediction = made.distance[::2, ::2]
    for name in ("da2", "sphere"):
        found = evaluate(made, Fixed(small_prediction), PROTOCOLS[name], NO_EXTRAS)
        assert 0 < found["abs_rel"] < 0.1
    holes = small_prediction.copy()
    holes[3, 5] = 0  # a hole spreads over its own four pixels and no further
    assert evaluate(made, Fixed(holes), PROTOCOLS["sphere"], NO_EXTRAS)["coverage"] == 1 - 4 / 2048


def test_unknown_protocol():
    with pytest.raises(ConfigError, match="did you mean 'da2-fixed'"):
        find_protocol("da2fixed")


@pytest.mark.parametrize("size", [(64, 32), (32, 32), (1, 1)])
def test_a_prediction_of_another_shape_is_refused(size: tuple[int, int]) -> None:
    """One that lies on its side would be squeezed into the panorama, without a word."""
    sample = panorama()
    with pytest.raises(InputError, match="of another shape than 64x32"):
        evaluate(sample, Fixed(np.ones(size, np.float32)), PROTOCOLS["uncapped"])
    rounded = np.ones((28, 70), np.float32)  # to whole patches of 14
    assert evaluate(sample, Fixed(rounded), PROTOCOLS["uncapped"])["coverage"] == 1

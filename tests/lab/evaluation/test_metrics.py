"""The ten metrics against numbers worked out by hand, and against a slow twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.evaluation import reference

from panodepth.lab.evaluation.measures.metrics import abs_rel, ten_metrics

TRUTH = np.array([[1.0, 2.0, 4.0, 10.0]], dtype=np.float32)
PREDICTION = np.array([[1.5, 2.0, 3.0, 99.0]], dtype=np.float32)
VALID = np.array([[True, True, True, False]])


def test_abs_rel():
    assert abs_rel(PREDICTION, TRUTH, VALID) == pytest.approx((0.5 + 0.0 + 0.25) / 3)


def test_delta_is_symmetric_and_strict():
    # ratios 1.5, 1 and 4/3
    for pair in ((PREDICTION, TRUTH), (TRUTH, PREDICTION)):
        found = ten_metrics(*pair, VALID)
        assert (found["delta1"], found["delta2"]) == (pytest.approx(1 / 3), 1.0)
    exactly = np.array([[1.25]], dtype=np.float32)
    assert ten_metrics(exactly, np.ones_like(exactly), np.ones((1, 1), bool))["delta1"] == 0.0


def test_empty_mask_gives_nan_or_none():
    empty = np.zeros_like(VALID)
    assert math.isnan(abs_rel(PREDICTION, TRUTH, empty))
    assert ten_metrics(PREDICTION, TRUTH, empty) is None


def test_all_ten_by_hand():
    """p = 1.5, 2, 3 and t = 1, 2, 4: differences 0.5, 0, -1; logs ln 1.5, 0, ln 0.75."""
    found = ten_metrics(PREDICTION, TRUTH, VALID)
    up, down = math.log(1.5), math.log(0.75)
    expected = {
        "abs_rel": 0.25,
        "sq_rel": (0.25 / 1 + 1 / 4) / 3,
        "rmse": math.sqrt((0.25 + 1) / 3),
        "rmse_log": math.sqrt((up**2 + down**2) / 3),
        "log10": (math.log10(1.5) + math.log10(4 / 3)) / 3,
        "delta1": 1 / 3,
        "delta2": 1.0,
        "delta3": 1.0,
        "irmse": math.sqrt(((1 / 1.5 - 1) ** 2 + (1 / 3 - 1 / 4) ** 2) / 3),
        "silog": 100 * math.sqrt((up**2 + down**2) / 3 - ((up + down) / 3) ** 2),
    }
    assert found == pytest.approx(expected, rel=1e-12)
    assert list(found) == list(expected)


def test_weights_count_a_pixel_more():
    weights = np.array([[2.0, 1.0, 1.0, 5.0]], dtype=np.float32)
    found = ten_metrics(PREDICTION, TRUTH, VALID, weights)
    assert found["abs_rel"] == pytest.approx((2 * 0.5 + 0.25) / 4)
    assert found["delta1"] == pytest.approx(1 / 4)


values = st.lists(st.floats(0.0625, 50, width=32), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(values, st.integers(0, 2**32 - 1))
def test_equal_to_the_slow_twin(truth, seed):
    random = np.random.default_rng(seed)
    t = np.array([truth], np.float32)
    p = (t * random.uniform(0.3, 3, t.shape)).astype(np.float32)
    w = random.uniform(0.1, 1, t.shape).astype(np.float32)
    everything = np.ones(t.shape, bool)
    for weights in (None, w):
        told = [1.0] * t.size if weights is None else weights[0].astype(float).tolist()
        slow = reference.ten(p[0].astype(float).tolist(), t[0].astype(float).tolist(), told)
        # The twin's SIlog cancels: its square is exact to 1e-12 or so.
        assert ten_metrics(p, t, everything, weights) == pytest.approx(slow, rel=1e-9, abs=1e-4)


def test_large_maps_are_summed_in_blocks_without_loss():
    """More pixels than a block, and a SIlog that a difference of squares would lose."""
    truth = np.full((300, 200), 3.0, np.float32)
    prediction = truth * np.float32(1000)
    prediction[::2] *= np.float32(1 + 2**-12)
    found = ten_metrics(prediction, truth, np.ones(truth.shape, bool))
    assert found["silog"] == pytest.approx(100 * math.log1p(2**-12) / 2, rel=1e-6)
    assert found["abs_rel"] == pytest.approx(999 + 1000 * 2**-13, rel=1e-9)

"""Alignment and metrics against numbers worked out by hand."""

import math

import numpy as np
import pytest

from panodepth.evaluation.align import median_scale
from panodepth.evaluation.metrics import abs_rel, delta

TRUTH = np.array([[1.0, 2.0, 4.0, 10.0]], dtype=np.float32)
PREDICTION = np.array([[1.5, 2.0, 3.0, 99.0]], dtype=np.float32)
VALID = np.array([[True, True, True, False]])


def test_median_scale_is_a_ratio_of_medians_over_valid_pixels():
    assert median_scale(PREDICTION, TRUTH, VALID) == pytest.approx(2.0 / 2.0)
    # not the median of the ratios, which are 1/4, 2 and 1
    prediction = np.array([[4.0, 1.0, 4.0, 1.0]], dtype=np.float32)
    assert median_scale(prediction, TRUTH, VALID) == pytest.approx(2.0 / 4.0)


def test_median_scale_without_pixels_is_an_error():
    with pytest.raises(ValueError, match="no valid pixel"):
        median_scale(PREDICTION, TRUTH, np.zeros_like(VALID))


def test_abs_rel():
    assert abs_rel(PREDICTION, TRUTH, VALID) == pytest.approx((0.5 + 0.0 + 0.25) / 3)


def test_delta_is_symmetric_and_strict():
    # ratios 1.5, 1 and 4/3
    assert delta(PREDICTION, TRUTH, VALID) == pytest.approx(1 / 3)
    assert delta(TRUTH, PREDICTION, VALID) == pytest.approx(1 / 3)
    assert delta(PREDICTION, TRUTH, VALID, 1.25**2) == 1.0
    exactly = np.array([[1.25]], dtype=np.float32)
    assert delta(exactly, np.ones_like(exactly), np.ones((1, 1), bool)) == 0.0


def test_empty_mask_gives_nan():
    empty = np.zeros_like(VALID)
    assert math.isnan(abs_rel(PREDICTION, TRUTH, empty))
    assert math.isnan(delta(PREDICTION, TRUTH, empty))

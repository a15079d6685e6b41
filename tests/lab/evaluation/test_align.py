"""Alignment against numpy, torch and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from panodepth.lab.evaluation.measures.align import (
    fit,
    least_squares,
    median_scale,
    nearest_copy,
)
from panodepth.lab.evaluation.measures.median import median, weighted_median

TRUTH = np.array([[1.0, 2.0, 4.0, 10.0]], dtype=np.float32)
PREDICTION = np.array([[1.5, 2.0, 3.0, 99.0]], dtype=np.float32)
VALID = np.array([[True, True, True, False]])


def test_median_scale_is_a_ratio_of_medians_over_valid_pixels():
    assert median_scale(PREDICTION, TRUTH, VALID) == pytest.approx(2.0 / 2.0)
    # not the median of the ratios, which are 1/4, 2 and 1
    prediction = np.array([[4.0, 1.0, 4.0, 1.0]], dtype=np.float32)
    assert median_scale(prediction, TRUTH, VALID) == pytest.approx(2.0 / 4.0)


@pytest.mark.parametrize("kind", ["median", "affine"])
def test_without_pixels_is_an_error(kind):
    empty = np.zeros_like(VALID)
    with pytest.raises(ValueError, match="no valid pixel"):
        fit(kind, (PREDICTION, TRUTH, empty))


def test_none_changes_nothing():
    found = fit("none", (PREDICTION, TRUTH, VALID))
    assert found == (1.0, 0.0)
    assert np.array_equal(found.apply(PREDICTION), PREDICTION)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=200), st.booleans())
def test_median_is_numpys(values, positive):
    array = np.array(values, np.float32)
    array = np.abs(array) + np.float32(1e-3) if positive else array
    assert median(array) == float(np.median(array))


def test_median_of_many_values_that_share_their_upper_bits():
    values = (1 + np.random.default_rng(0).integers(0, 3000, 10_001) * 2.0**-23).astype(np.float32)
    assert median(values) == float(np.median(values))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0625, 50, width=32), st.integers(1, 9)), min_size=1))
def test_weighted_median_is_that_of_repeated_values(pairs):
    values = np.array([v for v, _ in pairs], np.float32)
    weights = np.array([w for _, w in pairs], np.float32)
    repeated = np.sort(np.repeat(values, weights.astype(int)))
    assert weighted_median(values, weights) == float(repeated[(repeated.size - 1) // 2])


def test_median_scale_by_hand():
    weights = np.array([[1.0, 1.0, 5.0, 9.0]], dtype=np.float32)
    assert median_scale(PREDICTION, TRUTH, VALID, weights) == pytest.approx(4 / 3)


@pytest.mark.parametrize(("size", "longest"), [((7, 14), 5), ((512, 1024), 300), ((4, 8), 100)])
def test_nearest_copy_is_torchs(size, longest):
    array = np.arange(size[0] * size[1], dtype=np.float32).reshape(size)
    factor = min(1.0, longest / max(size))
    expected = functional.interpolate(
        torch.from_numpy(array)[None, None], scale_factor=factor, mode="nearest"
    )[0, 0].numpy()
    assert np.array_equal(nearest_copy(array, longest), expected)


def test_least_squares_is_numpys_on_the_copy():
    random = np.random.default_rng(0)
    prediction = random.uniform(1, 5, (20, 40)).astype(np.float32)
    truth = (2 * prediction + 0.3 + random.normal(0, 0.1, prediction.shape)).astype(np.float32)
    valid = random.random(truth.shape) < 0.8
    p, t, v = (nearest_copy(a, 15) for a in (prediction, truth, valid))
    table = np.stack((p[v], np.ones(v.sum())), axis=1).astype(np.float64)
    expected = np.linalg.lstsq(table, t[v].astype(np.float64), rcond=None)[0]
    assert least_squares(prediction, truth, valid, 15) == pytest.approx(tuple(expected), rel=1e-9)
    everywhere = least_squares(prediction, truth, valid)
    assert everywhere.scale == pytest.approx(2, abs=0.05)
    assert abs(everywhere.scale - expected[0]) > 1e-6  # the copy is not the whole map


def test_least_squares_of_a_constant_gives_the_mean():
    flat = np.full(TRUTH.shape, 0.1, np.float32)
    found = least_squares(flat, TRUTH, VALID)
    assert found == (0.0, pytest.approx(7 / 3))

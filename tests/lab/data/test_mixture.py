"""Mixtures and orders as arithmetic: exact shares, a partition, a permutation in each epoch."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import ConfigError
from panodepth.lab.data import Mixture, epoch_order
from panodepth.lab.data.mixture import MAX_PERIOD

simple = st.sampled_from([0.0, 0.05, 0.1, 0.25, 1 / 3, 0.5, 0.7, 1.0, 2.0, 3.0, 10.0])
weights = st.lists(simple, min_size=1, max_size=7).filter(any)
KNOWN_ORDER = [4, 1, 5, 6, 7, 3, 2, 0, 4, 1, 6, 0, 3, 5, 7, 2]
wild = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=4).filter(any)


@settings(deadline=None, max_examples=30)
@given(weights | wild, st.integers(0, 10**6))
def test_every_number_goes_to_one_source_and_positions_are_consecutive(weights, start):
    mixture = Mixture(weights)
    positions = [mixture.count(i, start) for i in range(len(weights))]
    assert sum(positions) == start
    for number in range(start, start + 60):
        source, position = mixture(number)
        assert weights[source] > 0
        assert position == positions[source]
        positions[source] += 1
    assert positions == [mixture.count(i, start + 60) for i in range(len(weights))]


@settings(deadline=None, max_examples=30)
@given(weights)
def test_after_any_number_of_samples_each_share_is_within_one(weights):
    mixture = Mixture(weights)
    total = sum(weights)
    counts = Counter()
    for number in range(2 * min(mixture.period, 200)):
        counts[mixture(number)[0]] += 1
        for source, part in enumerate(mixture.parts):
            assert abs(counts[source] * mixture.period - (number + 1) * part) < mixture.period
            assert part / mixture.period == pytest.approx(weights[source] / total, abs=1e-4)


def test_shares_are_exact_in_a_period():
    mixture = Mixture([0.7, 0.2, 0.1])
    assert mixture.parts == [7, 2, 1]
    assert Mixture([607, 63]).parts == [607, 63]
    assert Mixture([1 / 3, 2 / 3]).parts == [1, 2]
    assert [mixture.count(i, 10 * k) for k in (1, 5) for i in range(3)] == [7, 2, 1, 35, 10, 5]


def test_weights_without_a_short_period_are_rounded_to_one_in_ten_thousand():
    mixture = Mixture([543_127, 63_211, 0.5])
    assert mixture.period <= MAX_PERIOD + 1
    assert mixture.parts[2] == 1  # however rare, a source with a weight is used
    assert mixture.parts[0] / mixture.period == pytest.approx(543_127 / 606_338.5, abs=2e-4)


def test_one_source_and_an_unused_one():
    assert [Mixture([5.0])(n) for n in (0, 1, 10**12)] == [(0, 0), (0, 1), (0, 10**12)]
    assert all(Mixture([0, 1])(n) == (1, n) for n in range(5))


@pytest.mark.parametrize("bad", [[], [0, 0], [-1, 2], [float("nan")], [float("inf"), 1]])
def test_bad_weights(bad):
    with pytest.raises(ConfigError, match="weights"):
        Mixture(bad)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**63), st.integers(0, 5))
def test_an_epoch_visits_every_index_once(length, seed, epoch):
    start = epoch * length
    order = [epoch_order(length, seed, p) for p in range(start, start + length)]
    assert sorted(order) == list(range(length))


def test_epochs_and_seeds_differ():
    def order(seed, epoch):
        return tuple(epoch_order(50, seed, p) for p in range(50 * epoch, 50 * epoch + 50))

    assert len({order(seed, epoch) for seed in range(4) for epoch in range(4)}) == 16


def test_orders_of_three_are_about_equally_frequent():
    orders = Counter(tuple(epoch_order(3, 7, 3 * e + p) for p in range(3)) for e in range(3000))
    assert set(orders) == set(itertools.permutations(range(3)))
    assert max(orders.values()) < 1.3 * min(orders.values())


def test_each_place_sees_each_index_about_equally_often():
    counts = Counter(epoch_order(10, 1, 10 * epoch + 4) for epoch in range(5000))
    assert all(400 < counts[i] < 600 for i in range(10))


def test_a_known_order():
    """The order is part of what makes a resumed run the same; it must never change."""
    assert [epoch_order(8, 0, p) for p in range(16)] == KNOWN_ORDER


@pytest.mark.parametrize(("length", "position"), [(0, 0), (5, -1)])
def test_there_is_no_such_position(length, position):
    with pytest.raises(ValueError, match="no position"):
        epoch_order(length, 0, position)

"""Means over images, and how far they would move with other images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from panodepth.lab.evaluation.report.catalogue import MEASURES
from panodepth.lab.evaluation.run.journal import Row
from panodepth.types import Float64Array

RESAMPLES = 2000
SEED = 0
COVERAGE_PERCENT = 95.0
_AT_ONCE = 1 << 21  # numbers drawn at a time


@dataclass(frozen=True)
class Statistic:
    """mean over `count` images; low, high: 95 % percentile bootstrap; None with one image."""

    mean: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Summary:
    """One dataset: images measured and skipped, statistics by measure."""

    dataset: str
    images: int
    skipped: int
    measures: Mapping[str, Statistic]


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """One summary a dataset, in the order of the rows. A measure that no image has is left out."""
    summaries = []
    for name in dict.fromkeys(row.dataset for row in rows):
        mine = [row for row in rows if row.dataset == name]
        good = [row for row in mine if row.reason is None]
        measures = {}
        for key, measure in MEASURES.items():
            values = _column(good, key)
            known = ~np.isnan(values)
            if known.any():
                weights = _column(good, measure.weight)[known] if measure.weight else None
                measures[key] = statistic(values[known], weights)
        summaries.append(Summary(name, len(good), len(mine) - len(good), measures))
    return summaries


def _column(rows: Sequence[Row], key: str) -> Float64Array:
    """(N,) the rows' values of one measure; NaN where there is none."""
    return np.array([row.values.get(key) for row in rows], np.float64)


def statistic(values: ArrayLike, weights: ArrayLike | None = None) -> Statistic:
    """Mean and its 95 % bootstrap interval over the images, from a fixed seed.

    values: (N,), N > 0, one an image. weights: (N,) > 0; None = all alike. The interval says how
    much the number would move with other images of the same kind; with fewer than about ten images
    it is too narrow.
    """
    top = np.asarray(values, np.float64)
    bottom = None if weights is None else np.asarray(weights, np.float64)
    if bottom is not None:
        top = top * bottom
    mean = float(top.sum() / (top.size if bottom is None else bottom.sum()))
    if top.size == 1:
        return Statistic(mean, None, None, 1)
    tail = (100 - COVERAGE_PERCENT) / 2
    low, high = np.percentile(_resampled_ratios(top, bottom), [tail, 100 - tail])
    return Statistic(mean, float(low), float(high), top.size)


def _resampled_ratios(top: Float64Array, bottom: Float64Array | None) -> Float64Array:
    """(RESAMPLES,) Σ top / Σ bottom over as many images drawn anew, with replacement.

    top, bottom: (N,); bottom None = ones.
    """
    random = np.random.default_rng(SEED)
    at_once = max(1, _AT_ONCE // top.size)
    ratios = []  # in blocks, to bound the memory; the drawn numbers are the same in any blocks
    for start in range(0, RESAMPLES, at_once):
        drawn = random.integers(top.size, size=(min(at_once, RESAMPLES - start), top.size))
        below = top.size if bottom is None else bottom[drawn].sum(axis=1)
        ratios.append(top[drawn].sum(axis=1) / below)
    return np.concatenate(ratios)

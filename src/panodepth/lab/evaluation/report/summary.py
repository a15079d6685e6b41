"""Means over images, with how far they would move with other images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from panodepth.lab.evaluation.report.catalogue import MEASURES
from panodepth.lab.evaluation.run.journal import Row

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
        for key in MEASURES:
            values = [v for row in good if (v := row.values.get(key)) is not None]
            if values:
                measures[key] = statistic(values)
        summaries.append(Summary(name, len(good), len(mine) - len(good), measures))
    return summaries


def statistic(values: Sequence[float]) -> Statistic:
    """Mean and its 95 % bootstrap interval over the images, from a fixed seed; values: one up.

    The interval says how much the number would move with other images of the same kind; with fewer
    than about ten images it is too narrow.
    """
    array = np.asarray(values, np.float64)
    mean = float(array.sum() / array.size)
    if array.size == 1:
        return Statistic(mean, None, None, 1)
    tail = (100 - COVERAGE_PERCENT) / 2
    low, high = np.percentile(_resampled_means(array), [tail, 100 - tail])
    return Statistic(mean, float(low), float(high), array.size)


def _resampled_means(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(RESAMPLES,) means of as many images drawn anew, with replacement."""
    random = np.random.default_rng(SEED)
    rows = max(1, _AT_ONCE // values.size)
    means = [
        values[random.integers(values.size, size=(min(rows, RESAMPLES - start), values.size))].mean(
            axis=1
        )
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(means)

"""Random draws. What is drawn, and in which order, is what makes a world: never change it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of `options`, all equally likely."""
    return options[int(rng.integers(len(options)))]


def weighted(rng: Rng, shares: Mapping[T, float]) -> T:
    """One of the keys of `shares`, as likely as its share of their sum."""
    bounds = list(accumulate(shares.values()))
    # `hi`: a draw next to 1 times the sum may round up to the sum itself.
    return list(shares)[bisect(bounds, rng.random() * bounds[-1], hi=len(bounds) - 1)]

"""Examples drawn by seed, for tests whose limits were measured: the same in every process.

A search such as hypothesis's looks for what lies beyond a limit of noise, and finds other examples
in other processes: it is for what holds without exception.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

Values = tuple[float, float] | list[Any]


def drawn(count: int, **values: Values) -> pytest.MarkDecorator:
    """Run a test `count` times: with all the lowest values, all the highest, and drawn ones.

    values: by argument, (least, most) of numbers, whole ones if both are; or a list to choose from.
    """
    rng = np.random.default_rng(count)
    rows = [[some[0] for some in values.values()], [some[-1] for some in values.values()]]
    rows += [[_one(rng, some) for some in values.values()] for _ in range(count - 2)]
    return pytest.mark.parametrize(tuple(values), rows, ids=range(count))


def _one(rng: np.random.Generator, values: Values) -> object:
    if isinstance(values, list):
        return values[rng.integers(len(values))]
    least, most = values
    if isinstance(least, int) and isinstance(most, int):
        return int(rng.integers(least, most, endpoint=True))
    return float(rng.uniform(least, most))

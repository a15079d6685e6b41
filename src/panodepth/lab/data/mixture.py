"""Which sample comes when: pure functions of numbers, so that a run can stop and go on anywhere.

`Mixture` shares a stream of samples among sources by weight; `epoch_order` walks through one source
in a new order in each epoch. Neither keeps state, and neither depends on workers or versions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError

MAX_PERIOD = 10_000  # shares that need a longer period are rounded to 1 / MAX_PERIOD
_MASK = (1 << 64) - 1
_ROUNDS = 8


class Mixture:
    """Shares the sample numbers 0, 1, 2, ... among sources in the proportion of their weights.

    After any number n of samples, source i has had its exact share n w_i / sum(w) to within less
    than one sample. The pattern repeats after `period` samples. Samples are dealt by the quota
    rule: among the sources that stay within their share rounded up, the one that must be served
    first (Balinski and Young, "The quota method of apportionment", 1975, with Still's deadlines).

    Raises ConfigError for negative, infinite or all-zero weights.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        if not weights or any(not math.isfinite(w) or w < 0 for w in weights) or sum(weights) <= 0:
            raise ConfigError(
                f"weights {list(weights)}: give one per source, none negative and not all 0"
            )
        self.parts = _integer_parts(weights)
        self.period = sum(self.parts)

    def __call__(self, number: int) -> tuple[int, int]:
        """(source, position in it) of sample `number` >= 0; positions count 0, 1, ... each."""
        period, place = divmod(number, self.period)
        source = int(self._sources[place])
        return source, period * self.parts[source] + int(self._ranks[place])

    def count(self, source: int, total: int) -> int:
        """How many of the first `total` samples come from `source`."""
        periods, rest = divmod(total, self.period)
        dealt = int(np.count_nonzero(self._sources[:rest] == source))
        return periods * self.parts[source] + dealt

    @cached_property
    def _sources(self) -> npt.NDArray[np.int32]:
        dealt = [0] * len(self.parts)
        table = np.empty(self.period, np.int32)
        for place in range(self.period):
            # Of the sources that are not ahead of their share, the one due first.
            source, first = -1, math.inf
            for i, part in enumerate(self.parts):
                if dealt[i] * self.period >= (place + 1) * part:  # at its share rounded up
                    continue
                # Where it falls a whole sample behind: ceil((dealt + 1) period / part).
                deadline = -(-(dealt[i] + 1) * self.period // part)
                if deadline < first:
                    source, first = i, deadline
            dealt[source] += 1
            table[place] = source
        return table

    @cached_property
    def _ranks(self) -> npt.NDArray[np.int32]:
        ranks = np.empty(self.period, np.int32)
        for i, part in enumerate(self.parts):
            ranks[self._sources == i] = np.arange(part)
        return ranks


def _integer_parts(weights: Sequence[float]) -> list[int]:
    """Whole numbers in the proportion of the weights, their sum at most MAX_PERIOD."""
    # As written: 0.1 is one tenth, not the binary number next to it.
    exact = [Fraction(str(float(w))).limit_denominator(MAX_PERIOD) for w in weights]
    scale = math.lcm(*(f.denominator for f in exact))
    whole = [int(f * scale) for f in exact]
    divisor = math.gcd(*whole)
    lost = any(w > 0 and not part for w, part in zip(weights, whole, strict=True))
    if not lost and sum(whole) // divisor <= MAX_PERIOD:
        return [w // divisor for w in whole]
    # Largest remainders, but nothing that has a weight is left out.
    shares = [w / math.fsum(weights) * MAX_PERIOD for w in weights]
    parts = [max(math.floor(s), int(s > 0)) for s in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: parts[i] - shares[i])
    for i in by_remainder[: max(0, MAX_PERIOD - sum(parts))]:
        parts[i] += 1
    return parts


def epoch_order(length: int, seed: int, position: int) -> int:
    """The index in 0 .. length - 1 at `position` >= 0 of an endless walk through a source.

    Positions k length .. (k + 1) length - 1 visit every index once, in an order that depends on
    (seed, k) alone. No table is made: a Feistel network on the next even power of two permutes the
    numbers, and numbers beyond `length` are permuted again until they fall inside (cycle walking,
    Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
    """
    if length < 1 or position < 0:
        raise ValueError(f"no position {position} in a source of {length}")
    epoch, index = divmod(position, length)
    half = max(1, ((length - 1).bit_length() + 1) // 2)  # bits of either half of an index
    low = (1 << half) - 1
    key = _mixed(_mixed(seed & _MASK) ^ epoch)
    while True:
        left, right = index >> half, index & low
        for turn in range(_ROUNDS):
            left, right = right, left ^ (_mixed(key ^ (turn << 56) ^ right) & low)
        index = left << half | right
        if index < length:
            return index


def _mixed(value: int) -> int:
    """64 well-mixed bits of a number: the finaliser of SplitMix64 (Steele, Lea, Flood, 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)

"""How far a long command is: a bar on a terminal, elsewhere a line "N of M" now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

FIRST_S, LONGEST_S = 30.0, 120.0  # before a line; each wait is twice the one before


class Progress(Protocol):
    """What `progress` gives; a tqdm bar is one."""

    def update(self, n: int = 1) -> Any:
        """So many more are done."""

    def write(self, s: str, file: TextIO) -> None:
        """Print a line without breaking the bar."""

    def set_description_str(self, desc: str) -> None:
        """Say what is being done."""


@contextmanager
def progress(
    total: int, unit: str, *, silent: bool = False, as_json: bool = False, first: int = 0
) -> Iterator[Progress]:
    """Progress on standard error, of `total` items; first: how many are done already.

    silent: show nothing. as_json: standard error is kept for errors, unless the run takes longer
    than LONGEST_S.
    """
    if not silent and not as_json and sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, initial=first, unit=unit, dynamic_ncols=True) as bar:
            yield bar
        return
    lines = Lines(
        total, f"{unit}s", silent=silent, first=first, wait=LONGEST_S if as_json else FIRST_S
    )
    yield lines
    lines.close()


SHARES = 100  # steps of a bar that shows how much of one item is done


def by_share(bar: Progress) -> Callable[[float], None]:
    """What moves a bar of SHARES steps when it is told the share that is done, 0 to 1."""
    told = 0

    def tell(share: float) -> None:
        nonlocal told
        now = int(SHARES * share)
        if now > told:
            bar.update(now - told)
        told = max(told, now)

    return tell


class Lines:
    """Lines such as "24 of 2,014 images, about 31 min left".

    Short runs say nothing; the waits between two lines grow. wait: seconds before the first line.
    """

    def __init__(
        self,
        total: int,
        units: str,
        *,
        silent: bool = False,
        first: int = 0,
        wait: float = FIRST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._units, self._clock = total, units, clock
        self._silent = silent or total - first < 2
        self._first = self._done = self._told = first
        self._begun, self._wait = clock(), FIRST_S
        self._next = self._begun + wait
        self._doing = ""

    def update(self, n: int = 1) -> None:
        self._done += n
        now = self._clock()
        if self._silent or now < self._next:
            return
        self._say(now)
        self._next, self._wait = now + self._wait, min(2 * self._wait, LONGEST_S)

    def write(self, s: str, file: TextIO) -> None:
        print(s, file=file, flush=True)

    def set_description_str(self, desc: str) -> None:
        self._doing = f": {desc}"

    def close(self) -> None:
        """Tell the end, if anything was told."""
        if self._first < self._told < self._done:
            self._say(self._clock())

    def _say(self, now: float) -> None:
        done, left = self._done - self._first, self._total - self._done
        seconds = (now - self._begun) / done * left
        end = f", about {_duration(seconds)} left" if left > 0 else ""
        text = f"{self._done:,} of {self._total:,} {self._units}{end}{self._doing}"
        print(text, file=sys.stderr, flush=True)
        self._told = self._done


def _duration(seconds: float) -> str:
    """12 s, 31 min, 5.2 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

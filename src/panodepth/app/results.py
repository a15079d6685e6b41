"""Results of all visitors, in memory, each under a name that nobody can guess."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from panodepth.errors import InputError
from panodepth.types import Prediction


@dataclass(frozen=True)
class Result:
    """One picture's prediction. token: its address. session: whose it is. name: of the picture."""

    token: str
    session: str
    name: str
    prediction: Prediction


class Results:
    """They are forgotten with their session, by age, and where memory is short; thread-safe."""

    def __init__(
        self, megabytes: float, minutes: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """megabytes: of all together. minutes: since a result was last asked for. clock: [s]."""
        self._most, self._age, self._clock = int(megabytes * 1e6), minutes * 60, clock
        self._kept: OrderedDict[str, tuple[Result, float]] = OrderedDict()  # last asked for: last
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, session: str, name: str, prediction: Prediction) -> Result:
        """Keep a prediction for a session."""
        result = Result(secrets.token_urlsafe(24), session, name, prediction)
        with self._lock:
            self._forget_old()
            self._kept[result.token] = (result, self._clock())
            used = sum(held_bytes(kept.prediction) for kept, _ in self._kept.values())
            while used > self._most and len(self._kept) > 1:
                _, (oldest, _) = self._kept.popitem(last=False)
                used -= held_bytes(oldest.prediction)
        return result

    def get(self, token: str) -> Result:
        """The result of this name. Raises InputError where there is none, or no longer."""
        with self._lock:
            self._forget_old()
            if token not in self._kept:
                raise InputError("this result is no longer kept: predict the picture again")
            result, _ = self._kept.pop(token)
            self._kept[token] = (result, self._clock())
            return result

    def forget(self, session: str) -> None:
        """All results of a session."""
        with self._lock:
            for token in [t for t, (kept, _) in self._kept.items() if kept.session == session]:
                del self._kept[token]

    def _forget_old(self) -> None:
        now = self._clock()
        for token in [t for t, (_, asked) in self._kept.items() if now - asked > self._age]:
            del self._kept[token]


def held_bytes(prediction: Prediction) -> int:
    """Bytes of a prediction's arrays, each counted once."""
    arrays: dict[int, Any] = {
        id(value): value
        for value in (getattr(prediction, f.name) for f in fields(prediction))
        if hasattr(value, "nbytes")
    }
    return sum(int(array.nbytes) for array in arrays.values())

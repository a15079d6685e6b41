"""A small store of results that depend on an image's size and on weights, but not on the image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

Result = TypeVar("Result")
ENTRIES = 8  # two for each size and precision in use


class _Entry(NamedTuple):
    result: Any
    sources: tuple[Tensor, ...]  # held, so that no new weight can take an old one's address
    state: tuple[tuple[int, int, int], ...]


def _state(sources: tuple[Tensor, ...]) -> tuple[tuple[int, int, int], ...]:
    """Which tensors these are, and how often they were changed in place."""
    return tuple((id(t), t.data_ptr(), 0 if t.is_inference() else t._version) for t in sources)


class MemoryCache:
    """Thread-safe; keeps the few results last used, and makes one anew when its weights changed.

    A change is: another tensor, other storage, or an in-place operation autograd can see (as
    optimisers and load_state_dict do). Writing through `parameter.data` is not seen: `clear` then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(self, key: Hashable, sources: tuple[Tensor, ...], make: Callable[[], Result]) -> Result:
        """What `make` returned for this key and these weights, now or earlier."""
        state = _state(sources)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.state == state:
                self._entries.move_to_end(key)
                kept: Result = entry.result
                return kept
        result = make()
        with self._lock:
            self._entries[key] = _Entry(result, sources, state)
            self._entries.move_to_end(key)
            while len(self._entries) > ENTRIES:
                self._entries.popitem(last=False)
        return result

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[type[MemoryCache], tuple[()]]:
        return MemoryCache, ()  # copies and pickles of a model start empty

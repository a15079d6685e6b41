"""Panoramas from disk: read by threads ahead of time, broken ones replaced and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from panodepth.errors import InputError, PanodepthError
from panodepth.lab.training.config import DataConfig, SourceConfig
from panodepth.lab.training.feed.rendering import result_of
from panodepth.lab.training.feed.samples import Stored, mix_seed

if TYPE_CHECKING:
    from panodepth.lab.data import PanoramaSource

MAX_BROKEN_IN_A_ROW = 64  # then the source as a whole is taken for broken


class SourceReader:
    """One source in a seeded order that changes with every epoch.

    The sample at a position is a pure function of (source, seed, position). One that cannot be used
    is replaced by the source's next one that can. Several threads may read at once.

    size: (H, W). needs_metres: whether a sample whose distance is relative cannot be used.
    """

    def __init__(
        self,
        source: PanoramaSource,
        seed: int,
        size: tuple[int, int],
        *,
        needs_metres: bool = False,
    ) -> None:
        if len(source) == 0:
            raise InputError(f"source {source.name} is empty")
        self.source = source
        self.seed = seed
        self.size = size
        self.needs_metres = needs_metres
        self.replaced = 0  # samples that stood in for a broken one
        self._broken: dict[int, str] = {}
        self._reported = 0
        self._lock = threading.Lock()

    def index(self, position: int) -> int:
        """Index in the source of the sample at `position`, were none broken."""
        from panodepth.lab.data import epoch_order

        return epoch_order(len(self.source), self.seed, position)

    def used(self, position: int) -> int:
        """Index of the sample that a `read` of `position` gave: past those found broken by then."""
        first, count = self.index(position), len(self.source)
        following = ((first + i) % count for i in range(count))
        return next((index for index in following if index not in self._broken), first)

    def read(self, position: int) -> tuple[int, Stored]:
        """Index and sample (1, ...) at `position` of the endless order.

        Raises PanodepthError when no sample can be used, or too many in a row cannot.
        """
        first = self.index(position)
        tries = min(len(self.source), MAX_BROKEN_IN_A_ROW)
        for index in ((first + i) % len(self.source) for i in range(tries)):
            if index in self._broken:
                continue
            try:
                sample = self._load(index)
            except InputError as error:
                with self._lock:
                    self._broken.setdefault(index, str(error))
                continue
            if index != first:
                with self._lock:
                    self.replaced += 1
            return index, sample
        which = "all" if tries == len(self.source) else f"{tries} in a row of"
        raise PanodepthError(
            f"{which} {len(self.source)} samples of source {self.source.name} cannot be used; "
            f"the first: {self._broken[first]}"
        )

    def _load(self, index: int) -> Stored:
        from panodepth.lab.data import load_resized

        panorama = load_resized(self.source, index, self.size)
        if panorama.distance is None:
            raise InputError(f"sample {index} of {self.source.name} has no distance")
        if self.needs_metres and panorama.meta["unit"] != "m":
            raise InputError(
                f"{panorama.meta['name']}: its distance has no unit, and metres are learnt here; "
                'where they are metres say so, in dataset.json: {"unit": "m"}'
            )
        image = (panorama.image.transpose(2, 0, 1) * 255.0 + 0.5).clip(0, 255).astype(np.uint8)
        distance = panorama.distance
        if panorama.mask is not None:  # what is masked is unknown, unless it is sky
            distance = np.where(panorama.mask | np.isposinf(distance), distance, 0.0)
        image = np.ascontiguousarray(image)
        kept = np.ascontiguousarray(distance, np.float32)
        return Stored(torch.from_numpy(image)[None], torch.from_numpy(kept)[None])

    def new_problems(self) -> list[str]:
        """What was found broken since the last call, one line each."""
        with self._lock:
            fresh = list(self._broken.values())[self._reported :]
            self._reported += len(fresh)
        return [f"skipped a broken sample of {self.source.name}: {text}" for text in fresh]


def open_readers(
    sources: Sequence[SourceConfig],
    data: DataConfig,
    order_seed: int = 0,
    *,
    needs_metres: bool = False,
) -> list[SourceReader]:
    """A reader for each `[[sources]]` table. Raises ConfigError or InputError."""
    from panodepth.lab.data import open_source

    readers = []
    for number, source in enumerate(sources):
        split = Path(source.split) if source.split else None
        opened = open_source(source.kind, source.path, split=split)
        seed = mix_seed(data.seed, 4, number, order_seed)
        size = data.height, data.width
        readers.append(SourceReader(opened, seed, size, needs_metres=needs_metres))
    return readers


class ReadAhead:
    """Reads batches in threads, `data.prefetch` of them ahead of the one asked for.

    make: batch number -> calls that each return one sample.
    """

    def __init__(
        self,
        make: Callable[[int], list[Callable[[], Stored]]],
        data: DataConfig,
        cancelled: Callable[[], bool],
    ) -> None:
        self._make = make
        self._data = data
        self._cancelled = cancelled
        self._pool: ThreadPoolExecutor | None = None
        self._futures: dict[int, list[Future[Stored]]] = {}

    def get(self, number: int) -> list[Stored]:
        """What `make(number)`'s calls return. Raises Cancelled when a stop is asked for."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._data.loaders, thread_name_prefix="loader")
        ahead = range(number, number + self._data.prefetch + 1)
        for n in [n for n in self._futures if n not in ahead]:
            for future in self._futures.pop(n):
                future.cancel()
        for n in ahead:
            if n not in self._futures:
                self._futures[n] = [self._pool.submit(call) for call in self._make(n)]
        return [result_of(future, self._cancelled) for future in self._futures[number]]

    def close(self) -> None:
        """Stop the threads; what they have begun is finished and dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._futures.clear()

"""Where panoramas are rendered: in worker processes ahead of time, or in this process."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from panodepth.errors import PanodepthError
from panodepth.lab.evaluation.worlds import Renderer, scene_renderer
from panodepth.lab.training.config import DataConfig
from panodepth.lab.training.feed.cache import ChunkCache
from panodepth.lab.training.feed.samples import Stored, render_stored

T = TypeVar("T")

POLL_SECONDS = 0.5  # while waiting for workers, how often a stop is looked for
RESTARTS = 3  # times a killed rendering worker is replaced before the run gives up


class Cancelled(Exception):  # noqa: N818 - a request, not an error
    """A stop was asked for while waiting for data; nothing was lost."""


def result_of(future: Future[T], cancelled: Callable[[], bool]) -> T:
    """The future's result; raises Cancelled when a stop is asked for while waiting."""
    while not future.done():
        if cancelled():
            raise Cancelled
        wait([future], timeout=POLL_SECONDS)
    return future.result()


def _start_worker(threads: int) -> None:
    """Leave signals to the parent process, end with it, and take low priority and few threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent_process(),), daemon=True).start()
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    torch.set_num_threads(threads)


def _leave_with(parent: Any) -> None:
    parent.join()  # by what the system tells: on Windows the parent's number stays as it was
    os._exit(1)


def _render_part(
    renderer: Renderer | None, data: DataConfig, indices: Sequence[int]
) -> tuple[Any, Any]:
    """What a worker does; it returns NumPy arrays, which go back through a pipe.

    Returns image (N, 3, H, W) uint8 and distance (N, H, W) float32, as in `Stored`.
    """
    with torch.inference_mode():
        stored = render_stored(renderer or scene_renderer(), data, indices)
    return stored.image.numpy(), stored.distance.numpy()


class ChunkFactory:
    """Renders chunks: in worker processes ahead of time, or in this process when asked.

    renderer: a picklable function, or None for the package's own. cancelled: asked while waiting;
    once it says True, `get` raises `Cancelled`. With a cache folder, a chunk is read from it when
    present and whole, and written to it otherwise. Use as a context manager.
    """

    def __init__(
        self,
        data: DataConfig,
        renderer: Renderer | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.data = data
        self.renderer = renderer
        self._cancelled = cancelled
        self._cache = ChunkCache(Path(data.cache), data) if data.cache else None
        self._in_process = data.workers == 0 or data.render_device != "cpu"
        self._pending: dict[int, list[Future[tuple[Any, Any]]]] = {}  # by chunk, part by part
        self._pool: ProcessPoolExecutor | None = None
        self._restarts = 0
        self.rendered = 0  # panoramas rendered, for the log

    @property
    def stale_cache(self) -> bool:
        """Whether the cache was filled by another state of the scene code."""
        return self._cache is not None and self._cache.stale

    def __enter__(self) -> ChunkFactory:
        return self

    def __exit__(self, *exc: object) -> None:
        self._drop_pool()

    def _drop_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _parts(self, chunk: int) -> list[Sequence[int]]:
        start = self.data.first_index + chunk * self.data.chunk
        stop, size = start + self.data.chunk, self.data.render_batch
        return [range(i, min(i + size, stop)) for i in range(start, stop, size)]

    def _submit(self, chunk: int) -> list[Future[tuple[Any, Any]]]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.data.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(self.data.worker_threads,),
            )
        parts = self._parts(chunk)
        return [self._pool.submit(_render_part, self.renderer, self.data, p) for p in parts]

    def begin(self, chunk: int) -> None:
        """Start rendering a chunk in worker processes, unless it is cached or there are none."""
        known = self._cache is not None and self._cache.has(chunk)
        if not self._in_process and not known:
            self._enqueue(chunk)

    def _enqueue(self, chunk: int) -> None:
        if chunk not in self._pending:
            self._pending[chunk] = self._submit(chunk)

    def get(self, chunk: int) -> Stored:
        """The whole chunk; waits for it. Raises PanodepthError when workers keep dying."""
        if self._cache is not None and (kept := self._cache.read(chunk)) is not None:
            return kept
        if self._in_process:
            made = self._render_here(chunk)
        else:
            self._enqueue(chunk)
            made = self._collect(chunk)
        self.rendered += self.data.chunk
        if self._cache is not None:
            self._cache.write(chunk, made)
        return made

    def _render_here(self, chunk: int) -> Stored:
        renderer = self.renderer or scene_renderer()
        with torch.no_grad():
            parts: list[Stored] = []
            for indices in self._parts(chunk):
                if self._cancelled():
                    raise Cancelled
                parts.append(render_stored(renderer, self.data, indices))
        return Stored(torch.cat([p.image for p in parts]), torch.cat([p.distance for p in parts]))

    def _collect(self, chunk: int) -> Stored:
        while True:
            try:
                results = [result_of(f, self._cancelled) for f in self._pending[chunk]]
            except BrokenProcessPool:
                if self._cancelled():
                    raise Cancelled from None
                self._restart()
            else:
                del self._pending[chunk]
                images, distances = (np.concatenate(x) for x in zip(*results, strict=True))
                return Stored(torch.from_numpy(images), torch.from_numpy(distances))

    def _restart(self) -> None:
        """Replace a pool that lost a worker; what was under way is rendered again."""
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise PanodepthError(
                f"rendering workers died {self._restarts} times (out of memory?); "
                "lower data.render_batch or data.workers"
            )
        self._drop_pool()
        self._pending = {chunk: self._submit(chunk) for chunk in self._pending}

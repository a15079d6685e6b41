"""The stream of rendered panoramas that a run trains on.

Rendering costs about as much as training, so each panorama is used `reuse` times. Panoramas are
rendered in chunks of N consecutive scene indices. Epoch e holds chunks e .. e + reuse - 1, each
panorama once, in one seeded shuffle; meanwhile chunk e + reuse is rendered in the background. So a
panorama is seen once in each of `reuse` successive epochs. Batch number m is a pure function of
(data config, m): the same for any number of workers, and a resumed run continues exactly.

Stored form (also of the disk cache): image uint8, and one float32 distance map in which 0 means
unknown and infinity means sky.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import ConfigError, PanodepthError
from panodepth.losses import Truth
from panodepth.training.config import DataConfig

CACHE_FORMAT = 1  # raise when the stored form or the meaning of a scene index changes
POLL_SECONDS = 0.5  # while waiting for workers, how often a stop is looked for
RESTARTS = 3  # times a killed rendering worker is replaced before the run gives up


class Cancelled(Exception):  # noqa: N818 - a request, not an error
    """A stop was asked for while waiting for data; nothing was lost."""


class Batch(NamedTuple):
    """image: (B, 3, H, W) float32 in [0, 1], sRGB-coded; truth as in `losses.Truth`."""

    image: Tensor
    truth: Truth


class Stored(NamedTuple):
    """image: (N, 3, H, W) uint8; distance: (N, H, W) float32, 0 = unknown, inf = sky."""

    image: Tensor
    distance: Tensor

    def decode(self) -> Batch:
        """To float image and truth; distance is 1 where it is not valid."""
        sky = torch.isinf(self.distance)
        valid = (self.distance > 0) & ~sky
        distance = torch.where(valid, self.distance, 1.0)
        return Batch(self.image.float().div_(255.0), Truth(distance, valid, sky))


class SceneBatchLike(Protocol):
    """What a renderer returns; see `panodepth.scenes.SceneBatch`."""

    @property
    def image(self) -> Tensor: ...
    @property
    def distance(self) -> Tensor: ...
    @property
    def sky(self) -> Tensor: ...
    @property
    def valid(self) -> Tensor: ...


Renderer = Callable[..., SceneBatchLike]


def mix_seed(*parts: int) -> int:
    """One 63-bit seed from several integers, well mixed: equal only for equal parts."""
    state = np.random.SeedSequence([p & 0xFFFFFFFF for p in parts]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def scene_renderer() -> Renderer:
    """The package's own renderer, imported only when it is needed."""
    from panodepth.scenes import render_batch

    return render_batch


def render_stored(
    renderer: Renderer, data: DataConfig, indices: Sequence[int], *, seed: int | None = None
) -> Stored:
    """Render scenes and put them into the stored form, on `data.render_device`."""
    scene = renderer(
        data.seed if seed is None else seed,
        list(indices),
        data.height,
        data.width,
        kind=data.kind,
        device=data.render_device,
    )
    image = (scene.image * 255.0 + 0.5).clamp_(0, 255).to(torch.uint8)
    unknown = torch.where(scene.sky, torch.inf, 0.0)
    return Stored(image, torch.where(scene.valid, scene.distance.float(), unknown))


# ---------------------------------------------------------------- rendering somewhere


def _start_worker(threads: int) -> None:
    """Leave interrupts to the parent, be polite, and bound the threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    torch.set_num_threads(threads)


def _render_part(
    renderer: Renderer | None, data: DataConfig, indices: Sequence[int]
) -> tuple[Any, Any]:
    """Runs in a worker; numpy arrays travel back through the pipe."""
    with torch.inference_mode():
        stored = render_stored(renderer or scene_renderer(), data, indices)
    return stored.image.numpy(), stored.distance.numpy()


@dataclass
class _PendingChunk:
    """A chunk that is being rendered by workers, part by part."""

    parts: list[Sequence[int]]
    futures: list[Future[tuple[Any, Any]]]


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
        self._pending: dict[int, _PendingChunk] = {}
        self._pool: ProcessPoolExecutor | None = None
        self._restarts = 0
        self.rendered = 0  # panoramas rendered, for the log

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

    def _submit(self, parts: Sequence[Sequence[int]]) -> list[Future[tuple[Any, Any]]]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.data.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(self.data.worker_threads,),
            )
        return [self._pool.submit(_render_part, self.renderer, self.data, p) for p in parts]

    def begin(self, chunk: int) -> None:
        """Start rendering a chunk in the background; does nothing where that has no meaning."""
        known = self._cache is not None and self._cache.has(chunk)
        if self._in_process or chunk in self._pending or known:
            return
        parts = self._parts(chunk)
        self._pending[chunk] = _PendingChunk(parts, self._submit(parts))

    def get(self, chunk: int) -> Stored:
        """The whole chunk; waits for it. Raises PanodepthError when workers keep dying."""
        if self._cache is not None and (kept := self._cache.read(chunk)) is not None:
            return kept
        if self._in_process:
            made = self._render_here(chunk)
        else:
            self.begin(chunk)
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
                results = [self._wait(f) for f in self._pending[chunk].futures]
            except BrokenProcessPool:
                self._restart()
            else:
                del self._pending[chunk]
                images, distances = (np.concatenate(x) for x in zip(*results, strict=True))
                return Stored(torch.from_numpy(images), torch.from_numpy(distances))

    def _wait(self, future: Future[tuple[Any, Any]]) -> tuple[Any, Any]:
        while not future.done():
            if self._cancelled():
                raise Cancelled
            wait([future], timeout=POLL_SECONDS)
        return future.result()

    def _restart(self) -> None:
        """Replace a pool that lost a worker; what was under way is rendered again."""
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise PanodepthError(
                f"rendering workers died {self._restarts} times (out of memory?); "
                "lower data.render_batch or data.workers"
            )
        self._drop_pool()
        for pending in self._pending.values():
            pending.futures = self._submit(pending.parts)


# ---------------------------------------------------------------- disk cache


class ChunkCache:
    """Rendered chunks on disk, shared between runs.

    One folder per distinct (seed, size, kind, chunk, ...), with `chunk_000012.npz` files and
    beside each a `.json` with its SHA-256. Files are written under a temporary name and renamed. A
    file without a matching checksum counts as absent and is rendered again.
    """

    def __init__(self, root: Path, data: DataConfig) -> None:
        identity = {
            "format": CACHE_FORMAT,
            "seed": data.seed,
            "first_index": data.first_index,
            "chunk": data.chunk,
            "render_batch": data.render_batch,
            "height": data.height,
            "width": data.width,
            "kind": data.kind,
        }
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = root / f"{data.kind}_{data.height}x{data.width}_seed{data.seed}_{key}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "identity.json").write_text(json.dumps(identity, indent=1) + "\n")
        except OSError as error:
            raise ConfigError(f"data.cache {root} cannot be written: {error.strerror}") from None

    def _path(self, chunk: int) -> Path:
        return self.folder / f"chunk_{chunk:06d}.npz"

    def has(self, chunk: int) -> bool:
        """Whether the chunk and its checksum are there (not whether they agree)."""
        path = self._path(chunk)
        return path.exists() and path.with_suffix(".json").exists()

    def read(self, chunk: int) -> Stored | None:
        """The chunk, or None when it is absent or damaged."""
        path = self._path(chunk)
        try:
            expected = json.loads(path.with_suffix(".json").read_text())["sha256"]
            if _sha256(path) != expected:
                return None
            with np.load(path, allow_pickle=False) as arrays:
                return Stored(
                    torch.from_numpy(arrays["image"]), torch.from_numpy(arrays["distance"])
                )
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def write(self, chunk: int, stored: Stored) -> None:
        """Keep the chunk; a full disk is an error, since the run would go on without a cache."""
        path = self._path(chunk)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                np.savez(
                    file, image=stored.image.cpu().numpy(), distance=stored.distance.cpu().numpy()
                )
            index = temporary.with_name(temporary.name + ".json")
            index.write_text(json.dumps({"sha256": _sha256(temporary)}) + "\n")
            temporary.replace(path)
            index.replace(path.with_suffix(".json"))
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise PanodepthError(f"cannot write {path}: {error.strerror}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------- the stream


class SceneStream:
    """Batches by number, see the head of this module."""

    def __init__(self, data: DataConfig, factory: ChunkFactory) -> None:
        self.data = data
        self.factory = factory
        self.per_epoch = data.chunk * data.reuse // data.batch
        self._ring: dict[int, Stored] = {}
        self._order: tuple[int, Tensor] | None = None

    def _load_epoch(self, epoch: int) -> Tensor:
        """Bring the epoch's chunks into memory, start the next one; returns the shuffled order."""
        if self._order is not None and self._order[0] == epoch:
            return self._order[1]
        wanted = range(epoch, epoch + self.data.reuse)
        self._ring = {k: v for k, v in self._ring.items() if k in wanted}
        for chunk in wanted:
            if chunk not in self._ring:
                self.factory.begin(chunk)
        for chunk in wanted:
            if chunk not in self._ring:
                self._ring[chunk] = self.factory.get(chunk)
        self.factory.begin(epoch + self.data.reuse)
        generator = torch.Generator().manual_seed(mix_seed(self.data.seed, 1, epoch))
        order = torch.randperm(self.data.chunk * self.data.reuse, generator=generator)
        self._order = (epoch, order)
        return order

    def stored(self, number: int) -> Stored:
        """Batch `number` (from 0) as it is kept: (B, ...) tensors on the storing device."""
        epoch, position = divmod(number, self.per_epoch)
        order = self._load_epoch(epoch)
        size = self.data.batch
        chosen = order[position * size : (position + 1) * size].tolist()
        places = [divmod(i, self.data.chunk) for i in chosen]
        return Stored(
            torch.stack([self._ring[epoch + c].image[i] for c, i in places]),
            torch.stack([self._ring[epoch + c].distance[i] for c, i in places]),
        )

    def scene_indices(self, number: int) -> list[int]:
        """Scene indices of batch `number`, without rendering anything."""
        epoch, position = divmod(number, self.per_epoch)
        generator = torch.Generator().manual_seed(mix_seed(self.data.seed, 1, epoch))
        order = torch.randperm(self.data.chunk * self.data.reuse, generator=generator)
        chosen = order[position * self.data.batch : (position + 1) * self.data.batch].tolist()
        return [self.data.first_index + epoch * self.data.chunk + i for i in chosen]

    def batches(self, first: int) -> Iterator[Stored]:
        """Endless stream from batch `first` on."""
        number = first
        while True:
            yield self.stored(number)
            number += 1

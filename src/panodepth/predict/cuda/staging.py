"""A network fed from and read by the host while the device works: asynchronous copies both ways.

Pictures are copied through page-locked host memory, which the device reads by itself, on a stream
of their own: those of the next batch are copied while the network works on this one. Results come
back into page-locked memory too, and are copied from there before it is filled again. The host
waits for a result and for nothing else.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from panodepth.model import ModelOutput
from panodepth.predict.request import RawOutput
from panodepth.types import FloatArray

KEPT = 2  # sets of page-locked memory: the device works on one while another is filled


class CudaQueue:
    """A device's queue of work: what is called here is done later, in this order.

    The queue is the default stream, whatever thread calls; uploads have a stream of their own.
    Tests put in its place a queue that does nothing before it is waited for.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._queue = torch.cuda.default_stream(device)
        self._uploads = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def pinned(self, count: int) -> Tensor:
        """(count,) float32 on the host in page-locked memory."""
        with torch.cuda.device(self._device):
            return torch.empty(count, dtype=torch.float32, pin_memory=True)

    def current(self) -> AbstractContextManager[object]:
        """Inside, what this thread runs on the device goes to the queue."""
        return torch.cuda.stream(self._queue)

    def upload(self, host: Tensor) -> Tensor:
        """Begin to copy (B, 3, H, W) to the device; what is queued from now on waits for it."""
        with torch.cuda.stream(self._uploads):
            image = host.to(self._device, non_blocking=True)
        self._queue.wait_stream(self._uploads)
        image.record_stream(self._queue)  # its memory belongs to the other stream
        return image

    def download(self, source: Tensor, host: Tensor) -> None:
        """Queue a copy to the host; source, host: (...) of one shape."""
        host.copy_(source, non_blocking=True)

    def end_marker(self) -> Callable[[], None]:
        """A function that waits, without using the core, for all that is queued by now."""
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(self._queue)
        wait: Callable[[], None] = event.synchronize
        return wait


class _Buffers:
    """Page-locked memory for one batch; grows to the largest it has seen."""

    def __init__(self, queue: CudaQueue) -> None:
        self._queue = queue
        self._buffers: dict[str, Tensor] = {}

    def view(self, name: str, shape: Sequence[int]) -> Tensor:
        """`shape` float32 of the memory called `name`."""
        count = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < count:
            buffer = self._buffers[name] = self._queue.pinned(count)
        return buffer[:count].view(*shape)


class StagedNetwork:
    """A network on a device behind page-locked memory; several threads may call it at once."""

    def __init__(self, network: Callable[[Tensor], ModelOutput], queue: CudaQueue) -> None:
        """network: of images (B, 3, H, W) on the device."""
        self._network, self._queue = network, queue
        self._lock = threading.Lock()
        self._free: list[_Buffers] = []

    def start(self, pixels: Sequence[FloatArray]) -> Callable[[], list[RawOutput]]:
        """Queue the network on pictures of one size, (3, h, w) float32 each.

        Returns a function that waits for the result and returns it; it can be called once, for its
        memory is another batch's by then. If it is never called, or if this raises, the memory is
        not used again: torch frees it when the device is done with it.
        """
        with self._lock:
            buffers = self._free.pop() if self._free else _Buffers(self._queue)
        image = buffers.view("image", (len(pixels), *pixels[0].shape))
        for place, picture in zip(image.numpy(), pixels, strict=True):
            np.copyto(place, picture)
        with self._lock, torch.inference_mode(), self._queue.current():
            output = self._network(self._queue.upload(image))
            log = self._download(buffers, "log", output.log_distance)
            sky = output.sky_logit
            sky = None if sky is None else self._download(buffers, "sky", sky)
            wait = self._queue.end_marker()
        pending = [buffers]

        def result() -> list[RawOutput]:
            if not pending:
                raise RuntimeError("this result was taken already")
            taken = pending.pop()
            wait()
            logs = log.numpy().copy()
            skies = [None] * len(logs) if sky is None else sky.numpy().copy()
            with self._lock:
                if len(self._free) < KEPT:
                    self._free.append(taken)
            return [RawOutput(a, b) for a, b in zip(logs, skies, strict=True)]

        return result

    def _download(self, buffers: _Buffers, name: str, source: Tensor) -> Tensor:
        """Queue the copy of `source` (...); returns where in the buffers it goes, (...) float32."""
        source = source.float().contiguous()
        host = buffers.view(name, source.shape)
        self._queue.download(source, host)
        return host

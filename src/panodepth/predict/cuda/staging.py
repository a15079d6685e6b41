"""Pictures to a device and results back while it works: the host waits for a result alone.

Pictures go through page-locked memory, which the device reads by itself, on a stream of their own:
those of the next batch travel while the network works on this one. Results come back into
page-locked memory too, and are copied from there before it is used again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from panodepth.model import ModelOutput
from panodepth.predict.predictor import RawOutput
from panodepth.types import FloatArray

KEPT = 2  # sets of page-locked memory: one on its way while another is filled


class Lane(Protocol):
    """A device that works in the order of what it is told, and later than it is told."""

    def host(self, count: int) -> Tensor:
        """(count,) float32 on the host, which the device can read and write by itself."""

    def working(self) -> AbstractContextManager[object]:
        """Inside, this thread's work goes to the device's one queue."""

    def to_device(self, host: Tensor) -> Tensor:
        """Begin to bring it over, beside the queue; what is queued from now on waits for it."""

    def to_host(self, source: Tensor, host: Tensor) -> None:
        """Queue a copy."""

    def mark(self) -> Callable[[], None]:
        """Returns what waits until all that is queued by now is done."""


class CudaLane:
    """The default stream as the queue, whatever thread calls, and one more for the way there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._queue = torch.cuda.default_stream(device)
        self._way = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def host(self, count: int) -> Tensor:
        """See `Lane`."""
        with torch.cuda.device(self._device):
            return torch.empty(count, dtype=torch.float32, pin_memory=True)

    def working(self) -> AbstractContextManager[object]:
        """See `Lane`."""
        return torch.cuda.stream(self._queue)

    def to_device(self, host: Tensor) -> Tensor:
        """See `Lane`."""
        with torch.cuda.stream(self._way):
            image = host.to(self._device, non_blocking=True)
        self._queue.wait_stream(self._way)
        image.record_stream(self._queue)  # its memory belongs to the other stream
        return image

    def to_host(self, source: Tensor, host: Tensor) -> None:
        """See `Lane`."""
        host.copy_(source, non_blocking=True)

    def mark(self) -> Callable[[], None]:
        """See `Lane`. Waiting leaves the core to others."""
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(self._queue)
        wait: Callable[[], None] = event.synchronize
        return wait


class _Slot:
    """Page-locked memory for one batch on its way; grows to the largest it has seen."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._buffers: dict[str, Tensor] = {}

    def view(self, name: str, shape: Sequence[int]) -> Tensor:
        """`shape` float32 of the memory called `name`."""
        count = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < count:
            buffer = self._buffers[name] = self._lane.host(count)
        return buffer[:count].view(*shape)


class Staged:
    """A network on a device, fed from and read by the host; several threads may call it at once."""

    def __init__(self, network: Callable[[Tensor], ModelOutput], lane: Lane) -> None:
        """network: of images (B, 3, H, W) on the device."""
        self._network, self._lane = network, lane
        self._lock = threading.Lock()
        self._free: list[_Slot] = []

    def start(self, pixels: Sequence[FloatArray]) -> Callable[[], list[RawOutput]]:
        """Queue the network on pictures of one size, (3, h, w) float32 each.

        Returns what waits for the result and returns it, once. If it is never called, or if
        something is raised here, the memory on its way is let go: torch frees it when it may.
        """
        with self._lock:
            slot = self._free.pop() if self._free else _Slot(self._lane)
        image = slot.view("image", (len(pixels), *pixels[0].shape))
        for place, picture in zip(image.numpy(), pixels, strict=True):
            np.copyto(place, picture)
        with self._lock, torch.inference_mode(), self._lane.working():
            output = self._network(self._lane.to_device(image))
            log = self._back(slot, "log", output.log_distance)
            sky = None if output.sky_logit is None else self._back(slot, "sky", output.sky_logit)
            wait = self._lane.mark()

        def result() -> list[RawOutput]:
            wait()
            logs = log.numpy().copy()
            skies = [None] * len(logs) if sky is None else sky.numpy().copy()
            with self._lock:
                if len(self._free) < KEPT:
                    self._free.append(slot)
            return [RawOutput(a, b) for a, b in zip(logs, skies, strict=True)]

        return _once(result)

    def _back(self, slot: _Slot, name: str, source: Tensor) -> Tensor:
        source = source.float().contiguous()
        host = slot.view(name, source.shape)
        self._lane.to_host(source, host)
        return host


def _once(call: Callable[[], list[RawOutput]]) -> Callable[[], list[RawOutput]]:
    """`call`, which must not be called again: its memory is another batch's by then."""
    calls = [call]

    def guarded() -> list[RawOutput]:
        if not calls:
            raise RuntimeError("this result was taken already")
        return calls.pop()()

    return guarded

"""A network recorded once per shape as a CUDA graph and replayed, its result checked before use.

Launching kernels one by one takes the host longer than a small network takes the GPU. A replay is
one launch, but it reads and writes the same memory each time and notices no change around it;
`Graphed` keeps that in: results are copies, recordings hold what they read, and whatever goes wrong
leads back to the plain network.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from panodepth.errors import one_line, print_note
from panodepth.model import ModelOutput

KEPT = 4  # shapes; each recording holds the memory of one forward pass
TOLERANCE = 5e-3  # mean difference of log distance, share of pixels with another sky
WARM_UPS = 2  # passes on the recording's stream before it: libraries set themselves up there

Forward = Callable[[Tensor, Any], ModelOutput]  # (image, memory), as SphereViT.forward


class Recording(Protocol):
    """One forward pass for one shape."""

    def replay(self, image: Tensor) -> ModelOutput:
        """The pass on another image; the result lies there until the next replay."""


class Recorder(Protocol):
    """Makes recordings on one device."""

    def record(self, call: Callable[[Tensor], ModelOutput], like: Tensor) -> Recording:
        """`call` for images of the shape, precision and device of `like`. May raise anything."""


@dataclass
class _Entry:
    """A shape that was seen; recording: from the second time on. memory: what that reads."""

    memory: Any
    recording: Recording | None = None


class Graphed:
    """A network that runs plainly for a shape's first image and by replay from the third on.

    The second image is when it is recorded and compared with the plain pass. A failure there, or a
    difference, ends recording for good with one line. Several threads may call it at once.
    """

    def __init__(
        self,
        forward: Forward,
        memory_for: Callable[[tuple[int, int]], Any],
        recorder: Recorder,
        *,
        tell: Callable[[str], None] = print_note,
    ) -> None:
        """memory_for: (H, W) to what `forward` keeps for that size; another object when stale."""
        self._forward, self._memory_for = forward, memory_for
        self._recorder, self._tell = recorder, tell
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self.active = True

    def __call__(self, image: Tensor) -> ModelOutput:
        """image: (B, 3, H, W) on the device; the result is the caller's own. No gradients."""
        with torch.inference_mode():
            memory = self._memory_for((image.shape[-2], image.shape[-1]))
            if not self.active:
                return self._forward(image, memory)
            with self._lock:
                return self._run((tuple(image.shape), image.dtype), image, memory)

    def _run(self, key: Hashable, image: Tensor, memory: Any) -> ModelOutput:
        entry = self._entries.get(key)
        if entry is not None and entry.memory is memory:
            self._entries.move_to_end(key)
            if entry.recording is not None:
                try:
                    return _copied(entry.recording.replay(image))
                except Exception as error:
                    self._give_up(one_line(f"{type(error).__name__}: {error}", 200))
        expected = self._plain(image, memory)
        if not self.active:
            return expected
        if entry is not None and entry.memory is memory and key in self._entries:
            entry.recording = self._record(image, memory, expected)
        else:
            self._entries[key] = _Entry(memory)
            self._entries.move_to_end(key)
            while len(self._entries) > KEPT:
                self._entries.popitem(last=False)
        return expected

    def _plain(self, image: Tensor, memory: Any) -> ModelOutput:
        """Tried again, once, without the memory that recordings hold."""
        try:
            return self._forward(image, memory)
        except torch.cuda.OutOfMemoryError:
            if all(entry.recording is None for entry in self._entries.values()):
                raise
        self._entries.clear()
        return self._forward(image, memory)

    def _record(self, image: Tensor, memory: Any, expected: ModelOutput) -> Recording | None:
        """A recording that gives what is expected, or None."""
        if not bool(expected.log_distance.isfinite().all()):
            return None  # what is broken by itself says nothing about a recording
        try:
            recording = self._recorder.record(lambda x: self._forward(x, memory), image)
            wrong = difference(recording.replay(image), expected)
        except Exception as error:
            reason = one_line(f"{type(error).__name__}: {error}", 200)
        else:
            if wrong <= TOLERANCE:
                return recording
            reason = f"a replay differs from the plain network by {wrong:.2g}"
        self._give_up(reason)
        return None

    def _give_up(self, reason: str) -> None:
        self.active = False
        self._entries.clear()
        self._tell(f"no CUDA graphs, the network runs without them ({reason})")


def difference(a: ModelOutput, b: ModelOutput) -> float:
    """Mean difference in log distance or share of pixels with another sky, the larger; or NaN."""
    worst = (a.log_distance - b.log_distance).abs().mean()
    if a.sky_logit is not None and b.sky_logit is not None:
        other = ((a.sky_logit > 0) != (b.sky_logit > 0)) | a.sky_logit.isnan()
        worst = torch.maximum(worst, other.float().mean())
    return float(worst)


def _copied(output: ModelOutput) -> ModelOutput:
    sky = None if output.sky_logit is None else output.sky_logit.clone()
    return ModelOutput(output.log_distance.clone(), sky)


class CudaRecorder:
    """Records on a stream of its own, whose libraries' workspaces then live as long as it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def record(self, call: Callable[[Tensor], ModelOutput], like: Tensor) -> Recording:
        """See `Recorder`. Warmed up and recorded on zeros, so that nothing of an image stays."""
        image = torch.zeros_like(like)
        graph = torch.cuda.CUDAGraph()
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        # The outer stream context restores the caller's stream also when ending a capture raises.
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                call(image)
            # Other threads may go on using the device meanwhile: hence thread_local.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                output = call(image)
        here.wait_stream(self._stream)
        for tensor in output:
            if tensor is not None:
                tensor.fill_(torch.nan)  # a replay that writes nothing shows
        return _CudaRecording(graph, image, output)


class _CudaRecording:
    def __init__(self, graph: torch.cuda.CUDAGraph, image: Tensor, output: ModelOutput) -> None:
        self._graph, self._image, self._output = graph, image, output

    def replay(self, image: Tensor) -> ModelOutput:
        """On the current stream; see `Recording`."""
        self._image.copy_(image)
        self._graph.replay()
        return self._output

"""A network recorded once per shape as a CUDA graph and replayed, its result checked before use.

To launch the kernels of a small network one by one takes the host longer than the GPU needs to run
them. A replay is one launch, but it reads and writes the same memory each time and does not notice
changes around it. `Graphed` makes that safe: results are copies, recordings hold what they read,
and after any failure the plain network runs.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from panodepth.errors import one_line, print_note
from panodepth.model import ModelOutput

KEPT = 4  # shapes; each recording holds the memory of one forward pass
TOLERANCE = 5e-3  # mean difference of log distance, share of pixels with another sky
WARM_UPS = 2  # passes on the recording's stream before it: libraries set themselves up there

Forward = Callable[[Tensor, Any], ModelOutput]  # (image, memory), as SphereViT.forward


Pass = Callable[[Tensor], ModelOutput]
# (pass, like) -> the same pass recorded for images of the shape, precision and device of `like`.
# What a recording returns is overwritten by its next replay. May raise anything.
Recorder = Callable[[Pass, Tensor], Pass]


@dataclass
class _Entry:
    """A shape that was seen. replay: its recording, from the second time on. memory: it reads."""

    memory: Any
    replay: Pass | None = None


class Graphed:
    """A network that runs plainly for a shape's first image and by replay from the third on.

    The second image is when it is recorded and compared with the plain pass. A failure there, or a
    difference, ends recording for good with one line. Several threads may call it at once.
    """

    def __init__(
        self,
        forward: Forward,
        memory_for: Callable[[tuple[int, int]], Any],
        record: Recorder,
        *,
        note: Callable[[str], None] = print_note,
    ) -> None:
        """memory_for: (H, W) to what `forward` keeps for that size; another object when stale."""
        self._forward, self._memory_for = forward, memory_for
        self._record_pass, self._note = record, note
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
        """image: (B, 3, H, W); memory: of its size."""
        entry = self._entries.get(key)
        if entry is not None and entry.memory is memory:
            self._entries.move_to_end(key)
            if entry.replay is not None:
                try:
                    return _copied(entry.replay(image))
                except Exception as error:
                    self._give_up(one_line(f"{type(error).__name__}: {error}", 200))
        expected = self._plain(image, memory)
        if not self.active:
            return expected
        if entry is not None and entry.memory is memory and key in self._entries:
            entry.replay = self._record(image, memory, expected)
        else:
            self._entries[key] = _Entry(memory)
            self._entries.move_to_end(key)
            while len(self._entries) > KEPT:
                self._entries.popitem(last=False)
        return expected

    def _plain(self, image: Tensor, memory: Any) -> ModelOutput:
        """The plain network; when memory is not enough, once more without the recordings.

        image: (B, 3, H, W).
        """
        try:
            return self._forward(image, memory)
        except torch.cuda.OutOfMemoryError:
            if all(entry.replay is None for entry in self._entries.values()):
                raise
        self._entries.clear()
        return self._forward(image, memory)

    def _record(self, image: Tensor, memory: Any, expected: ModelOutput) -> Pass | None:
        """A recording that gives what is expected for an image (B, 3, H, W), or None."""
        if not bool(expected.log_distance.isfinite().all()):
            return None  # the network itself is broken: that says nothing about a recording
        try:
            replay = self._record_pass(lambda x: self._forward(x, memory), image)
            wrong = difference(replay(image), expected)
        except Exception as error:
            reason = one_line(f"{type(error).__name__}: {error}", 200)
        else:
            if wrong <= TOLERANCE:
                return replay
            reason = f"a replay differs from the plain network by {wrong:.2g}"
        self._give_up(reason)
        return None

    def _give_up(self, reason: str) -> None:
        self.active = False
        self._entries.clear()
        self._note(f"no CUDA graphs, the network runs without them ({reason})")


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
    """A `Recorder` on a stream of its own, whose libraries' workspaces then live as long as it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, call: Pass, like: Tensor) -> Pass:
        """Warm up and record on zeros, so that nothing of an image stays.

        like: (B, 3, H, W). Replays run on the current stream.
        """
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

        def replay(picture: Tensor) -> ModelOutput:
            image.copy_(picture)
            graph.replay()
            return output

        return replay

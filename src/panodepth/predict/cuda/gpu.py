"""How the network runs on a CUDA device, and how many pictures at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from panodepth.model import ModelOutput, SphereViT
from panodepth.predict.cuda.graphs import CudaRecorder, Forward, Graphed
from panodepth.predict.cuda.staging import CudaQueue, StagedNetwork

MAX_BATCH = 16  # more pictures at a time no longer fill the device better
SHARE = 0.6  # of the free memory that a batch may take: others use the device too


def graphed(model: SphereViT, forward: Forward | None = None) -> Graphed:
    """`model` as it runs on its CUDA device: images (B, 3, H, W) there in, a copied result out.

    The first two calls of a shape are slow. forward: the model, compiled. The weights of
    convolutions are brought to channels_last memory, the layout of the decoder's features.
    """
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = next(model.parameters()).device
    return Graphed(exact(forward or model), model.memory_for, CudaRecorder(device))


def staged(model: SphereViT, forward: Forward | None, device: torch.device) -> StagedNetwork:
    """`graphed` behind page-locked memory; without graphs if PANODEPTH_CUDA_GRAPHS is 0."""
    network = graphed(model, forward)
    if os.environ.get("PANODEPTH_CUDA_GRAPHS") == "0":
        network.active = False
    return StagedNetwork(network, CudaQueue(device))


def measured_batch(model: SphereViT, size: tuple[int, int], device: torch.device) -> int:
    """How many pictures of `size` fit at a time, from the memory that one blank picture takes."""
    with torch.inference_mode(), torch.cuda.device(device):
        try:
            before = torch.cuda.memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
            model(torch.zeros(1, 3, *size, device=device))
            one = torch.cuda.max_memory_allocated(device) - before
        except torch.cuda.OutOfMemoryError:
            return 1  # the run itself tells what is wrong
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return largest_batch(torch.cuda.mem_get_info(device)[0] + unused, one)


def largest_batch(free: int, one: int) -> int:
    """The largest power of two, 1 to MAX_BATCH, of `one` bytes each in a SHARE of `free` bytes.

    Powers of two, so that halving after all the same leads to few shapes.
    """
    batch = 1
    while 2 * batch <= MAX_BATCH and 2 * batch * one <= SHARE * free:
        batch *= 2
    return batch


class _Tf32Switch:
    """Turns cuDNN's use of TF32 off while any thread is inside: it is a setting of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: bool | None = None

    @contextmanager
    def off(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._before = _set_tf32(False)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._before is not None:
                    _set_tf32(self._before)


def _set_tf32(allowed: bool) -> bool | None:
    """Set it and return its value before; None where the program uses torch's newer setting."""
    try:
        before = bool(torch.backends.cudnn.allow_tf32)
        torch.backends.cudnn.allow_tf32 = allowed
    except RuntimeError:  # the two kinds of setting do not mix
        return None
    return before


_TF32 = _Tf32Switch()


def exact(forward: Forward) -> Forward:
    """`forward` with float32 convolutions computed in float32; the head needs it most.

    By default cuDNN rounds the inputs of convolutions to TF32, which keeps 10 bits.
    """

    def run(image: Tensor, memory: Any) -> ModelOutput:
        with _TF32.off():
            return forward(image, memory)

    return run

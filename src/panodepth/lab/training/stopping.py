"""Stopping a run early: a signal to any of its processes, or a loss that is not a number."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import torch
from torch import Tensor

from panodepth.lab.training.engine import Engine
from panodepth.lab.training.guard import GPU_LAG, Guard


class Stopping:
    """Whether to stop, and whether a step went wrong; all processes conclude the same at one step.

    On a GPU both are seen `GPU_LAG` steps late, so that the CPU need not wait for the GPU.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        lag = 0 if engine.device.type == "cpu" else GPU_LAG
        self._finite, self._unasked = Guard(lag), Guard(lag)
        self._asked = threading.Event()
        self.signal: int | None = None  # that asked this process
        self._agreed = False

    def ask(self, signal: int | None = None) -> None:
        """End cleanly as soon as all processes know; callable from a signal handler."""
        self.signal = signal
        self._asked.set()

    @property
    def now(self) -> bool:
        """Whether to end before the next step: the same in all processes."""
        return self._agreed if self._engine.world > 1 else self._asked.is_set()

    def cancelled(self) -> bool:
        """Whether to give up waiting for data in the middle of a step.

        Never with several processes: the others wait for this one's gradients.
        """
        return self._engine.world == 1 and self._asked.is_set()

    def add(self, step: int, finite: Tensor) -> int | None:
        """Add a step of this process and learn of the others' at the same number.

        finite: () bool, whether loss and gradient are numbers. Returns the number of a bad step, if
        one is known by now.
        """
        if self._engine.world > 1:
            asked = torch.full_like(finite, self._asked.is_set())
            bad, stop = self._engine.any(torch.stack([~finite, asked])).unbind()
            finite = ~bad
            if self._unasked.add(step, ~stop) is not None:
                self._agreed = True
        return self._finite.add(step, finite)

    def check(self) -> int | None:
        """The number of a bad step, of all that were noted; waits for them."""
        return self._finite.check()


@contextlib.contextmanager
def asked_by_signals(stop: Callable[[int], None]) -> Iterator[None]:
    """SIGINT and SIGTERM ask for a clean end, by `stop(number)`; a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        stop(number)
        signal.signal(number, before[signal.Signals(number)])

    for s in before:
        signal.signal(s, ask)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)

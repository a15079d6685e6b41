"""Detecting a loss or gradient that is not a number, and keeping the batches that gave it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from panodepth.errors import PanodepthError

GPU_LAG = 2  # steps that a GPU may run ahead of the check


class Guard:
    """Looks at one flag per step, `lag` steps late, so that the CPU need not wait for a GPU.

    A GPU copies each flag to the CPU asynchronously; an event says when the copy is there.
    """

    def __init__(self, lag: int) -> None:
        self._lag = lag
        self._open: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()

    def add(self, step: int, finite: Tensor) -> int | None:
        """Add a step (finite: () bool); returns the number of a bad one, if known by now."""
        event = None
        if finite.is_cuda:
            host = torch.empty((), dtype=torch.bool, pin_memory=True)
            finite = host.copy_(finite, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._open.append((step, finite, event))
        return self.check(self._lag)

    def check(self, lag: int = 0) -> int | None:
        """Look at all but the latest `lag` steps."""
        while len(self._open) > lag:
            step, finite, event = self._open.popleft()
            if event is not None:
                event.synchronize()
            if not finite.item():
                return step
        return None


def keep_evidence(
    folder: Path,
    batches: Mapping[int, Any],
    samples: Mapping[int, Sequence[int | str]],
    facts: Mapping[str, Any],
) -> None:
    """Write the batches of a bad step, which samples they are, and further facts.

    batches: by number; named tuples of tensors, or of such named tuples. samples: by the same
    numbers. Processes beside the first (`facts["rank"]`) put theirs into a folder of their own.
    """
    place = folder / f"rank_{facts['rank']}" if facts.get("rank") else folder
    place.mkdir(parents=True, exist_ok=True)
    for number, batch in batches.items():
        save_file(_named_tensors(batch), place / f"batch_{number}.safetensors")
    report: dict[str, Any] = {**facts, "samples": dict(samples)}
    (place / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _named_tensors(batch: Any) -> dict[str, Tensor]:
    """The tensors of a named tuple, and of named tuples in it, on the CPU, of any shapes."""
    tensors: dict[str, Tensor] = {}
    for name, value in batch._asdict().items():
        inner = {name: value.detach().cpu().contiguous()} if isinstance(value, Tensor) else None
        tensors |= _named_tensors(value) if inner is None else inner
    return tensors


def not_finite(step: int, folder: Path) -> PanodepthError:
    """The error that ends such a run."""
    return PanodepthError(
        f"loss or gradient is not a number at step {step}; the batch is kept in {folder}, the last "
        "checkpoint is untouched: resume with a lower optim.lr"
    )

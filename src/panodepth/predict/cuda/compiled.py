"""The network by torch.compile, or plainly where that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from panodepth.errors import one_line, print_note
from panodepth.model import ModelOutput, SphereViT
from panodepth.predict.cuda.graphs import Forward


def _torch_compile(model: SphereViT) -> Forward:
    return cast(Forward, torch.compile(model, dynamic=False))


class Compiled:
    """Compiled anew for every shape, at its first image, which takes a minute or more.

    Where that fails (no C++ compiler, no Triton), the plain network runs from then on, with one
    line that says so. Torch itself stops compiling after eight shapes.
    """

    def __init__(
        self,
        model: SphereViT,
        *,
        compiler: Callable[[SphereViT], Forward] = _torch_compile,
        note: Callable[[str], None] = print_note,
    ) -> None:
        """model: in evaluation mode, not prepared."""
        self._model, self._compiler, self._note = model, compiler, note
        self._compiled: Forward | None = None
        self.active = True

    def __call__(self, image: Tensor, memory: Any) -> ModelOutput:
        """As `SphereViT.forward`. image: (B, 3, H, W); memory: `memory_for` its size."""
        if not self.active:
            return self._model.forward(image, memory)
        try:
            if self._compiled is None:
                self._compiled = self._compiler(self._model)
            return self._compiled(image, memory)
        except (torch.cuda.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            reason = one_line(f"{type(error).__name__}: {error}", 200)
        output = self._model.forward(image, memory)  # where the network is at fault, this raises
        self.active, self._compiled = False, None
        self._note(f"torch.compile failed, the network runs without it ({reason})")
        return output

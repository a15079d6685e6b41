"""The network as it predicts: what depends on the size alone is kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from panodepth.errors import ModelError
from panodepth.model.checkpoint import PREPARED
from panodepth.model.fast.memory import KeptMemory
from panodepth.model.spherevit import ModelOutput, SphereMemory, SphereViT


class FastSphereViT(SphereViT):
    """A SphereViT that keeps what depends on the size alone, for inference.

    `prepared` is True where layers were fused too: it can then predict and nothing else.
    """

    kept: KeptMemory

    def forward(self, image: Tensor, memory: SphereMemory | None = None) -> ModelOutput:
        """As `SphereViT.forward`; memory: None = kept, or made now. image: (B, 3, H, W)."""
        if memory is None and not torch.is_grad_enabled():
            memory = self.memory_for((image.shape[-2], image.shape[-1]))
        return super().forward(image, memory)

    def memory_for(self, size: tuple[int, int]) -> SphereMemory:
        """As `SphereViT.memory_for`; the same object until weights change.

        Who records the forward pass for replay gives it to `forward`, holds it, and records anew
        when it is another.
        """
        if torch.is_grad_enabled():
            return super().memory_for(size)
        return self.kept.get(self, size)

    def train(self, mode: bool = True) -> FastSphereViT:
        """As nn.Module.train; leaves nothing stale behind. ModelError where layers were fused."""
        if mode and self.prepared:
            raise ModelError(PREPARED)
        self.kept.clear()
        super().train(mode)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        if self.prepared:
            raise ModelError(PREPARED)
        self.kept.clear()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

"""The stream of rendered panoramas that a run trains on.

Rendering costs about as much as training, so each panorama is used `reuse` times. Panoramas are
rendered in chunks of N consecutive scene indices. Epoch e holds chunks e .. e + reuse - 1, each
panorama once, in one seeded shuffle; meanwhile chunk e + reuse is rendered in the background. So a
panorama is seen once in each of `reuse` successive epochs. Batch number m is a pure function of
(data config, m): the same for any number of workers, and a resumed run continues exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panodepth.training.config import DataConfig
from panodepth.training.rendering import ChunkFactory
from panodepth.training.samples import Stored, mix_seed


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

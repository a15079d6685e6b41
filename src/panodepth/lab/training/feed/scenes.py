"""The rendered panoramas that a run trains on, by number.

Rendering costs about as much as training, so each panorama is used `reuse` times. A chunk is
`data.chunk` worlds of consecutive indices. Epoch e holds chunks e .. e + reuse - 1, each panorama
once, in one seeded shuffle; meanwhile chunk e + reuse is rendered in the background. So a panorama
is seen once in each of `reuse` successive epochs.

Sample p is a pure function of (data config, p, rank, number of processes), whatever the number of
workers: a resumed run continues exactly. Of several processes, process r has chunks r,
r + processes, r + 2 processes, ...: none is rendered twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panodepth.lab.training.config import DataConfig
from panodepth.lab.training.feed.rendering import ChunkFactory
from panodepth.lab.training.feed.samples import Stored, mix_seed


class SceneStream:
    """Rendered panoramas by number, see the head of this module.

    rank, world: number of this process, and how many there are. order_seed: of the shuffles.
    """

    def __init__(
        self,
        data: DataConfig,
        factory: ChunkFactory,
        *,
        rank: int = 0,
        world: int = 1,
        order_seed: int = 0,
    ) -> None:
        self.data = data
        self._order_seed = order_seed
        self.factory = factory
        self._rank, self._world = rank, world
        self._epoch_samples = data.chunk * data.reuse
        self._ring: dict[int, Stored] = {}
        self._order: tuple[int, Tensor] | None = None

    def _of_all(self, number: int) -> int:
        """Number among all processes of this process's chunk or epoch."""
        return number * self._world + self._rank

    def _shuffle(self, epoch: int) -> Tensor:
        """(chunk * reuse,) places of the epoch's panoramas in its chunks, in the order of use."""
        if self._order is None or self._order[0] != epoch:
            generator = torch.Generator().manual_seed(
                mix_seed(self.data.seed, 1, self._of_all(epoch), self._order_seed)
            )
            self._order = (epoch, torch.randperm(self._epoch_samples, generator=generator))
        return self._order[1]

    def _load(self, epoch: int) -> None:
        """Bring the epoch's chunks into memory, and start the next one."""
        wanted = range(epoch, epoch + self.data.reuse)
        self._ring = {k: v for k, v in self._ring.items() if k in wanted}
        if all(chunk in self._ring for chunk in wanted):
            return
        missing = [chunk for chunk in wanted if chunk not in self._ring]
        for chunk in missing:  # all are begun before the first is waited for
            self.factory.begin(self._of_all(chunk))
        for chunk in missing:
            self._ring[chunk] = self.factory.get(self._of_all(chunk))
        self.factory.begin(self._of_all(epoch + self.data.reuse))  # the next epoch's new one

    def _place(self, position: int) -> tuple[int, int, int]:
        """(epoch, this process's chunk, place in it) of sample `position`."""
        epoch, place = divmod(position, self._epoch_samples)
        # of the epoch's `reuse` chunks, which one, and where in it
        chunk, inner = divmod(int(self._shuffle(epoch)[place]), self.data.chunk)
        return epoch, epoch + chunk, inner

    def samples(self, positions: Sequence[int]) -> Stored:
        """Samples by position (from 0), (n, ...) tensors on the rendering device.

        Any order works; rising ones render nothing twice.
        """
        images, distances = [], []
        for position in positions:
            epoch, chunk, inner = self._place(position)
            self._load(epoch)
            images.append(self._ring[chunk].image[inner])
            distances.append(self._ring[chunk].distance[inner])
        return Stored(torch.stack(images), torch.stack(distances))

    def scene_index(self, position: int) -> int:
        """Scene index of sample `position`, without rendering anything."""
        _, chunk, inner = self._place(position)
        return self.data.first_index + self._of_all(chunk) * self.data.chunk + inner

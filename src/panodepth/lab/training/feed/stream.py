"""The batches of a run: rendered panoramas and those from disk, mixed by weight.

Sample n of a process is a pure function of (config, n, rank, number of processes).
`panodepth.lab.data.Mixture` says which source gives it; scenes.py has the rendered ones, sources.py
those from disk. Each process draws samples of its own: position p of process r in a source is
position p * processes + r of the source's order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch

from panodepth.lab.evaluation.worlds import Renderer
from panodepth.lab.training.config import Recipe
from panodepth.lab.training.feed.rendering import ChunkFactory
from panodepth.lab.training.feed.samples import Stored
from panodepth.lab.training.feed.scenes import SceneStream
from panodepth.lab.training.feed.sources import ReadAhead, SourceReader, open_readers

SCENES = 0  # number of the rendered panoramas in the mixture; sources follow


class SampleStream:
    """Batches by number for one process. Use as a context manager.

    renderer: None = the package's own. cancelled: asked while waiting, see `ChunkFactory`. rank,
    world: number of this process, and how many there are.
    """

    def __init__(
        self,
        config: Recipe,
        renderer: Renderer | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.config = config
        self._rank, self._world = rank, world
        self.factory = ChunkFactory(config.data, renderer, cancelled)
        self.scenes = SceneStream(
            config.data, self.factory, rank=rank, world=world, order_seed=config.run.seed
        )
        self.readers: list[SourceReader] = []
        if config.sources:
            self.readers = open_readers(
                config.sources, config.data, config.run.seed, needs_metres=config.needs_metres
            )
        self._ahead = ReadAhead(self._calls, config.data, cancelled)

    def __enter__(self) -> SampleStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ahead.close()
        self.factory.__exit__(*exc)

    @cached_property
    def _mixture(self) -> Any:
        from panodepth.lab.data import Mixture

        weights = [self.config.data.scenes_weight, *(s.weight for s in self.config.sources)]
        return Mixture(weights)

    def _drawn(self, number: int) -> list[tuple[int, int]]:
        """(who gives it, position) of each sample of batch `number`."""
        size = self.config.data.batch
        numbers = range(number * size, (number + 1) * size)
        if not self.readers:
            return [(SCENES, n) for n in numbers]
        return [self._mixture(n) for n in numbers]

    def _of_all(self, position: int) -> int:
        return position * self._world + self._rank

    def _calls(self, number: int) -> list[Callable[[], Stored]]:
        return [
            partial(self._read, giver - 1, self._of_all(position))
            for giver, position in self._drawn(number)
            if giver != SCENES
        ]

    def _read(self, reader: int, position: int) -> Stored:
        return self.readers[reader].read(position)[1]

    def stored(self, number: int) -> Stored:
        """Batch `number` (from 0) as it is kept: (B, ...) tensors.

        Raises Cancelled when a stop is asked for while waiting.
        """
        drawn = self._drawn(number)
        rendered = [position for giver, position in drawn if giver == SCENES]
        read = iter(self._ahead.get(number)) if len(rendered) < len(drawn) else iter(())
        if len(rendered) == len(drawn):
            return self.scenes.samples(rendered)
        scenes = iter(self.scenes.samples(rendered).singles() if rendered else ())
        parts = [next(scenes if giver == SCENES else read) for giver, _ in drawn]
        device = self.config.data.render_device if rendered else "cpu"
        return Stored(
            torch.cat([p.image.to(device) for p in parts]),
            torch.cat([p.distance.to(device) for p in parts]),
        )

    def describe(self, number: int) -> list[int | str]:
        """What each sample of batch `number`, once read, is: a scene index, or "source: index"."""
        told: list[int | str] = []
        for giver, position in self._drawn(number):
            if giver == SCENES:
                told.append(self.scenes.scene_index(position))
            else:
                reader = self.readers[giver - 1]
                told.append(f"{reader.source.name}: {reader.used(self._of_all(position))}")
        return told

    @property
    def replaced(self) -> int:
        """How many samples stood in for broken ones so far."""
        return sum(reader.replaced for reader in self.readers)

    def new_problems(self) -> list[str]:
        """What was found broken since the last call."""
        return [line for reader in self.readers for line in reader.new_problems()]

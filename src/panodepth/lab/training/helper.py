"""Training a small network that sits on a model's predictions: what all of them share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import ConfigError
from panodepth.geometry.resizing import resize_erp
from panodepth.lab.training.checkpoint import Snapshot
from panodepth.lab.training.config import Recipe
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.task import AveragedTask
from panodepth.model.helpers import save_helper
from panodepth.predict.loading import load

B = TypeVar("B")


class HelperTask(AveragedTask[B]):
    """A small network trained with AdamW in one process on what a larger model predicts.

    The constructor of a subclass sets `model` after this one. kind: what its file calls it.
    """

    kind: ClassVar[str]

    def __init__(self, config: Recipe, coarse: str, precision: str) -> None:
        """coarse: the model that predicts, never changed. precision: as in `run.precision`."""
        super().__init__(config)
        self.precision, self._coarse = precision, coarse

    def prepare(self, engine: Engine, snapshot: Snapshot | None) -> None:
        """The network, its optimiser and its average; the model that predicts."""
        if engine.world > 1:
            raise ConfigError("this network is small: launch its training in one process")
        self.coarse = load(self._coarse, device=str(engine.device))
        model, optim = self.model.to(engine.device), self.optim
        if snapshot is not None:
            model.load_state_dict(snapshot.tensors["weights"])
        betas = (optim.beta1, optim.beta2)
        groups = [{"params": list(model.parameters()), "weight_decay": optim.weight_decay}]
        self.wrap(engine, model, torch.optim.AdamW(groups, lr=optim.lr, betas=betas))
        self.start_average(snapshot)

    def predicted(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Log distances and sky logits (or None), (B, h, w), of panoramas (B, 3, H, W) in [0, 1].

        h, w: the size of the model that predicts.
        """
        small = resize_erp(image, self.coarse.size, edges=self.coarse.edges).clamp(0, 1)
        outputs = self.coarse.run(list(small.cpu().numpy()))
        logs, skies = (
            None if maps[0] is None else torch.from_numpy(np.stack(maps)).to(image.device)
            for maps in zip(*outputs, strict=True)
        )
        assert logs is not None
        return logs, skies

    def export(self, step: int, samples: int) -> Path:
        """Write the averaged weights to KIND.safetensors."""
        path = self.out / f"{self.kind}.safetensors"
        if self.engine.is_main:
            training = json.dumps(self.config.to_dict())
            texts = {"steps": str(step), "samples": str(samples), "training": training}
            save_helper(self.kind, self.model.config, self.average.tensors(), path, texts)
        return path

"""Training the detail network: what `panodepth train-detail` does in every step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import ConfigError
from panodepth.geometry.resizing import resize_erp
from panodepth.lab.evaluation.worlds import Renderer
from panodepth.lab.training.checkpoint import Snapshot
from panodepth.lab.training.detail.config import DetailRecipe
from panodepth.lab.training.detail.crops import FINER, Crops, cut_crops
from panodepth.lab.training.detail.objective import detail_loss
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.feed.samples import Stored, mix_seed
from panodepth.lab.training.optimisation.optim import MovingAverage, learning_rate
from panodepth.lab.training.task import Task
from panodepth.model.detail import DetailNetwork, save_detail
from panodepth.predict.loading import load


class DetailTask(Task[Crops]):
    """The detail network on windows of rendered panoramas and those from disk.

    renderer: as in `DistanceTask`. The model that predicts the coarse maps is never changed.
    """

    fixed = ("network", "crops", "coarse", "loss", "data", "sources", "run.seed")
    batch_seed, loss_seed = 31, 32
    config: DetailRecipe

    def __init__(self, config: DetailRecipe, *, renderer: Renderer | None = None) -> None:
        super().__init__(config)
        self.renderer, self.precision = renderer, config.run.precision
        torch.manual_seed(mix_seed(config.run.seed, 0))
        self.model = DetailNetwork(config.network)
        least = 2 * self.model.first.halo + self.model.next.halo + 2  # leaves 8 pixels of each side
        if config.crops.side < least:
            raise ConfigError(f"crops.side must be at least {least}: the network looks that far")

    def prepare(self, engine: Engine, snapshot: Snapshot | None) -> None:
        """The network, its optimiser and its average; the model that makes coarse maps."""
        if engine.world > 1:
            raise ConfigError("the detail network is small: launch it in one process")
        self.coarse = load(self.config.coarse.model, device=str(engine.device))
        model, optim = self.model.to(engine.device), self.config.optim
        if snapshot is not None:
            model.load_state_dict(snapshot.tensors["weights"])
        betas = (optim.beta1, optim.beta2)
        groups = [{"params": list(model.parameters()), "weight_decay": optim.weight_decay}]
        self.wrap(engine, model, torch.optim.AdamW(groups, lr=optim.lr, betas=betas))
        self.average = MovingAverage(model, optim.ema)
        if snapshot is not None:
            averaged = snapshot.tensors.get("ema", snapshot.tensors["weights"])
            self.average.load(averaged, int(snapshot.state["ema_updates"]))

    def predicted(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Coarse log distances and sky logits of panoramas (B, 3, H, W) in [0, 1]."""
        small = resize_erp(image, self.coarse.size, edges=self.coarse.edges).clamp(0, 1)
        outputs = self.coarse.run(list(small.cpu().numpy()))
        logs, skies = (
            None if maps[0] is None else torch.from_numpy(np.stack(maps)).to(image.device)
            for maps in zip(*outputs, strict=True)
        )
        assert logs is not None
        return logs, skies

    def batch(self, stored: Stored, seed: int) -> Crops:
        """Windows of the panoramas, with coarse maps."""
        batch = stored.to(self.engine.device).decode()
        config = self.config
        return cut_crops(batch, config.crops, config.coarse, self.predicted, seed)

    def loss(self, batch: Crops, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """See `detail_loss`."""
        rows = self.config.data.height // FINER
        with self.engine.autocast():
            return detail_loss(self.model, batch, self.config.loss, rows)

    def rate(self, step: int) -> float:
        """See `learning_rate`."""
        return learning_rate(step, self.config.run.steps, self.config.optim)

    def after_step(self) -> None:
        """Move the average."""
        self.average.update()

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """The network's, and their average if there is one."""
        averaged = {"ema": self.average.tensors()} if self.average.decay else {}
        return {"weights": dict(self.model.state_dict()), **averaged}

    def state(self) -> dict[str, Any]:
        """How often the average was moved."""
        return {"ema_updates": self.average.updates}

    def export(self, step: int, samples: int) -> Path:
        """Write the averaged weights as float16 to `detail.safetensors`."""
        path = self.out / "detail.safetensors"
        if self.engine.is_main:
            facts = {
                "steps": str(step),
                "samples": str(samples),
                "training": json.dumps(self.config.to_dict()),
            }
            save_detail(self.config.network, self.average.tensors(), path, facts)
        return path

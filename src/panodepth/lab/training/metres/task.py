"""Training the metres network: what `panodepth train-metres` does in every step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from panodepth.geometry.resizing import resize_erp
from panodepth.lab.training.feed.augment import augment
from panodepth.lab.training.feed.samples import Stored
from panodepth.lab.training.helper import HelperTask
from panodepth.lab.training.metres.config import MetresRecipe
from panodepth.model.metres import MetresNetwork
from panodepth.predict.predictor import SCALE_QUANTILE


class MetresBatch(NamedTuple):
    """image: (B, 3, h, w) in [0, 1]; distance, valid: (B, h, w) predicted, its quantile 1; log:
    (B,) natural log of its metres per unit, NaN where no surface says it.
    """

    image: Tensor
    distance: Tensor
    valid: Tensor
    log: Tensor


class MetresTask(HelperTask[MetresBatch]):
    """The metres network on predictions of rendered panoramas, whose sizes are true."""

    fixed = ("network", "coarse", "data", "sources", "augment", "optim.accumulate", "run.seed")
    batch_seed, loss_seed = 41, 42
    kind = "metres"
    config: MetresRecipe

    def __init__(self, config: MetresRecipe) -> None:
        super().__init__(config, config.coarse, config.run.precision)
        self.model = MetresNetwork(config.network)

    @torch.no_grad()
    def batch(self, stored: Stored, seed: int) -> MetresBatch:
        """Augmented panoramas at the network's size, what the model says of them, and the truth."""
        image, (truth, known, _) = augment(
            stored.to(self.engine.device).decode(), self.config.augment, seed
        )
        logs, skies = self.predicted(image)
        size = self.config.network.size
        distance = resize_erp(logs, size).exp()
        valid = torch.ones_like(distance, dtype=torch.bool)
        if skies is not None:
            valid = resize_erp(skies, size) <= 0
        distance = distance / _each(distance, valid, SCALE_QUANTILE)[:, None, None]
        truth, both = (resize_erp(x, size, mode="nearest") for x in (truth, known))
        log = _each((truth / distance).log(), both & valid, 0.5)
        return MetresBatch(resize_erp(image, size).clamp(0, 1), distance, valid, log)

    def loss(self, batch: MetresBatch, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the log likelihood under a Laplace distribution (its constant left out), ()."""
        with self.engine.autocast():
            found = self.model(batch.image, batch.distance, batch.valid)
        error = (found.log - batch.log).abs()
        told = error.isfinite()
        error, spread = error[told], found.log_spread[told]
        if not len(error):
            return found.log.sum() * 0, {}
        loss = (error * torch.exp(-spread) + spread).mean()
        return loss, {"error": error.mean().detach(), "spread": spread.exp().mean().detach()}


def _each(values: Tensor, valid: Tensor, q: float) -> Tensor:
    """The quantile q of the valid ones of each map (B, h, w): (B,), NaN where none is."""
    return torch.nanquantile(torch.where(valid, values, torch.nan).flatten(1), q, dim=1)

"""Training the detail network: what `panodepth train-detail` does in every step."""

from __future__ import annotations

from torch import Tensor

from panodepth.errors import ConfigError
from panodepth.lab.training.detail.config import DetailRecipe
from panodepth.lab.training.detail.crops import FINER, Crops, cut_crops
from panodepth.lab.training.detail.objective import detail_loss
from panodepth.lab.training.feed.samples import Stored
from panodepth.lab.training.helper import HelperTask
from panodepth.model.detail import DetailNetwork


class DetailTask(HelperTask[Crops]):
    """The detail network on windows of rendered panoramas and those from disk."""

    fixed = (
        *("network", "crops", "coarse", "loss", "data", "sources"),
        *("optim.accumulate", "run.seed"),
    )
    batch_seed, loss_seed = 31, 32
    kind = "detail"
    config: DetailRecipe

    def __init__(self, config: DetailRecipe) -> None:
        super().__init__(config, config.coarse.model, config.run.precision)
        self.model = DetailNetwork(config.network)
        least = 2 * self.model.first.halo + self.model.next.halo + 2  # leaves 8 pixels of each side
        if config.crops.side < least:
            raise ConfigError(f"crops.side must be at least {least}: the network looks that far")

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

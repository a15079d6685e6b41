"""The recipe of the detail network's training: frozen dataclasses read strictly from TOML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from panodepth.lab.training.config import (
    AdamWConfig,
    DataConfig,
    LoopConfig,
    Memory,
    Number,
    Recipe,
    Steps,
    require,
)
from panodepth.model.detail import DetailConfig
from panodepth.strict import Amount, Positive, Several, Share


@dataclass(frozen=True)
class CropConfig:
    """What of a panorama is seen: windows of its coarse map, which has data.height / 4 rows."""

    count: Several = 6  # of each panorama
    side: Several = 80  # coarse pixels, with those that the network needs around
    edges: Share = 0.8  # share of crops drawn where depth has edges, the others anywhere


@dataclass(frozen=True)
class CoarseConfig:
    """The coarse maps: predicted by a model, or the truth made coarse."""

    model: str = "default"
    predicted: Share = 0.7  # share of panoramas; the others see the truth
    lowest: Several = 96  # rows of that truth, drawn evenly up to data.height / 4
    blur: Amount = 1.5  # largest standard deviation [coarse pixels]
    no_sky: Share = 0.3  # share of panoramas where the coarse map says nothing about the sky


@dataclass(frozen=True)
class DetailLoss:
    """Weights of the loss terms of both doublings."""

    gradient: Amount = 1.0  # of differences between neighbours
    bend: Amount = 1.0  # of second differences away from depth edges: bumps on floors and walls
    edge: Amount = 4.0  # further weight of pixels near a depth edge
    sky: Amount = 0.02


@dataclass(frozen=True)
class DetailOptim(AdamWConfig):
    """AdamW."""

    lr: Positive = 1e-3
    weight_decay: Amount = 0.0
    warmup: Number = 30
    ema: Memory = 0.98


@dataclass(frozen=True)
class DetailRun(LoopConfig):
    """`LoopConfig`, and how the network computes; nothing is previewed."""

    out: str = "runs/detail"
    steps: Steps = 2000
    preview_every: Number = 0
    precision: Literal["auto", "bf16", "fp32"] = "auto"  # of the convolutions


def _data() -> DataConfig:
    return DataConfig(height=512, width=1024, batch=2, chunk=16, reuse=4)


@dataclass(frozen=True)
class DetailRecipe(Recipe):
    """One run, complete. data and sources are as in `panodepth train`."""

    network: DetailConfig = field(default_factory=DetailConfig)
    crops: CropConfig = field(default_factory=CropConfig)
    coarse: CoarseConfig = field(default_factory=CoarseConfig)
    loss: DetailLoss = field(default_factory=DetailLoss)
    data: DataConfig = field(default_factory=_data)
    optim: DetailOptim = field(default_factory=DetailOptim)
    run: DetailRun = field(default_factory=DetailRun)

    def __post_init__(self) -> None:
        super().__post_init__()
        rows = self.data.height // 4
        require(self.data.height % 4 == 0, "data.height must be a multiple of 4")
        for name, value in (("coarse.lowest", self.coarse.lowest), ("crops.side", self.crops.side)):
            require(value <= rows, f"{name} is above data.height / 4 = {rows}")

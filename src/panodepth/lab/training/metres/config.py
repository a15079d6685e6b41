"""The recipe of the metres network's training: frozen dataclasses read strictly from TOML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from panodepth.lab.training.config import (
    AdamWConfig,
    AugmentConfig,
    DataConfig,
    LoopConfig,
    Memory,
    Number,
    Recipe,
    Steps,
)
from panodepth.model.metres import MetresConfig
from panodepth.strict import Amount, Positive


@dataclass(frozen=True)
class MetresOptim(AdamWConfig):
    """AdamW."""

    lr: Positive = 1e-3
    weight_decay: Amount = 0.05
    warmup: Number = 50
    ema: Memory = 0.99


@dataclass(frozen=True)
class MetresRun(LoopConfig):
    """`LoopConfig`, and how the network computes; nothing is previewed."""

    out: str = "runs/metres"
    steps: Steps = 3000
    preview_every: Number = 0
    precision: Literal["auto", "bf16", "fp32"] = "fp32"


def _data() -> DataConfig:
    return DataConfig(reuse=4, worlds=2)


def _augment() -> AugmentConfig:
    return AugmentConfig(tilt=0.3, tilt_deg=15.0, exposure=0.1, dark_sky=0.1, gray=0.05, jpeg=0.1)


@dataclass(frozen=True)
class MetresRecipe(Recipe):
    """One run, complete. data, sources and augment are as in `panodepth train`.

    coarse: the model whose predictions are told the metres of.
    """

    needs_metres: ClassVar[bool] = True
    network: MetresConfig = field(default_factory=MetresConfig)
    coarse: str = "default"
    data: DataConfig = field(default_factory=_data)
    augment: AugmentConfig = field(default_factory=_augment)
    optim: MetresOptim = field(default_factory=MetresOptim)
    run: MetresRun = field(default_factory=MetresRun)

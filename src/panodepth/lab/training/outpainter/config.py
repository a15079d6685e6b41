"""The recipe of an out-painter's training: frozen dataclasses read strictly from TOML."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError
from panodepth.lab.curation.outpainters.settings import PAINTERS
from panodepth.lab.training.config import (
    SCENE_KINDS,
    VALIDATION_SEED,
    DataConfig,
    SourceConfig,
    TrainConfig,
    read_recipe,
)
from panodepth.lab.training.strict import build

DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class PainterConfig:
    """Which model is trained, and with what beside the panoramas."""

    painter: str = "flux2-klein"
    model: str = "black-forest-labs/FLUX.2-klein-base-4B"  # hub id[@revision] or a folder
    prompt: str = ""  # "" = the usual one; goes into the LoRA file
    guidance: float = 1.0  # of models whose transformer has it as an input
    drop_prompt: float = 0.1  # share of batches with the empty prompt, where guidance needs it
    licence: str = ""  # of the weights, where nothing else tells


@dataclass(frozen=True)
class LoraConfig:
    """What is trained: low-rank changes of these layers, and the spherical channels."""

    rank: int = 32
    targets: list[str] = field(
        default_factory=lambda: ["to_q", "to_k", "to_v", "to_out.0", "to_qkv_mlp_proj"]
    )
    spherical: bool = True
    init: str = ""  # a LoRA file to start from


@dataclass(frozen=True)
class ViewConfig:
    """What is known of a panorama: pinhole views, as curation lays them on the sphere."""

    fov_min_deg: float = 45.0  # full horizontal angle, drawn evenly
    fov_max_deg: float = 110.0
    aspect_min: float = 0.75  # width over height, drawn evenly in its logarithm
    aspect_max: float = 1.8
    pitch_deg: float = 10.0  # standard deviations of level views
    roll_deg: float = 3.0
    any_turn: float = 0.2  # share of views turned uniformly over all rotations
    second: float = 0.1  # share of panoramas with a second view


@dataclass(frozen=True)
class OutpainterOptim:
    """AdamW on the trained tensors; linear warm-up, then constant."""

    lr: float = 1e-4
    weight_decay: float = 0.01
    warmup: int = 100  # steps
    grad_clip: float = 1.0
    accumulate: int = 4  # batches per step


@dataclass(frozen=True)
class OutpainterRun:
    """Where and how long a run goes, and how often it reports."""

    out: str = "runs/outpainter"
    steps: int = 4000
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"  # of the frozen weights; what is trained is float32
    checkpoint_activations: bool = True  # recompute blocks in the backward pass: less memory
    log_every: int = 10
    save_every: int = 250
    keep: int = 2
    preview_every: int = 250  # 0 = never
    preview_steps: int = 20  # denoising steps of a preview
    tensorboard: bool = True


def _data() -> DataConfig:
    return DataConfig(height=512, width=1024, batch=1, chunk=16, reuse=4)


@dataclass(frozen=True)
class OutpainterConfig:
    """One run, complete. data and sources are as in `panodepth train`."""

    painter: PainterConfig = field(default_factory=PainterConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    data: DataConfig = field(default_factory=_data)
    optim: OutpainterOptim = field(default_factory=OutpainterOptim)
    run: OutpainterRun = field(default_factory=OutpainterRun)
    sources: tuple[SourceConfig, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    def stream(self) -> TrainConfig:
        """What `SampleStream` reads."""
        run = dataclasses.replace(TrainConfig().run, seed=self.run.seed, out=self.run.out)
        return TrainConfig(data=self.data, sources=self.sources, run=run)


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ConfigError(message)


COUNTS = {
    "lora": ("rank",),
    "data": ("height", "batch", "chunk", "reuse", "render_batch", "loaders"),
    "optim": ("accumulate",),
    "run": ("steps", "log_every", "save_every", "keep", "preview_steps"),
}
SHARES = {"painter": ("drop_prompt",), "views": ("any_turn", "second")}


def check_outpainter(config: OutpainterConfig) -> OutpainterConfig:
    """Return the config, or raise ConfigError for a value that cannot work."""
    values = config.to_dict()
    for table, keys in COUNTS.items():
        for key in keys:
            _require(values[table][key] >= 1, f"{table}.{key} must be at least 1")
    for table, keys in SHARES.items():
        for key in keys:
            _require(0 <= values[table][key] <= 1, f"{table}.{key} must be in [0, 1]")
    painter, data, views, optim = config.painter, config.data, config.views, config.optim
    names = ", ".join(PAINTERS)
    _require(painter.painter in PAINTERS, f"painter.painter is not one of {names}")
    _require(painter.guidance >= 0, "painter.guidance must not be negative")
    _require(config.run.dtype in DTYPES, f"run.dtype is not one of {', '.join(DTYPES)}")
    _require(bool(config.lora.targets), "lora.targets is empty")
    _require(data.width == 2 * data.height, "data.width must be twice data.height")
    _require(data.kind in SCENE_KINDS, f"data.kind is not one of {', '.join(SCENE_KINDS)}")
    _require(0 <= data.seed < VALIDATION_SEED, f"data.seed is not in 0 .. {VALIDATION_SEED - 1}")
    _require(data.scenes_weight >= 0, "data.scenes_weight must not be negative")
    _require(
        data.scenes_weight > 0 or bool(config.sources),
        "nothing to train on: data.scenes_weight is 0 and there are no [[sources]]",
    )
    _require(
        5 <= views.fov_min_deg <= views.fov_max_deg <= 160,
        "views.fov_min_deg and fov_max_deg must be in 5 .. 160, the first not above the second",
    )
    _require(
        0.1 <= views.aspect_min <= views.aspect_max <= 10,
        "views.aspect_min and aspect_max must be in 0.1 .. 10, the first not above the second",
    )
    _require(min(views.pitch_deg, views.roll_deg) >= 0, "views: negative standard deviation")
    _require(optim.lr > 0 and optim.grad_clip > 0, "optim.lr and optim.grad_clip must be above 0")
    for number, source in enumerate(config.sources, start=1):
        _require(source.weight > 0, f"weight of [[sources]] number {number} must be above 0")
    return config


def outpainter_from_dict(values: Mapping[str, Any]) -> OutpainterConfig:
    """Build and check a config from nested plain values; raises ConfigError."""
    data = {**dataclasses.asdict(_data()), **values.get("data", {})}
    made = build(OutpainterConfig, {**values, "data": data}, "the recipe")
    return check_outpainter(typing.cast(OutpainterConfig, made))


def load_outpainter(path: str | Path, settings: Sequence[str] = ()) -> OutpainterConfig:
    """Read a recipe, then apply `settings` such as "optim.lr=5e-5"; raises ConfigError."""
    return outpainter_from_dict(read_recipe(path, settings))

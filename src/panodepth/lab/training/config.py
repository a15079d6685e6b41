"""The training configuration: frozen dataclasses read strictly from TOML.

A recipe has one table per dataclass below. An unknown key, a wrong type or a value out of range is
a ConfigError that names the place and, for a misspelt key, the likely right one.
"""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError
from panodepth.lab.losses import ALIGNMENTS, DISTANCE_KINDS, LossConfig
from panodepth.lab.training.strict import build

# Ranges of scene seeds, so that no training scene is ever measured on.
TRAINING_SEED = 0
VALIDATION_SEED = 1_000_000
TEST_SEED = 2_000_000

OPTIMIZERS = ("adamw", "muon")
SCHEDULES = ("cosine", "trapezoid")
PRECISIONS = ("auto", "bf16", "fp32")
SCENE_KINDS = ("mixed", "indoor", "outdoor")

# What numbers may be; all others are from 0 up.
SIGNED = ("loss.anchor_target", "run.seed")
AT_LEAST_1 = (
    *(f"data.{name}" for name in ("height", "width", "batch", "chunk", "reuse", "render_batch")),
    *("data.worker_threads", "data.loaders", "optim.accumulate"),
    *("run.steps", "run.log_every", "run.save_every", "run.keep"),
)
SHARES = (
    *("data.openings", "data.overcast"),
    *("loss.consistency_share", "optim.cooldown", "optim.final_lr"),
    *(f"augment.{name}" for name in ("flip", "tilt", "blur", "nadir")),
)


@dataclass(frozen=True)
class NetworkConfig:
    """Which network: a preset of `panodepth.model`, fields of it changed, and what is trained."""

    preset: str = "compact"
    overrides: dict[str, Any] = field(default_factory=dict)
    train: str = "all"  # or "head" (all but the backbone), "last:N" (and its last N blocks)


@dataclass(frozen=True)
class DataConfig:
    """Rendered panoramas. Everything seen is a function of (seed, position), never of workers."""

    height: int = 126
    width: int = 252
    batch: int = 16
    kind: str = "mixed"
    openings: float = 0.5  # share of rooms that open into another one
    overcast: float = 0.6  # share of outdoor worlds without sun
    seed: int = TRAINING_SEED
    first_index: int = 0  # of the scenes; a later run can start where an earlier one ended
    chunk: int = 256  # panoramas rendered as one unit
    reuse: int = 3  # times each panorama is seen, under different augmentations
    workers: int = 1  # rendering processes; 0 renders inside the training process
    worker_threads: int = 1
    render_batch: int = 16  # panoramas per call of the renderer; part of what fixes the pixels
    render_device: str = "cpu"  # "cuda" renders on the GPU, inside the training process
    cache: str = ""  # folder where rendered chunks are kept and shared between runs
    scenes_weight: float = 1.0  # share of rendered panoramas beside [[sources]]; 0 = none
    loaders: int = 2  # threads that read the samples of [[sources]]
    prefetch: int = 4  # batches that they read ahead


@dataclass(frozen=True)
class SourceConfig:
    """Panoramas from disk, one `[[sources]]` table each; see `panodepth.lab.data.open_source`."""

    kind: str  # folder, shards, structured3d, ...
    path: str
    weight: float = 1.0  # share of the samples, relative to the other sources and scenes_weight
    split: str = ""  # file with the names to use; "" = all


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths of the augmentations; each respects the sphere. Zero or false switches one off."""

    roll: bool = True  # any whole number of columns
    flip: float = 0.5  # probability
    tilt: float = 0.1  # probability of a true rotation of the sphere
    tilt_deg: float = 8.0  # its largest angle
    brightness: float = 0.35  # standard deviation, in stops
    gamma: float = 0.15  # standard deviation of its logarithm
    contrast: float = 0.15
    saturation: float = 0.3
    white_balance: float = 0.08
    channel_mix: float = 0.05
    noise: float = 0.02  # largest standard deviation, of a [0, 1] image
    blur: float = 0.2  # probability of a 3x3 or 5x5 binomial blur
    nadir: float = 0.1  # probability of a patch that hides the tripod


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser, its schedule and the moving average of the weights."""

    kind: str = "adamw"  # or "muon", for matrices and kernels; AdamW for all else
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.05
    grad_clip: float = 1.0
    schedule: str = "trapezoid"
    warmup: int = 300  # steps
    cooldown: float = 0.2  # trapezoid: share of the steps spent falling to final_lr
    final_lr: float = 0.02  # share of lr at the end
    ema: float = 0.999  # 0 switches the average off
    accumulate: int = 1  # batches per step
    backbone_lr: float = 1.0  # factor on lr for the backbone; below 1 when it is pretrained
    layer_decay: float = 1.0  # further factor per block, from the last (1) down to the stem


@dataclass(frozen=True)
class RunConfig:
    """Where and how long a run goes, and how often it reports."""

    out: str = "runs/compact"
    steps: int = 30_000
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    channels_last: bool = False
    compile: bool = False
    checkpoint_activations: bool = False  # recompute blocks in the backward pass: less memory
    threads: int = 0  # torch threads of the training process; 0 leaves torch's own choice
    log_every: int = 20
    save_every: int = 500
    keep: int = 2  # checkpoints kept
    preview_every: int = 1000  # 0 = never
    validate_every: int = 1000  # 0 = only at the end
    validate_count: int = 32  # rendered panoramas from the validation seeds; 0 = none
    tensorboard: bool = True  # curves and previews for TensorBoard, beside log.jsonl
    max_minutes: float = 0.0  # stop cleanly after this long; 0 = no limit


@dataclass(frozen=True)
class TrainConfig:
    """One training run, complete."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
    sources: tuple[SourceConfig, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of `config_from_dict`."""
        return dataclasses.asdict(self)


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ConfigError(message)


def _one_of(name: str, value: str, choices: Sequence[str]) -> None:
    _require(value in choices, f"{name} is {value!r}; choose one of {', '.join(choices)}")


def check_config(config: TrainConfig) -> TrainConfig:
    """Return the config, or raise ConfigError for a value that cannot work."""
    _check_numbers(config)
    _check_data(config)
    optim, run, loss = config.optim, config.run, config.loss
    _one_of("optim.kind", optim.kind, OPTIMIZERS)
    _one_of("optim.schedule", optim.schedule, SCHEDULES)
    _one_of("run.precision", run.precision, PRECISIONS)
    _one_of("loss.alignment", loss.alignment, ALIGNMENTS)
    _one_of("loss.distance_kind", loss.distance_kind, DISTANCE_KINDS)
    for name in ("ema", "beta1", "beta2"):
        _require(0 <= getattr(optim, name) < 1, f"optim.{name} must be in [0, 1)")
    _require(0 < optim.layer_decay <= 1, "optim.layer_decay must be in (0, 1]")
    _require(optim.lr > 0, "optim.lr must be above 0")
    _require(optim.grad_clip > 0, "optim.grad_clip must be above 0")
    trained_blocks(config.network.train)
    return config


def _check_numbers(config: TrainConfig) -> None:
    """Counts from 1, shares in [0, 1], and no other number negative unless it may be."""
    for table, values in config.to_dict().items():
        for key, value in values.items() if table not in ("network", "sources") else ():
            name = f"{table}.{key}"
            if not isinstance(value, int | float) or name in SIGNED:
                continue
            _require(value >= 0, f"{name} must not be negative")
            _require(value >= 1 or name not in AT_LEAST_1, f"{name} must be at least 1")
            _require(value <= 1 or name not in SHARES, f"{name} must be in [0, 1]")


def _check_data(config: TrainConfig) -> None:
    data = config.data
    _one_of("data.kind", data.kind, SCENE_KINDS)
    _require(data.width == 2 * data.height, "data.width must be twice data.height")
    _require(
        bool(config.sources) or (data.chunk * data.reuse) % data.batch == 0,
        f"data.chunk * data.reuse = {data.chunk * data.reuse} must be a multiple of "
        f"data.batch = {data.batch}",
    )
    _require(
        0 <= data.seed < VALIDATION_SEED,
        f"data.seed must be from 0 to {VALIDATION_SEED - 1}; higher ones are for measuring",
    )
    for number, source in enumerate(config.sources, start=1):
        _require(source.weight > 0, f"weight of [[sources]] number {number} must be above 0")
    _require(
        data.scenes_weight > 0 or bool(config.sources),
        "nothing to train on: data.scenes_weight is 0 and there are no [[sources]]",
    )


def trained_blocks(text: str) -> int | None:
    """What `network.train` says: None for "all", else how many of the last backbone blocks.

    Raises ConfigError for anything but "all", "head" (no block) and "last:N".
    """
    if text == "all":
        return None
    word, _, number = text.partition(":")
    if text == "head":
        return 0
    _require(
        word == "last" and number.isdecimal() and int(number) > 0,
        f"network.train is {text!r}; choose one of all, head, last:N (N blocks)",
    )
    return int(number)


def config_from_dict(values: Mapping[str, Any]) -> TrainConfig:
    """Build and check a config from nested plain values; raises ConfigError."""
    return check_config(typing.cast(TrainConfig, build(TrainConfig, values, "the recipe")))


def _parse_setting(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string


def load_config(path: str | Path, settings: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe, then apply `settings` such as "optim.lr=5e-4" on top.

    Raises ConfigError for a missing or malformed file, an unknown key or a bad value.
    """
    return config_from_dict(read_recipe(path, settings))


def read_recipe(path: str | Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """A TOML file's nested values with `settings` applied; nothing is checked but their form."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read recipe {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"recipe {path} is not valid TOML: {error}") from None
    for setting in settings:
        key, equals, text = setting.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise ConfigError(f"setting {setting!r} is not of the form table.key=value")
        table: Any = values
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise ConfigError(f"setting {setting!r}: {part!r} is not a table")
        table[parts[-1]] = _parse_setting(text.strip())
    return values

"""The training configuration: frozen dataclasses read strictly from TOML.

A recipe has one table per dataclass below. An unknown key, a wrong type or a value out of range is
a ConfigError that names the place and, for a misspelt key, the likely right one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from panodepth.errors import ConfigError
from panodepth.lab.evaluation.protocol import VALIDATION_SEED
from panodepth.lab.losses import LossConfig
from panodepth.strict import Amount, Index, Positive, Range, Several, Share, build, read_toml

if TYPE_CHECKING:
    from panodepth.lab.worlds import Priors

# Data settings that say where the work is done, not what is seen: a resumed run may change them.
FREE_DATA_FIELDS = ("workers", "worker_threads", "render_device", "cache", "loaders", "prefetch")

MOST_PIXELS = 1 << 32  # of the panoramas that are in memory at once

SceneKind = Literal["mixed", "indoor", "outdoor"]
Steps = Annotated[int, Range(at_least=1, at_most=10**9)]
Number = Annotated[int, Range(at_least=0, at_most=10**9)]
Threads = Annotated[int, Range(at_least=0, at_most=4096)]  # or processes, or batches ahead
Memory = Annotated[float, Range(at_least=0, below=1)]  # share of the past in a running mean


@dataclass(frozen=True)
class NetworkConfig:
    """Which network: a preset of `panodepth.model`, fields of it changed, and what is trained."""

    preset: str = "compact"
    overrides: dict[str, Any] = field(default_factory=dict)
    pretrained: bool = False  # the backbone starts from the weights that it brings (ImageNet)
    train: str = "all"  # or "head" (all but the backbone), "last:N" (and its last N groups)


@dataclass(frozen=True)
class DataConfig:
    """Rendered panoramas. Everything seen is a function of (seed, position), never of workers."""

    height: Several = 126
    width: Several = 252
    heights: tuple[int, ...] = ()  # heights trained at, one drawn per batch; () = height alone
    batch: Several = 16
    kind: SceneKind = "mixed"
    openings: Share = 0.5  # share of rooms that open into another one
    overcast: Share = 0.6  # share of outdoor worlds without sun
    worlds: Literal[1, 2] = 1  # version: 2 adds low things, halls, far outdoors, hard skies
    seed: Index = 0  # of the worlds; from VALIDATION_SEED on they are for measuring
    first_index: Number = 0  # of the scenes; a later run can start where an earlier one ended
    chunk: Several = 256  # panoramas rendered as one unit
    reuse: Several = 3  # times each panorama is seen, under different augmentations
    workers: Threads = 1  # rendering processes; 0 renders inside the training process
    worker_threads: Several = 1
    render_batch: Several = 16  # panoramas per call of the renderer; part of what fixes the pixels
    render_device: str = "cpu"  # "cuda" renders on the GPU, inside the training process
    cache: str = ""  # folder where rendered chunks are kept and shared between runs
    scenes_weight: Amount = 1.0  # share of rendered panoramas beside [[sources]]; 0 = none
    loaders: Several = 2  # threads that read the samples of [[sources]]
    prefetch: Threads = 4  # batches that they read ahead

    @property
    def priors(self) -> Priors:
        """What the worlds are drawn by."""
        from panodepth.lab.worlds import Priors

        return Priors(self.openings, self.overcast, self.worlds)


@dataclass(frozen=True)
class SourceConfig:
    """Panoramas from disk, one `[[sources]]` table each; see `panodepth.lab.data.open_source`."""

    kind: str  # folder, shards, structured3d, ...
    path: str
    weight: Positive = 1.0  # share of the samples, relative to the other sources and scenes_weight
    split: str = ""  # file with the names to use; "" = all


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths of the augmentations; each respects the sphere. Zero or false switches one off."""

    roll: bool = True  # any whole number of columns
    flip: Share = 0.5  # probability
    tilt: Share = 0.1  # probability of a true rotation of the sphere
    tilt_deg: Amount = 8.0  # its largest angle
    brightness: Amount = 0.35  # standard deviation, in stops
    gamma: Amount = 0.15  # standard deviation of its logarithm
    contrast: Amount = 0.15
    saturation: Amount = 0.3
    white_balance: Amount = 0.08
    channel_mix: Amount = 0.05
    noise: Amount = 0.02  # largest standard deviation, of a [0, 1] image
    blur: Share = 0.2  # probability of a 3x3 or 5x5 binomial blur
    nadir: Share = 0.1  # probability of a patch that hides the tripod
    exposure: Share = 0.0  # probability of an exposure that is off by up to exposure_stops
    exposure_stops: Amount = 3.0  # in stops, to both sides
    dark_sky: Share = 0.0  # probability of a sky exposed by itself, mostly darker
    gray: Share = 0.0  # probability of a picture without colour
    jpeg: Share = 0.0  # probability of strong compression


@dataclass(frozen=True)
class StepConfig:
    """Settings that every optimiser has."""

    lr: Positive = 1e-3
    weight_decay: Amount = 0.05
    warmup: Number = 300  # steps
    grad_clip: Positive = 1.0
    accumulate: Several = 1  # batches per step


@dataclass(frozen=True)
class AdamWConfig(StepConfig):
    """AdamW, its schedule and the moving average of the weights."""

    beta1: Memory = 0.9
    beta2: Memory = 0.98
    schedule: Literal["cosine", "trapezoid"] = "trapezoid"
    cooldown: Share = 0.2  # trapezoid: share of the steps spent falling to final_lr
    final_lr: Share = 0.02  # share of lr at the end
    ema: Memory = 0.999  # 0 switches the average off


@dataclass(frozen=True)
class OptimConfig(AdamWConfig):
    """`AdamWConfig`, or Muon; and how fast the backbone learns."""

    kind: Literal["adamw", "muon"] = "adamw"  # muon: for matrices and kernels, AdamW for the rest
    backbone_lr: Amount = 1.0  # factor on lr for the backbone; below 1 when it is pretrained
    layer_decay: Annotated[float, Range(above=0, at_most=1)] = (
        1.0  # further factor per block, from the last (1) down to the stem
    )


@dataclass(frozen=True)
class LoopConfig:
    """Where and how long a run of any kind goes, and how often it reports."""

    out: str
    steps: Steps
    seed: Number = 0
    device: str = "auto"
    threads: Threads = 0  # torch threads of the training process; 0 leaves torch's own choice
    log_every: Steps = 20
    save_every: Steps = 500
    keep: Steps = 2  # checkpoints kept
    preview_every: Number = 1000  # 0 = never
    tensorboard: bool = True  # curves and previews for TensorBoard, beside log.jsonl
    max_minutes: Amount = 0.0  # stop cleanly after this long; 0 = no limit


@dataclass(frozen=True)
class RunConfig(LoopConfig):
    """`LoopConfig`, and how the network computes and is measured."""

    out: str = "runs/compact"
    steps: Steps = 30_000
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    channels_last: bool = False
    compile: bool = False
    checkpoint_activations: bool = False  # recompute blocks in the backward pass: less memory
    validate_every: Number = 1000  # 0 = only at the end
    validate_count: Number = 32  # rendered panoramas from the validation seeds; 0 = none


def require(ok: bool, message: str) -> None:
    """Raise ConfigError unless `ok`."""
    if not ok:
        raise ConfigError(message)


@dataclass(frozen=True)
class Recipe:
    """What recipes of every kind of training have; ConfigError for values that do not go together.

    The tables are those of `panodepth train`; other kinds put their own in place of some.

    shrinks: whether it trains at `data.heights`. needs_metres: whether panoramas whose distance is
    relative are of no use.
    """

    shrinks: ClassVar[bool] = False
    needs_metres: ClassVar[bool] = False
    data: DataConfig = field(default_factory=DataConfig)
    optim: StepConfig = field(default_factory=StepConfig)
    run: LoopConfig = field(default_factory=RunConfig)
    sources: tuple[SourceConfig, ...] = ()

    def __post_init__(self) -> None:
        data = self.data
        require(data.width == 2 * data.height, "data.width must be twice data.height")
        for key in ("batch", "chunk", "render_batch"):
            pixels = getattr(data, key) * data.height * data.width
            require(
                pixels <= MOST_PIXELS,
                f"data.{key} = {getattr(data, key)} panoramas of {data.height}x{data.width} are "
                f"{pixels:,} pixels at once; at most {MOST_PIXELS:,}",
            )
        require(
            all(0 < height <= data.height for height in data.heights),
            f"data.heights must lie in 1 to data.height = {data.height}: panoramas are only shrunk",
        )
        require(
            self.shrinks or not data.heights,
            "data.heights are of `panodepth train` alone: this kind of training has one height",
        )
        require(
            data.seed < VALIDATION_SEED,
            f"data.seed must be from 0 to {VALIDATION_SEED - 1}; higher ones are for measuring",
        )
        require(
            data.scenes_weight > 0 or bool(self.sources),
            "nothing to train on: data.scenes_weight is 0 and there are no [[sources]]",
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A recipe of nested plain values, checked. Raises ConfigError."""
        return build(cls, values, "the recipe")

    @classmethod
    def load(cls, path: str | Path, settings: Sequence[str] = ()) -> Self:
        """Read a recipe, with `settings` such as "optim.lr=5e-4" applied on top.

        Raises ConfigError for a missing or malformed file, an unknown key or a bad value.
        """
        return cls.from_dict(read_toml(path, settings))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values (lists, no tuples), the inverse of `from_dict`."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values


@dataclass(frozen=True)
class TrainConfig(Recipe):
    """One training run of a distance network."""

    shrinks: ClassVar[bool] = True
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
    held_out: tuple[SourceConfig, ...] = ()  # never trained on, measured as rendered worlds are

    def __post_init__(self) -> None:
        super().__post_init__()
        data = self.data
        require(
            bool(self.sources) or (data.chunk * data.reuse) % data.batch == 0,
            f"data.chunk * data.reuse = {data.chunk * data.reuse} must be a multiple of "
            f"data.batch = {data.batch}",
        )
        trained_blocks(self.network.train)


load_config, config_from_dict = TrainConfig.load, TrainConfig.from_dict


def trained_blocks(text: str) -> int | None:
    """What `network.train` says: None for "all", else how many of the backbone's last groups.

    Groups are transformer blocks, or a convolutional backbone's levels (`Backbone.groups`).
    Raises ConfigError for anything but "all", "head" (none) and "last:N".
    """
    if text == "all":
        return None
    word, _, number = text.partition(":")
    if text == "head":
        return 0
    require(
        word == "last" and number.isdecimal() and int(number) > 0,
        f"network.train is {text!r}; choose one of all, head, last:N (N blocks)",
    )
    return int(number)

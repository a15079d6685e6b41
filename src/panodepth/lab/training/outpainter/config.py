"""The recipe of an out-painter's training: frozen dataclasses read strictly from TOML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from panodepth.lab.curation.outpainters.settings import PAINTERS
from panodepth.lab.training.config import (
    DataConfig,
    LoopConfig,
    Number,
    Recipe,
    StepConfig,
    Steps,
    require,
)
from panodepth.strict import Amount, Positive, Range, Several, Share, find_named

Angle = Annotated[float, Range(at_least=5, at_most=160)]
Aspect = Annotated[float, Range(at_least=0.1, at_most=10)]


@dataclass(frozen=True)
class PainterConfig:
    """Which model is trained, and with what beside the panoramas."""

    painter: str = "flux2-klein"
    model: str = "black-forest-labs/FLUX.2-klein-base-4B"  # hub id[@revision] or a folder
    prompt: str = ""  # "" = the usual one; goes into the LoRA file
    guidance: Amount = 1.0  # of models whose transformer has it as an input
    drop_prompt: Share = 0.1  # share of batches with the empty prompt, where guidance needs it
    licence: str = ""  # of the weights, where nothing else tells


@dataclass(frozen=True)
class LoraConfig:
    """What is trained: low-rank changes of these layers, and the spherical channels."""

    rank: Several = 32
    targets: list[str] = field(
        default_factory=lambda: ["to_q", "to_k", "to_v", "to_out.0", "to_qkv_mlp_proj"]
    )
    spherical: bool = True
    init: str = ""  # a LoRA file to start from


@dataclass(frozen=True)
class ViewConfig:
    """What is known of a panorama: pinhole views, as curation lays them on the sphere."""

    fov_min_deg: Angle = 45.0  # full horizontal angle, drawn evenly
    fov_max_deg: Angle = 110.0
    aspect_min: Aspect = 0.75  # width over height, drawn evenly in its logarithm
    aspect_max: Aspect = 1.8
    pitch_deg: Amount = 10.0  # standard deviations of level views
    roll_deg: Amount = 3.0
    any_turn: Share = 0.2  # share of views turned uniformly over all rotations
    second: Share = 0.1  # share of panoramas with a second view


@dataclass(frozen=True)
class OutpainterOptim(StepConfig):
    """AdamW on the trained tensors; linear warm-up, then constant."""

    lr: Positive = 1e-4
    weight_decay: Amount = 0.01
    warmup: Number = 100  # steps
    accumulate: Several = 4  # batches per step


@dataclass(frozen=True)
class OutpainterRun(LoopConfig):
    """`LoopConfig`, and how the model computes."""

    out: str = "runs/outpainter"
    steps: Steps = 4000
    log_every: Steps = 10
    save_every: Steps = 250
    preview_every: Number = 250  # 0 = never
    preview_steps: Several = 20  # denoising steps of a preview
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"  # of the frozen weights
    checkpoint_activations: bool = True  # recompute blocks in the backward pass: less memory


def _data() -> DataConfig:
    return DataConfig(height=512, width=1024, batch=1, chunk=16, reuse=4)


@dataclass(frozen=True)
class OutpainterConfig(Recipe):
    """One run, complete. data and sources are as in `panodepth train`."""

    painter: PainterConfig = field(default_factory=PainterConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    data: DataConfig = field(default_factory=_data)
    optim: OutpainterOptim = field(default_factory=OutpainterOptim)
    run: OutpainterRun = field(default_factory=OutpainterRun)

    def __post_init__(self) -> None:
        super().__post_init__()
        find_named("painter.painter", self.painter.painter, PAINTERS)
        require(bool(self.lora.targets), "lora.targets is empty")
        views = self.views
        require(
            views.fov_min_deg <= views.fov_max_deg, "views.fov_min_deg is above views.fov_max_deg"
        )
        require(views.aspect_min <= views.aspect_max, "views.aspect_min is above views.aspect_max")

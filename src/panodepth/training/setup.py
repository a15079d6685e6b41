"""What a run is set up from: network, device, precision, earlier weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from panodepth.device import has_fast_bfloat16
from panodepth.errors import ConfigError, ModelError
from panodepth.model import ModelConfig, SphereViT, find_preset, load_model
from panodepth.training.config import NetworkConfig, RunConfig, TrainConfig

# Data settings that say where the work is done, not what is seen: a resumed run may change them.
FREE_DATA_FIELDS = ("workers", "worker_threads", "render_device", "cache")


def build_network(config: NetworkConfig, size: tuple[int, int] | None = None) -> SphereViT:
    """The preset with single fields changed, randomly initialised.

    size: (h, w) trained at, which becomes the model's working size unless `overrides` names one.
    """
    trained_at = {} if size is None else {"size": size}
    values = {**find_preset(config.preset).to_dict(), **trained_at, **config.overrides}
    return SphereViT(ModelConfig.from_dict(values))


def use_bf16(run: RunConfig, device: torch.device) -> bool:
    """Whether to compute in bfloat16; "auto": where the hardware has it."""
    if run.precision != "auto":
        return run.precision == "bf16"
    return has_fast_bfloat16(device)


def check_same_data(before: dict[str, Any], config: TrainConfig, path: Path) -> None:
    """Raise ConfigError when a resumed run would see other data, or be another network."""
    now = config.to_dict()
    for table, free in (("network", ()), ("data", FREE_DATA_FIELDS)):
        for key, value in now[table].items():
            if key not in free and before[table].get(key, value) != value:
                raise ConfigError(
                    f"{table}.{key} is {value!r}, but checkpoint {path} was trained with "
                    f"{before[table][key]!r}; use another run.out (and --init to keep the weights)"
                )
    if before["optim"]["accumulate"] != config.optim.accumulate:
        raise ConfigError(f"optim.accumulate differs from that of checkpoint {path}")


def initialise(model: SphereViT, path: Path) -> None:
    """Start from the weights of a model file. Raises ModelError when they do not fit."""
    source = load_model(path, device="cpu", dtype=torch.float32)
    try:
        model.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise ModelError(f"weights {path} do not fit the network: {error}") from None

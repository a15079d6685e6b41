"""What a run is set up from: network, device, precision, earlier weights."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from panodepth.device import choose_device, has_fast_bfloat16
from panodepth.errors import ConfigError, OutputError
from panodepth.lab.training.config import NetworkConfig, RunConfig, TrainConfig, trained_blocks
from panodepth.model import ModelConfig, SphereViT, find_preset
from panodepth.model.backbone import Block, ConvBlock
from panodepth.model.spherevit import CrossBlock

# Data settings that say where the work is done, not what is seen: a resumed run may change them.
FREE_DATA_FIELDS = (
    "workers",
    "worker_threads",
    "render_device",
    "cache",
    "loaders",
    "prefetch",
)


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


def check_resumable(state: dict[str, Any], config: TrainConfig, world: int, path: Path) -> None:
    """Raise ConfigError when a resumed run would see other data, or be another network.

    state: of the checkpoint at `path`. world: number of processes now.
    """
    processes = int(state.get("processes", 1))
    if processes != world:
        raise ConfigError(
            f"checkpoint {path} was written by {processes} process{'es' * (processes > 1)}, this "
            f"run has {world}, which would draw other samples: launch {processes} again, or take "
            "another run.out with --init"
        )
    before, now = state["config"], config.to_dict()
    for table, free in (("network", ()), ("data", FREE_DATA_FIELDS)):
        for key, value in now[table].items():
            default = getattr(getattr(TrainConfig(), table), key)
            earlier = before[table].get(key, default)  # a key that the checkpoint's time lacked
            if key not in free and earlier != value:
                name, value, earlier = _difference(f"{table}.{key}", value, earlier)
                raise ConfigError(
                    f"{name} is {value!r}, but checkpoint {path} was trained with "
                    f"{earlier!r}; use another run.out (and --init to keep the weights)"
                )
    if list(map(dict, before.get("sources", ()))) != list(map(dict, now["sources"])):
        raise ConfigError(
            f"[[sources]] differ from those of checkpoint {path}; use another run.out"
        )
    for table, key, earlier in (
        ("optim", "accumulate", 1),
        ("optim", "kind", "adamw"),
        ("run", "seed", 0),
    ):
        if before[table].get(key, earlier) != now[table][key]:
            raise ConfigError(f"{table}.{key} differs from that of checkpoint {path}")


def _difference(name: str, now: Any, before: Any) -> tuple[str, Any, Any]:
    """Of two dicts that differ, the first entry that does (None: not there); else as given."""
    if isinstance(now, dict) and isinstance(before, dict):
        for key in {**before, **now}:
            if now.get(key) != before.get(key):
                return _difference(f"{name}.{key}", now.get(key), before.get(key))
    return name, now, before


def check_render_device(name: str) -> None:
    """Raise ConfigError when `data.render_device` names no device of this machine."""
    if name == "auto":
        raise ConfigError("data.render_device is 'auto'; name one, such as cpu or cuda")
    choose_device(name)


def check_output(run: RunConfig) -> None:
    """Raise OutputError when `run.out` cannot be written, ConfigError without tensorboard."""
    folder = Path(run.out)
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write to run.out {folder}: {error.strerror or error}") from None
    if run.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            'tensorboard is not installed: pip install "panodepth[train]", or --set '
            "run.tensorboard=false"
        )


def choose_trained(model: SphereViT, config: NetworkConfig) -> None:
    """Freeze what `network.train` does not name. Raises ConfigError for more blocks than exist."""
    blocks = trained_blocks(config.train)
    if blocks is None:
        return
    depth = model.config.depth
    if blocks > depth:
        raise ConfigError(f"network.train is {config.train!r}, but there are {depth} blocks")
    last = tuple(f"backbone.blocks.{i}." for i in range(depth - blocks, depth))
    kept = (*last, "backbone.norm.") if blocks else ()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith("backbone.") or name.startswith(kept))


def has_unused_parameters(model: SphereViT, config: TrainConfig) -> bool:
    """Whether the loss reaches some trained parameter by no path."""
    no_sky_loss = model.config.sky_head and not config.loss.sky
    return no_sky_loss or model.config.features[-1] < model.config.depth


def checkpoint_activations(model: SphereViT) -> None:
    """Keep only each block's input for the backward pass, and compute the rest again there.

    Transformer blocks, the stem's convolution blocks and the cross-attentions; names and results
    stay as they are.
    """
    for module in model.modules():
        if isinstance(module, Block | ConvBlock | CrossBlock):
            run = functools.partial(checkpoint, module.forward, use_reentrant=False)
            module.forward = run  # type: ignore[method-assign]


def averaged_model(model: SphereViT, tensors: Mapping[str, Tensor]) -> SphereViT:
    """A network for evaluation around `tensors` (whole parameters, by name), without copying."""
    with torch.device("meta"):
        made = SphereViT(model.config)
    made.load_state_dict(dict(tensors), strict=True, assign=True)
    return made.eval().requires_grad_(False)

"""The network that is trained: as configured, partly frozen, recomputed, averaged."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from panodepth.errors import ConfigError
from panodepth.lab.training.config import NetworkConfig, TrainConfig, trained_blocks
from panodepth.model import ModelConfig, SphereViT, find_preset


def build_network(config: NetworkConfig, size: tuple[int, int] | None = None) -> SphereViT:
    """The preset with single fields changed, randomly initialised.

    size: (h, w) trained at, which becomes the model's working size unless `overrides` names one.
    """
    trained_at = {} if size is None else {"size": size}
    values = {**find_preset(config.preset).to_dict(), **trained_at, **config.overrides}
    return SphereViT(ModelConfig.from_dict(values))


def choose_trained(model: SphereViT, config: NetworkConfig) -> None:
    """Freeze what `network.train` does not name. Raises ConfigError for more groups than exist."""
    count = trained_blocks(config.train)
    if count is None:
        return
    groups = model.groups()
    if count >= len(groups):  # the first one is never among the last
        raise ConfigError(
            f"network.train is {config.train!r}, but there are {len(groups) - 1} blocks"
        )
    frozen = tuple(start for group in groups[: len(groups) - count] for start in group)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen))


def has_unused_parameters(model: SphereViT, config: TrainConfig) -> bool:
    """Whether the loss reaches some trained parameter by no path."""
    no_sky_loss = model.config.sky_head and not config.loss.sky
    return no_sky_loss or model.config.features[-1] < model.config.depth


def checkpoint_activations(model: SphereViT) -> None:
    """Keep only each block's input for the backward pass, and compute the rest again there.

    The modules with `recompute`: transformer blocks, a backbone's convolution blocks and the
    cross-attentions. Names and results stay as they are.
    """
    for module in model.modules():
        if getattr(module, "recompute", False):
            run = functools.partial(checkpoint, module.forward, use_reentrant=False)
            module.forward = run


def averaged_model(model: SphereViT, tensors: Mapping[str, Tensor]) -> SphereViT:
    """A network for evaluation around `tensors` (whole parameters, by name), without copying."""
    with torch.device("meta"):
        made = SphereViT(model.config)
    made.load_state_dict(dict(tensors), strict=True, assign=True)
    return made.eval().requires_grad_(False)

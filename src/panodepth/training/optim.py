"""Optimiser, learning-rate schedule and the moving average of the weights."""

from __future__ import annotations

import copy
import math
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from panodepth.training.config import OptimConfig

Model = TypeVar("Model", bound=nn.Module)

# Scales, tables and positions are not pulled towards zero, whatever their shape.
NO_DECAY_WORDS = ("norm", "gamma", "bias", "position", "token", "scale")


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW with decay on matrices and kernels alone (not on norms, biases, gammas, positions)."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = parameter.ndim < 2 or any(word in name for word in NO_DECAY_WORDS)
            (free if plain else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    on_cuda = any(p.is_cuda for p in decayed)
    betas = (config.beta1, config.beta2)
    return torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=on_cuda or None)


def learning_rate(step: int, steps: int, config: OptimConfig) -> float:
    """Learning rate of step `step` (from 0) of `steps`.

    Linear warm-up, then "cosine" to final_lr, or "trapezoid": constant, then a linear fall over
    the last `cooldown` share. A trapezoid run can be extended from a checkpoint before its fall.
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    if config.schedule == "cosine":
        begin = min(config.warmup, steps)
        progress = max(0.0, step - begin) / max(1, steps - begin)
        shape = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    else:
        shape = min(1.0, (steps - step) / max(1.0, config.cooldown * steps))
    return config.lr * warm * (config.final_lr + (1 - config.final_lr) * shape)


class MovingAverage(Generic[Model]):
    """Exponential moving average of the parameters, with a warm-up of its decay.

    module: a copy of the model that always holds the average, in evaluation mode; buffers are
    copied as they are. Decay at update t is min(decay, (1 + t) / (10 + t)); decay 0 just copies.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.module: Model = copy.deepcopy(model).eval().requires_grad_(False)
        self._averaged: list[Tensor] = list(self.module.parameters())

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model's present weights."""
        self.updates += 1
        weight = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        current: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(self._averaged, current, weight)
        for mine, its in zip(self.module.buffers(), model.buffers(), strict=True):
            mine.copy_(its)


def flat_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimiser's tensors under "key/parameter name", for safetensors."""
    names = {id(p): name for name, p in model.named_parameters()}
    flat: dict[str, Tensor] = {}
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            flat[f"{key}/{names[id(parameter)]}"] = torch.as_tensor(value)
    return flat


def load_flat_state(
    optimizer: torch.optim.Optimizer, model: nn.Module, flat: dict[str, Tensor]
) -> None:
    """Inverse of `flat_state`; scalars stay where the optimiser keeps them."""
    parameters = dict(model.named_parameters())
    fused = any(group.get("fused") for group in optimizer.param_groups)
    for full, value in flat.items():
        key, _, name = full.partition("/")
        parameter = parameters[name]
        device = parameter.device if value.ndim or fused else torch.device("cpu")
        optimizer.state[parameter][key] = value.to(device)

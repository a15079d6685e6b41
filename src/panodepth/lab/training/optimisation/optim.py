"""Optimiser, learning-rate schedule and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from panodepth.lab.training.config import AdamWConfig, OptimConfig
from panodepth.lab.training.engine import local, shard_like
from panodepth.lab.training.optimisation.muon import Muon, is_matrix

# Scales, tables and positions are not pulled towards zero, whatever their shape.
NO_DECAY_WORDS = ("norm", "gamma", "bias", "position", "token", "scale")


def lr_scale(name: str, groups: Sequence[tuple[str, ...]], config: OptimConfig) -> float:
    """Factor on the learning rate of the parameter `name`.

    groups: the backbone's layers, as starts of names, from the picture on (`Backbone.groups`).
    1 outside of them; inside `backbone_lr`, times `layer_decay` once for each group behind (deeper
    than) the parameter's (BEiT, arXiv 2106.08254, appendix; as fine-tuned by MAE and DINOv2).
    """
    for behind, starts in enumerate(reversed(groups)):
        if name.startswith(starts):
            return float(config.backbone_lr * config.layer_decay**behind)
    return 1.0


def build_optimizer(
    model: nn.Module, config: OptimConfig, groups: Sequence[tuple[str, ...]] = ()
) -> torch.optim.Optimizer:
    """AdamW, or Muon, with decay on matrices and kernels alone (not norms, biases, positions).

    groups: of the backbone, for `lr_scale`. Each group has a "scale" beside its "lr".
    Parameters that need no gradient are left out.
    """
    muon = config.kind == "muon"
    made: dict[tuple[float, bool, bool], list[nn.Parameter]] = {}
    on_cuda = False
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # a step needs its rate, its decay and its kind to be those of its whole group
            plain = parameter.ndim < 2 or any(word in name for word in NO_DECAY_WORDS)
            matrix = muon and not plain and is_matrix(parameter)
            key = (-lr_scale(name, groups, config), plain, matrix)
            made.setdefault(key, []).append(parameter)
            on_cuda |= parameter.is_cuda
    tables = []
    for (scale, plain, matrix), parameters in sorted(made.items(), key=lambda item: item[0]):
        decay = 0.0 if plain else config.weight_decay
        tables.append({"params": parameters, "weight_decay": decay, "scale": -scale})
        if muon:
            tables[-1]["matrix"] = matrix
    betas = (config.beta1, config.beta2)
    if muon:
        return Muon(tables, config.lr, betas)
    return torch.optim.AdamW(tables, lr=config.lr, betas=betas, fused=on_cuda or None)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """`rate` times each group's own scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def learning_rate(step: int, steps: int, config: AdamWConfig) -> float:
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


class MovingAverage:
    """Exponential moving average of the parameters, with a warm-up of its decay.

    Decay at update t is min(decay, (1 + t) / (10 + t)). With decay 0 the average is the parameters
    themselves, and no copy is held. Works on sharded parameters shard by shard.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._names = [name for name, _ in model.named_parameters()]
        self._current: list[Tensor] = [p.detach() for p in model.parameters()]
        self._averaged = [p.clone() for p in self._current] if decay else self._current

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the model's present weights."""
        self.updates += 1
        if self.decay:
            # few updates have been seen at first: a long memory would be of the random start
            weight = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
            mine, current = ([local(t) for t in x] for x in (self._averaged, self._current))
            torch._foreach_lerp_(mine, current, weight)

    def tensors(self) -> dict[str, Tensor]:
        """Parameter name -> its average: not a copy, it goes on changing."""
        return dict(zip(self._names, self._averaged, strict=True))

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Go on from an earlier average. Raises KeyError or RuntimeError when it does not fit."""
        self.updates = updates
        if self.decay:
            for name, mine in zip(self._names, self._averaged, strict=True):
                mine.copy_(shard_like(tensors[name], mine))


def flat_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimiser's tensors, of any shape, under "key/parameter name", for safetensors."""
    names = {id(p): name for name, p in model.named_parameters()}
    flat: dict[str, Tensor] = {}
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            flat[f"{key}/{names[id(parameter)]}"] = torch.as_tensor(value)
    return flat


def load_flat_state(
    optimizer: torch.optim.Optimizer, model: nn.Module, flat: Mapping[str, Tensor]
) -> None:
    """Inverse of `flat_state`. flat: "key/parameter name" -> tensor."""
    parameters = dict(model.named_parameters())
    fused = any(group.get("fused") for group in optimizer.param_groups)
    for full, value in flat.items():
        key, _, name = full.partition("/")
        parameter = parameters[name]
        if value.ndim:
            optimizer.state[parameter][key] = shard_like(value, parameter.detach())
        else:  # the step count: fused optimisers keep it on the device, the others on the CPU
            device = parameter.device if fused else torch.device("cpu")
            optimizer.state[parameter][key] = value.to(device)

"""Muon: steps of equal size in every direction of a weight matrix; AdamW for all that is no matrix.

The momentum of a matrix is replaced by the nearest matrix with orthonormal rows (or columns), found
by a few Newton-Schulz steps (K. Jordan, "Muon", 2024), times 0.2 √(longer side), so that its
root-mean-square is near AdamW's and one learning rate serves both (arXiv 2502.16982, eq. 4).
A convolution's kernel counts as the matrix (out, in · height · width).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of the odd quintic; brings singular values near 1
NEWTON_SCHULZ_STEPS = 5
ADAMW_RMS = 0.2  # root-mean-square of AdamW's steps, in learning rates
SHORTEST_SIDE = 16  # of a matrix that is worth it


def is_matrix(parameter: Tensor) -> bool:
    """Whether Muon suits the parameter: as (first axis, the rest), no side is very short.

    A depthwise kernel (channels, 1, height, width) is a list of filters, no matrix.
    """
    if parameter.ndim < 2 or (parameter.ndim == 4 and parameter.shape[1] == 1):
        return False
    rows = parameter.shape[0]
    return min(rows, parameter.numel() // max(rows, 1)) >= SHORTEST_SIDE


def orthogonalise(matrices: Tensor) -> Tensor:
    """Nearly orthonormal rows or columns (the fewer of the two) of the same span.

    matrices: (..., m, n) of any scale. Singular values of the result lie in about 0.7 to 1.2, for
    those above about 1e-3 of the largest; computed in bfloat16, returned in the input's precision.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    out: Tensor = (x.mT if tall else x).to(matrices.dtype)
    return out


class Muon(torch.optim.Optimizer):
    """Muon on the parameters of groups with `matrix`: True, AdamW on those of the others.

    params: parameter groups, each a dict with `params`, `matrix` and `weight_decay`.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "matrix": False}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step from the gradients that are there; parameters without one stay as they are."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                torch._foreach_mul_(parameters, 1.0 - group["lr"] * group["weight_decay"])
                (self._matrices if group["matrix"] else self._adamw)(parameters, group)
        return loss

    def _matrices(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        for p in parameters:
            if not self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        gradients = [p.grad for p in parameters if p.grad is not None]
        momenta = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1.0 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)  # Nesterov
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, update in enumerate(ahead):
            alike[(update.shape[0], update[0].numel())].append(i)
        for shape, members in alike.items():
            stack = torch.stack([ahead[i].reshape(shape) for i in members])
            size = -group["lr"] * ADAMW_RMS * max(shape) ** 0.5
            for i, update in zip(members, orthogonalise(stack), strict=True):
                parameters[i].add_(update.view_as(parameters[i]), alpha=size)

    def _adamw(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for p in parameters:
            if not self.state[p]:
                self.state[p]["exp_avg"] = torch.zeros_like(p)
                self.state[p]["exp_avg_sq"] = torch.zeros_like(p)
                self.state[p]["step"] = torch.zeros(())
        gradients = [p.grad for p in parameters if p.grad is not None]
        first = [self.state[p]["exp_avg"] for p in parameters]
        second = [self.state[p]["exp_avg_sq"] for p in parameters]
        torch._foreach_add_([self.state[p]["step"] for p in parameters], 1.0)
        step = float(self.state[parameters[0]]["step"])
        torch._foreach_lerp_(first, gradients, 1.0 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1.0 - beta2)
        scale = torch._foreach_sqrt(second)
        torch._foreach_div_(scale, (1.0 - beta2**step) ** 0.5)
        torch._foreach_add_(scale, group["eps"])
        torch._foreach_addcdiv_([*parameters], first, scale, -group["lr"] / (1.0 - beta1**step))

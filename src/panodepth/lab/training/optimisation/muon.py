"""Muon: steps of equal size in every direction of a weight matrix; AdamW for all that is no matrix.

The momentum of a matrix is replaced by the nearest matrix with orthonormal rows (or columns), found
by a few Newton-Schulz steps (K. Jordan, "Muon", 2024), times 0.2 √(longer side), so that its
root-mean-square is near AdamW's and one learning rate serves both (arXiv 2502.16982, eq. 4).
A convolution's kernel counts as the matrix (out, in · height · width).

`torch.optim.Muon` (torch 2.9) does the same to matrices, up to the rounding of bfloat16. It takes
neither kernels nor what AdamW is for, and one matrix at a time, so it does not stand in here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from panodepth.device import has_fast_bfloat16

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
    those above about 1e-3 of the largest; computed in bfloat16 where the hardware has it (elsewhere
    that takes longer than the rest of a step), returned in the input's precision.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.to(torch.bfloat16 if has_fast_bfloat16(matrices.device) else torch.float32)
    tall = x.shape[-2] > x.shape[-1]
    if tall:  # the products below are of the shorter side
        x = x.mT
    # The Frobenius norm bounds the largest singular value, so all start in [0, 1].
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        # σ → a σ + b σ³ + c σ⁵ for every singular value, without finding any of them
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
                (self._matrices if group["matrix"] else self._adamw)(parameters, group)
        return loss

    def _kept(self, parameters: list[nn.Parameter], key: str) -> list[Tensor]:
        """The state of each parameter under a name; zeros of its shape at first."""
        return [self.state[p].setdefault(key, torch.zeros_like(p)) for p in parameters]

    def _matrices(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        torch._foreach_mul_([*parameters], 1.0 - group["lr"] * group["weight_decay"])
        gradients = [p.grad for p in parameters if p.grad is not None]
        momenta = self._kept(parameters, "momentum")
        torch._foreach_lerp_(momenta, gradients, 1.0 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)  # Nesterov
        # Matrices of one shape go through the iteration as one stack: fewer, larger products.
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, update in enumerate(ahead):
            alike[(update.shape[0], update[0].numel())].append(i)
        for shape, members in alike.items():
            stack = torch.stack([ahead[i].reshape(shape) for i in members])
            # Orthonormal rows have a root-mean-square of 1 / √(longer side): undo that.
            size = -group["lr"] * ADAMW_RMS * max(shape) ** 0.5
            for i, update in zip(members, orthogonalise(stack), strict=True):
                parameters[i].add_(update.view_as(parameters[i]), alpha=size)

    def _adamw(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        adamw(
            [*parameters],
            [p.grad for p in parameters if p.grad is not None],
            self._kept(parameters, "exp_avg"),
            self._kept(parameters, "exp_avg_sq"),
            [],  # no largest squares: that is AMSGrad
            [self.state[p].setdefault("step", torch.zeros(())) for p in parameters],
            foreach=True,
            amsgrad=False,
            maximize=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
        )

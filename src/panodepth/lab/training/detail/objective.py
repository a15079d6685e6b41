"""The loss of the detail network on crops: both doublings, each against the target at its size."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from panodepth.lab.training.detail.config import DetailLoss
from panodepth.lab.training.detail.crops import Crops
from panodepth.model.detail import DetailNetwork, Rows

STEPS = (1, 2, 4)  # [pixels] of the differences that are compared


def detail_loss(
    network: DetailNetwork, batch: Crops, config: DetailLoss, rows: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss () and its terms () detached. rows: of the whole coarse map.

    Each doubling is judged by itself: the second one takes the result of the first as it is.
    """
    image, log, sky, target, is_sky, edge, top = batch
    total, size = log.new_zeros(()), (rows, 2 * rows)
    terms: dict[str, Tensor] = {}
    for number in range(2):
        step = network.step(number)
        finer = 2 - number  # of the given pixels to one of this doubling's
        guide = functional.avg_pool2d(image, finer) if finer > 1 else image
        where = Rows.of(size, top, log.shape[1])
        log, sky = step(guide, log.detach(), sky.detach(), where)
        goal, true_sky, near = (
            _cut(_picked(m, finer), log.shape[-1]) for m in (target, is_sky, edge)
        )
        found = _terms(log, sky, goal, true_sky, near, config)
        total = (
            total
            + found["log"]
            + config.gradient * found["gradient"]
            + config.bend * found["bend"]
            + config.sky * found["sky"]
        )
        terms |= {f"{name}_{number + 1}": value.detach() for name, value in found.items()}
        size, top = (2 * size[0], 2 * size[1]), 2 * (top + step.halo)
        spare = 2 * finer * step.halo
        image, target, is_sky, edge = (
            m[..., spare:-spare, spare:-spare] for m in (image, target, is_sky, edge)
        )
    return total, terms


def _terms(
    log: Tensor, sky: Tensor, goal: Tensor, true_sky: Tensor, near: Tensor, config: DetailLoss
) -> dict[str, Tensor]:
    """The terms () of one doubling; all (N, h, w)."""
    known = goal.isfinite()
    weight = (1 + config.edge * near) * known
    residual = torch.where(known, log - goal, 0.0)
    differences = [
        _step(residual, step, axis).abs() * _lesser(weight, step, axis)
        for step in STEPS
        for axis in (1, 2)
    ]
    share = weight.mean().clamp(min=1e-3)
    even = (known & ~near).float()
    bends = [
        _step(_step(residual, step, axis), step, axis).abs()
        * _lesser(_lesser(even, step, axis), step, axis)
        for step in STEPS
        for axis in (1, 2)
    ]
    return {
        "log": (residual.abs() * weight).mean() / share,
        "gradient": torch.stack([d.mean() for d in differences]).sum() / share,
        "bend": torch.stack([b.mean() for b in bends]).sum() / even.mean().clamp(min=1e-3),
        "sky": functional.binary_cross_entropy_with_logits(sky, true_sky.float()),
    }


def _step(values: Tensor, step: int, axis: int) -> Tensor:
    """Difference of pixels of (N, h, w) `step` apart."""
    count = values.shape[axis] - step
    return values.narrow(axis, step, count) - values.narrow(axis, 0, count)


def _lesser(weight: Tensor, step: int, axis: int) -> Tensor:
    """The lesser weight of pixels of (N, h, w) `step` apart."""
    count = weight.shape[axis] - step
    return torch.minimum(weight.narrow(axis, step, count), weight.narrow(axis, 0, count))


def _picked(values: Tensor, finer: int) -> Tensor:
    """(N, H, W) at a size `finer` times smaller, by the lower median: edges stay sharp."""
    if finer == 1:
        return values
    places = product(range(finer), repeat=2)
    boxes = torch.stack([values[:, y::finer, x::finer] for y, x in places], -1)
    if boxes.dtype == torch.bool:
        return boxes.float().mean(-1) >= 0.5
    return boxes.median(-1).values


def _cut(values: Tensor, side: int) -> Tensor:
    """The middle of (N, h, h)."""
    spare = (values.shape[-1] - side) // 2
    return values[..., spare : spare + side, spare : spare + side]

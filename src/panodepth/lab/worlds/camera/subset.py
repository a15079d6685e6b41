"""Effects on some of the pictures of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def column(values: Sequence[float], like: Tensor) -> Tensor:
    """(B, 1, 1, 1) numbers on the device of `like`."""
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None, None, None]


def where_set(
    x: Tensor, strength: Sequence[float], effect: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """`effect(pictures, strength)` on the pictures whose strength is not 0.

    x: (B, 3, H, W). strength: B numbers; the effect gets those that are not 0 as (b, 1, 1, 1).
    Returns (B, 3, H, W).
    """
    rows = [i for i, s in enumerate(strength) if s != 0]
    if not rows:
        return x
    index = torch.tensor(rows, device=x.device)
    return x.index_copy(0, index, effect(x[index], column([strength[i] for i in rows], x)))


def each(x: Tensor, traits: Sequence[T | None], effect: Callable[[Tensor, T], Tensor]) -> None:
    """Replace each picture (3, H, W) of `x` that has the trait by `effect(picture, trait)`."""
    for i, trait in enumerate(traits):
        if trait is not None:
            x[i] = effect(x[i], trait)

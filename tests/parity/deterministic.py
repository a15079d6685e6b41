"""Weights and a test panorama that any implementation can rebuild from names and shapes alone.

The formulas are a convention shared with whoever computed the reference outputs beside this file:
changing a digit here makes another oracle.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

IMAGE_KEY = 1234
WAVES = 12  # per colour channel


def weight(name: str, shape: Sequence[int], seed: int) -> Tensor:
    """The tensor `name`: normal numbers seeded by its name, scaled by what kind it is."""
    seeded = np.random.Philox(key=[zlib.crc32(name.encode()), seed])
    x = np.random.Generator(seeded).standard_normal(tuple(shape), dtype=np.float32)
    leaf = name.rpartition(".")[2]
    if leaf == "gamma":
        x = 0.3 + 0.1 * x
    elif leaf == "weight" and "norm" in name:
        x = 1.0 + 0.1 * x
    elif leaf in ("bias", "pos_embed") or "token" in leaf:
        x = 0.05 * x
    else:
        inputs = shape[1:] if len(shape) > 1 else shape
        x = x / np.sqrt(int(np.prod(inputs)))
    return torch.from_numpy(x.astype(np.float32))


def weights(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Tensor]:
    """All tensors of a list of names and shapes."""
    return {name: weight(name, shape, seed) for name, shape in shapes.items()}


def panorama(height: int, width: int, seed: int = 0) -> Tensor:
    """(1, 3, height, width) float32 in [0, 1]: sums of waves, periodic in azimuth."""
    dice = np.random.Generator(np.random.Philox(key=[IMAGE_KEY, seed]))
    polar = (np.arange(height) + 0.5) / height * np.pi
    azimuth = (np.arange(width) + 0.5) / width * 2 * np.pi
    image = np.zeros((3, height, width), np.float32)
    for channel in image:
        for _ in range(WAVES):
            around, down = dice.integers(0, 9), dice.integers(0, 9)
            p, q = dice.uniform(0, 2 * np.pi, 2)
            strength = dice.uniform(0.2, 1)
            rows, columns = np.sin(down * polar + q), np.sin(around * azimuth + p)
            channel += strength * rows[:, None] * columns[None]
    image = (image - image.min()) / (image.max() - image.min())
    return torch.from_numpy(image)[None]

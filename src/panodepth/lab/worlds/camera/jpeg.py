"""What JPEG compression does to a picture, as tensor arithmetic: no file, the same on every device.

Colour is halved in both directions (4:2:0), 8 × 8 blocks go through the cosine transform, and its
coefficients are rounded to multiples of the standard's example tables (ITU-T T.81, annex K), scaled
by quality as the Independent JPEG Group does. Entropy coding loses nothing, so it is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.worlds.camera.subset import where_set

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *[(99,) * 8] * 4,
)
# JFIF: full-range BT.601.
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def jpeg(image: Tensor, quality: Sequence[int]) -> Tensor:
    """Pictures as they come back from JPEG files.

    image: (B, 3, H, W) in [0, 1], of any size: the last blocks are filled with the border pixels.
    quality: 1..100 each, 0 = untouched. Returns (B, 3, H, W) in [0, 1].
    """
    return where_set(image, quality, _compressed)


def _compressed(image: Tensor, quality: Tensor) -> Tensor:
    """`jpeg` with a quality (B, 1, 1, 1) ≥ 1."""
    height, width = image.shape[-2:]
    padded = F.pad(image * 255.0, (0, -width % 16, 0, -height % 16), mode="replicate")
    mix = torch.tensor(_YCC, device=image.device)
    y, blue, red = torch.einsum("ij,bjhw->ibhw", mix, padded)
    factor = [(5000 / q if q < 50 else 200 - 2 * q) / 100 for q in quality.flatten().tolist()]
    scale = torch.tensor(factor, device=image.device)[:, None]
    y = _quantised(y - 128.0, _LUMA, scale) + 128.0
    # 4:2:0, as the eye sees colour less sharply.
    small = F.avg_pool2d(torch.stack([blue, red], 1), 2)
    halves = [_quantised(c, _CHROMA, scale) for c in small.unbind(1)]
    back = F.interpolate(torch.stack(halves, 1), scale_factor=2, mode="bilinear")
    colour = torch.cat([y[:, None], back], 1)
    out = torch.einsum("ij,bjhw->bihw", _inverse_mix(str(image.device)), colour)
    return (out[..., :height, :width] / 255.0).clamp(0.0, 1.0)


@lru_cache(maxsize=4)
def _inverse_mix(device: str) -> Tensor:
    """(3, 3) from the file's colours back to RGB."""
    inverse: Tensor = torch.linalg.inv(torch.tensor(_YCC, dtype=torch.float64))
    return inverse.float().to(device)


@lru_cache(maxsize=4)
def _transform(device: str) -> Tensor:
    """(64, 64) two-dimensional orthonormal cosine transform of a flattened block."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)
    basis = 0.5 * torch.cos((2 * n + 1) * k * math.pi / 16)
    basis[0] *= math.sqrt(0.5)
    return torch.kron(basis, basis).to(device)


def _quantised(plane: Tensor, table: tuple[tuple[int, ...], ...], scale: Tensor) -> Tensor:
    """A plane whose cosine coefficients are rounded to multiples of the scaled table.

    plane: (B, H, W) around 0, H and W multiples of 8. scale: (B, 1). Returns (B, H, W).
    """
    batch, height, width = plane.shape
    steps = torch.tensor(table, dtype=torch.float32, device=plane.device).reshape(1, 64)
    steps = (steps * scale + 0.5).floor().clamp(1, 255)[:, None]
    blocks = plane.reshape(batch, height // 8, 8, width // 8, 8).transpose(2, 3)
    # One product with a 64 x 64 matrix is faster than two with 8 x 8 ones on so many blocks.
    transform = _transform(str(plane.device))
    coefficients = blocks.reshape(batch, -1, 64) @ transform.T
    # All that is lost, but for colour: fine detail has large steps and falls to 0.
    coefficients = (coefficients / steps).round() * steps
    blocks = (coefficients @ transform).reshape(batch, height // 8, width // 8, 8, 8)
    return blocks.transpose(2, 3).reshape(batch, height, width)

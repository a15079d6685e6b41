"""Windows of panoramas with a coarse map of them, as the detail network is trained on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.seam import pad_erp
from panodepth.lab.training.detail.config import CoarseConfig, CropConfig
from panodepth.lab.training.detail.target import surface_target
from panodepth.lab.training.feed.samples import Batch
from panodepth.model.detail import SKY_LIMIT, largest_around

FINER = 4  # the fine map's rows to one of the coarse map

EDGE_REACH = 4  # pixels this near to one are near an edge
EDGE_LOG = 0.05  # a step of log distance that counts as an edge
Predict = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""(B, 3, H, W) in [0, 1] to log distances and sky logits (or None), (B, h, w) of any size."""


class Crops(NamedTuple):
    """N windows, of s × s coarse and 4 s × 4 s fine pixels.

    image: (N, 3, 4 s, 4 s) in [0, 1]. coarse, coarse_sky: (N, s, s) log distance and sky logit, 0 =
    nothing known. target: (N, 4 s, 4 s) log distance, NaN = not known. sky, edge: (N, 4 s, 4 s)
    bool, edge = near a depth edge. top: (N,) row of the coarse map, from -s / 4 on.
    """

    image: Tensor
    coarse: Tensor
    coarse_sky: Tensor
    target: Tensor
    sky: Tensor
    edge: Tensor
    top: Tensor


def coarse_maps(
    batch: Batch, config: CoarseConfig, predict: Predict, dice: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Log distance and sky logit, (B, h, w) with h = H / 4, for each panorama of a batch."""
    size = batch.image.shape[-2] // FINER, batch.image.shape[-1] // FINER
    if torch.rand((), generator=dice) < config.predicted:
        log, sky = predict(batch.image)
        sky = torch.zeros_like(log) if sky is None else sky
        maps = torch.stack((log, sky.clamp(-SKY_LIMIT, SKY_LIMIT)), 1)
    else:
        distance, is_sky = batch.truth.distance, batch.truth.sky
        far = torch.where(is_sky, distance.amax((1, 2), keepdim=True), distance)
        maps = torch.stack((far.log(), torch.where(is_sky, SKY_LIMIT, -SKY_LIMIT)), 1)
        rows = int(torch.randint(config.lowest, size[0] + 1, (), generator=dice))
        maps = resize_erp(maps, (rows, 2 * rows))
        maps = _blurred(maps, config.blur * float(torch.rand((), generator=dice)))
    maps = resize_erp(maps, size)
    told = torch.rand(len(maps), generator=dice) >= config.no_sky
    return maps[:, 0], maps[:, 1] * told.to(maps)[:, None, None]


def _blurred(maps: Tensor, sigma: float) -> Tensor:
    """(B, C, h, w) by a Gaussian of `sigma` pixels, closed over seam and poles."""
    if sigma < 0.2:
        return maps
    reach = math.ceil(2 * sigma)
    taps = torch.exp(-((torch.arange(-reach, reach + 1) / sigma) ** 2) / 2).to(maps)
    taps = (taps / taps.sum()).expand(maps.shape[1], 1, -1)
    padded = pad_erp(maps, reach)
    across = functional.conv2d(padded, taps[:, :, None], groups=maps.shape[1])
    return functional.conv2d(across, taps[..., None], groups=maps.shape[1])


@torch.no_grad()
def cut_crops(
    batch: Batch, crops: CropConfig, coarse: CoarseConfig, predict: Predict, seed: int
) -> Crops:
    """Random windows of the panoramas, mirrored half the time and otherwise exposed."""
    dice = torch.Generator().manual_seed(seed)
    log, sky_logit = coarse_maps(batch, coarse, predict, dice)
    distance, valid, sky = batch.truth
    fine = resize_erp(log, (sky.shape[-2], sky.shape[-1]))
    target = surface_target(fine, distance.log(), valid, sky)
    edge = near_edges(target)
    image = _exposed(batch.image, dice)
    pad = crops.side // 4
    around = {1: pad, FINER: pad * FINER}
    maps = (image, log, sky_logit, target, sky, edge)
    scales = (FINER, 1, 1, FINER, FINER, FINER)
    wide = [pad_erp(m, around[s]) for m, s in zip(maps, scales, strict=True)]
    rows, columns = log.shape[-2] + 2 * pad - crops.side, log.shape[-1] + 2 * pad - crops.side
    density = functional.avg_pool2d(wide[5].float(), FINER)
    for window in ((crops.side, 1), (1, crops.side)):
        density = functional.avg_pool2d(density, window, 1)
    pieces, tops = [], []
    for panorama in range(len(log)):
        for _ in range(crops.count):
            place = _drawn(density[panorama], float(crops.edges), dice)
            top, left = place // (columns + 1), place % (columns + 1)
            tops.append(top - pad)
            mirrored = bool(torch.rand((), generator=dice) < 0.5)
            pieces.append(
                [
                    _window(m[panorama], (top * s, left * s), crops.side * s, mirrored)
                    for m, s in zip(wide, scales, strict=True)
                ]
            )
    assert density.shape[1:] == (rows + 1, columns + 1)
    stacked = [torch.stack(maps) for maps in zip(*pieces, strict=True)]
    return Crops._make([*stacked, torch.tensor(tops, device=log.device)])


def _drawn(density: Tensor, edges: float, dice: torch.Generator) -> int:
    """A window, by its number, of those whose share of edge pixels is `density` (rows, columns)."""
    flat = density.flatten().cpu()
    if torch.rand((), generator=dice) >= edges or float(flat.sum()) == 0:
        return int(torch.randint(len(flat), (), generator=dice))
    return int(torch.multinomial(flat, 1, generator=dice))


def _window(values: Tensor, corner: tuple[int, int], side: int, mirrored: bool) -> Tensor:
    """(..., side, side) of (..., H, W)."""
    piece = values[..., corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    return piece.flip(-1) if mirrored else piece


def near_edges(log_distance: Tensor) -> Tensor:
    """(B, H, W) bool: within four pixels of a step of log distance (B, H, W)."""
    wide = pad_erp(log_distance, 1)
    steps = torch.maximum(
        (wide[:, 1:-1, 2:] - log_distance).abs(), (wide[:, 2:, 1:-1] - log_distance).abs()
    )
    return largest_around(pad_erp((steps > EDGE_LOG).float(), EDGE_REACH), EDGE_REACH) > 0


def _exposed(image: Tensor, dice: torch.Generator) -> Tensor:
    """(B, 3, H, W) otherwise bright and contrasted, some without colour, with a little noise."""
    count = len(image)
    gamma = torch.exp(0.3 * torch.randn(count, 1, 1, 1, generator=dice)).to(image)
    tint = torch.exp(0.1 * torch.randn(count, 3, 1, 1, generator=dice)).to(image)
    gray = (torch.rand(count, 1, 1, 1, generator=dice) < 0.1).to(image)
    image = torch.lerp(image, image.mean(1, keepdim=True).expand_as(image), gray)
    noise = 0.03 * torch.rand((), generator=dice) ** 2
    changed = image.clamp(min=1e-4) ** gamma * tint + noise * torch.randn_like(image)
    return changed.clamp(0, 1)

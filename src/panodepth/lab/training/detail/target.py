"""What the detail network should make of a coarse map: the truth, but for what cannot be mended.

A coarse map is wrong by whole surfaces: a wall too far, a room too large. A window of the picture
does not tell that. So the target keeps the error of each surface, smooth along it, and has the
truth's edges. "Along a surface" means: at similar distances nearby, a bilateral grid (Chen, Paris
and Durand, 2007) over rows, columns and log distance.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from panodepth.geometry.seam import pad_erp
from panodepth.model.detail import largest_around

CELLS = 32  # rows of the grid
LOG_STEP = 0.12  # of distance, from one cell to the next
LOG_RANGE = (-2.0, 6.5)  # of distances; further ones fall into the outermost cells
EDGE_REACH = 4  # pixels this near to a step of log distance
EDGE_LOG = 0.1  # of about that size say little about a surface's error


def surface_target(coarse: Tensor, truth: Tensor, valid: Tensor, sky: Tensor) -> Tensor:
    """(B, H, W): log distance with the truth's edges and the coarse map's smooth errors.

    coarse, truth: (B, H, W) log distances. valid, sky: (B, H, W) bool; in the sky the target is the
    coarse map, smooth, and NaN where nothing is known.
    """
    known = torch.where(sky, 0.0, truth)
    depth = (truth.clamp(*LOG_RANGE) - LOG_RANGE[0]) / LOG_STEP
    cells = int((LOG_RANGE[1] - LOG_RANGE[0]) / LOG_STEP) + 1
    depth = torch.where(sky, float(cells + 2), depth)  # the sky is a surface of its own
    seen = torch.where(sky, LOG_RANGE[1] + 1.0, truth)
    padded = pad_erp(seen, EDGE_REACH)
    spread = largest_around(padded, EDGE_REACH) + largest_around(-padded, EDGE_REACH)
    trust = (torch.exp(-spread / EDGE_LOG) + 1e-3) * (valid | sky)
    both = torch.stack((trust * (coarse - known), trust), 1)
    error, weight = _along(both, depth, cells + 4).unbind(1)
    return torch.where(valid | sky, known + error / weight.clamp(min=1e-9), torch.nan)


def _along(values: Tensor, depth: Tensor, cells: int) -> Tensor:
    """values (B, C, H, W) summed over a neighbourhood of similar `depth` (B, H, W) [cells]."""
    count, channels, height, width = values.shape
    rows, columns = CELLS, 2 * CELLS
    y = torch.arange(height, device=values.device) * rows // height
    x = torch.arange(width, device=values.device) * columns // width
    place = ((depth.round().long() * rows + y[:, None]) * columns + x).flatten(1)
    grid = values.new_zeros(count, channels, cells * rows * columns)
    grid.scatter_add_(2, place[:, None].expand(-1, channels, -1), values.flatten(2))
    grid = _blurred(grid.view(count, channels, cells, rows, columns))
    grid = pad_erp(grid, 1)
    # Positions in the padded grid, -1 .. 1 from its first centre to its last.
    v = (torch.arange(height, device=values.device) + 0.5) * rows / height + 0.5
    u = (torch.arange(width, device=values.device) + 0.5) * columns / width + 0.5
    v, u = v / (rows + 1) * 2 - 1, u / (columns + 1) * 2 - 1
    w = depth / (cells - 1) * 2 - 1
    where = torch.stack((u.expand_as(w), v[:, None].expand_as(w), w), -1)
    return functional.grid_sample(grid, where[:, None], align_corners=True)[:, :, 0]


def _blurred(grid: Tensor) -> Tensor:
    """(B, C, D, h, w) by 1 2 1 along depth, and twice along rows and columns, closed there."""
    thick = functional.pad(grid, (0, 0, 0, 0, 1, 1))
    grid = (thick[:, :, :-2] + thick[:, :, 2:]) / 4 + grid / 2
    for _ in range(2):
        wide = pad_erp(grid, (1, 0))
        grid = (wide[..., :-2, :] + wide[..., 2:, :]) / 4 + grid / 2
        wide = pad_erp(grid, (0, 1))
        grid = (wide[..., :-2] + wide[..., 2:]) / 4 + grid / 2
    return grid

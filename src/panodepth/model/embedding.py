"""The sphere as the network sees it: rays, their embedding, and distances between tokens.

Angles in radians; longitude in (-π, π), latitude positive down; rays x right, y down, z forward.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.model.config import ModelConfig

AXIS_FLOOR = 1e-5  # the released code keeps |Z| above this inside atan2
KNOTS = 16  # of the great-circle bias, evenly spaced over [0, π]


def pixel_rays(height: int, width: int, extent: tuple[float, float]) -> Tensor:
    """(height·width, 3) float32 unit rays of all pixel centres, row by row.

    extent: what the full circle and the half circle count as [rad]; the released network was made
    with 6.2832 and 3.1416.
    """
    lon = ((torch.arange(width, dtype=torch.float32) + 0.5) / width - 0.5) * extent[0]
    lat = ((torch.arange(height, dtype=torch.float32) + 0.5) / height - 0.5) * extent[1]
    lat, lon = lat[:, None].expand(height, width), lon[None].expand(height, width)
    rays = torch.stack([lat.cos() * lon.sin(), lat.sin(), lat.cos() * lon.cos()], dim=-1)
    return rays.reshape(-1, 3)


def released_embedding(rows: int, cols: int, config: ModelConfig) -> Tensor:
    """(rows·cols, embedding_dim) float32: sines of the latitude and of the azimuth of each token.

    As released: a token's ray is that of its top-left pixel, angles are multiplied by π and by
    log-spaced frequencies from 1 to half the longer side of the token grid.
    """
    stride = config.stride
    height, width = rows * stride, cols * stride
    grid = pixel_rays(height, width, (config.sphere_extent[0], config.sphere_extent[1]))
    x, y, z = grid.reshape(height, width, 3)[::stride, ::stride].reshape(-1, 3).unbind(-1)
    floored = torch.where(z < 0, z.clamp(max=-AXIS_FLOOR), z.clamp(min=AXIS_FLOOR))
    angles = torch.stack([torch.asin(y.clamp(-1, 1)), torch.atan2(x, floored)], dim=-1)
    top = max(1, max(rows, cols) // 2)
    powers = torch.linspace(0.0, math.log2(top), config.embedding_dim // 2)
    waves = torch.sin(angles[..., None] * math.pi * (2.0**powers))
    return waves.flatten(-2)


def periodic_embedding(rows: int, cols: int, config: ModelConfig) -> Tensor:
    """(rows·cols, embedding_dim) float32: cosines and sines of whole multiples of the angles.

    Sampled at the centres of the patches. Azimuth enters with multiples 1, 2, ..., so that the
    seam is nowhere. With `azimuth_free_embedding` the latitude takes its place too; all tokens of
    a row are then alike and the result is (rows, embedding_dim).
    """
    lon = ((torch.arange(cols) + 0.5) / cols - 0.5) * (2 * math.pi)
    lat = ((torch.arange(rows) + 0.5) / rows - 0.5) * math.pi
    if config.azimuth_free_embedding:
        multiples = torch.arange(1, config.embedding_dim // 2 + 1)
        place = lat[:, None] * multiples
        return torch.cat([place.cos(), place.sin()], dim=-1)
    multiples = torch.arange(1, config.embedding_dim // 4 + 1)
    parts = [
        (lat[:, None] * multiples)[:, None].expand(rows, cols, -1),
        (lon[:, None] * multiples)[None].expand(rows, cols, -1),
    ]
    waves = [wave for part in parts for wave in (part.cos(), part.sin())]
    return torch.cat(waves, dim=-1).reshape(rows * cols, -1)


@functools.lru_cache(maxsize=8)
def geometry(
    rows: int, cols: int, config: ModelConfig, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """E_sphere, (rows·cols or rows, embedding_dim), and the basis of the great-circle bias or None.

    On a device, float32. They depend on no weight and are made once for a grid: do not change them.
    """
    with torch.inference_mode(False):  # so that training can use what inference made first
        basis = bias_basis(rows, cols) if config.great_circle_bias else None
        embedding = periodic_embedding if config.periodic_embedding else released_embedding
        found = embedding(rows, cols, config).to(device)
        return found, None if basis is None else basis.to(device)


def spread_positions(learned: Tensor, rows: int, cols: int, *, by_row: bool) -> Tensor:
    """Learned positions brought to a token grid: (1, rows·cols, dim) of the same precision.

    learned: (1, grid, dim) by_row, each for all tokens of a row; else (1, grid · grid, dim).
    """
    exact, dim = learned.float(), learned.shape[-1]
    if by_row:
        along = F.interpolate(exact.transpose(1, 2), size=rows, mode="linear")
        placed = along.transpose(1, 2)[:, :, None].expand(1, rows, cols, dim)
    else:
        grid = math.isqrt(learned.shape[1])
        square = exact.reshape(1, grid, grid, dim).permute(0, 3, 1, 2)
        placed = F.interpolate(square, size=(rows, cols), mode="bicubic").permute(0, 2, 3, 1)
    return placed.reshape(1, rows * cols, dim).to(learned.dtype)


def great_circle_angles(rows: int, cols: int) -> Tensor:
    """(rows, rows, cols) float64 [rad]: angle between the centres of tokens.

    Entry (i, j, d) belongs to a token in row i and one in row j that is d columns further round;
    by the symmetry of the sphere nothing else matters. Haversine formula.
    """
    lat = ((torch.arange(rows, dtype=torch.float64) + 0.5) / rows - 0.5) * math.pi
    turn = torch.arange(cols, dtype=torch.float64) / cols * (2 * math.pi)
    across = (lat[:, None] - lat[None]) / 2
    around = lat.cos()[:, None, None] * lat.cos()[None, :, None] * (turn / 2).sin() ** 2
    return 2 * torch.asin((across.sin()[..., None] ** 2 + around).clamp(0, 1).sqrt())


def bias_basis(rows: int, cols: int) -> Tensor:
    """(rows, rows, cols, KNOTS + 1) float32: what the great-circle bias is a linear function of.

    KNOTS hat functions of the angle between two tokens, then the latitude of the second less that
    of the first [rad].
    """
    place = great_circle_angles(rows, cols) * ((KNOTS - 1) / math.pi)
    hats = (1 - (place[..., None] - torch.arange(KNOTS)).abs()).clamp(min=0)
    lat = ((torch.arange(rows, dtype=torch.float64) + 0.5) / rows - 0.5) * math.pi
    below = (lat[None] - lat[:, None])[..., None, None].expand(rows, rows, cols, 1)
    return torch.cat([hats, below], dim=-1).float()


class GreatCircleBias(nn.Module):
    """Additive attention bias by great-circle distance: per head, its values at KNOTS angles.

    And a slope that weighs the key's latitude minus the query's, so that a head can look up
    or down. It knows that the left and right edges touch and that the poles are points.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        # Heads start from "sees everywhere" to "mostly near by". Not computed with tensors: on the
        # meta device that would import torch's compiler, a second of every start.
        steepness = np.linspace(0.0, 4.0, heads)[:, None]
        values = -steepness * np.linspace(0.0, math.pi, KNOTS)
        table = np.concatenate([values, np.zeros((heads, 1))], axis=1)
        self.weight = nn.Parameter(torch.tensor(table.tolist(), dtype=torch.float32))

    def table(self, basis: Tensor) -> Tensor:
        """(heads, rows, rows, cols): query row, key row, columns from query to key.

        basis: (rows, rows, cols, K), K = KNOTS + 1, of `bias_basis`.
        """
        return (basis @ self.weight.t().to(basis.dtype)).permute(3, 0, 1, 2)

    def by_row(self, basis: Tensor) -> Tensor:
        """The bias (1, heads, N, rows) of queries to whole rows of keys that are alike.

        Attention to one key per row with log Σ exp(bias) over the row's columns is exactly
        attention to all the keys of the row.
        """
        rows, _, cols, _ = basis.shape
        by_row = self.table(basis).logsumexp(-1)[None, :, :, None]
        return by_row.expand(-1, -1, -1, cols, -1).reshape(1, -1, rows * cols, rows)

    def forward(self, basis: Tensor, *, leading: int = 0) -> Tensor:
        """The bias (1, heads, N, N) of all query-key pairs, N = leading + rows·cols.

        basis: (rows, rows, cols, KNOTS + 1) of `bias_basis`. leading: tokens before the grid (the
        class token) that are at no place: their bias is 0.
        """
        rows, _, cols, _ = basis.shape
        table = self.table(basis)
        column = torch.arange(cols, device=basis.device)
        turn = (column[None] - column[:, None]) % cols  # (query column, key column)
        pairs = table.index_select(-1, turn.flatten()).reshape(-1, rows, rows, cols, cols)
        bias = pairs.permute(0, 1, 3, 2, 4).reshape(1, -1, rows * cols, rows * cols)
        return F.pad(bias, (leading, 0, leading, 0)) if leading else bias

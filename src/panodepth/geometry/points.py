"""z-depth <-> distance, distance -> points -> normals; closed over the seam and the poles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.sampling import pad_erp

_PIXELS_AT_ONCE = 1 << 18  # normals of large maps are computed in bands of rows: memory stays small


def _ray_length(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """(..., h, w): distance of the point at z-depth 1 behind each pixel of a pinhole view."""
    index_x = torch.arange(width, dtype=intrinsics.dtype, device=intrinsics.device) + 0.5
    index_y = torch.arange(height, dtype=intrinsics.dtype, device=intrinsics.device) + 0.5
    k = intrinsics[..., None, None]
    x = (index_x - k[..., 0, 2, :, :]) / k[..., 0, 0, :, :]
    y = (index_y[:, None] - k[..., 1, 2, :, :]) / k[..., 1, 1, :, :]
    return (x * x + y * y + 1).sqrt()


def z_depth_to_distance(z_depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Length along the viewing axis to length along the ray: (..., h, w), same unit.

    z_depth: (..., h, w) of a pinhole view. intrinsics: (..., 3, 3) [pixels], centres at + 0.5.
    """
    return z_depth * _ray_length(intrinsics, *z_depth.shape[-2:]).to(z_depth.dtype)


def distance_to_z_depth(distance: Tensor, intrinsics: Tensor) -> Tensor:
    """Length along the ray to length along the viewing axis: inverse of `z_depth_to_distance`."""
    return distance / _ray_length(intrinsics, *distance.shape[-2:]).to(distance.dtype)


def distance_to_points(distance: Tensor) -> Tensor:
    """(..., H, W) ERP distance to (..., H, W, 3) points in the camera frame, same unit."""
    rays = erp_rays(*distance.shape[-2:], dtype=distance.dtype, device=distance.device)
    return distance[..., None] * rays


def distance_to_normals(distance: Tensor) -> Tensor:
    """(..., H, W) ERP distance > 0 to (..., H, W, 3) unit normals that face the camera."""
    return points_to_normals(distance_to_points(distance))


def points_to_normals(points: Tensor) -> Tensor:
    """(..., H, W, 3) ERP points, one per pixel along its ray, to unit normals that face the camera.

    The normal is the cross product of a vertical and a horizontal tangent. Each tangent blends the
    two one-sided differences and all but ignores the one that jumps over a depth edge. Towards the
    poles the horizontal step grows (1, 2, 4, ... columns) so that it stays about as long as the
    vertical one: single columns would divide noise by almost nothing there.
    Where all neighbours coincide (distance 0) the normal is 0; gradients are finite everywhere.
    Returns (..., H, W, 3), float32 or float64.
    """
    height, width = points.shape[-3:-1]
    wide = points.to(torch.promote_types(points.dtype, torch.float32)).movedim(-1, 0)
    padded = pad_erp(wide, (1, 0))
    pixels_per_row = max(1, wide[0].numel() // height)
    rows_at_once = max(1, _PIXELS_AT_ONCE // pixels_per_row)
    bands = [
        _band_normals(padded[..., start : stop + 2, :], step)
        for start, stop, step in _row_bands(height, width, rows_at_once)
    ]
    return torch.cat(bands, dim=-2).movedim(0, -1).contiguous()


def _row_bands(height: int, width: int, rows_at_once: int) -> list[tuple[int, int, int]]:
    """(first row, end row, column step): the power of two nearest to 1 / cos lat, at most W / 4."""
    bands: list[tuple[int, int, int]] = []
    for row in range(height):
        ratio = 1 / math.sin(math.pi * (row + 0.5) / height)
        step = max(1, min(2 ** round(math.log2(ratio)), width // 4))
        if bands and bands[-1][2] == step and row - bands[-1][0] < rows_at_once:
            bands[-1] = (bands[-1][0], row + 1, step)
        else:
            bands.append((row, row + 1, step))
    return bands


def _band_normals(padded: Tensor, step: int) -> Tensor:
    """(3, ..., rows + 2, W) points with one row above and below to (3, ..., rows, W) normals."""
    centre = padded[..., 1:-1, :]
    ahead = centre.roll(-step, -1) - centre
    length = (ahead * ahead).sum(0)
    across = _tangent(ahead, ahead.roll(step, -1), length, length.roll(step, -1))
    below = padded[..., 1:, :] - padded[..., :-1, :]
    length = (below * below).sum(0)
    down = _tangent(below[..., 1:, :], below[..., :-1, :], length[..., 1:, :], length[..., :-1, :])
    normal = torch.stack(
        (
            down[1] * across[2] - down[2] * across[1],
            down[2] * across[0] - down[0] * across[2],
            down[0] * across[1] - down[1] * across[0],
        )
    )
    # Divided by its largest component first: squares of tiny numbers would underflow.
    largest = normal.detach().abs().amax(0)
    normal = normal * torch.where(largest < 1e-30, 0.0, 1 / largest)
    return normal * ((normal * normal).sum(0) + 1e-20).rsqrt()


def _tangent(ahead: Tensor, behind: Tensor, ahead_square: Tensor, behind_square: Tensor) -> Tensor:
    """Direction (3, ...) from two one-sided differences (3, ...) and their squared lengths (...).

    Each is weighted by the inverse fourth power of its length (up to a common factor): equal steps
    give the central difference, a step ten times longer than the other turns it by 0.06° at most.
    """
    share = ahead_square / (ahead_square + behind_square + 1e-30)
    return torch.addcmul((1 - share) ** 2 * ahead, share**2, behind)

"""z-depth <-> distance, distance -> points -> normals; closed over the seam and the poles."""

from __future__ import annotations

import math

from panodepth.geometry import bands
from panodepth.geometry.arrays import (
    ArrayT,
    constant,
    is_floating,
    is_numpy,
    library,
    like,
    to_dtype,
)
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.lens import ERP, Lens, Pinhole
from panodepth.geometry.point_bands import lonlat_points
from panodepth.geometry.seam import pad_erp

PANORAMA = ERP()
_PIXELS_AT_ONCE = 1 << 18  # normals of large maps are computed in bands of rows: memory stays small


def z_depth_to_distance(z_depth: ArrayT, lens: Pinhole) -> ArrayT:
    """Length along the viewing axis to length along the ray: (..., h, w), same unit.

    z_depth: (..., h, w) of a pinhole view through `lens`. Returns its dtype; float32 of whole
    numbers, such as millimetres.
    """
    height, width = z_depth.shape[-2:]
    wide = _wide(z_depth)
    lengths = to_dtype(lens.ray_lengths((height, width), **like(z_depth)), wide.dtype)
    return _as_floats_of(z_depth, wide * lengths)


def distance_to_z_depth(distance: ArrayT, lens: Pinhole) -> ArrayT:
    """(..., h, w) along the ray to z-depth, along the axis: inverse of `z_depth_to_distance`."""
    height, width = distance.shape[-2:]
    wide = _wide(distance)
    lengths = to_dtype(lens.ray_lengths((height, width), **like(distance)), wide.dtype)
    return _as_floats_of(distance, wide / lengths)


def distance_to_points(distance: ArrayT, lens: Lens = PANORAMA) -> ArrayT:
    """(..., H, W) distance to (..., H, W, 3) points in the camera frame; its unit.

    Of its dtype; float32 of whole numbers, such as millimetres.
    """
    wide = _wide(distance)
    if isinstance(lens, ERP) and is_numpy(distance) and distance.ndim == 2:
        return _as_floats_of(distance, lonlat_points(wide, *axis_angles(*distance.shape)))
    rays = lens.rays((distance.shape[-2], distance.shape[-1]), **like(distance))
    return _as_floats_of(distance, wide[..., None] * to_dtype(rays, wide.dtype))


def _wide(values: ArrayT) -> ArrayT:
    """Lengths (...) as they are computed with: float64, or float32 of all else."""
    return to_dtype(values, like(values)["dtype"])


def _as_floats_of(values: ArrayT, result: ArrayT) -> ArrayT:
    """A result (...) in the dtype of the lengths (...) it was made of, if they are floats."""
    return to_dtype(result, values.dtype) if is_floating(values) else result


def distance_to_normals(distance: ArrayT, lens: Lens = PANORAMA) -> ArrayT:
    """(..., H, W) distance > 0 to (..., H, W, 3) unit normals that face the camera.

    0 where the neighbours give none, as in a single row. See `points_to_normals` for what they are.
    float64 of float64, else float32. One NumPy map (H, W) takes the fast route of `bands`, which
    with odd W takes the mean of two distances beyond the poles, not of two points.
    """
    if not isinstance(lens, ERP):
        return view_normals(distance_to_points(distance, lens))
    if is_numpy(distance) and distance.ndim == 2:
        return bands.normals(_wide(distance))
    return points_to_normals(distance_to_points(distance))


def points_to_normals(points: ArrayT) -> ArrayT:
    """(..., H, W, 3) ERP points, one per pixel along its ray, to unit normals that face the camera.

    The normal is the cross product of a vertical and a horizontal tangent. Each tangent blends the
    two one-sided differences and all but ignores the one that jumps over a depth edge. Towards the
    poles the horizontal step grows (1, 2, 4, ... columns) so that it stays about as long as the
    vertical one: single columns would divide noise by almost nothing there.
    Where all neighbours coincide (distance 0) the normal is 0; gradients are finite everywhere.
    Returns (..., H, W, 3), float32 or float64.
    """
    xp = library(points)
    height, width = points.shape[-3:-1]
    wide = xp.moveaxis(_wide(points), -1, 0)
    padded = pad_erp(wide, (1, 0))
    pixels_per_row = max(1, math.prod(wide.shape[1:]) // height)
    rows_at_once = max(1, _PIXELS_AT_ONCE // pixels_per_row)
    normals = [
        _band_normals(padded[..., start : stop + 2, :], step)
        for start, stop, step in bands.row_bands(height, width, rows_at_once)
    ]
    x, y, z = xp.concat(normals, axis=-2)
    return xp.stack((x, y, z), axis=-1)


def view_normals(points: ArrayT) -> ArrayT:
    """(..., H, W, 3) points of any lens's pixels to unit normals, as `points_to_normals`.

    The picture ends at its borders: there the one difference that is left counts. 0 where a pixel
    sees nothing, or its neighbours give no plane. Needs two rows and two columns.
    """
    xp = library(points)
    wide = xp.moveaxis(_wide(points), -1, 0)
    right = wide[..., :, 1:] - wide[..., :, :-1]
    below = wide[..., 1:, :] - wide[..., :-1, :]
    tangents = []
    for steps, axis in ((below, -2), (right, -1)):
        first, last = (xp.take(steps, xp.asarray([i]), axis=axis) for i in (0, -1))
        ahead = xp.concat((steps, last), axis=axis)
        behind = xp.concat((first, steps), axis=axis)
        lengths = (xp.sum(step * step, axis=0) for step in (ahead, behind))
        tangents.append(_tangent(ahead, behind, *lengths))
    return xp.moveaxis(_unit_cross(*tangents), 0, -1)


def _band_normals(padded: ArrayT, step: int) -> ArrayT:
    """(3, ..., rows + 2, W) points with one row above and below to (3, ..., rows, W) normals."""
    xp = library(padded)
    centre = padded[..., 1:-1, :]
    # Every difference serves two pixels: ahead of one, behind the next.
    ahead = xp.roll(centre, -step, axis=-1) - centre
    length = xp.sum(ahead * ahead, axis=0)
    behind = xp.roll(ahead, step, axis=-1)
    across = _tangent(ahead, behind, length, xp.roll(length, step, axis=-1))
    below = padded[..., 1:, :] - padded[..., :-1, :]
    length = xp.sum(below * below, axis=0)
    down = _tangent(below[..., 1:, :], below[..., :-1, :], length[..., 1:, :], length[..., :-1, :])
    return _unit_cross(down, across)


def _unit_cross(down: ArrayT, across: ArrayT) -> ArrayT:
    """The unit normal (3, ...) of two tangents (3, ...), 0 where they span no plane."""
    xp = library(down)
    normal = xp.stack(
        (
            down[1] * across[2] - down[2] * across[1],
            down[2] * across[0] - down[0] * across[2],
            down[0] * across[1] - down[1] * across[0],
        )
    )
    # Divided by its largest component first: squares of tiny numbers would underflow. The scale
    # cancels, so no gradient goes through it (at 0 it would be NaN).
    normal = normal / xp.clip(xp.max(xp.abs(constant(normal)), axis=0), min=1e-30)
    return normal / xp.sqrt(xp.sum(normal * normal, axis=0) + 1e-20)


def _tangent(ahead: ArrayT, behind: ArrayT, ahead_square: ArrayT, behind_square: ArrayT) -> ArrayT:
    """Direction (3, ...) from two one-sided differences (3, ...) and their squared lengths (...).

    Each is weighted by the inverse fourth power of its length (up to a common factor): equal steps
    give the central difference, a step ten times longer than the other turns it by 0.06° at most.
    """
    share = ahead_square / (ahead_square + behind_square + 1e-30)
    return (1 - share) ** 2 * ahead + share**2 * behind

"""What a network is shown where a lens saw nothing: the scene goes on there, as in a mirror.

It is masked and never comes back; but a network looks at the whole sphere, and behind a room's
front half it expects a back half. In the mirror image walls, floor and ceiling go on where they
were.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from panodepth.geometry.arrays import Array
from panodepth.geometry.grid import erp_rays, solid_angles
from panodepth.geometry.sampling import sample_erp
from panodepth.types import BoolArray, FloatArray

_BLUR_LEVELS = 12  # of the pyramid
_ROWS = 256  # of the panorama that colours are extended on
_ACROSS = 0.08  # of a turn: what they are averaged over along the parallels
_SECTORS = 64  # round the axis, for the edge of the field: coarser than pixels far from it are
_MOST = 0.7  # of the sphere: a wider field leaves too little to mirror into (benchmarks/lenses.py)
_ONE_SIDED = 0.1  # length of the mean ray from which on a field has a middle


def continued(pixels: FloatArray, seen: BoolArray) -> FloatArray:
    """(3, H, W) with the scene continued where nothing is seen (H, W).

    A ray at the angle θ from the middle of the field, whose edge is at e there, is shown what lies
    at e (π - θ) / (π - e): the edge meets itself, and what lies straight behind is what lies
    straight ahead. Half a sphere becomes a mirror image; where that is not seen either, the picture
    is smoothed over. A field that goes all round or is very wide is `extended`.
    """
    height, width = seen.shape
    weights = solid_angles(height, width, dtype=np.float32) * seen
    if weights.sum() > 4 * math.pi * _MOST:
        return extended(pixels, seen)
    rays = erp_rays(height, width)
    axis = (rays * weights[..., None]).sum((0, 1)) / weights.sum()
    length = float(np.linalg.norm(axis))
    if length < _ONE_SIDED:
        return extended(pixels, seen)
    smooth = filled(pixels, seen)
    frame = _frame(axis / length)
    right, down, ahead = np.moveaxis(rays @ frame, -1, 0)
    theta, sector = np.arccos(np.clip(ahead, -1, 1)), np.arctan2(down, right)
    edge = _edge(theta, sector, seen)
    inside = edge * (math.pi - theta) / np.maximum(math.pi - edge, 1e-3)
    across = np.sin(inside)
    turned = (across * np.cos(sector), across * np.sin(sector), np.cos(inside))
    source = np.asarray(np.stack(turned, -1) @ frame.T, np.float32)
    there = sample_erp(seen[None], source, "nearest")[0] & (theta > edge)
    return np.where(seen | ~there, smooth, sample_erp(smooth, source))


def _frame(axis: Array) -> Array:
    """(3, 3): the columns are two axes across a unit vector (3,), and itself."""
    other = np.eye(3)[np.abs(axis).argmin()]
    right = np.cross(other, axis)
    right /= np.linalg.norm(right)
    return np.stack((right, np.cross(axis, right), axis), -1)


def _edge(theta: Array, sector: Array, seen: BoolArray) -> Any:
    """How far (H, W) the field goes from its middle in the direction of each pixel [rad]."""
    number = ((sector / (2 * math.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    farthest = np.zeros(_SECTORS)
    np.maximum.at(farthest, number[seen], theta[seen])
    known = farthest > 0
    angle = (np.arange(_SECTORS) + 0.5) / _SECTORS * 2 * math.pi - math.pi
    return np.interp(sector, angle[known], farthest[known], period=2 * math.pi)


def extended(pixels: FloatArray, seen: BoolArray) -> FloatArray:
    """(3, H, W) with the colours at the border of what is seen (H, W) drawn out over the rest.

    Each pixel takes the nearest that is seen, and the mean of those along its parallel.
    """
    import cv2

    height, width = seen.shape
    rows = min(height, _ROWS)
    size = (2 * rows, rows)
    weight = cv2.resize(seen.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    image: Any = np.ascontiguousarray(np.moveaxis(pixels * seen, 0, -1))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    image = image / np.maximum(weight, 1e-6)[..., None]
    known = weight > min(0.5, float(weight.max()) / 2)
    # Half a turn more on either side: there is no seam.
    image, known = (np.concatenate((a[:, rows:], a, a[:, :rows]), axis=1) for a in (image, known))
    nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )[1]
    colours = np.zeros((nearest.max() + 1, 3), np.float32)
    colours[nearest[known]] = image[known]
    image = cv2.blur(colours[nearest], (2 * int(_ACROSS * rows) + 1, 1))[:, rows : 3 * rows]
    drawn = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(seen, pixels, np.moveaxis(drawn, -1, 0)).astype(np.float32)


def filled(pixels: FloatArray, seen: BoolArray) -> FloatArray:
    """(3, H, W) with something smooth where nothing is seen (H, W), so that no edge is there.

    Each pixel takes the mean of what is seen in the smallest of ever larger boxes that holds any.
    """
    import cv2

    image: Any = np.ascontiguousarray(np.moveaxis(pixels, 0, -1)) * seen[..., None]
    weight: Any = seen.astype(np.float32)
    pyramid = [(image, weight)]
    while min(weight.shape) > 1 and len(pyramid) < _BLUR_LEVELS:
        size = tuple(max(1, side // 2) for side in reversed(weight.shape))
        image, weight = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in pyramid[-1])
        pyramid.append((image, weight))
    below: Any = pyramid[-1][0] / max(float(pyramid[-1][1].max()), 1e-6)
    for image, weight in reversed(pyramid[:-1]):
        below = cv2.resize(below, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        known = np.minimum(weight, 1)[..., None]
        below = image + (1 - known) * below.reshape(image.shape)
    return np.asarray(np.moveaxis(below, -1, 0), np.float32)

"""What a model says of the sky, put right: by the user's mask, and where it cannot be.

Surface in the middle of the sky that reaches no ground is a cloud, a bird or a mistake of the
network: it would float in every cloud and mesh. Large ones stay: they are roofs whose columns the
network missed.
"""

from __future__ import annotations

import math
import os

import cv2
import numpy as np

from panodepth.errors import InputError
from panodepth.geometry.grid import erp_rays, solid_angles
from panodepth.geometry.lens import ERP, View
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotate_vectors, rotation_to_up
from panodepth.geometry.sampling import sample_erp
from panodepth.images import ImageData, read_mask
from panodepth.images.gpano import on_canvas
from panodepth.predict.request import Request
from panodepth.size import Size
from panodepth.types import BoolArray, FloatArray

LARGEST_SHARE = 0.01  # of the sphere, for an island: a disc of 23°
GROUND_RAD = math.radians(3.0)  # below the horizon: what reaches down to here stands on something
MOST_STRETCH = 0.01  # of a mask's aspect against its picture's


def settled(
    logit: FloatArray | None, request: Request, sky: str
) -> tuple[FloatArray | None, BoolArray | None]:
    """What to go on with: the sky as a logit (h, w), and a user's mask of it (H, W) or None.

    logit: what the model says. sky: as in `PredictOptions`, not "none".
    """
    if sky != "auto":
        given = given_sky(sky, request.data)
        return as_logit(given, request), given
    return (None if logit is None else without_islands(logit, request.valid)), None


def without_islands(sky_logit: FloatArray, valid: BoolArray) -> FloatArray:
    """(h, w) logits of a level picture, > 0 = sky, with sky in place of small floating surfaces.

    valid: (h, w) bool; what is not may hide what a surface stands on, so it counts as surface.
    """
    surface = (sky_logit <= 0) | ~valid
    if surface.all():
        return sky_logit
    count, labels = cv2.connectedComponents(surface.astype(np.uint8), connectivity=8)
    names = np.arange(count)
    # Over the seam, and over the zenith, where the first row is one point.
    left, right = labels[:, 0], labels[:, -1]
    pairs = [(left, right), (left[1:], right[:-1]), (left[:-1], right[1:])]
    top = labels[0][labels[0] > 0]
    pairs.append((top[:1].repeat(len(top)), top))
    for one, other in np.concatenate([np.stack(pair, 1) for pair in pairs]):
        if one and other:
            names[names == names[other]] = names[one]
    merged = names[labels]
    height = len(surface)
    standing = np.unique(merged[math.ceil((0.5 + GROUND_RAD / math.pi) * height) :])
    area = np.bincount(
        merged.ravel(), np.broadcast_to(solid_angles(*surface.shape), surface.shape).ravel(), count
    )
    small = area < LARGEST_SHARE * 4 * math.pi
    small[standing] = small[0] = False
    return np.where(small[merged], np.abs(sky_logit) + np.float32(1e-3), sky_logit)


def given_sky(path: str, data: ImageData) -> BoolArray:
    """(H, W) True = sky, at a panorama's size, of a mask file of any size: white = sky.

    It is laid on the sphere as the picture was. Raises InputError when it has another aspect.
    """
    sky, picture = read_mask(path), data if data.origin is None else data.origin.data
    area = None if data.pano is None else data.pano.area
    own = picture.size if area is None else area.picture
    size = next((size for size in (own, picture.size) if _alike(sky.shape, size)), None)
    if size is None:
        rows, columns = sky.shape
        raise InputError(
            f"the sky mask of {columns}x{rows} has another aspect than its picture of "
            f"{own[1]}x{own[0]}: {os.path.basename(path)}"
        )
    nearest = cv2.INTER_NEAREST_EXACT
    sky = cv2.resize(sky.astype(np.uint8), size[::-1], interpolation=nearest) > 0
    if area is not None and size == own:
        sky = on_canvas(sky, area)
    if data.origin is None:
        return sky
    turn = data.origin.rotation
    view = View(ERP(), data.size, None if turn is None else np.asarray(turn).T)
    laid, seen = resample(sky[None], data.origin.lens, view, mode="nearest")
    return np.asarray(laid[0] & seen, np.bool_)


def _alike(size: tuple[int, ...], other: Size) -> bool:
    """Whether two sizes (height, width) have one aspect."""
    return abs(size[1] * other[0] / (size[0] * other[1]) - 1) <= MOST_STRETCH


def as_logit(sky: BoolArray, request: Request) -> FloatArray:
    """What a network that knew the sky (H, W) would say: 1 in it and -1 elsewhere, (h, w)."""
    rays = erp_rays(*request.valid.shape)
    if request.up is not None:
        rays = rotate_vectors(rotation_to_up(request.up.direction), rays)
    return np.where(sample_erp(sky[None], rays, "nearest")[0], np.float32(1), np.float32(-1))

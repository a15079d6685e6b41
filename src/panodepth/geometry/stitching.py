"""Several calibrated pictures taken at about one place as one panorama."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import Size, View
from panodepth.geometry.rotation import rotate_vectors
from panodepth.geometry.sampling import sample_image

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
SHARPNESS = 3  # of the blend: 1 spreads it over the whole overlap
ALL_VALID = 0.999  # of what a pixel is made of


@dataclass(frozen=True)
class Camera:
    """One camera of a rig. view: its lens, size, and rotation from its frame to the rig's.

    position: (x, y, z) in the rig's frame, in the unit of the radius given to `stitch`.
    """

    view: View
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)


def stitch(
    pictures: Sequence[FloatArray],
    cameras: Sequence[Camera],
    size: Size,
    radius: float | None = None,
    valid: Sequence[BoolArray | None] | None = None,
) -> tuple[FloatArray, BoolArray]:
    """What a camera at the origin of the rig sees all round, if all lies at `radius`.

    pictures: (C, h, w) each, of its camera's size. size: (H, W) of the panorama. radius: None = far
    away, where it does not matter that the cameras stand in different places. valid: (h, w) bool
    of each picture, or None: all of it is.
    Where several see a ray, each counts by how far the ray lies from the border of its picture.
    Returns the panorama (C, H, W), 0 where nobody sees, and (H, W) bool where somebody does.
    """
    rays = erp_rays(*size)
    total = np.zeros((len(pictures[0]), *size), np.float32)
    weights = np.zeros(size, np.float32)
    seen = np.zeros(size, np.bool_)
    goods = [None] * len(cameras) if valid is None else valid
    for picture, camera, good in zip(pictures, cameras, goods, strict=True):
        lens, own = camera.view.lens, camera.view.size
        there = rays if radius is None else rays * np.float32(radius)
        if radius is not None:
            there = there - np.asarray(camera.position, np.float32)
        if camera.view.rotation is not None:
            there = rotate_vectors(np.asarray(camera.view.rotation).T, there)
        pixels, sees = lens.project(there, own)
        if good is not None:  # a pixel beside one that is not valid would be mixed with it
            sees = sees & (sample_image(good[None].astype(np.float32), pixels)[0] > ALL_VALID)
        weight = sample_image(_from_border(lens, own, good)[None], pixels)[0]
        weight = np.where(sees, np.maximum(weight, 1e-4) ** SHARPNESS, 0).astype(np.float32)
        total += weight * sample_image(picture, pixels)
        weights += weight
        seen |= sees
    return np.divide(total, weights, out=total, where=seen), seen


def _from_border(lens: Any, size: Size, valid: BoolArray | None = None) -> FloatArray:
    """(h, w): how far a pixel lies inside of what the lens sees and is valid, at most 1."""
    import cv2

    sees = lens.rays(size).any(axis=-1)
    sees = sees if valid is None else sees & valid
    inside = cv2.distanceTransform(np.pad(sees, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray(inside / max(1.0, float(inside.max())), np.float32)

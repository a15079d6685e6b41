"""The same things seen in two panoramas: features that are found in views round the sphere.

A panorama is bent too much for features, so it is cut into ten perspective views, eight along the
horizon and one up and down. Each keeps what is nearer to its axis than to any other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.export.reprojection import as_panorama
from panodepth.geometry.lens import ERP, Pinhole, View
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.geometry.sampling import sample_erp
from panodepth.types import Float64Array, Prediction

VIEW_RAD = math.radians(95.0)
VIEW_PIXELS = (256, 768)  # fewest and most of a view's side; a quarter of the panorama's width
PER_VIEW = 500  # features
LEAST_CONTRAST = 0.01  # of a feature, for SIFT: walls are plain
RATIO = 0.85  # of the best match's distance to the second best's


class Features(NamedTuple):
    """rays: (N, 3) unit, in the level frame of a picture. distance: (N,) along them.

    descriptors: (N, 128) float32, of length 1.
    """

    rays: Float64Array
    distance: Float64Array
    descriptors: npt.NDArray[np.float32]


class Matches(NamedTuple):
    """N things seen from two places: rays (N, 3) and distances (N,) of each."""

    rays: Float64Array
    distance: Float64Array
    other_rays: Float64Array
    other_distance: Float64Array


def find_features(prediction: Prediction) -> Features:
    """What can be recognised in a panorama, where it has surfaces."""
    panorama = as_panorama(prediction)
    grey = cv2.cvtColor(panorama.image, cv2.COLOR_RGB2GRAY).astype(np.float32)[None]
    side = int(np.clip(grey.shape[-1] // 4, *VIEW_PIXELS))
    lens = Pinhole.from_fov(VIEW_RAD, (side, side))
    to_level = np.eye(3) if panorama.rotation is None else np.asarray(panorama.rotation, float)
    angles = [(k * math.pi / 4, 0.0) for k in range(8)] + [(0, math.pi / 2), (0, -math.pi / 2)]
    turns = np.stack([rotation_from_yaw_pitch_roll(yaw, pitch) for yaw, pitch in angles])
    sift = cv2.SIFT.create(PER_VIEW, contrastThreshold=LEAST_CONTRAST)
    all_rays, all_words = [np.empty((0, 3))], [np.empty((0, 128), np.float32)]
    for number, turn in enumerate(turns):
        seen = resample(grey, ERP(), View(lens, (side, side), to_level.T @ turn))[0][0]
        points, words = sift.detectAndCompute(np.rint(seen).clip(0, 255).astype(np.uint8), None)
        if not points:
            continue
        # OpenCV counts from the centre of the first pixel.
        places = np.array([point.pt for point in points]) + 0.5
        flat = (places - [lens.cx, lens.cy]) / [lens.fx, lens.fy]
        rays = np.column_stack([flat, np.ones(len(flat))]) @ turn.T
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        own = (rays @ turns[:, :, 2].T).argmax(1) == number
        all_rays.append(rays[own])
        all_words.append(np.sqrt(words[own] / np.maximum(words[own].sum(1, keepdims=True), 1e-6)))
    rays, words = np.concatenate(all_rays), np.concatenate(all_words)
    # Along features' rays of the level frame, in the picture's own.
    own_rays = (rays @ to_level)[None]
    maps = np.stack([panorama.solid, panorama.mask.astype(np.float32)])
    distance, there = sample_erp(maps, own_rays, "nearest")[:, 0]
    kept = there > 0
    return Features(rays[kept], distance[kept].astype(np.float64), words[kept])


def match(one: Features, other: Features) -> Matches:
    """Pairs of features that are each other's most alike, and much more so than any third."""
    if min(len(one.rays), len(other.rays)) < 2:
        pairs = np.empty((0, 2), int)
    else:
        alike = one.descriptors @ other.descriptors.T
        best = alike.argmax(1)
        mutual = np.flatnonzero(alike.argmax(0)[best] == np.arange(len(best)))
        top = np.partition(alike[mutual], -2, axis=1)[:, -2:]
        clear = 1 - top[:, 1] < RATIO**2 * (1 - top[:, 0])
        pairs = np.column_stack([mutual, best[mutual]])[clear]
    i, j = pairs.T
    return Matches(one.rays[i], one.distance[i], other.rays[j], other.distance[j])

"""A classical sky mask, for models that do not predict sky themselves.

A region is sky when the picture and the predicted distance both say so. In the picture it must be
bright or blue, smooth, above the horizon, and end there. In the distance it must lie as far as the
far part of the scene and not be a plane overhead: that tells it from a white ceiling. A deep blue
region need not be far, since networks often put a clear sky too near. In doubt a pixel stays a
surface. Nothing here is learned; a night sky is not found.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.predict.sky.settled import without_islands
from panodepth.types import BoolArray, FloatArray

WORK_HEIGHT = 512  # rows at which the mask is made
LOWEST_RAD = math.radians(3.0)  # latitude (positive down) below which nothing is sky
REACH_RAD = math.radians(-25.0)  # a region must rise above this latitude: windows do not
MIN_SHARE = 0.01  # of the whole sphere, for one region
MAX_STEP = 0.045  # luminance change per pixel that still counts as smooth
NEAR_QUANTILE = 0.25  # of the region: all of it but its edges must be far
FAR_QUANTILE = 0.75  # of everything else: how far the scene goes
FAR_RATIO = 1.2  # of that: how far sky must lie
SURELY_FAR_RATIO = 2.0  # of FAR_RATIO's limit: so far that no ceiling can be meant
FLATTER = 0.7  # spread of log height over spread of log distance that betrays a ceiling
FRONT_RATIO = 0.5  # of the region's distance: what is nearer than this is in front of the sky
LEAK_RAD = math.radians(7.0)  # a white wall goes on below the horizon, at least to here
MAX_LEAK = 0.25  # share of the region's columns at the horizon that may do so
LOW_RAD = math.radians(-10.0)  # a ceiling seen here is six times as far away as it is high
MIN_REACH = 0.1  # share of the columns that must come so low
DEEP_BLUE = 0.15  # median blue - red; on 28 panoramas clear skies had 0.22-0.46, ceilings < 0.08
CLOSING_PX = 5  # birds and wires vanish


def classical_sky(pixels: npt.NDArray[Any], distance: FloatArray) -> BoolArray:
    """Return the sky of one panorama, (H, W) bool, True = sky.

    pixels: (H, W, 3) uint8, uint16 or float32 in [0, 1], sRGB-coded.
    distance: (h, w) float32 > 0, any unit and size.
    """
    height, width = pixels.shape[:2]
    rows = min(height, WORK_HEIGHT)
    size = (max(1, rows * width // height), rows)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    white = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    image = np.asarray(small / white, np.float32)
    distance = np.asarray(cv2.resize(distance, size, interpolation=cv2.INTER_LINEAR), np.float32)
    row_latitude = ((np.arange(rows, dtype=np.float32) + 0.5) / rows - 0.5) * math.pi
    latitude = np.broadcast_to(row_latitude[:, None], distance.shape)
    weights = np.cos(latitude)
    above = latitude < LOWEST_RAD

    # Edges are left out at first, so that a tree does not join the sky to what is behind it.
    coloured = _sky_coloured(image)
    looks = coloured & _smooth(image)
    regions = _regions(looks & above, weights, latitude)
    # How far the scene goes without its candidates: they would raise the measure they are held to.
    rest = ~np.logical_or.reduce([np.zeros_like(above), *regions])
    far = FAR_RATIO * _quantile(distance[rest], weights[rest], FAR_QUANTILE)
    sky = np.zeros_like(above)
    for region in regions:
        # A low quantile: nearly all of the region must be far, but for edges that bleed into it.
        near = _quantile(distance[region], weights[region], NEAR_QUANTILE)
        blue = _is_deep_blue(region, image)
        if near < far and not blue:
            continue
        # Deep blue that reaches the horizon is no ceiling, however flat the network draws it.
        overhead = _is_plane(region, distance, weights, latitude) and not (
            blue and _reaches_horizon(region, latitude)
        )
        if near > SURELY_FAR_RATIO * far or not (
            overhead or _goes_on_below(region, looks, latitude)
        ):
            # Bright things in front, a lamp or a white roof, are nearer than the sky behind them;
            # where the network put the sky too near, its distances cannot tell.
            sky |= region & ((distance > FRONT_RATIO * near) | (near < far))
    sky = _morph(sky, cv2.MORPH_CLOSE, CLOSING_PX)
    # The rim was left out as an edge of the picture: it comes back where its colour fits.
    sky |= _morph(sky, cv2.MORPH_DILATE, 3) & coloured & ~looks
    sky &= above
    sky = without_islands(np.where(sky, np.float32(1), np.float32(-1)), np.ones_like(sky)) > 0
    coverage = sky.astype(np.uint8) * np.uint8(255)
    full = cv2.resize(coverage, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > 127)


def _sky_coloured(image: FloatArray) -> BoolArray:
    """Blue, bright grey or blown-out pixels; image (H, W, 3), returns (H, W)."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    bright, dark = image.max(-1), image.min(-1)
    clear = (blue - red > 0.06) & (blue > green - 0.02) & (green > red - 0.03) & (bright > 0.25)
    clouds = (bright > 0.5) & (bright - dark < 0.14) & (blue > red - 0.05)
    sun = (bright > 0.95) & (dark > 0.6)
    return np.asarray(clear | clouds | sun)


def _smooth(image: FloatArray) -> BoolArray:
    """Pixels without an edge through them or beside them; image (H, W, 3), returns (H, W)."""
    luminance = image @ np.array([0.299, 0.587, 0.114], np.float32)
    across = np.abs(np.roll(luminance, 1, 1) - np.roll(luminance, -1, 1)) / 2
    down = np.abs(np.gradient(luminance, axis=0))
    return np.asarray(np.maximum(across, down) < MAX_STEP)


def _regions(candidates: BoolArray, weights: FloatArray, latitude: FloatArray) -> list[BoolArray]:
    """Connected regions of (H, W) bool that are large enough and rise well above the horizon.

    Left and right edges touch, and the top row is one point.
    """
    count, labels = cv2.connectedComponents(candidates.astype(np.uint8), connectivity=4)
    names = np.arange(count)
    same = [(labels[0].max(), label) for label in np.unique(labels[0])]
    for one, other in same + list(zip(labels[:, 0], labels[:, -1], strict=True)):
        if one and other:
            names[names == names[other]] = names[one]
    merged = names[labels]
    shares = np.bincount(merged.ravel(), weights.ravel(), minlength=count) / weights.sum()
    large = [merged == name for name in np.flatnonzero(shares > MIN_SHARE) if name > 0]
    return [region for region in large if float(latitude[region].min()) < REACH_RAD]


def _is_deep_blue(region: BoolArray, image: FloatArray) -> bool:
    """True for the blue that no ceiling has; image (H, W, 3)."""
    return float(np.median((image[..., 2] - image[..., 0])[region])) > DEEP_BLUE


def _is_plane(
    region: BoolArray, distance: FloatArray, weights: FloatArray, latitude: FloatArray
) -> bool:
    """True where the height above the camera varies less than the distance does: a flat ceiling.

    All (H, W); latitude [rad], negative above the horizon.
    """
    high = region & (latitude < REACH_RAD / 2)
    # A plane at height h over the camera lies at distance h / sin(elevation): its height is the
    # same everywhere while its distance varies. In logarithms, so that the unit does not count.
    log_distance = np.log(distance[high])
    log_height = log_distance + np.log(np.sin(-latitude[high]))
    return _spread(log_height, weights[high]) < FLATTER * _spread(log_distance, weights[high])


def _reaches_horizon(region: BoolArray, latitude: FloatArray) -> bool:
    """True where many columns come so low that a ceiling would have to be a hall's.

    region: (H, W). latitude: (H, W) rad, negative above the horizon.
    """
    low = int((latitude[:, 0] < LOW_RAD).sum())
    return bool(region[low:].any(axis=0).mean() > MIN_REACH)


def _goes_on_below(region: BoolArray, looks: BoolArray, latitude: FloatArray) -> bool:
    """True where the region does not end at the horizon but runs on below it, as a wall does.

    region, looks (coloured as sky): (H, W). latitude: (H, W) rad, negative above the horizon.
    """
    bottom = int((latitude[:, 0] < LOWEST_RAD).sum()) - 1
    deep = int((latitude[:, 0] < LEAK_RAD).sum())
    reaching = region[bottom]
    runs_on = reaching & looks[bottom:deep].all(axis=0)
    return bool(runs_on.sum() > MAX_LEAK * max(1, reaching.sum()))


def _spread(values: FloatArray, weights: FloatArray) -> float:
    """Weighted distance between the quartiles of (N,) values."""
    return _quantile(values, weights, 0.75) - _quantile(values, weights, 0.25)


def _quantile(values: FloatArray, weights: FloatArray, q: float) -> float:
    """Weighted quantile of (N,) values, N > 0."""
    order = np.argsort(values)
    mass = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order[np.searchsorted(mass, q * mass[-1])]])


def _morph(sky: BoolArray, operation: int, size: int) -> BoolArray:
    """OpenCV's `operation` on (H, W) bool with a disc of `size` pixels, across the seam too."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    wide = np.pad(sky.astype(np.uint8), ((0, 0), (size, size)), mode="wrap")
    return np.asarray(cv2.morphologyEx(wide, operation, kernel)[:, size:-size] > 0)

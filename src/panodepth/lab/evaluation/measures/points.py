"""The prediction as a point cloud: F-score and Chamfer distance against the true cloud.

Both clouds are sampled along the same directions, spread evenly over the sphere, so that the poles,
where an ERP image has many pixels, do not outweigh the rest. Needs scipy (its k-d tree).
"""

from __future__ import annotations

import math

import numpy as np

from panodepth.errors import ConfigError
from panodepth.geometry.coordinates import rays_to_pixels
from panodepth.lab.evaluation.measures.median import median
from panodepth.types import BoolArray, Float64Array, FloatArray

SAMPLES = 40_000  # directions over the whole sphere: about 1° apart
NEAR_ENOUGH = 0.05  # a point is right within this part of the median true distance


def spiral(count: int) -> Float64Array:
    """(count, 3) unit directions spread evenly over the sphere: a Fibonacci spiral about y."""
    index = np.arange(count) + 0.5
    y = 1 - 2 * index / count
    turn = index * (math.pi * (3 - math.sqrt(5)))
    radius = np.sqrt(1 - y * y)
    return np.stack((radius * np.sin(turn), y, radius * np.cos(turn)), axis=1)


def cloud_scores(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray
) -> dict[str, float | None]:
    """`f_score` (0 to 1) and `chamfer`, both free of the unit.

    A predicted point is right when a true one lies within 5 % of the median true distance
    (precision), and the other way round (recall); f_score = 2 P R / (P + R). chamfer: mean distance
    to the nearest point of the other cloud, both ways averaged, divided by the same median.

    prediction: aligned distance (H, W) > 0; truth (H, W); valid (H, W) bool. None without a pixel.
    Raises ConfigError when scipy is missing.
    """
    try:
        from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise ConfigError("point-cloud metrics need scipy: pip install scipy") from None
    rays = spiral(SAMPLES)
    height, width = truth.shape
    columns, rows = rays_to_pixels(rays, height, width).astype(np.int64).T
    rows, columns = rows.clip(max=height - 1), columns.clip(max=width - 1)
    chosen = valid[rows, columns]
    if not chosen.any():
        return {"f_score": None, "chamfer": None}
    unit = median(truth[valid])
    a, b = (
        rays[chosen] * (m[rows, columns][chosen, None].astype(np.float64) / unit)
        for m in (prediction, truth)
    )
    to_truth, _ = cKDTree(b).query(a)
    to_prediction, _ = cKDTree(a).query(b)
    precision, recall = (float(np.mean(d <= NEAR_ENOUGH)) for d in (to_truth, to_prediction))
    both = precision + recall
    return {
        "f_score": 2 * precision * recall / both if both else 0.0,
        "chamfer": (float(np.mean(to_truth)) + float(np.mean(to_prediction))) / 2,
    }

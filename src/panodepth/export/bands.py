"""A panorama worked on in bands of rows: fresh memory for a whole one costs more than the sums."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from panodepth.types import BoolArray, FloatArray, Prediction


def row_bands(shape: tuple[int, ...], pixels: int, multiple: int = 1) -> Iterator[slice]:
    """Rows of an (H, W, ...) array from the top, about `pixels` at a time.

    multiple: every band but the last has a multiple of so many rows.
    """
    step = multiple * max(1, pixels // (shape[1] * multiple))
    for top in range(0, shape[0], step):
        yield slice(top, min(top + step, shape[0]))


def surface(prediction: Prediction, rows: slice = slice(None), sky: float = 0) -> FloatArray:
    """(h, W) float32 distance of some rows, `sky` in the sky, else 0 where no surface is; only to
    be read.
    """
    distance = prediction.distance[rows].astype(np.float32, copy=False)
    found = masked(distance, prediction.mask[rows])
    if not sky or found is distance:
        return found
    known = prediction.sky_mask
    is_sky = np.isposinf(distance) if known is None else np.isposinf(distance) | known[rows]
    return np.where(is_sky & ~prediction.mask[rows], np.float32(sky), found)


def masked(values: FloatArray, mask: BoolArray) -> FloatArray:
    """(..., h, W) float32 `values`, 0 where the (h, W) mask is False; only to be read.

    Their bits are multiplied: what is masked may be infinite or NaN, which times 0 is NaN.
    """
    if mask.all():
        return values
    return np.multiply(values.view(np.uint32), mask, dtype=np.uint32).view(np.float32)

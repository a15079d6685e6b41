"""Rows of long arrays, picked fast."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.types import BoolArray


def kept_rows(rows: npt.NDArray[Any], keep: BoolArray) -> npt.NDArray[Any]:
    """The rows of an (N, C) array that an (N,) mask keeps; the array itself where it keeps all."""
    if keep.all():
        return rows
    # As one value each: runs of rows are then copied at once.
    records = np.ascontiguousarray(rows).view(f"V{rows.itemsize * rows.shape[1]}")
    return records[:, 0][keep].view(rows.dtype).reshape(-1, rows.shape[1])

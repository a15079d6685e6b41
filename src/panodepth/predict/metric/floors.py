"""How high the camera stands, of several answers of the network: one alone is off by a few percent.

The share of a room that its floor takes changes with how the picture is turned, although nothing in
the room does. The mean over the picture, its mirror image and two turned about the vertical is
nearer to the truth, and how far they are apart tells how sure it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from panodepth.errors import InputError
from panodepth.geometry.level.floor import find_floor
from panodepth.predict.extras.confidence import views_beside
from panodepth.predict.request import RawOutput
from panodepth.types import BoolArray, FloatArray

# Of the height: what answers may be apart before a note says so. Without one, metres of a place,
# level and 15° off level, differ by less than 3 %, in all of 58 rendered worlds.
UNSURE = 0.025

Run = Callable[[Sequence[FloatArray]], list[RawOutput]]


def camera_heights(
    distance: FloatArray, valid: BoolArray, pixels: FloatArray, run: Run | None
) -> tuple[float, float, float]:
    """Height over the floor in the distance's unit, its relative standard error, and the support.

    distance, valid: (h, w), what the network said of pixels (3, h, w). run: the network, None = its
    one answer has to do. Raises InputError without a floor.
    """
    found = find_floor(distance, valid)
    heights = [found.height]
    for other in _answers(pixels, run) if run is not None else ():
        scale = np.exp(np.median((np.log(distance) - other)[valid]))
        try:
            heights.append(find_floor(np.exp(other) * scale, valid).height)
        except InputError:  # no floor in this one
            continue
    logs = np.log(heights)
    apart = float(logs.std(ddof=1)) if len(logs) > 1 else 0.0
    return math.exp(logs.mean()), math.hypot(found.spread, apart), found.support


def _answers(pixels: FloatArray, run: Run) -> list[FloatArray]:
    """(h, w) log distance of the picture mirrored, turned, and both: each as the picture is."""
    views = views_beside(pixels.shape[-1])
    answers = run([np.ascontiguousarray(there(pixels)) for there, _ in views])
    return [back(found.log_distance) for found, (_, back) in zip(answers, views, strict=True)]

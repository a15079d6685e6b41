"""A network run at more pixels than it was made for, held to what it says at its own size.

A network that learned at one size knows there how large a room is; at a larger one it sees finer
edges, but loses the whole. So the picture is seen twice, and what a map of the own size can hold is
taken from there: the larger map keeps what lies between those pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from panodepth.geometry.resizing import resize_erp
from panodepth.predict.request import RawOutput
from panodepth.size import Size
from panodepth.types import FloatArray

SURE = 8.0  # a sky logit beyond it says no more: e^8 to 1


def held(
    output: RawOutput, pixels: FloatArray, own: Size, run: Callable[[FloatArray], RawOutput]
) -> RawOutput:
    """The output of a larger picture, moved to where the same picture at size `own` has it.

    output: of pixels (3, h, w), whose size is larger than own. run: the network on one picture.
    """
    whole = run(np.clip(resize_erp(pixels, own), 0, 1))
    log_distance = _moved(output.log_distance, whole.log_distance)
    if output.sky_logit is None or whole.sky_logit is None:
        return RawOutput(log_distance, output.sky_logit)
    large, small = (np.clip(x, -SURE, SURE) for x in (output.sky_logit, whole.sky_logit))
    return RawOutput(log_distance, _moved(large, small))


def _moved(large: FloatArray, small: FloatArray) -> FloatArray:
    """(h, w): the large map plus what it lacks, shrunk, to be the small one."""
    lacks = small - resize_erp(large, (small.shape[0], small.shape[1]))
    size = large.shape[0], large.shape[1]
    moved: FloatArray = large + resize_erp(lacks, size, antialias=False)
    return moved

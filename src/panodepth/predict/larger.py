"""A network run at more pixels than it was made for, held to what it says at its own size.

A network that learned at one size knows there how large a room is; at a larger one it sees finer
edges, but loses the whole. So the picture is seen twice, and what a map of the own size can hold is
taken from there: the larger map keeps what lies between those pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from panodepth.geometry.resizing import resize_erp, with_whole
from panodepth.predict.request import RawOutput
from panodepth.size import Size
from panodepth.types import FloatArray

SURE_LOGIT = 8.0  # a sky logit beyond it says no more: e^8 to 1; `onnx.picture_network` has it too


def held(
    output: RawOutput, pixels: FloatArray, own: Size, run: Callable[[FloatArray], RawOutput]
) -> RawOutput:
    """The output of a larger picture, moved to where the same picture at size `own` has it.

    output: of pixels (3, h, w), whose size is larger than own. run: the network on one picture.
    """
    whole = run(np.clip(resize_erp(pixels, own), 0, 1))
    log_distance = with_whole(output.log_distance, whole.log_distance)
    if output.sky_logit is None or whole.sky_logit is None:
        return RawOutput(log_distance, output.sky_logit)
    skies = (np.clip(x, -SURE_LOGIT, SURE_LOGIT) for x in (output.sky_logit, whole.sky_logit))
    return RawOutput(log_distance, with_whole(*skies))

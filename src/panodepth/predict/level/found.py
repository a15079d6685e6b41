"""Where a network's answer has up, and whether that is worth turning a picture for."""

from __future__ import annotations

import numpy as np

from panodepth.geometry.level.up import Up, estimate_up
from panodepth.predict.request import RawOutput, Request

FROM_DEG = 6.0  # a level picture's estimate is off by up to 3.5°
MOST_SPREAD = 0.25  # of the tilt
LEAST_SUPPORT = 0.3  # of the solid angle


def up_of(request: Request, output: RawOutput) -> Up | None:
    """Where up is in what the network saw."""
    sky = output.sky_logit
    valid = request.valid if sky is None else request.valid & (sky <= 0)
    return estimate_up(np.exp(output.log_distance), valid)


def is_sure(up: Up, from_deg: float) -> bool:
    """Whether it is tilted by so much, and floor and walls say so."""
    small = up.spread_deg <= MOST_SPREAD * up.tilt_deg
    return up.tilt_deg >= from_deg and small and up.support >= LEAST_SUPPORT

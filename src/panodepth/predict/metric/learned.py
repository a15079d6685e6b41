"""`--scale learned`: metres by what things are, as the metres network tells; and cues together."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from panodepth.errors import ModelError
from panodepth.geometry.resizing import resize_erp
from panodepth.model.metres import MetresNetwork, load_metres
from panodepth.predict.models import WEIGHTS

if TYPE_CHECKING:
    from panodepth.predict.metric.cues import Cue, Seen

LAPLACE = math.sqrt(2)  # standard deviation of a Laplace distribution of scale 1


@lru_cache(maxsize=1)
def bundled_metres() -> MetresNetwork:
    """The bundled metres network, on the CPU; ModelError when it was not shipped."""
    path = WEIGHTS / "metres.safetensors"
    if not path.is_file():
        raise ModelError(f"the metres network is missing ({path}): reinstall, or --scale none")
    return load_metres(path)


@torch.inference_mode()
def by_network(seen: Seen) -> tuple[float, float]:
    """Metres of one unit of the map, and the relative standard deviation of that."""
    network = bundled_metres()
    size = network.config.size
    # Masked pixels may hold anything; the map is smoothed as its logarithm, as in training.
    known = np.where(seen.valid, seen.distance, np.float32(1))
    distance = np.exp(resize_erp(np.log(known), size))
    valid = resize_erp(seen.valid, size, mode="nearest")
    pixels = resize_erp(np.ascontiguousarray(seen.pixels), size).clip(0, 1)
    given = (torch.from_numpy(np.ascontiguousarray(x))[None] for x in (pixels, distance, valid))
    found = network(*given)
    return math.exp(float(found.log)), LAPLACE * math.exp(float(found.log_spread))


def together(one: Cue, learned: Cue) -> Cue:
    """A cue and the metres network's: the mean of their logs, weighted by 1 / spread².

    A cue that does not say how sure it is, or is quite sure, stays as it is.
    """
    if not one.spread or not learned.spread:
        return one
    weight, other = one.spread**-2, learned.spread**-2
    log = (weight * math.log(one.metres) + other * math.log(learned.metres)) / (weight + other)
    name, spread = f"{one.name} + {learned.name}", (weight + other) ** -0.5
    return one._replace(name=name, metres=math.exp(log), spread=spread)

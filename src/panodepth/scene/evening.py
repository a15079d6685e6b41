"""Step and scale by all that both panoramas see, not by where their features lie.

A network errs by regions, and features lie in few of them. Two estimates from distances that are
measured all over both pictures (`sweep`) err in different ways, and their mean less than either:
matches of all of them, refined as those of features are; and the median over the sphere, of
corrections that are carried into the plain parts between.
"""

from __future__ import annotations

import math

import numpy as np

from panodepth.geometry.sampling import sample_erp
from panodepth.scene.matching import Matches
from panodepth.scene.registration import MAD_TO_STD, SIGMA_LOG, Registration, refined
from panodepth.scene.sweep import Maps, Swept, swept
from panodepth.types import FloatArray

NEAR_RAD = math.radians(15.0)  # as far as a correction is carried
EXACT = 0.025  # standard deviation of corrections below which distances need none
LEAST_CLEAR = 50  # rays of a picture
REGIONS = 40  # of a sphere that err by themselves: so 2 of 3 errors of rendered flats are within


def evened(one: Maps, other: Maps, found: Registration) -> Registration:
    """The same registration with a better length of the step and scale, where enough is clear.

    Turn, tilt and the step's direction are known by features, which are finer. The spreads then
    hold what regional errors of both pictures' distances leave unknown.
    """
    here, there = swept(one, other, found, back=False), swept(other, one, found, back=True)
    better = refined(_matches(one, other, here, there), found) if _worth(here, there) else None
    if better is not None:
        found = _longer(found, _length(better) / _length(found), better.scale)
        here, there = swept(one, other, found, back=False), swept(other, one, found, back=True)
        if _worth(here, there):
            by_here, by_there = (
                math.exp(-_middle(maps, part) / 2) for maps, part in ((one, here), (other, there))
            )
            found = _longer(found, by_here, found.scale * by_here / by_there)
    length, unit = _standard_error(here), _standard_error(there)
    return found._replace(
        position_spread=np.hypot(found.position_spread, length * found.position),
        scale_spread=math.hypot(length, unit),
    )


def clear_share(one: Maps, other: Maps, found: Registration) -> float:
    """The share of the first picture's rays that the second one shows clearly."""
    return float(np.isfinite(swept(one, other, found, back=False).factors).mean())


def _standard_error(part: Swept) -> float:
    """Of the mean correction of a picture, whose distances err by regions."""
    known = part.factors[np.isfinite(part.factors)]
    if len(known) < LEAST_CLEAR:
        return SIGMA_LOG
    off = MAD_TO_STD * float(np.median(np.abs(known - np.median(known))))
    return off / math.sqrt(max(1.0, REGIONS * len(known) / len(part.factors)))


def _length(found: Registration) -> float:
    return max(float(np.linalg.norm(found.position)), 1e-9)


def _longer(found: Registration, factor: float, scale: float) -> Registration:
    """With a step that is longer by a factor, and another scale."""
    spread = found.position_spread * factor
    return found._replace(position=found.position * factor, position_spread=spread, scale=scale)


def _worth(here: Swept, there: Swept) -> bool:
    """Whether enough of both pictures is clear, and distances are not exact already."""
    known = [part.factors[np.isfinite(part.factors)] for part in (here, there)]
    off = [np.abs(part - np.median(part)) for part in known if len(part) >= LEAST_CLEAR]
    return len(off) == 2 and MAD_TO_STD * float(np.median(np.concatenate(off))) > EXACT


def _matches(one: Maps, other: Maps, here: Swept, there: Swept) -> Matches:
    """What is clear in either picture, with the predicted distances of both."""
    rays = [np.concatenate([here.rays, there.other_rays]).astype(np.float64)]
    rays.append(np.concatenate([here.other_rays, there.rays]).astype(np.float64))
    clear = np.isfinite(np.concatenate([here.factors, there.factors]))
    lists = []
    for maps, all_rays in zip((one, other), rays, strict=True):
        seen = all_rays[clear]
        seen = seen / np.linalg.norm(seen, axis=1, keepdims=True)
        lists += [seen, np.exp(sample_erp(maps.logs[None], seen[None])[0, 0].astype(np.float64))]
    return Matches(*lists)


def _middle(maps: Maps, part: Swept) -> float:
    """The median correction over all surfaces of a picture."""
    clear = np.isfinite(part.factors)
    near = np.exp((part.rays @ part.rays[clear].T - 1) / NEAR_RAD**2)
    known = part.factors[clear]
    # Far from all that is clear: what is found in the middle.
    weight: FloatArray = near.sum(1) + np.float32(1e-3)
    carried = (near @ known + 1e-3 * np.median(known)) / weight
    carried[clear] = known
    there = sample_erp(maps.there[None], part.rays[None])[0, 0] > 0.5
    return float(np.median(carried[there]))

"""More matches, once it is known roughly where two panoramas stand.

A feature's place in the second picture follows from its distance, up to the error of that along
one line. Few features lie there, so that also those of repeated patterns are told apart; matches
then come from all over the pictures, and errors of their distances average out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from panodepth.scene.matching import Features, Matches, match
from panodepth.scene.registration import Registration, guesses, refined, register, tilted, turned

ALONG_RAD = math.radians(8.0)  # how far a wrong distance moves a feature
ACROSS_RAD = math.radians(1.0)
LEAST_ALIKE = 0.7  # cosine of the descriptors
ENOUGH_CLEAR = 0.2  # of the sphere; right places of rendered flats have 0.14 to 0.6, wrong 0.1
GUESSES, CLEARER = 6, 1.2  # what else is tried, and how much clearer it must be
RATIO = 0.9  # of the best match's distance to the second best's, of those that may be meant


def register_features(
    one: Features, other: Features, clear: Callable[[Registration], float]
) -> Registration | None:
    """The second picture in the first one's level frame and unit; None when too few agree.

    clear: the share of the pictures that looks alike in both from there. Where it is small, as of
    tiles that lie one too far, what other matches say is tried too, and the best is taken.
    """
    matches = match(one, other)
    found = register(matches)
    if found is None:
        return None
    better = refined(_meant(one, other, found), found)
    if better is not None and better.matches >= found.matches:
        found = better
    most = clear(found)
    if most >= ENOUGH_CLEAR:
        return found
    for guess in guesses(matches, GUESSES):
        tried = refined(_meant(one, other, guess), guess)
        share = 0.0 if tried is None else clear(tried)
        if tried is not None and share > CLEARER * most:
            found, most = tried, share
    return found


def _meant(one: Features, other: Features, found: Registration) -> Matches:
    """Each other's best of the features that lie where they should."""
    points = one.rays * one.distance[:, None] - found.position
    expected = tilted(found.tilt_rad, turned(-found.yaw_rad, points))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    allowed = expected @ other.rays.T > math.cos(ALONG_RAD)
    # The plane through both cameras and a feature, in the second picture.
    step, rays = (
        tilted(found.tilt_rad, turned(-found.yaw_rad, vectors))
        for vectors in (found.position, one.rays)
    )
    planes = np.cross(rays, step)
    length = np.linalg.norm(planes, axis=1, keepdims=True)
    planes /= np.maximum(length, 1e-9 * max(1e-9, float(np.linalg.norm(step))))
    allowed &= np.abs(planes @ other.rays.T) < math.sin(ACROSS_RAD)
    alike = np.where(allowed, one.descriptors @ other.descriptors.T, -1)
    best = alike.argmax(1)
    mutual = alike.argmax(0)[best] == np.arange(len(best))
    top = np.partition(alike, -2, axis=1)[:, -2:]
    clear = 1 - top[:, 1] < RATIO**2 * (1 - top[:, 0])
    i = np.flatnonzero(mutual & clear & (top[:, 1] > LEAST_ALIKE))
    j = best[i]
    return Matches(one.rays[i], one.distance[i], other.rays[j], other.distance[j])

"""Frames held together: one scale for a shot, and surfaces that are still where nothing moves.

A network sees each frame by itself: of the same wall it says something else in the next frame, and
all distances are as large as that frame's farthest ones make them. Nothing here is trained: a frame
is compared with the one before, turned as the camera turned, and where the picture stayed what it
was the distance mostly does too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError, one_line
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.floor import SCALE_FACTS
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.sampling import sample_erp
from panodepth.types import BoolArray, FloatArray, Prediction, push_back
from panodepth.video.motion import Motion, blank, motion_between, seen_before, turn_between

ROWS = 192  # of the maps that frames are compared on, at most
ALIKE = 0.2  # correlation of two pictures' details below which they are of two shots
NEW = 0.3  # weight of a frame where nothing moved: of steady noise 0.23 is left from frame to frame
COLOUR = (0.03, 0.10)  # difference from which on a pixel moved a little; moved for sure
LOG_DISTANCE = (0.10, 0.30)  # the same, of log distance
BLUR = 1.0  # standard deviation of what colours are compared after [px]
STANDS = Motion(np.eye(3), np.zeros(3), 1.0)
FEWEST = 0.02  # share of the sphere that must be still for its scale to be trusted


@dataclass(frozen=True)
class Steady:
    """One frame, held to those before.

    cut: whether a new shot begins with it. motion: of the camera since the frame before; none at a
    cut. factor: what its distances were multiplied by. still: share of the picture in which nothing
    but the camera moved, 0 at a cut. flicker: median there of what log distance differs by from the
    frame before's, as it is seen from here; None = too little is still, or a cut. note: for people;
    "" = there is nothing to say.
    """

    prediction: Prediction
    cut: bool
    motion: Motion
    factor: float
    still: float
    flicker: float | None = None
    note: str = ""


@dataclass(frozen=True)
class _Before:
    """What is kept of a frame, (h, w) each: colours, log distance, sky as 0 to 1, what counts."""

    colours: FloatArray
    log_distance: FloatArray
    sky: FloatArray
    valid: BoolArray


class Steadier:
    """`hold` takes the frames of a clip in turn; memory does not grow with them."""

    def __init__(self) -> None:
        self._before: _Before | None = None
        self._age = 0  # frames since the last cut
        self._shot: dict[str, Any] = {}  # what is said of its scale
        self._factor = 1.0  # of the frame before

    def hold(
        self, prediction: Prediction, at_cut: Callable[[], Prediction] | None = None
    ) -> Steady:
        """One frame's prediction of a panorama, held to the frames before.

        at_cut: what a shot begins with in place of `prediction`, such as one in metres; what
        follows takes its scale and unit. An InputError of it is raised for the first shot alone:
        others then have the scale of the one before, and a note.
        """
        now = _reduced(prediction)
        motion = None
        if self._before is not None:
            motion = turn_between(_grey(self._before.colours), _grey(now.colours))
        if self._before is None or motion is None or motion.alike < ALIKE:
            first, note = self._begun(prediction, at_cut)
            self._before, self._age, self._shot = _reduced(first), 1, _scale_facts(first)
            return Steady(first, True, STANDS, self._factor, 0.0, note=note)
        self._age += 1
        before, motion, shift, moved, still = _found(self._before, now, motion)
        now = replace(now, log_distance=now.log_distance + shift)
        new = np.maximum(moved, _step(np.abs(before.log_distance - now.log_distance), LOG_DISTANCE))
        new = np.maximum(new, ~before.valid)
        kept = (1 - np.maximum(NEW, 1 / self._age)) * (1 - new)
        bend = kept * (before.log_distance - now.log_distance)
        clouds = kept * (before.sky - now.sky)
        flicker = _flicker(before, replace(now, log_distance=now.log_distance + bend), moved)
        if not blank(_grey(now.colours)):  # else what comes is compared with what came before it
            self._before = replace(now, log_distance=now.log_distance + bend, sky=now.sky + clouds)
        self._factor = float(np.exp(shift))
        held = self._told(_bent(prediction, shift, bend, clouds))
        return Steady(held, False, motion, self._factor, still, flicker)

    def _begun(
        self, prediction: Prediction, at_cut: Callable[[], Prediction] | None
    ) -> tuple[Prediction, str]:
        """What a shot begins with, and a note where its scale is not its own."""
        try:
            first = prediction if at_cut is None else at_cut()
        except InputError as error:
            if self._before is None:
                raise
            nothing = np.zeros_like(self._before.sky)
            scaled = _bent(prediction, math.log(self._factor), nothing, nothing)
            return self._told(scaled), f"the scale is that of the shot before: {one_line(error)}"
        self._factor = 1.0
        return first, ""

    def _told(self, prediction: Prediction) -> Prediction:
        """A prediction that was brought to the scale of a shot, and that says so."""
        scale = {"metres_per_unit": self._factor} if self._shot.get("unit") == "m" else {}
        return replace(prediction, meta={**prediction.meta, **self._shot, **scale})


def _scale_facts(prediction: Prediction) -> dict[str, Any]:
    """What a prediction's metadata say of its unit, and of where it comes from."""
    told = ("unit", *SCALE_FACTS)
    return {key: prediction.meta[key] for key in told if key in prediction.meta}


def _reduced(prediction: Prediction) -> _Before:
    """What is kept of a frame."""
    height = min(ROWS, prediction.distance.shape[0])
    size = (2 * height, height)
    colours = cv2.resize(prediction.image, size, interpolation=cv2.INTER_AREA)
    logs = np.log(np.maximum(prediction.solid, np.float32(1e-12)))
    sky, valid = (x.astype(np.float32) for x in (prediction.sky, prediction.mask | prediction.sky))
    small = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (logs, sky, valid))
    logs, sky, valid = (np.asarray(x, np.float32) for x in small)
    blurred = cv2.GaussianBlur(colours.astype(np.float32) / 255, (0, 0), BLUR)
    return _Before(np.asarray(blurred, np.float32), logs, sky, valid > 0.5)


def _grey(colours: FloatArray) -> FloatArray:
    """(h, w) of (h, w, 3)."""
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.float32)


def _found(
    before: _Before, now: _Before, turned: Motion
) -> tuple[_Before, Motion, float, FloatArray, float]:
    """What is seen now of what was kept, how the camera moved, and as `_compared` has them: what
    log distance lacks, where colours changed, the share that stayed.
    """
    there = _seen_now(before, turned, now.log_distance)
    moved, shift, still = _compared(there, now)
    distance = np.exp(now.log_distance + shift)
    motion = motion_between(_grey(before.colours), _grey(now.colours), distance, turned)
    if motion is not turned:
        there = _seen_now(before, motion, now.log_distance + np.float32(shift))
        moved, shift, still = _compared(there, now)
    return there, motion, shift, moved, still


def _seen_now(before: _Before, motion: Motion, log_distance: FloatArray) -> _Before:
    """What was kept, as the camera sees it after it moved. log_distance: (h, w) of what it sees."""
    if motion.none:
        return before
    rays = np.asarray(erp_rays(*log_distance.shape, dtype=np.float32))
    places = seen_before(motion, np.exp(log_distance), rays)
    parts = (before.log_distance, before.sky, before.valid.astype(np.float32))
    planes = np.stack((*before.colours.transpose(2, 0, 1), *parts))
    *colours, logs, sky, valid = sample_erp(planes, places)
    if motion.step.any():  # the surfaces of then, from where the camera is now
        rays = places / np.linalg.norm(places, axis=-1, keepdims=True)
        points = rays * np.exp(logs)[..., None] - motion.step.astype(np.float32)
        logs = np.log(np.maximum(np.linalg.norm(points, axis=-1), 1e-12))
    return _Before(np.stack(colours, axis=-1), logs.astype(np.float32), sky, valid > 0.5)


def _compared(before: _Before, now: _Before) -> tuple[FloatArray, float, float]:
    """Where colours changed (h, w), 0 to 1; what log distance lacks; the share that stayed."""
    gain = np.median(before.colours) / max(float(np.median(now.colours)), 1e-3)
    difference = np.abs(before.colours - now.colours * np.clip(gain, 0.5, 2)).max(axis=-1)
    moved = _step(difference, COLOUR)
    both, weight = _in_both(before, now), _areas(moved)
    still = both & (moved < 0.5)
    share = float((weight * still).sum() / weight.sum())
    used = still if share > FEWEST else both if both.any() else np.ones_like(both)
    change = (before.log_distance - now.log_distance)[used]
    return moved, _weighted_median(change, weight[used]), share


def _flicker(before: _Before, now: _Before, moved: FloatArray) -> float | None:
    """Median change of log distance where a surface is seen in both and colours stayed."""
    still, weight = _in_both(before, now) & (moved < 0.5), _areas(moved)
    if not still.any() or weight[still].sum() <= FEWEST * weight.sum():
        return None
    return _weighted_median(np.abs(before.log_distance - now.log_distance)[still], weight[still])


def _in_both(before: _Before, now: _Before) -> BoolArray:
    """(h, w) True where both show a surface."""
    return np.asarray(before.valid & now.valid & (before.sky < 0.5) & (now.sky < 0.5), np.bool_)


def _areas(like: FloatArray) -> npt.NDArray[np.float64]:
    """(h, w) solid angles of a map's pixels, in proportion."""
    area = np.cos((np.arange(len(like)) + 0.5) / len(like) * np.pi - np.pi / 2)
    return np.broadcast_to(area[:, None], like.shape)


def _weighted_median(values: FloatArray, weights: npt.NDArray[np.float64]) -> float:
    """Of (N,) values."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def _step(values: FloatArray, limits: tuple[float, float]) -> FloatArray:
    """(h, w) 0 up to the first limit, 1 from the second on, a straight line between them."""
    low, high = limits
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)


def _bent(prediction: Prediction, shift: float, bend: FloatArray, clouds: FloatArray) -> Prediction:
    """A prediction whose log distance and sky are changed by maps (h, w)."""
    height, width = prediction.distance.shape
    bend, clouds = (resize_erp(x, (height, width), antialias=False) for x in (bend, clouds))
    raw = np.asarray(prediction.solid * np.exp(bend + np.float32(shift)), np.float32)
    if prediction.sky_mask is None:
        return replace(prediction, distance=raw, raw=raw)
    seen = prediction.mask | prediction.sky
    sky = seen & (prediction.sky + clouds > 0.5)
    mask = seen & ~sky
    return replace(prediction, distance=push_back(raw, sky, mask), raw=raw, sky_mask=sky, mask=mask)

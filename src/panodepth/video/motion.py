"""How a camera moved from one frame to the next, by two panoramas and the distances of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.geometry.grid import erp_rays, solid_angles
from panodepth.geometry.rotation import rotate_vectors
from panodepth.geometry.sampling import sample_erp
from panodepth.geometry.seam import pad_erp
from panodepth.types import FloatArray

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

TURN_ROWS = (32, 64, 128)  # of the pictures that are compared, from coarse to fine
STEP_ROWS = (64, 128)  # the same, where the camera may move too
STEPS = 6  # of Gauss-Newton at each of them, at most
REST = 2e-4  # a change after which it is at rest [rad]
STILL = 0.04  # rows of the finest picture that a turn must reach to be one
WORTH = 0.97  # share of the residual that a camera that moves must leave at most, to be one
OUTLIER = 2.5  # medians of the residual from which on pixels count less (Huber)
BLANK = 4 / 255  # from the darkest to the brightest pixel: less is a picture of nothing
COARSE = 8  # rows of the finest picture; what is larger does not count for `alike`
FARTHEST = 0.5  # of the median distance, that the camera may move from frame to frame


@dataclass(frozen=True, eq=False)
class Motion:
    """From one frame to the next: a point P of the new camera's frame is turn P + step in the old.

    turn: (3, 3). step: (3,) where the new camera stands in the old one's frame, in the unit of the
    distances. alike: correlation of what is small in the pictures, once they are brought together,
    -1 to 1; 1 where the new one is blank, 0 where the old one alone is.
    """

    turn: Matrix
    step: Vector
    alike: float

    def after(self, before: Motion) -> Motion:
        """Both, one after the other: from the frame that `before` began at. alike: the lesser."""
        step = before.step + before.turn @ self.step
        return Motion(before.turn @ self.turn, step, min(self.alike, before.alike))

    @property
    def none(self) -> bool:
        """Whether the camera stood still."""
        return not self.step.any() and np.array_equal(self.turn, np.eye(3))


class _Level(NamedTuple):
    """Pictures (h, w) of one size, distances of the second, and what does not change in a fit."""

    before: FloatArray
    after: FloatArray
    distance: FloatArray
    rays: FloatArray
    columns: FloatArray


def turn_between(before: FloatArray, after: FloatArray) -> Motion:
    """How a camera turned that stands in its place; the identity where it did not.

    before, after: (H, W) float32 grey panoramas.

    Minimises the squared difference over w in R exp([w]×), coarse to fine: moving a ray by w × ray
    changes a picture by ∇I · (w × ray) = w · (ray × ∇I). The gradient is that of `after`, so each
    size needs it once (Gauss-Newton, inverse compositional: Baker and Matthews 2004), with Huber's
    weights, and a gain and an offset for the exposure. It starts at the yaw at which the columns
    agree best.
    """
    motion = stands = Motion(np.eye(3), np.zeros(3), 0.0)
    for rows in TURN_ROWS:
        level = _level(before, after, np.ones_like(after), rows, moves=False)
        if rows == TURN_ROWS[0]:
            motion = Motion(_best_yaw(level.before, level.after), np.zeros(3), 0.0)
        motion = _fitted(level, motion)
    small = np.linalg.norm(cv2.Rodrigues(motion.turn)[0]) < STILL * np.pi / TURN_ROWS[-1]
    if small or _residual(level, motion) > _residual(level, stands):
        motion = stands
    return _told(level, motion)


def motion_between(
    before: FloatArray, after: FloatArray, distance: FloatArray, start: Motion
) -> Motion:
    """How a camera turned and moved; `start` where moving explains the pictures no better.

    before, after: (H, W) float32 grey panoramas. distance: (H, W) > 0, of `after`. start: of
    `turn_between`. A camera that moves by t changes a ray by t / distance, across it, and so the
    picture by ∇I · t / distance: the same fit with three more unknowns.
    """
    motion = start
    for rows in STEP_ROWS:
        level = _level(before, after, distance, rows, moves=True)
        motion = _fitted(level, motion)
    far = np.linalg.norm(motion.step) > FARTHEST * np.median(distance)
    if far or _residual(level, motion) > WORTH * _residual(level, start):
        return start
    return _told(level, motion)


def seen_before(motion: Motion, distance: FloatArray, rays: FloatArray) -> FloatArray:
    """(h, w, 3) where the old camera saw what is at `distance` (h, w) along the new one's rays."""
    points = rotate_vectors(motion.turn, rays * distance[..., None])
    return np.asarray(points + motion.step.astype(np.float32), np.float32)


def blank(picture: FloatArray) -> bool:
    """Whether there is nothing to see in a grey picture (h, w): black, white, fog."""
    return float(np.ptp(picture)) < BLANK


def _level(
    before: FloatArray, after: FloatArray, distance: FloatArray, rows: int, *, moves: bool
) -> _Level:
    """Pictures and distances (H, W), averaged to `rows`. moves: with the columns of a step."""
    size = (2 * rows, rows)
    one, other, far = (
        np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.float32)
        for x in (before, after, distance)
    )
    rays = np.asarray(erp_rays(rows, 2 * rows, dtype=np.float32))
    slope = _gradient(other, rays)
    x, y, z = (rays[..., [1, 2, 0]] * slope[..., [2, 0, 1]]).transpose(2, 0, 1)
    u, v, w = (rays[..., [2, 0, 1]] * slope[..., [1, 2, 0]]).transpose(2, 0, 1)
    parts = [np.stack((x - u, y - v, z - w), axis=-1)]
    parts += [slope / far[..., None]] * moves
    parts += [other[..., None], np.ones_like(other)[..., None]]
    columns = np.concatenate(parts, axis=-1).reshape(rows * 2 * rows, -1)
    return _Level(one, other, far, rays, columns)


def _fitted(level: _Level, motion: Motion) -> Motion:
    """Gauss-Newton from a motion on."""
    turn, step = motion.turn, motion.step
    shares = _shares(*level.after.shape).ravel()
    most = 2 * np.pi / len(level.after)  # two rows: beyond, the linear picture of it is none
    moves = level.columns.shape[1] > 5
    for _ in range(STEPS):
        difference = (level.after - _brought(level, Motion(turn, step, 0.0))).ravel()
        off = np.abs(difference - np.median(difference))
        limit = OUTLIER * max(float(np.median(off)), 1e-4)
        weighted = level.columns * (shares * np.minimum(1, limit / (off + 1e-9)))[:, None]
        found = np.linalg.lstsq(weighted.T @ level.columns, weighted.T @ difference, rcond=1e-6)[0]
        change = found[:3].astype(np.float64)
        change *= min(1.0, most / max(float(np.abs(change).max()), 1e-12))
        if moves:
            step = step + turn @ found[3:6].astype(np.float64)
        turn = turn @ np.asarray(cv2.Rodrigues(change)[0])
        if np.abs(change).max() < REST:
            break
    return Motion(turn, step, 0.0)


def _brought(level: _Level, motion: Motion) -> FloatArray:
    """(h, w) the old picture, as the new camera sees it."""
    places = seen_before(motion, level.distance, level.rays)
    return np.asarray(sample_erp(level.before[None], places)[0], np.float32)


def _told(level: _Level, motion: Motion) -> Motion:
    """The motion, with how alike the pictures are."""
    one, other = (_details(x) for x in (_brought(level, motion), level.after))
    weight = _shares(*one.shape)
    spread = float((weight * one**2).sum() * (weight * other**2).sum())
    if blank(level.after):
        alike = 1.0  # what is to be seen says nothing against it
    elif blank(level.before):
        alike = 0.0
    else:
        alike = float((weight * one * other).sum()) / np.sqrt(spread) if spread > 1e-12 else 1.0
    return Motion(motion.turn, motion.step, alike)


def _details(picture: FloatArray) -> FloatArray:
    """(h, w) what is smaller than COARSE rows: that a sky is bright is so of many places."""
    pad = 3 * COARSE
    blurred = cv2.GaussianBlur(pad_erp(picture, pad), (0, 0), COARSE)
    return picture - np.asarray(blurred, np.float32)[pad:-pad, pad:-pad]


def _best_yaw(before: FloatArray, after: FloatArray) -> Matrix:
    """The turn (3, 3) by whole columns after which the pictures (h, w) differ least."""
    weight = np.cos((np.arange(len(before)) + 0.5) / len(before) * np.pi - np.pi / 2)
    spectra = [np.fft.rfft(picture - picture.mean(), axis=1) for picture in (before, after)]
    product = (spectra[0] * np.conj(spectra[1]) * weight[:, None]).sum(axis=0)
    alike = np.fft.irfft(product, n=before.shape[1])
    yaw = int(alike.argmax()) * 2 * np.pi / before.shape[1]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _gradient(picture: FloatArray, rays: FloatArray) -> FloatArray:
    """(h, w, 3) the gradient over the sphere, tangent to it, of a picture (h, w)."""
    total = np.zeros_like(rays)
    change, way = (np.roll(x, -1, 1) - np.roll(x, 1, 1) for x in (picture, rays))
    down, along = (np.gradient(x, axis=0) for x in (picture, rays))
    for slope, tangent in ((change, way), (down, along)):
        total += (slope / np.maximum((tangent**2).sum(-1), 1e-9))[..., None] * tangent
    return total


def _shares(height: int, width: int) -> FloatArray:
    """(h, w) of the sphere that each pixel is."""
    row = solid_angles(height, width, dtype=np.float32) / np.float32(4 * np.pi)
    return np.broadcast_to(row, (height, width))


def _residual(level: _Level, motion: Motion) -> float:
    """The mean absolute difference over the sphere."""
    difference = np.abs(level.after - _brought(level, motion))
    return float((difference * _shares(*difference.shape)).sum())

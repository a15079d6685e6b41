"""A panorama's seam and poles, before and after a model of flat pictures: NumPy on whole pictures.

A panorama has no left or right edge, but a picture model has. So the panorama is first rolled until
its known part lies in the middle: the model's edges are then as far from it as can be, and rolling
the input rolls the output, to the bit.
"""

from __future__ import annotations

import zlib

import numpy as np

from panodepth.geometry.grid import axis_angles
from panodepth.types import BoolArray, ByteArray, FloatArray


def columns_to_middle(known: BoolArray, image: ByteArray) -> int:
    """By how many columns to roll a panorama so that its known part lies in the middle.

    The middle is the column with the least sum of distances to the known pixels, in columns round
    the circle; of several (a symmetric mask) the picture decides. Computed in whole numbers, so
    that an input rolled by any number of columns ends up exactly where it did.

    known: (H, W). image: (H, W, 3) uint8.
    """
    width = known.shape[1]
    half = width // 2
    counts = known.sum(axis=0, dtype=np.int64)
    ahead = np.concatenate([[0], np.cumsum(np.tile(counts, 2))])
    # Going one column on, pixels ahead (1 .. W/2 columns) come nearer by one, the others go away.
    gain = 2 * (ahead[half + 1 :][:width] - ahead[1 : width + 1]) - counts.sum()
    nearness = np.concatenate([[0], np.cumsum(gain[:-1])])
    best = np.flatnonzero(nearness == nearness.max())
    if best.size > 1:  # the one from which on the columns' checksums come first in order
        shown = np.where(known[..., None], image, np.uint8(0))
        sums = np.array([zlib.crc32(shown[:, j].tobytes()) for j in range(width)], np.uint32)
        seen = [np.roll(sums, -int(column)).tobytes() for column in best]
        best = best[[seen.index(max(seen))]]
    return int(half - best[0])


def blur_poles(image: FloatArray) -> FloatArray:
    """The picture without detail that the sphere has no room for. image: (H, W, 3), any range.

    A row's pixels get narrower towards the poles, as the cosine of the latitude; each row is
    blurred round its circle until its detail is as wide on the sphere as at the horizon, and the
    last rows more, so that a pole is one colour. The horizon stays as it is.
    """
    height, width = image.shape[:2]
    _, lat = axis_angles(height, width)
    to_pole = np.minimum(np.arange(height), np.arange(height)[::-1]) + 0.5  # rows
    # Half a pixel of the horizon, in the row's own pixels.
    sigma = 0.5 * np.abs(np.tan(lat)) * (1 + 2 * np.exp(-to_pole / 2))
    frequency = np.arange(width // 2 + 1) * (2 * np.pi / width)
    keep = np.exp(-0.5 * (sigma[:, None] * frequency[None, :]) ** 2)
    spectrum = np.fft.rfft(image, axis=1) * keep[..., None]
    return np.asarray(np.fft.irfft(spectrum, n=width, axis=1), np.float32)

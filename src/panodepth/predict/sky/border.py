"""The sky's border where the picture has it: by the colours of the sky and of what is before it.

A network says where the sky is to a pixel or two of its own, which are many of a photograph's, and
a tree's crown is one blot to it. Each pixel near that border goes to the side whose colours nearby
it is more like, unless the network is sure of it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.geometry.resizing import resize_erp
from panodepth.images import ImageData
from panodepth.types import BoolArray, FloatArray

MOST_ROWS = 512  # at which colours are compared
CELL_ROWS = 128  # colours nearby are gathered in cells, so many from pole to pole
REACH = 3  # cells to each side of a pixel's own that are nearby
SURE = 1.0  # logit from which on a pixel shows what colours its side has
LEAST_SHARE = 0.02  # of the pixels nearby, that each side must have
LEAST_VARIANCE = 4e-3  # of the colours of one side: noise, and what JPEG leaves
MOST = 6.0  # that colours may add to a logit


def along_picture(sky_logit: FloatArray, valid: BoolArray | None, data: ImageData) -> FloatArray:
    """The logit (H, W) at the picture's size, > 0 = sky, with what the picture's colours add.

    valid: (H, W), False = masked, such pixels have no colour; None = all are seen.
    """
    rows = min(data.size[0], MOST_ROWS)
    size = rows, max(1, data.size[1] * rows // data.size[0])
    image = np.asarray(data.shrunk(*size).image, np.float32)
    image = np.moveaxis(resize_erp(np.moveaxis(image, -1, 0), size), 0, -1)
    seen = np.ones(data.size, np.bool_) if valid is None else valid
    small, seen = (resize_erp(x, size, mode="nearest") for x in (sky_logit, seen))
    added = resize_erp(_by_colour(image, small, seen), data.size, antialias=False)
    return np.asarray(sky_logit + added)


def _by_colour(image: FloatArray, sky_logit: FloatArray, valid: BoolArray) -> FloatArray:
    """What colours add to a logit, (h, w); image: (h, w, 3) in [0, 1]. valid: (h, w)."""
    cell = max(1, len(image) // CELL_ROWS)
    cells = -(-image.shape[1] // cell), -(-len(image) // cell)
    sides = [side & valid for side in (sky_logit > SURE, sky_logit < -SURE)]
    step = max(1, cell // 2)  # a quarter of the pixels tells enough
    few = np.ascontiguousarray(image[::step, ::step])
    sky, surface = (_colours(few, side[::step, ::step], cells) for side in sides)
    both = (sky.share > LEAST_SHARE) & (surface.share > LEAST_SHARE)
    near = both.repeat(cell, 0)[: len(image)].repeat(cell, 1)[:, : image.shape[1]]
    y, x = np.nonzero(near & valid & (np.abs(sky_logit) < MOST))
    place, colour = (y // cell) * both.shape[1] + x // cell, image[y, x]
    more = surface.unlikeness(colour, place) - sky.unlikeness(colour, place)
    added = np.zeros_like(sky_logit)
    added[y, x] = more.clip(-MOST, MOST)
    return added


class _Colours(NamedTuple):
    """What the pixels of one side look like in the neighbourhood of each cell, (rows, columns).

    share: of all pixels. mean: (rows, columns, 3). variance: of one channel.
    """

    share: FloatArray
    mean: FloatArray
    variance: FloatArray

    def unlikeness(self, colour: FloatArray, place: npt.NDArray[np.intp]) -> FloatArray:
        """Half the negative log likelihood of colours (n, 3) in the cells of those numbers (n,)."""
        away = colour - self.mean.reshape(-1, 3).take(place, 0)
        square = np.einsum("ij,ij->i", away, away)
        inverse, spread = 0.5 / self.variance.ravel(), 1.5 * np.log(self.variance.ravel())
        return np.asarray(square * inverse.take(place) + spread.take(place))


def _colours(image: FloatArray, side: BoolArray, cells: tuple[int, int]) -> _Colours:
    """Of so many (columns, rows) cells; image: (h, w, 3). side: (h, w)."""
    weight = side.astype(np.float32)
    seen = image * weight[..., None]
    squares = np.asarray(cv2.transform(seen * seen, np.ones((1, 3), np.float32)), np.float32)
    share, mean, square = (_nearby(layer, cells) for layer in (weight, seen, squares))
    count = np.maximum(share, 1e-6)
    mean /= count[..., None]
    variance = np.maximum(square / count - (mean * mean).sum(-1), 0) / 3 + LEAST_VARIANCE
    return _Colours(share, mean, variance)


def _nearby(layer: FloatArray, cells: tuple[int, int]) -> FloatArray:
    """The mean of (h, w) or (h, w, 3) over the neighbourhood of each of (columns, rows) cells."""
    small = cv2.resize(layer, cells, interpolation=cv2.INTER_AREA)
    wide = np.pad(small, ((0, 0), (REACH, REACH), *[(0, 0)] * (small.ndim - 2)), "wrap")
    kernel = (2 * REACH + 1,) * 2
    mean = cv2.blur(wide, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mean[:, REACH:-REACH], np.float32)

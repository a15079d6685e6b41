"""Pictures that were padded to a whole panorama with black: what is not a picture is masked.

A stitching program writes a phone's sweep or a camera's missing nadir on a canvas of 2:1, black
where nothing was taken. A night sky is black, too; what tells them apart is the border: padding is
black without any noise and ends at once, along one row or column, nearly all the way across.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from panodepth.images import ImageData, check_stitched
from panodepth.predict.lenses.filling import continued
from panodepth.predict.lenses.options import LensOptions
from panodepth.types import BoolArray, FloatArray

BLACK, CONTENT = 3, 16  # of 255: the brightest pixel of a border; what a picture is brighter than
LEAST_ACROSS = 0.9  # of the first row of the picture is brighter than CONTENT
LEAST_JUMP = (
    0.5  # of that row's median brightness comes in a single step: light fades, padding ends
)
SOFT = 17  # rows between the two at most: JPEG's blocks of colour, and one beyond
LEAST, MOST = 0.01, 1 / 3  # of the height or width; nearer to the horizon it may be a skyline
SAMPLES = 512  # pixels of a row, rows for a column
DARK = 15  # times the brightest value is still below white: 8 or 12 bits in 16


def without_borders(data: ImageData, options: LensOptions, any_aspect: bool = False) -> ImageData:
    """The panorama, with what is a black border of its file masked, and a note of it.

    `projection` "erp" says that all of it is picture. The network is shown the scene continued in
    what is masked. A picture that is nearly black gets a note, too. Raises InputError for two
    fisheye circles, unless any aspect is allowed.
    """
    if not any_aspect:
        check_stitched(data)
    data = replace(data, notes=(*data.notes, *_darkness(data)))
    rows, columns = content(data)
    inside = np.zeros(data.size, np.bool_)
    inside[rows, columns] = True
    if options.projection != "auto" or inside.all():
        return data
    seen = inside if data.valid is None else inside & data.valid
    height, width = data.size
    sides = (rows.start, height - rows.stop, columns.start, width - columns.stop)
    named = zip(("top", "bottom", "left", "right"), sides, strict=True)
    told = ", ".join(f"{count} at the {side}" for side, count in named if count)
    note = f"black rows or columns are masked: {told}; --projection erp keeps them"
    filled = _continued(data, inside)
    return replace(data, pixels=filled, valid=seen, notes=(*data.notes, note))


def _darkness(data: ImageData) -> tuple[str, ...]:
    """A note of a picture that is nearly black: most often its numbers are of another scale."""
    step = max(1, data.size[1] // SAMPLES)
    some = float(data.pixels[::step, ::step].max())
    most = float(data.pixels.max()) if some * DARK < data.white else some
    if not 0 < most * DARK < data.white:
        return ()
    said = f"its brightest value is {most:.5g} of {data.white:g}"
    return (f"nearly black: {said}; if its white is another number, scale it",)


def content(data: ImageData) -> tuple[slice, slice]:
    """The rows and columns of a 2:1 picture that are not a black border."""
    height, width = data.size
    step = max(1, width // SAMPLES)
    by_row = _brightness(data, 1, step)
    by_column = _brightness(data, max(1, height // SAMPLES), 1)
    lit = np.flatnonzero((by_column > BLACK).any(axis=0))
    if not lit.size:
        return slice(0, height), slice(0, width)
    # Rows begin within what is not black across; where that is no border, over the whole width.
    rows = _between(by_row[:, lit[0] // step : lit[-1] // step + 1])
    columns = _between(by_column[rows].T)
    return (_between(by_row) if columns == slice(0, width) else rows), columns


def _brightness(data: ImageData, down: int, across: int) -> FloatArray:
    """The brightest channel, 255 = white; rows and columns left out are those of the one before."""
    kept = data.pixels[::down, ::across].max(axis=2) * np.float32(255 / data.white)
    return np.asarray(np.repeat(kept, down, axis=0)[: data.size[0]], np.float32)


def _between(lines: Any) -> slice:
    """The lines (n, m) between two borders."""
    return slice(_border(lines), len(lines) - _border(lines[::-1]))


def _border(lines: Any) -> int:
    """How many of the first lines (n, m) are a black border."""
    some = lines[: int(len(lines) * MOST) + SOFT]
    black = some.max(axis=1) <= BLACK
    count = len(some) if black.all() else int(black.argmin())
    if not LEAST * len(lines) <= count <= MOST * len(lines):
        return 0
    after = some[count : count + SOFT + 1]
    starts = (after > CONTENT).mean(axis=1) >= LEAST_ACROSS
    if not starts.any():
        return 0
    first = count + int(starts.argmax())
    levels = np.median(some[count - 1 : first + 1], axis=1)
    return first if np.diff(levels).max() >= LEAST_JUMP * levels[-1] else 0


def _continued(data: ImageData, inside: BoolArray) -> Any:
    """(H, W, 3) pixels with the scene continued where it is not inside (H, W), in their type."""
    pixels, planes = data.pixels, np.moveaxis(data.image, -1, 0)
    found = np.moveaxis(continued(planes, inside), 0, -1).clip(0, 1) * data.white
    found = found if pixels.dtype == np.float32 else np.rint(found)
    return np.where(inside[..., None], pixels, found).astype(pixels.dtype)

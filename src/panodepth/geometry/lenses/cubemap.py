"""A whole cubemap in one picture: the six faces side by side, in one of the usual layouts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from panodepth.geometry.arrays import ArrayT, library, planes
from panodepth.geometry.lens import Lens, Size, within
from panodepth.geometry.lenses.cube import CUBE_FACES

FACE_LETTERS = {name[0]: name for name in CUBE_FACES}  # f, r, b, l, u, d


class Layout(NamedTuple):
    """rows and columns of cells; which of them hold a face; the faces in them and their turns.

    padding: pixels round each row of cells that repeat what lies beyond its faces.
    """

    rows: int
    columns: int
    cells: tuple[tuple[int, int], ...]
    order: str
    turns: str = "000000"
    padding: int = 0


def _grid(rows: int, columns: int) -> tuple[tuple[int, int], ...]:
    return tuple((row, column) for row in range(rows) for column in range(columns))


# Orders and turns of FFmpeg's v360; in both crosses front is where the bars meet.
LAYOUTS = {
    "3x2": Layout(2, 3, _grid(2, 3), "rludfb"),
    "6x1": Layout(1, 6, _grid(1, 6), "rludfb"),
    "1x6": Layout(6, 1, _grid(6, 1), "rludfb"),
    "cross": Layout(3, 4, ((0, 1), (1, 0), (1, 1), (1, 2), (1, 3), (2, 1)), "ulfrbd"),
    "tall-cross": Layout(
        4, 3, ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (3, 1)), "ulfrdb", "000002"
    ),
    "eac": Layout(2, 3, _grid(2, 3), "lfrdbu", "000313", padding=2),
}
Axes = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Cubemap(Lens):
    """Six faces of 90° in one picture; a face's side is the picture's over the number of cells.

    layout: of LAYOUTS. "eac" (equi-angular, as YouTube has it) divides a face into equal angles,
    the others into equal lengths. order: six of the letters f, r, b, l, u, d, cell by cell in rows;
    turns: how many quarter turns to the right each of them is stored at; "" = the layout's own.
    Raises ValueError for what is none of these.
    """

    layout: str = "3x2"
    order: str = ""
    turns: str = ""
    partial = True

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"no cubemap layout {self.layout!r}: use {', '.join(LAYOUTS)}")
        if self.order and sorted(self.order) != sorted(FACE_LETTERS):
            raise ValueError(f"face order {self.order!r}: use each of the letters frblud once")
        if self.turns and (len(self.turns) != 6 or set(self.turns) - set("0123")):
            raise ValueError(f"face turns {self.turns!r}: use six digits of 0 to 3")

    def cells(self) -> list[tuple[int, int, Axes]]:
        """Row and column of each cell and where right, down and forward point in it."""
        chosen = LAYOUTS[self.layout]
        faces = zip(
            chosen.cells, self.order or chosen.order, self.turns or chosen.turns, strict=True
        )
        return [
            (row, column, _turned(CUBE_FACES[FACE_LETTERS[letter]], int(turn)))
            for (row, column), letter, turn in faces
        ]

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        xp = library(pixels)
        across, down, held = self._in_cells(pixels, size)
        rays = xp.zeros_like(planes(xp, across, across, across))
        for row, column, axes in self.cells():
            here = held & (xp.floor(across) == column) & (xp.floor(down) == row)
            a = self._length(2 * (across - column) - 1)
            b = self._length(2 * (down - row) - 1)
            inverse = 1 / xp.sqrt(a * a + b * b + 1)
            parts = [(r * a + d * b + f) * inverse for r, d, f in zip(*axes, strict=True)]
            rays = xp.where(here[..., None], planes(xp, *parts), rays)
        return rays

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        xp = library(rays)
        x, y, z = rays[..., 0], rays[..., 1], rays[..., 2]
        across, down, seen = xp.zeros_like(x), xp.zeros_like(x), xp.zeros_like(x, dtype=xp.bool)
        for row, column, axes in self.cells():
            a, b, depth = (i * x + j * y + k * z for i, j, k in axes)
            here = (depth > 0) & (xp.abs(a) <= depth) & (xp.abs(b) <= depth) & ~seen
            inverse = 1 / xp.where(here, depth, 1.0)
            across = xp.where(here, column + (self._side(a * inverse) + 1) / 2, across)
            # The row is kept apart: padding lies between rows, too.
            place = (self._side(b * inverse) + 1) / 2
            down = xp.where(here, self._row_pixels(row, place, size), down)
            seen = seen | here
        padding, columns = self._padding, LAYOUTS[self.layout].columns
        return within(across * ((size[1] - 2 * padding) / columns) + padding, down, seen, size)

    def readable(self, pixels: ArrayT, size: Size) -> ArrayT:
        xp = library(pixels)
        across, down, _ = self._in_cells(pixels, size)
        width, height = self._sides(size)
        left = xp.floor(across) * width + self._padding
        top = self._row_pixels(xp.floor(down), 0.0, size)
        # From the first to the last pixel centre in the cell: sides need not be whole numbers.
        u = xp.clip(pixels[..., 0], *_centres(xp, left, left + width))
        v = xp.clip(pixels[..., 1], *_centres(xp, top, top + height))
        return planes(xp, u, v)

    @property
    def _padding(self) -> int:
        return LAYOUTS[self.layout].padding

    def _sides(self, size: Size) -> tuple[float, float]:
        """Width and height of a face [px]."""
        layout, (height, width) = LAYOUTS[self.layout], size
        padding = 2 * self._padding
        return (width - padding) / layout.columns, height / layout.rows - padding

    def _row_pixels(self, row: Any, place: Any, size: Size) -> Any:
        """v [px] of a place, 0 to 1 from the top of a face, in a row of cells."""
        height = self._sides(size)[1]
        return row * (height + 2 * self._padding) + self._padding + place * height

    def _in_cells(self, pixels: Any, size: Size) -> tuple[Any, Any, Any]:
        """Columns and rows (...) with the place in them as fraction; False in the padding."""
        xp = library(pixels)
        layout, padding = LAYOUTS[self.layout], self._padding
        width, height = self._sides(size)
        across = (pixels[..., 0] - padding) / width
        whole = height + 2 * padding
        # A hair inside: the picture's last edges belong to the last cells, not to others beyond.
        row = xp.floor(xp.clip(pixels[..., 1] / whole, min=0.0, max=layout.rows - 1e-6))
        place = (pixels[..., 1] - row * whole - padding) / height
        held = (across >= 0) & (across <= layout.columns) & (place >= 0) & (place <= 1)
        inside = 1 - 1e-6
        across = xp.clip(across, min=0.0, max=layout.columns - 1 + inside)
        return across, row + xp.clip(place, min=0.0, max=inside), held

    def _length(self, side: Any) -> Any:
        """A place in a face, -1 to 1 from edge to edge, as a tangent."""
        return library(side).tan(side * (math.pi / 4)) if self.layout == "eac" else side

    def _side(self, tangent: Any) -> Any:
        """The inverse of `_length`."""
        return library(tangent).atan(tangent) * (4 / math.pi) if self.layout == "eac" else tangent


def _centres(xp: Any, start: Any, end: Any) -> tuple[Any, Any]:
    """The first and the last pixel centre between two edges (...) [px]."""
    return xp.ceil(start - 0.5) + 0.5, xp.ceil(end - 0.5) - 0.5


def _turned(axes: Axes, quarters: int) -> Axes:
    """The axes of a face whose picture is turned to the right by a number of quarters."""
    right, down, forward = axes
    for _ in range(quarters):
        right, down = (-down[0], -down[1], -down[2]), right
    return right, down, forward

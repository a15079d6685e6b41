"""The six square faces of a cube round the camera, each a lens of 90°."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from panodepth.geometry.arrays import ArrayT, library
from panodepth.geometry.lens import Lens, Pinhole, Size

# Where each face's right, down and forward axes point in the panorama's frame; the order is fixed.
CUBE_FACES = {
    "front": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "right": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "back": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "left": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "up": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "down": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}


@dataclass(frozen=True)
class CubeFace(Lens):
    """A square face of 90°, turned to where it looks in the panorama's frame."""

    face: str = "front"

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        return face_to_world(self.face, _square(size).unproject(pixels, size))

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        return _square(size).project(_along(CUBE_FACES[self.face], rays), size)


def _square(size: Size) -> Pinhole:
    height, width = size
    return Pinhole(width / 2, height / 2, width / 2, height / 2)


def face_to_world(face: str, vectors: ArrayT) -> ArrayT:
    """Vectors (..., 3) in a face's own frame to the panorama's; as exact as they are."""
    return _along(tuple(zip(*CUBE_FACES[face], strict=True)), vectors)


def _along(axes: Any, vectors: ArrayT) -> ArrayT:
    """The parts of vectors (..., 3) along three axes of 0 and ±1."""
    # No matrix product: with 0 and ±1 the sums are exact.
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return library(vectors).stack([a * x + b * y + c * z for a, b, c in axes], axis=-1)

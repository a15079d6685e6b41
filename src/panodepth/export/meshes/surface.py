"""What a mesh is, whatever file it goes into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from panodepth.types import BoolArray, FloatArray


@dataclass(frozen=True)
class Grid:
    """The (h, w) pixels that a mesh is made of. edge_threshold: the share that counts as a jump.
    sides: at depth edges, from -1 on the near to 1 on the far side, NaN elsewhere.
    """

    distance: FloatArray
    mask: BoolArray
    edge_threshold: float
    sides: FloatArray | None = None


@dataclass(frozen=True)
class Fine:
    """The grid in its map. distance: (H, W), any value where nothing is known. rows: (h,) and
    columns: (w,) of the grid's vertices in it.
    """

    distance: FloatArray
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]

    @property
    def stride(self) -> int:
        """Pixels of the map from one vertex to the next."""
        return int(self.rows[1] - self.rows[0]) if len(self.rows) > 1 else 1


@dataclass(frozen=True)
class Mesh:
    """Triangles in the house frame; seen from the camera their corners run counterclockwise.

    positions: (N, 3) float32, unit as the distance. uv: (N, 2) float32, (0, 0) = the texture's top
    left corner; u runs past 1 where a triangle crosses the seam. faces: (M, 3) uint32.
    stride: pixels between neighbouring vertices of the grid. twins: (N,), the same number for
    vertices that are one point, and differ in their u alone.
    """

    positions: npt.NDArray[np.float32]
    uv: npt.NDArray[np.float32]
    faces: npt.NDArray[np.uint32]
    stride: int
    twins: npt.NDArray[np.uint32]

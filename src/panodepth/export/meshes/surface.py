"""What a mesh is, whatever file it goes into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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

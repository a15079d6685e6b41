"""A box room round the camera, whatever the picture shows.

panodepth evaluate --predictor baselines/box.py --option floor=1.5 --data ... --out ...

How far an indoor method gets by the shape of rooms alone: the floor is near below, the ceiling near
above, the walls are farther. Sizes in metres; only their ratios matter after alignment.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from panodepth.geometry.grid import erp_rays

FLOOR, CEILING = 1.5, 1.2  # below and above a camera on a tripod in a room of 2.7 m
SIDE, DEPTH = 2.5, 2.5  # to the walls right and left, and before and behind


class Predictor:
    """Distance to the walls of a box; floor, ceiling, side, depth [m] from the camera."""

    def __init__(
        self,
        floor: float = FLOOR,
        ceiling: float = CEILING,
        side: float = SIDE,
        depth: float = DEPTH,
    ) -> None:
        if min(floor, ceiling, side, depth) <= 0:
            raise ValueError("the box's sizes must be above 0")
        self.floor, self.ceiling, self.side, self.depth = floor, ceiling, side, depth

    def predict(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(H, W, 3) to (H, W), metres."""
        rays = erp_rays(*image.shape[:2])  # (H, W, 3); y points down
        vertical = np.where(rays[..., 1] > 0, self.floor, self.ceiling)
        room = np.stack(np.broadcast_arrays(self.side, vertical, self.depth), axis=-1)
        distance: npt.NDArray[np.float32] = (room / np.abs(rays).clip(1e-9)).min(-1)
        return distance.astype(np.float32)

"""A box room round the camera, whatever the picture shows.

panodepth evaluate --predictor baselines/box.py --option floor=1.5 --data ... --out ...

How far an indoor method gets by the shape of rooms alone: the floor is near below, the ceiling near
above, the walls are farther. Sizes in metres; only their ratios matter after alignment.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
        height, width = image.shape[:2]
        lat = ((np.arange(height) + 0.5) / height - 0.5)[:, None] * np.pi  # positive down
        lon = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
        x, y, z = np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)
        tiny = 1e-9
        vertical = np.where(y > 0, self.floor, self.ceiling) / np.maximum(np.abs(y), tiny)
        walls = np.minimum(
            self.side / np.maximum(np.abs(x), tiny), self.depth / np.maximum(np.abs(z), tiny)
        )
        distance: npt.NDArray[np.float32] = np.minimum(vertical, walls).astype(np.float32)
        return distance

"""One tile: the picture as the network is shown it, and its answer laid on the panorama.

A network for panoramas wants a whole sphere. So a tile is a whole sphere too, drawn out from the
tile's centre (`zoom`): what lies there is seen FACTOR times as large, and the rest of the picture
stays around it, smaller and smaller, as what the network knows the place by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from panodepth.geometry.grid import erp_rays, solid_angles
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.geometry.sampling import sample_erp
from panodepth.predict.request import ROUGH
from panodepth.predict.tiles.zoom import zoomed
from panodepth.size import Size
from panodepth.types import FloatArray

FACTOR = 2.0
REACH_DEG = 50.0  # from its centre a tile counts, less and less: tiles are 100° wide
ODD = 0.2  # a log distance this far off the base counts half in the fit
ROUNDS = 3

Map = npt.NDArray[np.float64]


class Laid(NamedTuple):
    """On the panorama, (H, W) each: log distance, and how much it counts, 0 = not seen."""

    log_distance: Map
    weight: Map


@dataclass(frozen=True)
class Tile:
    """rotation: (3, 3), tile to panorama."""

    rotation: npt.NDArray[np.float32]

    def picture(self, planes: FloatArray, to_picture: Map, size: Size) -> FloatArray:
        """What the network is shown: (3, h, w) in [0, 1].

        planes: (3, H, W) of the picture, about ROUGH · FACTOR times as fine as `size`, (h, w).
        to_picture: (3, 3), panorama to picture.
        """
        rays = zoomed(erp_rays(ROUGH * size[0], ROUGH * size[1]), 1 / FACTOR)
        rays = rotate_vectors(to_picture @ self.rotation, rays)
        seen = resize_erp(sample_erp(planes, rays), size)
        return np.ascontiguousarray(np.clip(seen, 0, 1), np.float32)

    def laid(self, answer: FloatArray, base: Map) -> Laid:
        """The network's log distance (h, w), fitted to the base (H, W), where the tile lies.

        What a tile cannot know is added: a scale, and how it drifts towards the tile's borders, a
        polynomial of second degree, fitted by least squares in which edges hardly count.
        """
        height, width = base.shape
        local = rotate_vectors(self.rotation.T, erp_rays(height, width))
        cosine = np.clip(local[..., 2].astype(np.float64), -1, 1)
        weight = np.clip(1 - np.degrees(np.arccos(cosine)) / REACH_DEG, 0, None)
        value = sample_erp(answer[None], zoomed(local, FACTOR))[0].astype(np.float64)
        inside = weight > 0
        x, y = local[inside, 0].astype(np.float64), local[inside, 1].astype(np.float64)
        terms = np.stack((np.ones_like(x), x, y, x * x, x * y, y * y), -1)
        off = base[inside] - value[inside]
        plain = (weight * solid_angles(height, width))[inside]
        counts = plain
        for _ in range(ROUNDS):
            weighted = terms * counts[:, None]
            drift = terms @ np.linalg.solve(weighted.T @ terms, weighted.T @ off)
            counts = plain / (1 + ((off - drift) / ODD) ** 2)
        value[inside] += drift
        return Laid(value, weight)


def tile_rotations() -> FloatArray:
    """(8, 3, 3) tile to panorama: six along the horizon, up and down; level ground stays level."""
    yaw = np.append(np.arange(6) * (math.pi / 3), [0.0, 0.0])
    pitch = np.append(np.zeros(6), [math.pi / 2, -math.pi / 2])
    return np.asarray(rotation_from_yaw_pitch_roll(yaw, pitch), np.float32)

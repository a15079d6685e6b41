"""The frames that files can be in: which way is up, for whom, and in what unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.metadata import GLTF_FRAME, HOUSE_FRAME
from panodepth.types import FloatArray


@dataclass(frozen=True)
class Frame:
    """axes: for x, y and z of the frame, which house axis it is and its sign. about: in words.
    per_unit: units of the frame in one of the distance, where that is a metre.
    """

    axes: tuple[tuple[int, int], ...]
    about: str
    per_unit: float = 1.0

    @property
    def matrix(self) -> npt.NDArray[np.float32]:
        """(3, 3), house to frame: rows are the frame's axes."""
        found = np.zeros((3, 3), np.float32)
        for row, (axis, sign) in enumerate(self.axes):
            found[row, axis] = sign * self.per_unit
        return found

    @property
    def left_handed(self) -> bool:
        """Whether corners change their sense of rotation."""
        return bool(np.linalg.det(self.matrix) < 0)

    def planes(self, xyz: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """x, y and z of the house frame, (h, w) or (N,) each, in this one, scaled."""
        return [xyz[axis] * np.float32(sign * self.per_unit) for axis, sign in self.axes]

    def points(self, house: FloatArray) -> FloatArray:
        """(N, 3) points of the house frame in this one, scaled."""
        return np.asarray(house @ self.matrix.T, np.float32)

    def directions(self, house: FloatArray) -> FloatArray:
        """(N, 3) unit vectors of the house frame in this one."""
        return np.asarray(house @ (self.matrix.T / np.float32(self.per_unit)), np.float32)


Z_UP = ((0, 1), (2, 1), (1, -1))
FRAMES: dict[str, Frame] = {
    "house": Frame(((0, 1), (1, 1), (2, 1)), HOUSE_FRAME),
    "y": Frame(((0, 1), (1, -1), (2, -1)), GLTF_FRAME),
    "z": Frame(Z_UP, "x right, y forward, z up: the house frame's (x, z, -y)"),
    "ros": Frame(
        ((2, 1), (0, -1), (1, -1)), "x forward, y left, z up: the house frame's (z, -x, -y)"
    ),
    "blender": Frame(Z_UP, "x right, y forward, z up: the house frame's (x, z, -y)"),
    "unity": Frame(
        ((0, 1), (1, -1), (2, 1)),
        "left-handed: x right, y up, z forward: the house frame's (x, -y, z)",
    ),
    "unreal": Frame(
        ((2, 1), (0, 1), (1, -1)),
        "left-handed, centimetres: x forward, y right, z up: the house frame's (z, x, -y)",
        100.0,
    ),
}


def in_metres(up: str) -> Frame:
    """The axes of a frame in metres, for formats whose unit that is by definition."""
    frame = FRAMES[up]
    return replace(frame, per_unit=1.0, about=frame.about.replace("centimetres", "metres"))


def stored(up: str, *, metres: bool = False) -> dict[str, Any]:
    """What metadata say of a frame: stored value × `scale` is in the distance's unit.

    metres: the format is `in_metres`.
    """
    frame = in_metres(up) if metres else FRAMES[up]
    return {"frame": frame.about, "scale": 1 / frame.per_unit}

"""What a synthetic scene is made of: solid primitives with materials, collected by a builder.

Generators work in a world frame with y UP and the floor at y = 0, in metres; `SceneBatch` packing
turns this into the camera frame of docs/conventions.md (x right, y down, z forward).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from panodepth.lab.worlds.render.clearance import clearances
from panodepth.lab.worlds.render.shapes import (
    BOX,
    CONVEX,
    CONVEX8,
    CYLINDER,
    ELLIPSOID,
    HOLLOW,
    NUMBERS,
    PATCH,
)

__all__ = [
    "BOX",
    "CONVEX",
    "CONVEX8",
    "CYLINDER",
    "ELLIPSOID",
    "HOLLOW",
    "PATCH",
    "Array",
    "Light",
    "Material",
    "Primitives",
    "Scene",
    "Solid",
    "Vector",
    "camera_from_world",
    "pack",
    "yaw_matrix",
]

Array = npt.NDArray[np.float64]
Vector = Sequence[float] | Array
SMALLEST = 2e-3  # metres: no half size is smaller


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    tint: linear RGB multiplied onto the texture. texture: index into the atlas, see `textures`.
    scale: metres per texture repeat along the two face axes. offset: texture shift, in repeats.
    emission: radiance added, relative to a white surface in full ambient light. gloss: 0..1.
    """

    tint: tuple[float, float, float] = (0.7, 0.7, 0.7)
    texture: int = 0
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    emission: float = 0.0
    gloss: float = 0.0

    def fitted(self, width: float, height: float) -> Material:
        """The same material with one repeat spread over a (width, height) face, for pictures."""
        return replace(self, scale=(width, height), offset=(0.5, 0.5))


@dataclass(frozen=True)
class Light:
    """A point light (position in metres, world frame), or the sun (direction, when `sun`)."""

    position: tuple[float, float, float]
    colour: tuple[float, float, float]
    sun: bool = False
    shadow: bool = True


# centre, half, rotation, kind, taper, material, label, shape
_Row = tuple[Vector, Vector, Array, int, float, Material, int, Vector]


def yaw_matrix(yaw_rad: float) -> Array:
    """(3, 3) rotation about the vertical axis."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


@dataclass(frozen=True)
class Solid:
    """One shape before it is placed: local centre and half sizes (3,) in metres, and its numbers.

    kind, shape and taper as in `shapes`; the makers in `solids` build them.
    """

    kind: int
    centre: Vector
    half: Vector
    shape: Vector = ()
    taper: float = 1.0


@dataclass
class Scene:
    """One world: primitives, lights, sky and the camera; built by the generators.

    camera: (3,) position in metres; camera_rotation: (3, 3) world-from-camera, in the y-up frame.
    """

    indoor: bool
    camera: Array = field(default_factory=lambda: np.array([0.0, 1.6, 0.0]))
    camera_rotation: Array = field(default_factory=lambda: np.eye(3))
    lights: list[Light] = field(default_factory=list)
    ambient: tuple[float, float, float] = (0.5, 0.5, 0.5)
    sky: dict[str, float] = field(default_factory=dict)
    _rows: list[_Row] = field(default_factory=list)
    _solid: tuple[npt.NDArray[np.int64], Array, Array, Array, Array] | None = (
        None  # the rows, stacked
    )

    def add(
        self,
        kind: int,
        centre: Vector,
        half: Vector,
        rotation: Array | float = 0.0,
        material: Material | None = None,
        *,
        taper: float = 1.0,
        label: int = 0,
        shape: Vector = (),
    ) -> None:
        """Add one primitive: (3,) centre and half sizes [m], yaw [rad] or (3, 3) rotation."""
        turned = yaw_matrix(rotation) if isinstance(rotation, float) else rotation
        look = material or Material()
        self._rows.append((centre, half, turned, kind, taper, look, label, shape))

    def add_solid(
        self,
        solid: Solid,
        origin: Vector = (0.0, 0.0, 0.0),
        rotation: Array | float = 0.0,
        material: Material | None = None,
        *,
        label: int = 0,
    ) -> None:
        """Add `solid`, its own frame put at `origin` (3,) [m] and turned by `rotation`."""
        turned = yaw_matrix(rotation) if isinstance(rotation, float) else np.asarray(rotation)
        centre = np.asarray(origin, float) + turned @ np.asarray(solid.centre, float)
        self.add(
            solid.kind,
            centre,
            solid.half,
            turned,
            material,
            taper=solid.taper,
            label=label,
            shape=solid.shape,
        )

    def __len__(self) -> int:
        return len(self._rows)

    def clearance(self, point: Array) -> float:
        """Metres that are free around `point` at least: never more than the true distance."""
        if self._solid is None or len(self._solid[0]) != len(self._rows):
            kind = np.array([r[3] for r in self._rows])
            self._solid = (kind, *_boxes(self._rows), _numbers(self._rows))
        kind, centre, half, turned, numbers = self._solid
        local = np.einsum("nji,nj->ni", turned, point - centre)
        return float(clearances(kind, local, half, numbers).min())


def _boxes(rows: Sequence[_Row]) -> tuple[Array, Array, Array]:
    """(N, 3) centres and half sizes [m], (N, 3, 3) rotations of rows."""
    centre = np.array([r[0] for r in rows], float)
    half = np.maximum(np.array([r[1] for r in rows], float), SMALLEST)
    return centre, half, np.array([r[2] for r in rows], float)


def _numbers(rows: Sequence[_Row]) -> Array:
    """(N, NUMBERS) shape numbers of rows, padded with zeros."""
    out = np.zeros((len(rows), NUMBERS))
    for i, row in enumerate(rows):
        if len(row[7]):
            out[i, : len(row[7])] = row[7]
    return out


@dataclass(frozen=True)
class Primitives:
    """The primitives of a batch of scenes in the camera frame; B scenes padded to N rows each.

    to_local: (B, N, 3, 3) camera → unit shape; centre: (B, N, 3) metres; extent: (B, N, 3, 3)
    rows are the bounding box's half axes [m]; half: (B, N, 3) metres; shape: (B, N, NUMBERS), see
    `shapes`; kind, label: (B, N); kind -1 = padding.
    """

    to_local: Tensor
    centre: Tensor
    extent: Tensor
    half: Tensor
    kind: Tensor
    taper: Tensor
    shape: Tensor
    label: Tensor
    tint: Tensor
    texture: Tensor
    uv: Tensor  # (B, N, 4): scale_u, scale_v [m], offset_u, offset_v [repeats]
    surface: Tensor  # (B, N, 2): emission, gloss

    def moved(self, origin: Tensor) -> Primitives:
        """The same primitives seen from `origin` (B, 3) instead of the camera."""
        return replace(self, centre=self.centre - origin[:, None])


_FLIP = np.diag([1.0, -1.0, 1.0])


def camera_from_world(scene: Scene) -> Array:
    """(3, 3) matrix from the y-up world axes to the camera's x right, y down, z forward."""
    return np.asarray(_FLIP @ scene.camera_rotation.T)


def pack(scenes: Sequence[Scene], device: torch.device | str = "cpu") -> Primitives:
    """Stack scenes into padded tensors in their cameras' frames."""
    most = max(len(s) for s in scenes)
    shape = (len(scenes), most)
    to_local, centre = np.zeros((*shape, 3, 3)), np.zeros((*shape, 3))
    extent, half = np.zeros((*shape, 3, 3)), np.ones((*shape, 3))
    kind = np.full(shape, -1)
    taper, label, texture = np.ones(shape), np.zeros(shape, int), np.zeros(shape, int)
    numbers = np.zeros((*shape, NUMBERS))
    tint, uv, surface = np.zeros((*shape, 3)), np.ones((*shape, 4)), np.zeros((*shape, 2))
    for b, scene in enumerate(scenes):
        rows, n = scene._rows, len(scene)
        view = camera_from_world(scene)
        middle, size, turned = _boxes(rows)
        axes = view @ turned
        to_local[b, :n] = axes.transpose(0, 2, 1) / size[:, :, None]
        centre[b, :n] = (middle - scene.camera) @ view.T
        extent[b, :n] = (axes * size[:, None, :]).transpose(0, 2, 1)
        numbers[b, :n] = _numbers(rows)
        half[b, :n] = size
        kind[b, :n] = [r[3] for r in rows]
        taper[b, :n] = [r[4] for r in rows]
        label[b, :n] = [r[6] for r in rows]
        looks = [r[5] for r in rows]
        tint[b, :n] = [m.tint for m in looks]
        texture[b, :n] = [m.texture for m in looks]
        uv[b, :n] = [(*m.scale, *m.offset) for m in looks]
        surface[b, :n] = [(m.emission, m.gloss) for m in looks]

    def real(array: Array) -> Tensor:
        return torch.tensor(array, dtype=torch.float32, device=device)

    def whole(array: npt.NDArray[np.int64]) -> Tensor:
        return torch.tensor(array, dtype=torch.int64, device=device)

    return Primitives(
        to_local=real(to_local),
        centre=real(centre),
        extent=real(extent),
        half=real(half),
        kind=whole(kind),
        taper=real(taper),
        shape=real(numbers),
        label=whole(label),
        tint=real(tint),
        texture=whole(texture),
        uv=real(uv),
        surface=real(surface),
    )

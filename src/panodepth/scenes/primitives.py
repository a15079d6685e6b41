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

BOX, ELLIPSOID, CYLINDER = 0, 1, 2  # CYLINDER is a frustum: radius 1 at the bottom, `taper` on top

Array = npt.NDArray[np.float64]
Vector = Sequence[float] | Array


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


def yaw_matrix(yaw_rad: float) -> Array:
    """(3, 3) rotation about the vertical axis."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


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
    _rows: list[tuple[Array, Array, Array, int, float, Material, int]] = field(default_factory=list)

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
    ) -> None:
        """Add one primitive: (3,) centre and half sizes [m], yaw [rad] or (3, 3) rotation."""
        turned = yaw_matrix(rotation) if isinstance(rotation, float) else np.asarray(rotation)
        row = (np.asarray(centre, float), np.maximum(np.asarray(half, float), 2e-3), turned)
        self._rows.append((*row, kind, taper, material or Material(), label))

    def __len__(self) -> int:
        return len(self._rows)

    def clearance(self, point: Array) -> float:
        """Distance in metres from `point` to the nearest primitive's oriented bounding box."""
        centre = np.stack([r[0] for r in self._rows])
        half = np.stack([r[1] for r in self._rows])
        turned = np.stack([r[2] for r in self._rows])
        local = np.einsum("nji,nj->ni", turned, point - centre)
        outside = np.maximum(np.abs(local) - half, 0.0)
        return float(np.sqrt((outside**2).sum(1)).min())


@dataclass(frozen=True)
class Primitives:
    """The primitives of a batch of scenes in the camera frame; B scenes padded to N rows each.

    to_local: (B, N, 3, 3) camera → unit shape; centre: (B, N, 3) metres; corners: (B, N, 8, 3)
    bounding-box corners [m]; half: (B, N, 3) metres; kind, label: (B, N); kind -1 = padding.
    """

    to_local: Tensor
    centre: Tensor
    corners: Tensor
    half: Tensor
    kind: Tensor
    taper: Tensor
    label: Tensor
    tint: Tensor
    texture: Tensor
    uv: Tensor  # (B, N, 4): scale_u, scale_v [m], offset_u, offset_v [repeats]
    surface: Tensor  # (B, N, 2): emission, gloss

    def moved(self, origin: Tensor) -> Primitives:
        """The same primitives seen from `origin` (B, 3) instead of the camera."""
        shift = origin[:, None]
        return replace(self, centre=self.centre - shift, corners=self.corners - shift[:, :, None])


_UNIT_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
_FLIP = np.diag([1.0, -1.0, 1.0])


def camera_from_world(scene: Scene) -> Array:
    """(3, 3) matrix from the y-up world axes to the camera's x right, y down, z forward."""
    return np.asarray(_FLIP @ scene.camera_rotation.T)


def pack(scenes: Sequence[Scene], device: torch.device | str = "cpu") -> Primitives:
    """Stack scenes into padded tensors in their cameras' frames."""
    most = max(len(s) for s in scenes)
    shape = (len(scenes), most)
    to_local, centre = np.zeros((*shape, 3, 3)), np.zeros((*shape, 3))
    corners, half = np.zeros((*shape, 8, 3)), np.ones((*shape, 3))
    kind = np.full(shape, -1)
    taper, label, texture = np.ones(shape), np.zeros(shape, int), np.zeros(shape, int)
    tint, uv, surface = np.zeros((*shape, 3)), np.ones((*shape, 4)), np.zeros((*shape, 2))
    for b, scene in enumerate(scenes):
        rows, n = scene._rows, len(scene)
        view = camera_from_world(scene)
        size = np.stack([r[1] for r in rows])
        axes = np.einsum("ij,njk->nik", view, np.stack([r[2] for r in rows]))
        to_local[b, :n] = axes.transpose(0, 2, 1) / size[:, :, None]
        centre[b, :n] = (np.stack([r[0] for r in rows]) - scene.camera) @ view.T
        spread = np.einsum("nij,kj->nki", axes * size[:, None, :], _UNIT_CORNERS)
        corners[b, :n] = centre[b, :n, None] + spread
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
        corners=real(corners),
        half=real(half),
        kind=whole(kind),
        taper=real(taper),
        label=whole(label),
        tint=real(tint),
        texture=whole(texture),
        uv=real(uv),
        surface=real(surface),
    )

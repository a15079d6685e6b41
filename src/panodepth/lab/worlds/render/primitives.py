"""What a synthetic scene is made of: solid primitives with materials, collected by a builder.

Generators work in a world frame with y UP and the floor at y = 0, in metres; `SceneBatch` packing
turns this into the camera frame of docs/conventions.md (x right, y down, z forward).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from panodepth.lab.worlds.looks.materials import Colour, Material
from panodepth.lab.worlds.render.clearance import clearances
from panodepth.lab.worlds.render.shapes import NUMBERS, Array

Vector = Sequence[float] | Array
_PLAIN = Material()
SMALLEST = 2e-3  # metres: no half size is smaller
FLIP = np.diag([1.0, -1.0, 1.0])  # between y-up world axes and the y-down axes of cameras


class Solid(NamedTuple):
    """One shape before it is placed; the makers in `solids` build the less simple ones.

    kind, shape, taper: see `shapes`. half: (3,) half sizes [m]. centre: (3,) [m] in its own frame.
    """

    kind: int
    half: Vector
    centre: Vector = (0.0, 0.0, 0.0)
    shape: Vector = ()
    taper: float = 1.0


@dataclass(frozen=True)
class Light:
    """A point light (position in metres, world frame), or the sun (direction, when `sun`)."""

    position: tuple[float, float, float]
    colour: Colour
    sun: bool = False


@dataclass(frozen=True)
class Sky:
    """What is seen where nothing is hit, and the air before it.

    zenith, horizon: linear RGB. gradient: power of the sine of the height by which one becomes the
    other. cloud: texture of a sheet of clouds, cloud_scale: its repeats per unit, cloud_offset: its
    shift in repeats, cover: 0..1, white: its brightness. power: factor on all. haze_m: metres at
    which 63 % of a colour are lost, 0 = clear air.
    """

    zenith: Colour = (0.3, 0.5, 0.9)
    horizon: Colour = (0.9, 0.93, 1.0)
    gradient: float = 0.5
    cloud: int = 0
    cloud_scale: float = 0.15
    cloud_offset: float = 0.0
    cover: float = 0.5
    white: float = 1.0
    power: float = 1.0
    haze_m: float = 0.0


def yaw_matrix(yaw_rad: float) -> Array:
    """(3, 3) rotation about the vertical axis."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


class _Stacked(NamedTuple):
    """All solids of a scene: kind (N,), centre and half (N, 3) [m], turned (N, 3, 3) world from
    local, shape (N, NUMBERS).
    """

    kind: npt.NDArray[np.int64]
    centre: Array
    half: Array
    turned: Array
    shape: Array


@dataclass
class Scene:
    """One world: solids, lights, sky and the camera; built by the generators.

    camera: (3,) position [m]. camera_rotation: (3, 3) world-from-camera, in the y-up frame. rows:
    per solid its origin (3,) [m], rotation (3, 3), material and label.
    """

    indoor: bool
    camera: Array = field(default_factory=lambda: np.array([0.0, 1.6, 0.0]))
    camera_rotation: Array = field(default_factory=lambda: np.eye(3))
    lights: list[Light] = field(default_factory=list)
    ambient: Colour = (0.5, 0.5, 0.5)
    sky: Sky = field(default_factory=Sky)
    rows: list[tuple[Solid, Vector, Array, Material, int]] = field(default_factory=list)
    # Building a scene asks for clearances between additions; the arrays are kept until it grows.
    _stacked: _Stacked | None = None

    def add(
        self,
        solid: Solid,
        at: Vector = (0.0, 0.0, 0.0),
        turn: Array | float = 0.0,
        look: Material = _PLAIN,
        label: int = 0,
    ) -> None:
        """Add `solid`, its own frame put at `at` (3,) [m], turned by a yaw [rad] or by (3, 3)."""
        turned = yaw_matrix(turn) if isinstance(turn, float | int) else turn
        self.rows.append((solid, at, turned, look, label))

    def __len__(self) -> int:
        return len(self.rows)

    def keep(self, count: int) -> None:
        """Take away all solids but the first `count`."""
        del self.rows[count:]
        self._stacked = None  # others may follow, as many as went

    def stacked(self) -> _Stacked:
        """All solids so far as arrays."""
        if self._stacked is None or len(self._stacked.kind) != len(self.rows):
            shape = np.zeros((len(self.rows), NUMBERS))
            for numbers, (solid, *_) in zip(shape, self.rows, strict=True):
                if len(solid.shape):
                    numbers[: len(solid.shape)] = solid.shape
            # All at once: one product for the centres of hundreds of solids.
            solids, origins, turned, *_ = zip(*self.rows, strict=True)
            rotation = np.array(turned, float)
            own = np.array([s.centre for s in solids], float)
            self._stacked = _Stacked(
                kind=np.array([s.kind for s in solids]),
                centre=np.array(origins, float) + (rotation @ own[..., None])[..., 0],
                half=np.maximum(np.array([s.half for s in solids], float), SMALLEST),
                turned=rotation,
                shape=shape,
            )
        return self._stacked

    def clearance(self, point: Array) -> float:
        """Metres that are free around `point` (3,) at least: never more than the true distance."""
        kind, centre, half, turned, shape = self.stacked()
        # Rotations keep lengths, so that bounds in the solids' frames hold in the world.
        local = np.einsum("nji,nj->ni", turned, point - centre)
        return float(clearances(kind, local, half, shape).min())


@dataclass(frozen=True)
class Primitives:
    """The primitives of a batch of scenes in the camera frame; B scenes padded to N rows each.

    to_local: (B, N, 3, 3) camera → unit shape; centre: (B, N, 3) metres; extent: (B, N, 3, 3)
    rows are the bounding box's half axes [m]; half: (B, N, 3) metres; shape: (B, N, NUMBERS), see
    `shapes`; kind, label: (B, N); kind -1 = padding. look: (B, N, 10) the material: texture scale
    [m] and offset [repeats] along two axes, tint, emission, gloss, texture.
    """

    to_local: Tensor
    centre: Tensor
    extent: Tensor
    half: Tensor
    kind: Tensor
    taper: Tensor
    shape: Tensor
    label: Tensor
    look: Tensor

    def moved(self, origin: Tensor) -> Primitives:
        """The same primitives seen from `origin` (B, 3) instead of the camera."""
        return replace(self, centre=self.centre - origin[:, None])


def camera_from_world(scene: Scene) -> Array:
    """(3, 3) matrix from the y-up world axes to the camera's x right, y down, z forward."""
    return np.asarray(FLIP @ scene.camera_rotation.T)


def pack(scenes: Sequence[Scene], device: torch.device | str = "cpu") -> Primitives:
    """Stack scenes into padded tensors in their cameras' frames."""
    columns = [_columns(scene) for scene in scenes]

    def padded(name: str) -> Tensor:
        whole = name in ("kind", "label")
        # Built in float64: the camera is subtracted before anything is rounded.
        rows = [torch.tensor(c[name], dtype=None if whole else torch.float32) for c in columns]
        fill = _PADDING.get(name, 0.0)
        return pad_sequence(rows, batch_first=True, padding_value=fill).to(device)

    return Primitives(**{f.name: padded(f.name) for f in fields(Primitives)})


# Padding is never hit, but divided by.
_PADDING = {"kind": -1.0, "half": 1.0, "taper": 1.0, "look": 1.0}


def _columns(scene: Scene) -> dict[str, npt.NDArray[np.generic]]:
    """The fields of `Primitives` for the N solids of one scene, (N, ...) each."""
    kind, centre, half, turned, shape = scene.stacked()
    looks = [look for *_, look, _ in scene.rows]
    view = camera_from_world(scene)
    axes = view @ turned  # columns are the solids' axes in the camera frame
    return {
        "to_local": axes.transpose(0, 2, 1) / half[:, :, None],
        "centre": (centre - scene.camera) @ view.T,
        "extent": (axes * half[:, None, :]).transpose(0, 2, 1),
        "half": half,
        "kind": kind,
        "taper": np.array([solid.taper for solid, *_ in scene.rows]),
        "shape": shape,
        "label": np.array([label for *_, label in scene.rows]),
        "look": np.array(
            [(*m.scale, *m.offset, *m.tint, m.emission, m.gloss, m.texture) for m in looks]
        ),
    }

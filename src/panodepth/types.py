"""The two things that pass between parts of the package; every shape and unit is written here.

Frame: x right, y down, z forward. Grid: pixel centres (see docs/conventions.md).
`distance` is measured along the ray from the camera centre, never along an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.geometry.lens import ERP, Lens
from panodepth.geometry.level.up import Up

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]

BEHIND = 1e10  # finite, and farther than all there is: what stands for the sky where inf cannot


@dataclass(frozen=True, eq=False)
class Panorama:
    """One equirectangular (ERP) image with what is known about it.

    image: (H, W, 3) float32 in [0, 1], sRGB-coded.
    distance: (H, W) float32 > 0, or None; its unit is meta["unit"] ("m" or "relative"). From a
        source of `data`: inf = sky, 0 = not given, and the mask is False there.
    mask: (H, W) bool, True = distance (or the pixel, without distance) is valid; None = all are.
    meta: plain JSON values, e.g. {"name": ..., "unit": ..., "source": ...}.
    """

    image: FloatArray
    distance: FloatArray | None = None
    mask: BoolArray | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def push_back(distance: FloatArray, sky: BoolArray, mask: BoolArray) -> FloatArray:
    """(H, W) `distance` with the sky no nearer than the farthest surface (where mask is True)."""
    if not (sky.any() and mask.any()):
        return distance
    farthest = distance.max(where=mask, initial=0)
    return np.where(sky, np.maximum(distance, farthest), distance)


@dataclass(frozen=True, repr=False, eq=False)  # arrays have no one answer to ==
class Prediction:
    """What a predictor returns for one panorama; all arrays are NumPy, at the input's size.

    distance: (H, W) float32 > 0, finite: in the sky no nearer than the farthest surface.
        Scale-invariant (`unit` is "relative": at the network's size its 0.98 pixel quantile over
        the valid pixels is 1) unless a scale was given, then metres ("m").
    mask: (H, W) bool, True = a surface is there; False = sky, masked by the user, NaN in the input.
        Where it is False and no sky is, `distance` is the network's guess behind the mask.
    image: (H, W, 3) uint8, the sRGB panorama that was seen, for colouring clouds and meshes.
    meta: plain JSON values: model, unit, scale, frame, network size, source name.
    raw: (H, W) float32, finite: the network's, in the sky too; None, or the same array: `distance`.
    lens: which ray a pixel sees; a panorama unless another one was asked for.
    rotation: (3, 3), directions of the lens to those of the level world; None = they are the same.
    level: where the picture has up, and how sure that is; None = nobody said, and nothing told.
    sky_mask: (H, W) bool, where the sky is, or None; +inf in `distance` counts as `sky` too. Where
        a model has no sky output it is a guess, and `distance` keeps what the network says.
    light: `linear` as it is stored: half floats stay half.
    confidence: (H, W) float32 in [0, 1], or None: asked for by `predict(confidence=True)`.
    Raises InputError for a mask of another kind or shape, and for a picture that is not uint8.
    """

    distance: FloatArray
    mask: BoolArray
    image: ByteArray
    meta: dict[str, Any] = field(default_factory=dict)
    raw: FloatArray | None = None
    lens: Lens = field(default_factory=ERP)
    rotation: npt.NDArray[Any] | None = None
    level: Up | None = None
    sky_mask: BoolArray | None = None
    light: npt.NDArray[Any] | None = None
    confidence: FloatArray | None = None

    def __post_init__(self) -> None:
        wanted = f"bool {self.distance.shape} and image uint8"
        said = f"{self.mask.dtype} {self.mask.shape} and image {self.image.dtype}"
        if said != wanted:
            raise InputError(f"mask must be {wanted}, not {said}")

    def __repr__(self) -> str:
        height, width = self.distance.shape
        shares = f"{self.mask.mean():.0%} surface, {self.sky.mean():.0%} sky"
        name = self.meta.get("name") or "no name"
        return f"Prediction({name}: {width}×{height} px, unit {self.unit!r}, {shares})"

    @property
    def unit(self) -> str:
        """Of `distance` and `points`: "m" or "relative"."""
        return str(self.meta.get("unit", "relative"))

    @property
    def scale(self) -> float | None:
        """Metres per unit of the relative distances; None where they have no scale."""
        return self.meta.get("metres_per_unit")

    @property
    def metres_spread(self) -> float | None:
        """Relative standard deviation of `scale`; None where it is not known."""
        return self.meta.get("metres_spread")

    @property
    def sky(self) -> BoolArray:
        """(H, W) bool, True = sky. The mask is False there."""
        infinite = np.isposinf(self.distance)
        return infinite if self.sky_mask is None else infinite | self.sky_mask

    @property
    def linear(self) -> FloatArray | None:
        """(H, W, 3) float32, the light of an HDR picture in its file's scale; None = it was none.

        Not clipped, 0 where the picture is not valid. Half floats are converted at each call.
        """
        return None if self.light is None else np.asarray(self.light, np.float32)

    @property
    def solid(self) -> FloatArray:
        """(H, W) float32, finite: `raw`, else `distance` with BEHIND for +inf; only to be read."""
        if self.raw is not None or np.isfinite(self.distance).all():
            return self.distance if self.raw is None else self.raw
        return np.where(self.sky, np.float32(BEHIND), self.distance)

    @property
    def up(self) -> npt.NDArray[np.float64]:
        """(3,) where up is in the frame of the lens, as far as is known: (0, -1, 0) when level."""
        level = np.array([0.0, -1.0, 0.0])
        return level if self.rotation is None else np.asarray(level @ self.rotation)

    @cached_property
    def points(self) -> FloatArray:
        """(H, W, 3) float32, distance times the unit ray of each pixel."""
        from panodepth.geometry.points import distance_to_points

        with np.errstate(invalid="ignore"):  # 0 · inf
            return np.asarray(distance_to_points(self.distance, self.lens), np.float32)

    @cached_property
    def normals(self) -> FloatArray:
        """(H, W, 3) float32 unit surface normals that face the camera (normal · ray < 0)."""
        from panodepth.geometry.points import distance_to_normals

        return np.asarray(distance_to_normals(self.solid, self.lens), np.float32)

    def to_metres(
        self, *, camera_height: float | None = None, scale: float | None = None
    ) -> Prediction:
        """A new prediction in metres, by one of both, > 0.

        camera_height: from the floor to the camera [m]; the floor is found below it. scale: metres
        in one unit of `distance`. Raises ConfigError for other values, and for the height of
        a lens, which `predict(camera_height=)` takes. InputError without a floor.
        """
        from panodepth.geometry.level.floor import scale_facts

        factor, meta = scale_facts(self, camera_height, scale)
        raw = None if self.raw is None else self.raw * factor
        return replace(self, distance=self.distance * factor, raw=raw, meta=meta)

    def save(
        self, path: str | Path, formats: Sequence[str] | None = None, **options: Any
    ) -> list[Path]:
        """Write the prediction and return the files written.

        path: a file, whose ending chooses what is written (.glb textured mesh, .ply cloud, .npz,
            .exr, .png, .tiff distance), or a folder together with `formats` of `panodepth.export`.
        options: of the writers: `save("room.glb", max_columns=2000)`; docs/formats.md has them.
        Raises OutputError for an unknown format or a place that cannot be written, ConfigError for
        a bad option.
        """
        from panodepth.export import save

        return save(self, path, formats, options)

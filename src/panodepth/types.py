"""The two things that pass between parts of the package; every shape and unit is written here.

Frame: x right, y down, z forward. Grid: pixel centres (see docs/conventions.md).
`distance` is measured along the ray from the camera centre, never along an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Prediction:
    """What a predictor returns for one panorama; all arrays are NumPy, at the input's size.

    distance: (H, W) float32, finite and > 0 everywhere. Scale-invariant (meta["unit"] is
        "relative": at the network's size its 0.98 pixel quantile over the valid pixels is 1) unless
        a scale was given, then metres (meta["unit"] is "m").
    mask: (H, W) bool, True = a surface is there; False = sky, masked by the user, NaN in the input.
    image: (H, W, 3) uint8, the sRGB panorama that was seen, for colouring clouds and meshes.
    meta: plain JSON values: model, unit, scale, frame, network size, source name.
    """

    distance: FloatArray
    mask: BoolArray
    image: ByteArray
    meta: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def points(self) -> FloatArray:
        """(H, W, 3) float32, distance times the unit ray of each pixel; unit as `distance`."""
        from panodepth.geometry.points import distance_to_points

        return np.asarray(distance_to_points(self.distance), np.float32)

    @cached_property
    def normals(self) -> FloatArray:
        """(H, W, 3) float32 unit surface normals that face the camera (normal · ray < 0)."""
        from panodepth.geometry.points import distance_to_normals

        return np.asarray(distance_to_normals(self.distance), np.float32)

    def save(self, path: str | Path, formats: Sequence[str] | None = None) -> list[Path]:
        """Write the prediction and return the files written.

        path: a file, whose ending chooses what is written (.glb textured mesh, .ply cloud, .npz,
            .exr, .png, .tiff distance), or a folder together with `formats` of `panodepth.export`.
        Raises OutputError for an unknown format or a place that cannot be written.
        """
        from panodepth.export import save

        return save(self, path, formats)

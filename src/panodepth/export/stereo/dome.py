"""`dome`: a sphere with the panorama on it, and by how much to push each place of it outwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.bands import row_bands
from panodepth.export.frames import FRAMES
from panodepth.export.glb import TRIANGLES, Glb
from panodepth.export.jpeg import jpeg
from panodepth.export.metadata import GLTF_FRAME, exr_attributes, metadata
from panodepth.export.rasters import exr
from panodepth.export.rasters.distance import BAND_PIXELS
from panodepth.export.reprojection import as_level_panorama
from panodepth.strict import Count, Range
from panodepth.types import FloatArray, Prediction


@dataclass(frozen=True, kw_only=True)
class DomeOptions:
    """columns: of the sphere's quads round the equator; half as many rows. max_texture_width: the
    photograph is reduced to it [px].
    """

    columns: Annotated[int, Range(at_least=8, at_most=4096)] = 512
    max_texture_width: Count = 8192


def write_dome(
    prediction: Prediction, path: Path, options: DomeOptions = DomeOptions()
) -> list[Path]:
    """Binary glTF of a sphere of radius 1, and PATH.exr, its displacement along the normal.

    place = normal · (1 + displacement), in the distance's unit; u, v of the sphere are those of
    both pictures. Corners run counterclockwise from outside, so that normals that an engine works
    out itself point outwards too.
    """
    panorama = as_level_panorama(prediction)
    positions, uv, faces = sphere(options.columns)
    meta = metadata(panorama, "unit sphere, to be displaced", frame=GLTF_FRAME)
    glb = Glb(meta)
    primitive = glb.triangles(positions, uv, faces, normals=positions)
    material = glb.photograph(jpeg(panorama.image, options.max_texture_width))
    sidecar = path.with_name(path.name + ".exr")
    with atomic(sidecar) as (temporary,):
        _write_displacement(panorama, temporary)
        glb.write(path, {**primitive, "material": material, "mode": TRIANGLES})
    return [path, sidecar]


def sphere(columns: int) -> tuple[FloatArray, FloatArray, npt.NDArray[np.uint32]]:
    """(N, 3) unit places, y up; (N, 2) u, v; (M, 3) corners. The first meridian is there twice."""
    rows = columns // 2
    u, v = np.meshgrid(np.arange(columns + 1) / columns, np.arange(rows + 1) / rows)
    lon, lat = (u - 0.5) * 2 * np.pi, (v - 0.5) * np.pi
    flat = np.cos(lat)
    flat[[0, -1]] = 0
    house = np.stack([flat * np.sin(lon), np.sin(lat), flat * np.cos(lon)], -1)
    first = np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)
    right, below = first + 1, first + columns + 1
    upper = np.stack([first, below + 1, right], -1)[1:]  # at the pole two corners are one point
    lower = np.stack([first, below, below + 1], -1)[:-1]
    corners = np.concatenate([upper.reshape(-1, 3), lower.reshape(-1, 3)])
    positions = FRAMES["y"].points(house.reshape(-1, 3).astype(np.float32))
    uv = np.stack([u, v], -1).reshape(-1, 2).astype(np.float32)
    return positions, uv, corners[:, ::-1].astype(np.uint32)


def _write_displacement(panorama: Prediction, path: Path) -> None:
    """An EXR file, channel Y float32: distance - 1; the sky as the farthest surface."""
    size = panorama.distance.shape
    values = panorama.solid
    if panorama.sky.any() and panorama.mask.any():
        values = np.where(panorama.sky, values.max(where=panorama.mask, initial=0), values)
    meta = metadata(panorama, "distance along the ray - 1", offset=1.0, sky="farthest surface")
    bands = (
        values[rows][None] - np.float32(1) for rows in row_bands(size, BAND_PIXELS, exr.ZIP_ROWS)
    )
    with path.open("wb") as file:
        exr.write_exr(file, "Y", size, bands, exr_attributes(meta), zipped=True)

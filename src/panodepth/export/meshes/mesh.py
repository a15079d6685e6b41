"""A textured mesh of the whole sphere: closed over the seam and the poles, cut at depth edges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, OutputError
from panodepth.export.clouds.rows import kept_rows
from panodepth.export.frames import FRAMES
from panodepth.export.glb import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, TRIANGLES, Glb
from panodepth.export.jpeg import jpeg
from panodepth.export.meshes.surface import Mesh
from panodepth.export.meshes.triangles import EDGE_THRESHOLD, Limits, Vertices, triangulate
from panodepth.export.metadata import GLTF_FRAME, metadata
from panodepth.export.reprojection import as_panorama, levelled
from panodepth.export.thinning import every_nth
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.point_bands import lonlat_points
from panodepth.strict import Count, Positive
from panodepth.types import FloatArray, Prediction

MAX_MESH_COLUMNS = 1100  # vertices round the equator; the network's own 1092 columns are kept
MAX_TEXTURE_WIDTH = 8192  # [px]
FEWEST_FACES = 100


@dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """faces: triangles aimed at, more where borders have more; "all" = those of the whole grid;
    "auto" = 200,000, or as few as keep 99 % of the view within 2 mm at 5 m. edge_threshold: a
    triangle is cut when its distance jumps by this share at a grazing angle. max_columns: of the
    grid, round the equator. max_texture_width: [px].
    """

    faces: int | str = "auto"
    edge_threshold: Positive = EDGE_THRESHOLD
    max_columns: Count = MAX_MESH_COLUMNS
    max_texture_width: Count = MAX_TEXTURE_WIDTH

    def __post_init__(self) -> None:
        is_count = isinstance(self.faces, int) and self.faces >= FEWEST_FACES
        if not is_count and self.faces not in ("auto", "all"):
            raise ConfigError(
                f"faces must be auto, all or a number from {FEWEST_FACES} on, not {self.faces!r}"
            )


def write_mesh(
    prediction: Prediction, path: Path, options: MeshOptions = MeshOptions()
) -> list[Path]:
    """Binary glTF: one triangle mesh with the panorama as an embedded JPEG texture.

    What another lens saw is resampled to a panorama first.
    """
    prediction = as_panorama(prediction)
    mesh = made_mesh(prediction, path, options)
    meta = metadata(prediction, "surface", frame=GLTF_FRAME, stride=mesh.stride)
    glb = Glb(meta)
    attributes = {
        "POSITION": _positions(glb, levelled(prediction, mesh.positions)),
        "TEXCOORD_0": glb.accessor(mesh.uv, target=ARRAY_BUFFER),
    }
    corners = mesh.faces.reshape(-1, 1)
    primitive = {
        "attributes": attributes,
        "indices": glb.accessor(corners, target=ELEMENT_ARRAY_BUFFER),
        "material": glb.photograph(jpeg(prediction.image, options.max_texture_width)),
        "mode": TRIANGLES,
    }
    glb.write(path, primitive)
    return [path]


def made_mesh(prediction: Prediction, path: Path, options: MeshOptions) -> Mesh:
    """The mesh of a panorama that the options ask for; OutputError for an empty one."""
    mesh = build_mesh(
        prediction, max_columns=options.max_columns, edge_threshold=options.edge_threshold
    )
    if not len(mesh.faces):
        raise OutputError(f"{path}: no three neighbouring pixels are valid, so there is no mesh")
    if options.faces == "all":
        return mesh
    from panodepth.export.meshes.simplify import Grid, simplified

    thin = tuple(every_nth(count, mesh.stride) for count in prediction.distance.shape)
    grid = Grid(prediction.solid[thin], prediction.mask[thin], options.edge_threshold)
    return simplified(mesh, grid, None if options.faces == "auto" else int(options.faces))


def build_mesh(
    prediction: Prediction,
    *,
    max_columns: int = MAX_MESH_COLUMNS,
    edge_threshold: float = EDGE_THRESHOLD,
) -> Mesh:
    """The mesh of the valid pixels, one vertex for every stride-th pixel in both axes.

    The first column of vertices is there twice, with u and with u + 1, so that the texture runs on
    over the seam. Each pole is one point at the mean distance of its row, repeated for each sector
    with a u of its own. A triangle is left out when a corner is masked, or when its
    largest distance exceeds its smallest by more than the share `edge_threshold` and the ray meets
    it at a grazing angle (see `Limits`): then it spans a depth edge, and is no floor seen far off.
    """
    height, width = prediction.distance.shape
    stride = max(1, -(-width // max_columns))
    thin = every_nth(height, stride), every_nth(width, stride)
    rows, columns = np.arange(height)[thin[0]], np.arange(width)[thin[1]]
    # Points of these pixels alone: the whole (H, W, 3) array of a 16K panorama takes 1.6 GB.
    lon, lat = axis_angles(height, width)
    distance, mask = _closed(prediction.solid[thin]), _closed(prediction.mask[thin])
    points = _closed(lonlat_points(distance[:, :-1], lon[thin[1]], lat[thin[0]]))
    # The seam's column twice, once with u + 1: a triangle across the seam else spans the texture.
    u = (np.append(columns, columns[0]) + 0.5) / width
    u[-1] += 1
    uv = np.empty((*distance.shape, 2), np.float32)
    uv[..., 0], uv[..., 1] = u, ((rows + 0.5) / height)[:, None]

    # No pixel lies on a pole: without a vertex there the mesh would have a hole above and below.
    poles = [_pole(distance[row], mask[row], u, float(row != 0)) for row in (0, -1)]
    vertices = Vertices(
        np.concatenate([points.reshape(-1, 3), *(p.positions for p in poles)]),
        np.concatenate([distance.ravel(), *(p.lengths for p in poles)]),
        np.concatenate([mask.ravel(), *(p.valid for p in poles)]),
    )
    texture = np.concatenate([uv.reshape(-1, 2), *(p.uv for p in poles)])
    limits = Limits.of(edge_threshold)
    faces, used = triangulate(vertices, distance.shape, limits)
    twins = _closed(np.arange(len(rows) * len(columns), dtype=np.uint32).reshape(len(rows), -1))
    both = [np.full(len(columns), twins.size + pole, np.uint32) for pole in (0, 1)]
    same = np.concatenate([twins.ravel(), *both])[used]
    points = kept_rows(vertices.positions, used)
    return Mesh(points, kept_rows(texture, used), faces, stride, same)


def _positions(glb: Glb, points: FloatArray) -> int:
    """Add (N, 3) points of the house frame, N > 0."""
    turned = FRAMES["y"].points(points)
    # By column: numpy is slow at an axis next to one of length 3.
    low, high = ([float(limit(column)) for column in turned.T] for limit in (np.min, np.max))
    return glb.positions([turned], len(turned), low, high)


def _closed(grid: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A grid (h, w, ...) with its first column once more behind the last."""
    return np.concatenate([grid, grid[:, :1]], axis=1)


@dataclass(frozen=True)
class _Pole:
    """One pole as one vertex for each sector: the same point, each with its own u."""

    positions: npt.NDArray[np.float32]
    uv: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]


def _pole(
    distance: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], u: npt.NDArray[Any], v: float
) -> _Pole:
    """The pole beyond one (w + 1,) row of the grid; v: 0 at the top, 1 at the bottom."""
    sectors = len(u) - 1
    inside = mask[:-1]
    length = np.float32(distance[:-1][inside].mean() if inside.any() else 1)
    position = np.array([0, (2 * v - 1) * length, 0], np.float32)
    return _Pole(
        np.tile(position, (sectors, 1)),
        np.stack([(u[:-1] + u[1:]) / 2, np.full(sectors, v)], axis=-1).astype(np.float32),
        np.full(sectors, length),
        np.full(sectors, inside.any()),
    )

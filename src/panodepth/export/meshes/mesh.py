"""A textured mesh of the whole sphere: closed over the seam and the poles, cut at depth edges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, OutputError
from panodepth.export.clouds.rows import kept_rows
from panodepth.export.meshes.cuts import Cuts, cut_cells
from panodepth.export.meshes.edges import sharpened
from panodepth.export.meshes.surface import Fine, Grid, Mesh
from panodepth.export.meshes.triangles import (
    EDGE_THRESHOLD,
    Limits,
    Vertices,
    faces_of,
    judge,
    numbers_of,
    untorn,
    used_by,
)
from panodepth.export.thinning import every_nth
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.point_bands import lonlat_points
from panodepth.strict import Count, Positive, Range
from panodepth.types import Prediction

MAX_MESH_COLUMNS = 1100  # vertices round the equator; the network's own 1092 columns are kept
LEAST_COLUMNS = 8  # fewer are no room: slivers, or nothing at all
MAX_TEXTURE_WIDTH = 8192  # [px]
FEWEST_FACES = 100


@dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """faces: triangles aimed at, more where borders have more; "all" = those of the whole grid;
    "auto" = 200,000, or as few as keep 99 % of the view within 2 mm at 5 m. edge_threshold: a
    triangle is cut when its distance jumps by this share at a grazing angle. max_columns: of the
    grid, round the equator. max_texture_width: [px]. follow_edges: cut along depth edges; else the
    pixels of a blurred edge are left out.
    """

    faces: int | str = "auto"
    edge_threshold: Positive = EDGE_THRESHOLD
    max_columns: Annotated[int, Range(at_least=LEAST_COLUMNS)] = MAX_MESH_COLUMNS
    max_texture_width: Count = MAX_TEXTURE_WIDTH
    follow_edges: bool = True

    def __post_init__(self) -> None:
        is_count = isinstance(self.faces, int) and self.faces >= FEWEST_FACES
        if not is_count and self.faces not in ("auto", "all"):
            raise ConfigError(
                f"faces must be auto, all or a number from {FEWEST_FACES} on, not {self.faces!r}"
            )


def made_mesh(prediction: Prediction, path: Path, options: MeshOptions) -> Mesh:
    """The mesh of a panorama that the options ask for; OutputError for an empty one."""
    mesh, grid = mesh_and_grid(
        prediction, options.max_columns, options.edge_threshold, options.follow_edges
    )
    if not len(mesh.faces):
        raise OutputError(f"{path}: no three neighbouring pixels are valid, so there is no mesh")
    if options.faces == "all":
        return mesh
    from panodepth.export.meshes.simplify import simplified

    return simplified(mesh, grid, None if options.faces == "auto" else int(options.faces))


def build_mesh(
    prediction: Prediction,
    *,
    max_columns: int = MAX_MESH_COLUMNS,
    edge_threshold: float = EDGE_THRESHOLD,
    follow_edges: bool = True,
) -> Mesh:
    """The mesh of the valid pixels, one vertex for every stride-th pixel in both axes.

    The first column of vertices is there twice, with u and with u + 1, so that the texture runs on
    over the seam. Each pole is one point at the mean distance of its row, repeated for each sector
    with a u of its own. A triangle is left out when a corner is masked, or when its
    largest distance exceeds its smallest by more than the share `edge_threshold` and the ray meets
    it at a grazing angle (see `Limits`): then it spans a depth edge, and is no floor seen far off.
    follow_edges: near and far surface go on to the edge itself (`edges.py`, `cuts.py`).
    """
    return mesh_and_grid(prediction, max_columns, edge_threshold, follow_edges)[0]


def mesh_and_grid(
    prediction: Prediction, max_columns: int, edge_threshold: float, follow_edges: bool
) -> tuple[Mesh, Grid]:
    """The mesh of `build_mesh`, and the distances that it was made of."""
    height, width = prediction.distance.shape
    stride = max(1, -(-width // max_columns))
    rows, columns = (np.arange(n)[every_nth(n, stride)] for n in (height, width))
    thin = np.ix_(rows, columns)
    grid = Grid(prediction.solid[thin], prediction.mask[thin], edge_threshold)
    place = _Place(rows, columns, (height, width))
    vertices, texture = _vertices(grid, place)
    shape, limits = (len(rows), len(columns) + 1), Limits.of(edge_threshold)
    judged, cuts = judge(vertices, shape, limits), None
    if follow_edges and (torn := judged.torn(grid.mask)).any():
        fine = Fine(prediction.solid, rows, columns)
        grid = sharpened(grid, torn, fine)
        vertices, texture = _vertices(grid, place)
        judged = judge(vertices, shape, limits)
        cuts, cells = cut_cells(grid, judged.torn(grid.mask), fine)
        for keep in judged.kept[:2]:
            keep &= ~cells
    twins = _closed(np.arange(grid.mask.size, dtype=np.uint32).reshape(grid.mask.shape))
    both = [np.full(len(columns), grid.mask.size + pole, np.uint32) for pole in (0, 1)]
    same = np.concatenate([twins.ravel(), *both])
    used = used_by(judged, shape)
    if cuts is None or not len(cuts.faces):
        faces = faces_of(judged, shape, numbers_of(used))
    else:
        before = len(used)
        vertices, texture, same, more = _with_cuts(vertices, texture, same, cuts)
        more = more[untorn(vertices, more, limits)]
        used = np.append(used, np.zeros(len(vertices.lengths) - before, np.bool_))
        used[more] = True
        numbers = numbers_of(used)
        whole = faces_of(judged, shape, numbers[:before])
        faces = np.concatenate([whole, numbers[more]])
    points = kept_rows(vertices.positions, used)
    return Mesh(points, kept_rows(texture, used), faces, stride, same[used]), grid


@dataclass(frozen=True)
class _Place:
    """Where the grid lies in its panorama. rows: (h,), columns: (w,). full: (H, W)."""

    rows: npt.NDArray[Any]
    columns: npt.NDArray[Any]
    full: tuple[int, int]


def _vertices(grid: Grid, place: _Place) -> tuple[Vertices, npt.NDArray[np.float32]]:
    """The closed grid's vertices with those of the poles, and (N, 2) their texture coordinates."""
    # Points of these pixels alone: the whole (H, W, 3) array of a 16K panorama takes 1.6 GB.
    lon, lat = axis_angles(*place.full)
    distance, mask = _closed(grid.distance), _closed(grid.mask)
    points = _closed(lonlat_points(grid.distance, lon[place.columns], lat[place.rows]))
    # The seam's column twice, once with u + 1: a triangle across the seam else spans the texture.
    u = (np.append(place.columns, place.columns[0]) + 0.5) / place.full[1]
    u[-1] += 1
    uv = np.empty((*distance.shape, 2), np.float32)
    uv[..., 0], uv[..., 1] = u, ((place.rows + 0.5) / place.full[0])[:, None]
    # No pixel lies on a pole: without a vertex there the mesh would have a hole above and below.
    poles = [_pole(distance[row], mask[row], u, float(row != 0)) for row in (0, -1)]
    vertices = Vertices(
        np.concatenate([points.reshape(-1, 3), *(p.positions for p in poles)]),
        np.concatenate([distance.ravel(), *(p.lengths for p in poles)]),
        np.concatenate([mask.ravel(), *(p.valid for p in poles)]),
    )
    return vertices, np.concatenate([uv.reshape(-1, 2), *(p.uv for p in poles)])


def _with_cuts(
    vertices: Vertices, texture: npt.NDArray[Any], same: npt.NDArray[Any], cuts: Cuts
) -> tuple[Vertices, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Vertices, texture coordinates and twins, those of the cuts behind, and the cuts' faces.

    texture: (V, 2). same: (V,), the twin of each vertex.
    """
    lon, lat = (cuts.uv[:, 0] - 0.5) * 2 * np.pi, (cuts.uv[:, 1] - 0.5) * np.pi
    rays = np.stack([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], axis=-1)
    more = Vertices(
        np.concatenate([vertices.positions, (rays * cuts.length[:, None]).astype(np.float32)]),
        np.concatenate([vertices.lengths, cuts.length.astype(np.float32)]),
        np.concatenate([vertices.valid, np.ones(len(cuts.length), np.bool_)]),
    )
    return (
        more,
        np.concatenate([texture, cuts.uv.astype(np.float32)]),
        np.concatenate([same, (int(same.max()) + 1 + cuts.twin).astype(np.uint32)]),
        cuts.faces,
    )


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

"""What near things hide, guessed: surfaces go on a little way behind the edges of nearer ones.

From beside the camera a mesh of one panorama has holes where near things hid what is farther. Each
far surface is continued as the plane that it is beside its edge, and its colours are the mirror
image of what is seen there. Seen from the camera nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import OutputError
from panodepth.export.meshes.cuts import is_jump
from panodepth.export.meshes.mesh import (
    FEWEST_FACES,
    MAX_MESH_COLUMNS,
    MeshOptions,
    made_mesh,
    mesh_and_grid,
)
from panodepth.export.meshes.surface import Grid, Mesh
from panodepth.export.meshes.triangles import EDGE_THRESHOLD
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.sampling import sample_erp
from panodepth.types import BoolArray, ByteArray, Prediction

Array = npt.NDArray[Any]

WINDOW_DEG = 2.0  # to each side of an edge's pixel: of what it sees there a plane is made ...
ALIKE = 0.1  # ... by how little its ln distance differs: the width of a Gaussian
STIFFNESS = 9.0  # how many pixels a surface that faces the camera counts in that plane
BLUR_DEG = 2.0  # planes beside each other are made alike
SETTLED_DEG = 2.0  # from the edge, where a smoothed plane no longer has to meet it
GAP = 0.02  # share by which what is hidden is farther than what hides it
RANGE = 0.6, 1.6  # least and most of a plane's distance, times the one at its edge
SAME_SURFACE = 0.12  # ln: a mirror image is taken where the surface goes on as its plane
MARGIN_DEG = 1.4  # from the edge, whose pixels hold colours of the near surface, too
RING = 2  # pixels of the far surface that are there twice, so that nothing shows between
PUSH = 1.002  # times as far as what is seen there
HIDDEN_FACES = 0.2  # share of a number of faces
LEAST = 24  # pixels of a piece, of a grid of 512 rows
SAMPLED = 4096  # rays in a row
STEEPEST = 0.05  # least cosine of the latitude that columns are stretched by


@dataclass(frozen=True)
class _Edges:
    """Depth edges of an (h, w) grid. right: (h, w) and down: (h - 1, w), between which neighbours
    they run. far: (K,) flat pixels of far surfaces beside them. near, of: (L,), flat pixels of near
    ones, and beside which of `far` each lies.
    """

    right: BoolArray
    down: BoolArray
    far: Array
    near: Array
    of: Array


@dataclass(frozen=True)
class _Sphere:
    """The grid: distance (h * w,), any where nothing is known; valid (h * w,); rays (h * w, 3)."""

    shape: tuple[int, int]
    distance: Array
    valid: BoolArray
    rays: Array

    @property
    def pixel_deg(self) -> float:
        """Of a row."""
        return 180 / self.shape[0]


@dataclass(frozen=True)
class _Planes:
    """One for each far pixel at an edge. normal: (K, 3), its product with a ray is 1 / distance.
    ray: (K, 3) and length: (K,), of the pixel.
    """

    normal: Array
    ray: Array
    length: Array

    def inverse(self, number: Array, rays: Array) -> Array:
        """(N,) 1 / distance along rays (N, 3) on planes by number (N,), within RANGE."""
        return self.held((self.normal[number] * rays).sum(axis=1), number)

    def held(self, inverse: Array, number: Array) -> Array:
        """(N,) 1 / distance within RANGE of the distances at the planes' edges."""
        ends, (least, most) = self.length[number], RANGE
        return np.clip(inverse, 1 / (most * ends), 1 / (least * ends))

    def apart_rad(self, number: Array, rays: Array) -> Array:
        """(N,) the angle of each ray from its plane's pixel."""
        cosine = (self.ray[number] * rays).sum(axis=1)
        return np.asarray(np.arccos(np.clip(cosine, -1, 1)))


def behind(
    prediction: Prediction,
    reach_deg: float,
    edge_threshold: float = EDGE_THRESHOLD,
    max_columns: int = MAX_MESH_COLUMNS,
) -> Prediction | None:
    """What is hidden in a panorama, up to `reach_deg` behind edges; None where nothing is.

    The result has (h, w) pixels, w at most max_columns. Its mask is True for what is guessed and
    for RING pixels of what is seen beside it; where that is False, distance and image hold what
    the panorama shows.
    """
    grid = mesh_and_grid(prediction, max_columns, edge_threshold, True)[1]
    edges = _edges(grid)
    sphere = _sphere(grid)
    planes = _planes(sphere, edges)
    reached = _reached(sphere, edges, planes, np.deg2rad(reach_deg))
    distance, band = _continued(sphere, planes, reached)
    if not band.any():
        return None
    height, width = sphere.shape
    reached = np.where(band, reached, -1)
    small = cv2.resize(prediction.image, (width, height), interpolation=cv2.INTER_AREA)
    image = _mirrored(sphere, planes, reached, np.asarray(small, np.uint8))
    distance, ring = _with_ring(sphere, edges, reached, distance)
    return replace(
        prediction,
        distance=distance.astype(np.float32).reshape(height, width),
        mask=(band | ring).reshape(height, width),
        image=image,
        raw=None,
        sky_mask=None,
        light=None,
        confidence=None,
    )


def front_and_behind(
    prediction: Prediction, path: Path, options: MeshOptions, reach_deg: float
) -> tuple[Mesh, tuple[Prediction, Mesh] | None]:
    """The mesh of a panorama, and what it hides with a mesh of its own; None where that is nothing.

    A number of faces is shared between both. OutputError for an empty panorama.
    """
    found = None
    if reach_deg:
        found = behind(prediction, reach_deg, options.edge_threshold, options.max_columns)
    if found is None:
        return made_mesh(prediction, path, options), None
    front = back = options
    if isinstance(options.faces, int):
        less = max(FEWEST_FACES, round(options.faces * HIDDEN_FACES))
        back = replace(options, faces=less)
        front = replace(options, faces=max(FEWEST_FACES, options.faces - less))
    mesh = made_mesh(prediction, path, front)
    try:
        return mesh, (found, made_mesh(found, path, back))
    except OutputError:  # no three pixels side by side
        return mesh, None


def _sphere(grid: Grid) -> _Sphere:
    height, width = grid.distance.shape
    lon, lat = (angles.astype(np.float64) for angles in axis_angles(height, width))
    flat = np.cos(lat)[:, None]
    rays = np.stack(
        np.broadcast_arrays(flat * np.sin(lon), np.sin(lat)[:, None], flat * np.cos(lon)), axis=-1
    )
    distance = np.where(grid.mask, grid.distance, 1).astype(np.float64)
    return _Sphere((height, width), distance.ravel(), grid.mask.ravel(), rays.reshape(-1, 3))


def _edges(grid: Grid) -> _Edges:
    """Where distance jumps by more than the grid's threshold, and no slanted surface does."""
    height, width = grid.distance.shape
    mask = grid.mask
    log = np.log(np.where(mask, grid.distance, 1).astype(np.float64))
    place = np.arange(height * width).reshape(height, width)
    right, down = is_jump(grid.distance, mask)
    after = np.roll(log, -1, axis=1) - log, np.diff(log, axis=0)
    limit = np.log1p(grid.edge_threshold)
    right = right & mask & np.roll(mask, -1, axis=1) & (np.abs(after[0]) > limit)
    down = down & mask[1:] & mask[:-1] & (np.abs(after[1]) > limit)
    far, near = [], []
    sides = (
        (right, after[0], place, np.roll(place, -1, axis=1)),
        ((down, after[1], place[:-1], place[1:])),
    )
    for jump, change, start, end in sides:
        for chosen, a, b in ((jump & (change < 0), start, end), (jump & (change > 0), end, start)):
            far.append(a[chosen])
            near.append(b[chosen])
    pixels, of = np.unique(np.concatenate(far), return_inverse=True)
    return _Edges(right, down, pixels, np.concatenate(near), of)


def _planes(sphere: _Sphere, edges: _Edges) -> _Planes:
    """By weighted least squares of 1 / distance over the rays around each far pixel."""
    (height, width), far = sphere.shape, edges.far
    row, column = np.divmod(far, width)
    log = np.log(sphere.distance)
    stretch = 1 / np.maximum(np.hypot(*sphere.rays[far][:, [0, 2]].T), STEEPEST)
    ray, inverse = sphere.rays[far], 1 / sphere.distance
    squares = STIFFNESS * np.eye(3) * (np.pi / height) ** 2 + np.zeros((len(far), 1, 1))
    sums = STIFFNESS * (np.pi / height) ** 2 * ray * inverse[far][:, None]
    steps = max(2, round(WINDOW_DEG / sphere.pixel_deg))
    for i, j in product(range(-steps, steps + 1), repeat=2):
        other = row + i
        inside = (other >= 0) & (other < height)
        other = other.clip(0, height - 1) * width
        other += (column + np.rint(j * stretch).astype(int)) % width
        weight = np.exp(-0.5 * ((log[other] - log[far]) / ALIKE) ** 2)
        weight *= inside & sphere.valid[other]
        there = sphere.rays[other]
        squares += (weight[:, None] * there)[:, :, None] * there[:, None, :]
        sums += (weight * inverse[other])[:, None] * there
    normal = np.linalg.solve(squares, sums[..., None])[..., 0]
    return _Planes(normal, ray, sphere.distance[far])


def _reached(sphere: _Sphere, edges: _Edges, planes: _Planes, reach_rad: float) -> Array:
    """(h * w,) which plane goes on behind each pixel: of the nearest edge, by way of the near
    surface alone; -1 for none.
    """
    (height, width), wall = sphere.shape, edges.right.ravel()
    below = np.concatenate([edges.down.ravel(), np.ones(width, np.bool_)])
    found = np.full(height * width, -1)
    apart = np.full(height * width, np.inf)
    place, number = edges.near, edges.of
    for _ in range(height):
        angle = planes.apart_rad(number, sphere.rays[place])
        good = sphere.valid[place] & (angle <= reach_rad) & (angle < apart[place])
        inverse = planes.inverse(number, sphere.rays[place])
        good &= inverse * sphere.distance[place] * (1 + GAP) < 1
        place, number, angle = place[good], number[good], angle[good]
        if not len(place):
            break
        order = np.lexsort((angle, place))
        place, first = np.unique(place[order], return_index=True)
        number, angle = number[order][first], angle[order][first]
        found[place], apart[place] = number, angle
        row, column = np.divmod(place, width)
        left = row * width + (column - 1) % width
        above = place - width
        ways = (
            (row * width + (column + 1) % width, ~wall[place]),
            (left, ~wall[left]),
            (place + width, ~below[place]),
            (above, (row > 0) & ~below[above.clip(0)]),
        )
        place = np.concatenate([way[free] for way, free in ways])
        number = np.concatenate([number[free] for _, free in ways])
    return found


def _continued(sphere: _Sphere, planes: _Planes, reached: Array) -> tuple[Array, BoolArray]:
    """(h * w,) distances of what is hidden, else what is seen, and where something is hidden."""
    (height, width), distance = sphere.shape, sphere.distance.copy()
    band = reached >= 0
    band &= ~_small(band.reshape(sphere.shape)).ravel()
    place = np.flatnonzero(band)
    number = reached[place]
    sigma = BLUR_DEG / sphere.pixel_deg
    field = np.zeros((height * width, 3))
    field[place] = planes.normal[number]
    normal = _blurred(field.reshape(height, width, 3), band.reshape(height, width), sigma)
    normal = normal.reshape(-1, 3)[place]
    # The plane was made smooth along the edge: there it has to meet the far surface again.
    miss = np.zeros(height * width)
    miss[place] = 1 / planes.length[number] - (normal * planes.ray[number]).sum(axis=1)
    miss = _blurred(miss.reshape(height, width, 1), band.reshape(height, width), sigma / 3).ravel()
    apart_deg = np.rad2deg(planes.apart_rad(number, sphere.rays[place]))
    inverse = (normal * sphere.rays[place]).sum(axis=1)
    inverse += miss[place] * np.exp(-apart_deg / SETTLED_DEG)
    length = 1 / planes.held(inverse, number)
    farther = length > sphere.distance[place] * (1 + GAP)
    distance[place[farther]] = length[farther]
    band[place[~farther]] = False
    return distance, band


def _small(band: BoolArray) -> BoolArray:
    """(h, w) the pieces of a band that are too small to be worth a surface."""
    around = np.concatenate([band, band], axis=1).astype(np.uint8)
    _, piece, facts, _ = cv2.connectedComponentsWithStats(around, connectivity=4)
    small = facts[:, cv2.CC_STAT_AREA] < LEAST * (len(band) / 512) ** 2
    small[0] = False
    first, second = np.split(small[piece], 2, axis=1)
    return np.asarray(first & second)  # a piece across the seam is whole in the middle alone


def _blurred(values: Array, band: BoolArray, sigma: float) -> Array:
    """(h, w, C) means of the values (h, w, C) of a band (h, w), over the seam too."""
    reach = min(int(np.ceil(3 * sigma)), band.shape[1])
    planes = np.concatenate([values * band[..., None], band[..., None]], axis=-1)
    planes = np.concatenate([planes[:, -reach:], planes, planes[:, :reach]], axis=1)
    blurred = cv2.GaussianBlur(planes, (2 * reach + 1, 2 * reach + 1), sigma)
    blurred = blurred[:, reach : reach + band.shape[1]]
    return np.asarray(blurred[..., :-1] / np.maximum(blurred[..., -1:], 1e-9))


def _mirrored(sphere: _Sphere, planes: _Planes, reached: Array, image: ByteArray) -> ByteArray:
    """(h, w, 3) uint8: the image, and where something is hidden what lies as far on the other side
    of its edge; nearer to it where that is another surface.
    """
    height, width = sphere.shape
    place = np.flatnonzero(reached >= 0)
    number, rays = reached[place], sphere.rays[place]
    angle, edge = planes.apart_rad(number, rays), planes.ray[number]
    away = edge * np.cos(angle)[:, None] - rays
    away /= np.maximum(np.linalg.norm(away, axis=1), 1e-9)[:, None]
    colours = np.zeros((len(place), 3), np.float32)
    todo = np.ones(len(place), np.bool_)
    margin, pixel = np.deg2rad(MARGIN_DEG), np.pi / height
    for share, start in ((1, 1), (0.7, 1), (0.45, 1), (0.25, 1), (0.1, 1), (0.3, 0.5), (0, 0)):
        turn = (share * angle + max(start * margin, 1.5 * pixel))[:, None]
        seen = edge * np.cos(turn) + away * np.sin(turn)
        u = (np.arctan2(seen[:, 0], seen[:, 2]) / (2 * np.pi) + 0.5) * width - 0.5
        v = (np.arcsin(np.clip(seen[:, 1], -1, 1)) / np.pi + 0.5) * height - 0.5
        # Half-way pixels go the same way wherever the panorama begins.
        column, row = (np.floor(x + 0.5 + 1e-6).astype(int) for x in (u, v))
        there = row.clip(0, height - 1) * width + column % width
        off = np.log(sphere.distance[there] * planes.inverse(number, seen))
        good = todo & sphere.valid[there] & (np.abs(off) < SAME_SURFACE)
        if not start:
            good = todo
        if good.any():
            colours[good] = _seen(image, seen[good])
        todo &= ~good
    filled = image.reshape(-1, 3).astype(np.float32)
    filled[place] = colours
    soft = _blurred(filled.reshape(image.shape), (reached >= 0).reshape(height, width), 1.0)
    filled[place] = soft.reshape(-1, 3)[place]
    return np.clip(np.rint(filled), 0, 255).astype(np.uint8).reshape(image.shape)


def _seen(image: ByteArray, rays: Array) -> Array:
    """(N, 3) float32 colours along rays (N, 3)."""
    rows = -(-len(rays) // SAMPLED)  # OpenCV samples fewer than 2^15 in a row
    block = np.resize(rays, (rows, SAMPLED, 3))
    found = sample_erp(np.moveaxis(image, -1, 0).astype(np.float32), block)
    return np.moveaxis(found, 0, -1).reshape(-1, 3)[: len(rays)]


def _with_ring(
    sphere: _Sphere, edges: _Edges, reached: Array, distance: Array
) -> tuple[Array, BoolArray]:
    """(h * w,) distances, and which pixels of the far surface at used edges are there again, a
    little farther off than any of theirs.
    """
    (height, width), far = sphere.shape, edges.far
    used = np.zeros(len(far), np.bool_)
    used[reached[reached >= 0]] = True
    row, column = np.divmod(far[used], width)
    ring = np.zeros(height * width, np.bool_)
    for i, j in product(range(-RING, RING + 1), repeat=2):
        other = (row + i).clip(0, height - 1) * width + (column + j) % width
        alike = np.abs(np.log(sphere.distance[other] / sphere.distance[far[used]])) < ALIKE
        ring[other[alike & sphere.valid[other] & (reached[other] < 0)]] = True
    place = np.flatnonzero(ring)
    row, column = np.divmod(place, width)
    farthest = distance[place]
    for i, j in product((-1, 0, 1), repeat=2):
        other = (row + i).clip(0, height - 1) * width + (column + j) % width
        alike = np.abs(np.log(sphere.distance[other] / sphere.distance[place])) < ALIKE
        farthest = np.where(alike, np.maximum(farthest, sphere.distance[other]), farthest)
    distance[place] = farthest * PUSH
    return distance, ring

"""`occupancy`: a map for nav2's map_server; `birdseye`: heights over the floor."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np

from panodepth.atomic import atomic
from panodepth.errors import OutputError
from panodepth.export.metadata import PLY_COMMENT, metadata, png_texts, to_json
from panodepth.export.rasters import png
from panodepth.export.robots.ground import ROS_FRAME, BandOptions, over_ground
from panodepth.export.robots.obstacles import Seen, seen_around
from panodepth.export.robots.scan import (
    ScanOptions,
    Sectors,
    beam_of,
    farthest,
    laser_scan,
    nearest,
)
from panodepth.strict import Range
from panodepth.types import BoolArray, ByteArray, Float64Array, FloatArray, Prediction

FREE, UNKNOWN, OCCUPIED = 254, 128, 0  # 128 stays unknown under free_thresh 0.196 and 0.25
BEAMS = 2880  # that free space is cut out by
MOST_CELLS = 1 << 26
WIDEST_GAP = 48  # beams without a point, 6°: what a picture of 64 columns leaves


@dataclass(frozen=True, kw_only=True)
class MapOptions(BandOptions):
    """resolution: side of a cell [m]."""

    resolution: Annotated[float, Range(at_least=0.001, at_most=10)] = 0.05


@dataclass(frozen=True, kw_only=True)
class BirdseyeOptions(MapOptions):
    """sectors: of the list of what is nearest."""

    sectors: Sectors = 8


@dataclass(frozen=True)
class Grid:
    """Cells over the floor. origin: x, y of the lower left corner [m]; resolution [m]; shape:
    rows (from the largest y down) and columns (from the smallest x on), as pictures have them.
    """

    origin: tuple[float, float]
    resolution: float
    shape: tuple[int, int]

    @classmethod
    def around(cls, points: Iterable[Float64Array], options: MapOptions, path: Path) -> Grid:
        """Holds all of several arrays of points (N, 3) within `range_max`, and the camera.

        Raises OutputError.
        """
        flat = (some.T[:2] for some in points)
        near = (xy.compress(np.hypot(*xy) <= options.range_max, axis=1) for xy in flat)
        ends = np.array([(xy.min(1, initial=0), xy.max(1, initial=0)) for xy in near])
        low = np.floor(ends.min((0, 1)) / options.resolution).astype(int) - 1
        high = np.ceil(ends.max((0, 1)) / options.resolution).astype(int) + 1
        columns, rows = (high - low).tolist()
        if rows * columns > MOST_CELLS:
            raise OutputError(
                f"{path}: a map of {columns}x{rows} cells; give a larger resolution or a smaller "
                "range_max"
            )
        origin = float(low[0] * options.resolution), float(low[1] * options.resolution)
        return cls(origin, options.resolution, (rows, columns))

    def cells(self, points: Float64Array) -> tuple[Any, Any]:
        """Row and column of points (N, D), D 2 or 3, that lie in the grid."""
        rows, columns = self.shape
        column = np.floor((points[:, 0] - self.origin[0]) / self.resolution).astype(int)
        row = rows - 1 - np.floor((points[:, 1] - self.origin[1]) / self.resolution).astype(int)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return row[inside], column[inside]

    def middles(self) -> Float64Array:
        """(rows · columns, 2) x, y of the middles of all cells [m]."""
        rows, columns = self.shape
        x = self.origin[0] + (np.arange(columns) + 0.5) * self.resolution
        y = self.origin[1] + (rows - np.arange(rows) - 0.5) * self.resolution
        return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)


@dataclass(frozen=True)
class OccupancyMap:
    """grey: (rows, columns) uint8: FREE, UNKNOWN or OCCUPIED."""

    grid: Grid
    grey: ByteArray


def occupancy_map(
    prediction: Prediction,
    options: MapOptions = MapOptions(),
    path: Path = Path("map"),
    seen: Seen | None = None,
) -> OccupancyMap:
    """A cell is occupied where something lies between low and high, free where nothing does up to
    there, or, where nothing is in the way, up to the farthest floor that is seen. OutputError.

    seen: what `seen_around` said, if it was asked.
    """
    seen = seen or seen_around(prediction, path, options)
    grid = Grid.around(over_ground(prediction, seen.height), options, path)
    middles = grid.middles()
    free = np.hypot(*middles.T) < free_reach(seen.surface, seen.floor)[beam_of(middles, BEAMS)]
    grey = np.where(free, np.uint8(FREE), np.uint8(UNKNOWN)).reshape(grid.shape)
    wall = seen.wall[~seen.grazing]
    # What is in the way lies behind its surface; else walls take the free cell before them.
    behind = 1 + grid.resolution / 2 / np.maximum(np.hypot(wall[:, 0], wall[:, 1]), 1e-6)
    grey[grid.cells(wall[:, :2] * behind[:, None])] = OCCUPIED
    return OccupancyMap(grid, grey)


def free_reach(wall: Float64Array, floor: Float64Array) -> Float64Array:
    """(BEAMS,) how far from the camera it is free in each direction [m].

    wall, floor: (N, 3) points in the way, and of the floor. Small pictures leave beams without any
    point: they are as their neighbours.
    """
    reach = nearest(wall, BEAMS)
    reach = np.where(np.isfinite(reach), reach, farthest(floor, BEAMS))
    told = np.flatnonzero(reach > 0)
    if not told.size:
        return reach
    around = np.concatenate([told - BEAMS, told, told + BEAMS])
    filled = np.interp(np.arange(BEAMS), around, np.tile(reach[told], 3))
    after = np.searchsorted(around, np.arange(BEAMS))
    gaps = around[after] - around[after - 1]
    return np.asarray(np.where(gaps <= WIDEST_GAP, filled, reach), np.float64)


def write_occupancy(
    prediction: Prediction, path: Path, options: MapOptions = MapOptions()
) -> list[Path]:
    """A grey PNG, and beside it the YAML that map_server reads."""
    found = occupancy_map(prediction, options, path)
    rows, columns = found.grid.shape
    meta = metadata(
        prediction,
        "occupancy: 0 occupied, 254 free, 128 unknown",
        unit="1",
        frame=ROS_FRAME,
        projection="from above",
        width=columns,
        height=rows,
        resolution=found.grid.resolution,
    )
    x, y = found.grid.origin
    about = path.with_name(path.name + ".yaml")
    text = (
        f"# {PLY_COMMENT} {to_json(meta)}\n"
        f"image: {yaml_text(path.name)}\nmode: trinary\nresolution: {found.grid.resolution:g}\n"
        f"origin: [{x:.6g}, {y:.6g}, 0.0]\nnegate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    with atomic(path, about) as (picture, sidecar):
        with picture.open("wb") as file:
            png.write_png(file, found.grey.shape, [found.grey], png_texts(meta))
        sidecar.write_text(text, encoding="utf-8")
    return [path, about]


def yaml_text(text: str) -> str:
    """A text as YAML has it, in ASCII; it takes no pairs of surrogates, as JSON writes emoji."""
    parts = (json.dumps(c)[1:-1] if c <= "\uffff" else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(parts)}"'


@dataclass(frozen=True)
class HeightMap:
    """height: (rows, columns) float32 of the highest surface below `high` [m over the floor], NaN
    where nothing is seen. free: (rows, columns) bool.
    """

    grid: Grid
    height: FloatArray
    free: BoolArray


def height_map(
    prediction: Prediction,
    options: MapOptions = MapOptions(),
    path: Path = Path("map"),
    seen: Seen | None = None,
) -> HeightMap:
    """Heights seen from above, ceilings left out. seen: as for `occupancy_map`. OutputError."""
    seen = seen or seen_around(prediction, path, options)
    found = occupancy_map(prediction, options, path, seen)
    height = np.full(found.grid.shape, -np.inf, np.float32)
    for points in over_ground(prediction, seen.height):
        near = np.hypot(points[:, 0], points[:, 1]) <= options.range_max
        kept = points.T.compress(near & (points[:, 2] <= options.high), axis=1).T
        np.maximum.at(height, found.grid.cells(kept), kept[:, 2].astype(np.float32))
    known = np.where(np.isfinite(height), height, np.float32(np.nan))
    return HeightMap(found.grid, known, found.grey == FREE)


def free_polygon(found: HeightMap) -> Float64Array:
    """(N, 2) corners of the free space around the camera, x, y [m], counterclockwise; of the
    largest where the camera stands in none.
    """
    mask = found.free.astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return np.zeros((0, 2))
    grid = found.grid
    camera = (
        -grid.origin[0] / grid.resolution - 0.5,
        grid.shape[0] + grid.origin[1] / grid.resolution - 0.5,
    )
    around = [outline for outline in outlines if cv2.pointPolygonTest(outline, camera, False) >= 0]
    largest = max(around or outlines, key=cv2.contourArea)[:, 0].astype(np.float64)
    x = grid.origin[0] + (largest[:, 0] + 0.5) * grid.resolution
    y = grid.origin[1] + (grid.shape[0] - largest[:, 1] - 0.5) * grid.resolution
    corners = np.stack([x, y], -1)
    turned = np.roll(corners, -1, 0)
    area = float((corners[:, 0] * turned[:, 1] - corners[:, 1] * turned[:, 0]).sum())
    return corners if area >= 0 else corners[::-1]


def write_birdseye(
    prediction: Prediction, path: Path, options: BirdseyeOptions = BirdseyeOptions()
) -> list[Path]:
    """An .npz: `height` (NaN = not seen), `free`, `polygon`, `obstacles` (sectors, 3): direction of
    the sector [deg], range [m] and direction [deg] of what is nearest, NaN = nothing is in the way;
    `unseen` (sectors,): of a scan's 720 beams, those of the sector that show nothing at all;
    `origin`, `resolution`, `meta`.
    """
    seen = seen_around(prediction, path, options)
    found = height_map(prediction, options, path, seen)
    band = {f.name: getattr(options, f.name) for f in fields(BandOptions)}
    sectors = laser_scan(prediction, ScanOptions(**band), path, seen).sectors(options.sectors)
    *rows, unseen = zip(*(row.values() for row in sectors), strict=True)
    meta = metadata(prediction, "height over the floor", frame=ROS_FRAME)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        np.savez_compressed(
            file,
            height=found.height,
            free=found.free,
            polygon=free_polygon(found),
            obstacles=np.array(rows, np.float64).T,
            unseen=np.array(unseen),
            origin=np.array(found.grid.origin),
            resolution=np.array(found.grid.resolution),
            meta=np.array(to_json(meta)),
        )
    return [path]

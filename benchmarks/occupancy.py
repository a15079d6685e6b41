"""Print how well `occupancy` maps what is there: `python benchmarks/occupancy.py [--data DIR]`.

Indoor worlds of the validation seed, 256×512, and the panoramas of DIR, such as rendered_house. The
bundled model, the camera's true height over the floor, up to 10 m. Truth is occupied wherever the
exact distance has a surface from 0.1 to 1.8 m over the floor. Printed of each place, and the mean:

near: of the occupied cells of 5 cm, those within 10 cm of a truly occupied one; also of those that
lie within 3 m. found: the other way round. free: of what is free on the map of the exact distance,
what is free on this one. wrong: of what is called free, what is truly occupied. beams: the median
error of a scan's ranges [m], of all places together last; too far: of those, the beams that say
over 0.5 m more than is free. A beam without anything in the way counts as 10 m.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from metres import picture_of

import panodepth
from panodepth.errors import InputError
from panodepth.export.robots.ground import Float64Array
from panodepth.export.robots.maps import (
    FREE,
    OCCUPIED,
    UNKNOWN,
    MapOptions,
    OccupancyMap,
    occupancy_map,
)
from panodepth.export.robots.scan import ScanOptions, laser_scan
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.floor import find_floor
from panodepth.lab.data import open_folder
from panodepth.lab.evaluation.worlds import WorldSource
from panodepth.types import ByteArray, FloatArray, Prediction

SIZE = (256, 512)
NEAR = 0.10  # m
RANGE, CLOSE = 10.0, 3.0  # m
TOO_FAR = 0.5  # m
OPTIONS = MapOptions(range_max=RANGE)


def on_one_grid(
    first: OccupancyMap, second: OccupancyMap
) -> tuple[ByteArray, ByteArray, Float64Array]:
    """Both maps' greys on the grid that holds both, the first row the lowest y, and how far each
    cell is from the camera [m].
    """
    maps = (first, second)
    step = first.grid.resolution
    corners = [np.rint(np.array(m.grid.origin) / step).astype(int) for m in maps]
    ends = [c + m.grey.shape[::-1] for c, m in zip(corners, maps, strict=True)]
    low, high = np.minimum(*corners), np.maximum(*ends)
    found = []
    for one, (x, y) in zip(maps, (corner - low for corner in corners), strict=True):
        whole = np.full((high - low)[::-1], UNKNOWN, np.uint8)
        whole[y : y + one.grey.shape[0], x : x + one.grey.shape[1]] = one.grey[::-1]
        found.append(whole)
    columns, rows = ((np.arange(low[k], high[k]) + 0.5) * step for k in (0, 1))
    return found[0], found[1], np.hypot(columns[None], rows[:, None])


def share_near(cells: ByteArray, others: ByteArray, resolution: float) -> float:
    """Of the occupied cells, those within NEAR of an occupied one of the others."""
    occupied = cells == OCCUPIED
    empty = (others != OCCUPIED).astype(np.uint8)
    away = cv2.distanceTransform(empty, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * resolution
    return float(np.mean(away[occupied] <= NEAR + 1e-6)) if occupied.any() else np.nan


def with_surfaces(free: OccupancyMap, truth: Prediction, height: float) -> OccupancyMap:
    """The map's free area, and occupied wherever a surface is between the heights of the band."""
    rays = np.asarray(erp_rays(*truth.distance.shape, dtype=np.float64))
    x, z, y = (rays * truth.distance[..., None])[truth.mask].T[[2, 1, 0]] * [[1], [-1], [-1]]
    run, z = np.hypot(x, y), z + height
    band = (z >= OPTIONS.low) & (z <= OPTIONS.high) & (run <= RANGE)
    behind = 1 + free.grid.resolution / 2 / run[band]
    grey = np.where(free.grey == OCCUPIED, np.uint8(UNKNOWN), free.grey)
    grey[free.grid.cells(np.stack([x[band] * behind, y[band] * behind], -1))] = OCCUPIED
    return OccupancyMap(free.grid, grey)


def beam_errors(found: Prediction, truth: Prediction, height: float) -> Float64Array:
    """(360,) what a scan says more than one of the exact distance [m], infinite as RANGE.

    A beam that misses what is in the way, or sees what is not there, counts like any other; NaN
    where one of both shows nothing at all.
    """
    scan = ScanOptions(camera_height=height, range_max=RANGE, beams=360)
    seen, walls = (np.minimum(laser_scan(x, scan).ranges, RANGE) for x in (found, truth))
    return np.asarray(seen - walls, np.float64)


def compare(found: Prediction, truth: Prediction, height: float) -> dict[str, float]:
    """What is printed, of one place, but what `of_beams` adds."""
    options = replace(OPTIONS, camera_height=height)
    exact = with_surfaces(occupancy_map(truth, options), truth, height)
    mine, true, away = on_one_grid(occupancy_map(found, options), exact)
    close = np.where(away <= CLOSE, mine, np.uint8(UNKNOWN))
    return {
        "near": share_near(mine, true, options.resolution),
        "near within 3 m": share_near(close, true, options.resolution),
        "found": share_near(true, mine, options.resolution),
        "free": float(np.mean(mine[true == FREE] == FREE)) if (true == FREE).any() else np.nan,
        "wrong": float(np.mean(true[mine == FREE] == OCCUPIED)) if (mine == FREE).any() else np.nan,
    }


def of_beams(errors: Float64Array) -> dict[str, float]:
    """What is printed of the errors of beams [m], of one place or of several."""
    return {
        "beams": float(np.nanmedian(np.abs(errors))),
        "too far": float(np.mean(errors[np.isfinite(errors)] > TOO_FAR)),
    }


def places(data: Path | None, count: int) -> Iterator[tuple[str, ByteArray, FloatArray]]:
    """Name of the set, picture and exact distance (0 = not known) [m]."""
    source = WorldSource("indoor", count, SIZE)
    for number in range(count):
        yield ("indoor worlds", *picture_of(source[number]))
    if data is not None:
        flat = open_folder(data)
        for number in range(len(flat)):
            yield (data.name, *picture_of(flat[number]))


def picture(file: Path, found: Prediction, truth: Prediction, height: float) -> None:
    """The map of a prediction beside that of the exact distance, as map_server's files are."""
    options = replace(OPTIONS, camera_height=height)
    mine, true, _ = on_one_grid(occupancy_map(found, options), occupancy_map(truth, options))
    gap = np.full((len(mine), 6), 255, np.uint8)
    both = np.concatenate([mine, gap, true], 1)[::-1]
    cv2.imwrite(str(file), cv2.resize(both, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--count", type=int, default=24, help="indoor worlds")
    parser.add_argument("--data", type=Path, help="a folder such as rendered_house")
    parser.add_argument("--picture", type=Path, help="PNG of the map of place number --place")
    parser.add_argument("--place", type=int, default=0)
    chosen = parser.parse_args()
    predictor = panodepth.load(chosen.model, device="cpu")
    rows = defaultdict[str, list[dict[str, float]]](list)
    beams = defaultdict[str, list[Float64Array]](list)
    for number, (name, image, distance) in enumerate(places(chosen.data, chosen.count)):
        known = distance > 0
        truth = Prediction(np.where(known, distance, np.float32(1)), known, image, {"unit": "m"})
        try:
            height = find_floor(truth.distance, known).height
            found = predictor.predict(image, camera_height=height, level="none")
        except InputError as error:
            print(f"{name}: {error}")
            continue
        row = compare(found, truth, height)
        errors = beam_errors(found, truth, height)
        rows[name].append(row)
        beams[name].append(errors)
        told = "  ".join(f"{k} {v:.3f}" for k, v in (row | of_beams(errors)).items())
        print(f"{name} {number:3d}  {told}", flush=True)
        if chosen.picture is not None and number == chosen.place:
            picture(chosen.picture, found, truth, height)
    for name, found_of in rows.items():
        means = {key: float(np.nanmean([row[key] for row in found_of])) for key in found_of[0]}
        means |= of_beams(np.concatenate(beams[name]))
        print(f"{name}, {len(found_of)}: " + "; ".join(f"{k} {v:.3f}" for k, v in means.items()))


if __name__ == "__main__":
    main()

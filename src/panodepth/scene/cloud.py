"""The joint cloud of placed panoramas: as PLY, or as surveys take it, LAS, LAZ and E57."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.errors import OutputError
from panodepth.export.clouds.e57 import Scan, write_scans
from panodepth.export.clouds.las import write_points
from panodepth.export.clouds.options import PlyOptions
from panodepth.export.clouds.ply import COLOURS, NORMALS, QUANTITY
from panodepth.export.clouds.selection import (
    Points,
    ScanOptions,
    chosen,
    cloud_normals,
    gathered,
    nearest_centres,
)
from panodepth.export.formats import check_installed
from panodepth.export.frames import FRAMES, in_metres, stored
from panodepth.export.html.page import FAR
from panodepth.export.metadata import metadata, ply_comments
from panodepth.export.options import writer_options
from panodepth.export.registry import parse_formats
from panodepth.export.thinning import Cloud
from panodepth.scene.poses import Place
from panodepth.scene.registration import turned
from panodepth.types import Prediction

FORMATS = ("ply", "las", "laz", "e57")
SURVEY_UP = "z"  # x right, y forward, z up: east, north and height of a survey

Placed = Sequence[tuple[Prediction, Place]]
Options = PlyOptions | ScanOptions


def checked_formats(given: Sequence[str]) -> tuple[str, ...]:
    """Names of `FORMATS` once each. Raises OutputError for another, ConfigError without its
    package.
    """
    names = parse_formats(given)
    for name in names:
        if name not in FORMATS:
            told = f"format {name}: a joint cloud is written as {', '.join(FORMATS[:-1])}"
            raise OutputError(f"{told} or {FORMATS[-1]}")
    check_installed(names)
    return names


def cloud_options(formats: Sequence[str], given: Mapping[str, Any]) -> dict[str, Options]:
    """Of each of `FORMATS`, as of a single cloud, see `writer_options`; but surveys' `up` is
    `SURVEY_UP`, and `max_points` and `voxel` [common unit] are of the joint cloud. ConfigError.
    """
    ups = (f"{name}.up" for name in formats if name != "ply")
    own = {key: SURVEY_UP for key in ups if key not in given}  # first: what comes later counts
    return writer_options(formats, {**own, **given})


def off_axes(options: Mapping[str, Options]) -> str:
    """The surveys' formats whose axes are not east, north and height; "" = none."""
    survey = FRAMES[SURVEY_UP].axes
    off = (k for k, made in options.items() if k != "ply" and FRAMES[made.up].axes != survey)
    return ", ".join(off)


def write_cloud(
    unit: str, placed: Placed, path: Path, options: Options | None = None, crs: str = ""
) -> None:
    """All panoramas' points in the common frame; the ending of `path` says the format.

    options: None = as `cloud_options` has them. crs: WKT of the reference system of the places, ""
    = none; LAS, LAZ and E57 have a place for it, all have it in their metadata. Raises OutputError.
    """
    kind = path.suffix[1:]
    options = options or cloud_options([kind], {})[kind]
    clouds = _clouds(placed, path, options)
    names = [str(prediction.meta.get("name")) for prediction, _ in placed]
    told = {"rooms": names, **stored(options.up, metres=kind != "ply")} | (
        {"crs": crs} if crs else {}
    )
    meta = metadata(placed[0][0], QUANTITY, unit=unit, **told)
    if isinstance(options, PlyOptions):
        _write_ply(placed, clouds, path, options, meta)
    else:
        _write_survey(placed, clouds, path, options, meta)


def _clouds(placed: Placed, path: Path, options: Options) -> list[Cloud]:
    """Each panorama's share of the joint cloud, in the house frame around it."""
    share = max(1, options.max_points // len(placed))
    own = replace(options, max_points=share, voxel=0.0)
    clouds = [chosen(prediction, path, own, "house") for prediction, _ in placed]
    if not options.voxel:
        return clouds
    rooms = [place for _, place in placed]
    found = [_turned(p, gathered(c).xyz) + p.position for c, p in zip(clouds, rooms, strict=True)]
    kept = nearest_centres(np.concatenate(found), options.voxel)
    ends = np.cumsum([cloud.count for cloud in clouds])[:-1]
    thin = []
    for cloud, mine in zip(clouds, np.split(kept, ends), strict=True):
        mask = np.zeros_like(cloud.mask)
        mask[cloud.mask] = mine
        thin.append(replace(cloud, mask=mask, count=int(np.count_nonzero(mine))))
    return thin


def _write_ply(
    placed: Placed, clouds: Sequence[Cloud], path: Path, options: PlyOptions, meta: dict[str, Any]
) -> None:
    """One binary PLY like those of `save`; coordinates are doubles where places are `FAR` off."""
    frame = FRAMES[options.up]
    axes = frame.matrix.astype(np.float64)
    far = max(abs(part) for _, place in placed for part in place.position) >= FAR
    kind, number = ("double", "<f8") if far else ("float", "<f4")
    normals = NORMALS if options.normals else ()
    fields = [*((axis, number) for axis in "xyz"), *((name, "u1") for name in COLOURS)]
    vertex = np.dtype([*fields, *((name, "<f4") for name in normals)])
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *ply_comments(meta),
        f"element vertex {sum(cloud.count for cloud in clouds)}",
        *(f"property {kind} {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in COLOURS),
        *(f"property float {axis}" for axis in normals),
        "end_header\n",
    ]

    def records() -> Iterator[npt.NDArray[Any]]:
        for (prediction, place), cloud in zip(placed, clouds, strict=True):
            done, upright = 0, cloud_normals(prediction, cloud) if normals else None
            for planes, mask, image in cloud.bands():
                points = _turned(place, np.moveaxis(np.asarray(planes), 0, -1)[mask])
                rows = np.empty(len(points), vertex)
                columns = [*((points + place.position) @ axes.T).T, *image[mask].T]
                if upright is not None:
                    mine = _turned(replace(place, scale=1.0), upright[done : done + len(rows)])
                    columns += [*frame.directions(mine.astype(np.float32)).T]
                for name, column in zip(vertex.names or (), columns, strict=True):
                    rows[name] = column
                done += len(rows)
                yield rows

    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for rows in records():
            file.write(rows.data)


def _write_survey(
    placed: Placed, clouds: Sequence[Cloud], path: Path, options: ScanOptions, meta: dict[str, Any]
) -> None:
    """LAS or LAZ of all points; E57 of a scan for each panorama, which stands at its place."""
    axes = in_metres(options.up).matrix.astype(np.float64)
    scans: list[Scan] = []
    for (prediction, place), cloud in zip(placed, clouds, strict=True):
        found = gathered(cloud)
        around = (_turned(place, found.xyz) @ axes.T).astype(np.float32)
        x, y, z = (axes @ np.array(place.position)).tolist()
        name = str(prediction.meta.get("name"))
        scans.append(Scan(name, Points(around, found.rgb, found.pixels), (x, y, z)))
    if path.suffix == ".e57":
        write_scans(path, [scan for scan in scans if len(scan.points.xyz)], meta)
    else:
        xyz = np.concatenate([scan.points.xyz + np.array(scan.place) for scan in scans])
        rgb = np.concatenate([scan.points.rgb for scan in scans])
        write_points(path, xyz, rgb, meta, compress=path.suffix == ".laz")


def _turned(place: Place, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(N, 3) points of a room along the axes and in the unit of the common frame, around it."""
    return place.scale * turned(math.radians(place.yaw_deg), points.astype(np.float64))

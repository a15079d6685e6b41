"""The joint cloud of placed panoramas: as PLY, or as surveys take it, LAS, LAZ and E57."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.errors import OutputError
from panodepth.export.clouds.e57 import Scan, write_scans
from panodepth.export.clouds.las import write_points
from panodepth.export.clouds.ply import COLOURS, QUANTITY
from panodepth.export.clouds.selection import Points, gathered
from panodepth.export.formats import check_installed
from panodepth.export.frames import FRAMES, stored
from panodepth.export.html.page import FAR
from panodepth.export.metadata import metadata, ply_comments
from panodepth.export.registry import parse_formats
from panodepth.export.thinning import thinned
from panodepth.scene.poses import Place
from panodepth.scene.registration import turned
from panodepth.types import Prediction

MAX_POINTS = 4096 * 2048  # of the joint cloud, as of a single one
FORMATS = ("ply", "las", "laz", "e57")
SURVEY_UP = "z"  # x right, y forward, z up: east, north and height of a survey

Placed = Sequence[tuple[Prediction, Place]]


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


def write_cloud(unit: str, placed: Placed, path: Path) -> None:
    """All panoramas' points in the common frame; the ending of `path` says the format. PLY has
    the house frame, the others `SURVEY_UP`. Raises OutputError.
    """
    if path.suffix == ".ply":
        _write_ply(unit, placed, path)
    else:
        _write_survey(unit, placed, path)


def _write_ply(unit: str, placed: Placed, path: Path) -> None:
    """One binary PLY like those of `save`; coordinates are doubles where places are `FAR` off."""
    share = MAX_POINTS // len(placed)
    clouds = [(thinned(prediction, path, share, "house"), place) for prediction, place in placed]
    far = max(abs(part) for _, place in placed for part in place.position) >= FAR
    kind, stored = ("double", "<f8") if far else ("float", "<f4")
    vertex = np.dtype([*((axis, stored) for axis in "xyz"), *((name, "u1") for name in COLOURS)])
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *ply_comments(_metadata(unit, placed)),
        f"element vertex {sum(cloud.count for cloud, _ in clouds)}",
        *(f"property {kind} {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in COLOURS),
        "end_header\n",
    ]

    def records() -> Iterator[npt.NDArray[Any]]:
        for cloud, place in clouds:
            for planes, mask, image in cloud.bands():
                points = _turned(place, np.moveaxis(np.asarray(planes), 0, -1)[mask])
                points += place.position
                rows = np.empty(len(points), vertex)
                for i, name in enumerate("xyz"):
                    rows[name] = points[:, i]
                for i, name in enumerate(COLOURS):
                    rows[name] = image[mask][:, i]
                yield rows

    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for rows in records():
            file.write(rows.data)


def _write_survey(unit: str, placed: Placed, path: Path) -> None:
    """LAS or LAZ of all points; E57 of a scan for each panorama, which stands at its place."""
    axes = FRAMES[SURVEY_UP].matrix.astype(np.float64)
    share = MAX_POINTS // len(placed)
    scans: list[Scan] = []
    for prediction, place in placed:
        found = gathered(thinned(prediction, path, share, "house"))
        around = (_turned(place, found.xyz) @ axes.T).astype(np.float32)
        x, y, z = (axes @ np.array(place.position)).tolist()
        name = str(prediction.meta.get("name"))
        scans.append(Scan(name, Points(around, found.rgb, found.pixels), (x, y, z)))
    meta = _metadata(unit, placed, **stored(SURVEY_UP, metres=True))
    if path.suffix == ".e57":
        write_scans(path, scans, meta)
    else:
        xyz = np.concatenate([scan.points.xyz + np.array(scan.place) for scan in scans])
        rgb = np.concatenate([scan.points.rgb for scan in scans])
        write_points(path, xyz, rgb, meta, compress=path.suffix == ".laz")


def _turned(place: Place, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(N, 3) points of a room along the axes and in the unit of the common frame, around it."""
    return place.scale * turned(math.radians(place.yaw_deg), points.astype(np.float64))


def _metadata(unit: str, placed: Placed, **more: Any) -> dict[str, Any]:
    names = [str(prediction.meta.get("name")) for prediction, _ in placed]
    return metadata(placed[0][0], QUANTITY, unit=unit, rooms=names, **more)

"""What `panodepth align` writes: rooms.json, the joint cloud, and the viewer's page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic, write_atomic
from panodepth.export.clouds.ply import COLOURS
from panodepth.export.html.page import write_rooms
from panodepth.export.metadata import HOUSE_FRAME, metadata, ply_comments
from panodepth.export.thinning import thinned
from panodepth.scene.align import Scene
from panodepth.scene.poses import Place
from panodepth.scene.registration import turned
from panodepth.types import Prediction

MAX_POINTS = 4096 * 2048  # of the joint cloud, as of a single one
VERTEX = np.dtype([*((axis, "<f4") for axis in "xyz"), *((name, "u1") for name in COLOURS)])
JSON, CLOUD, PAGE = "rooms.json", "rooms_points.ply", "rooms.html"


def write_scene(scene: Scene, predictions: Sequence[Prediction], folder: Path) -> list[Path]:
    """Write all three and return the files. Raises OutputError."""
    placed = [
        (prediction, room.place)
        for prediction, room in zip(predictions, scene.rooms, strict=True)
        if room.place is not None
    ]
    _write_cloud(scene.unit, placed, folder / CLOUD)
    write_rooms([p for p, _ in placed], folder / PAGE, [place for _, place in placed])
    # Last: where it lies, all of them do.
    write_atomic(folder / JSON, json.dumps(described(scene, predictions), indent=2) + "\n")
    return [folder / name for name in (JSON, CLOUD, PAGE)]


def described(scene: Scene, predictions: Sequence[Prediction]) -> dict[str, Any]:
    """rooms.json; docs/align.md has its keys."""
    meta = metadata(predictions[0], "places of panoramas", unit=scene.unit)
    names = [room.name for room in scene.rooms]
    rooms = [
        {
            "name": room.name,
            "source": prediction.meta.get("source"),
            "yaw_deg": round(room.place.yaw_deg, 4),
            "position": [round(part, 5) for part in room.place.position],
            "scale": room.place.scale,
            "matches": room.matches,
            "seen_from": None if room.seen_from is None else names[room.seen_from],
            "yaw_spread_deg": round(room.yaw_spread_deg, 4),
            "position_spread": round(room.position_spread, 5),
            "note": scene.note(room),
            "scale_spread": None if room.scale_spread is None else round(room.scale_spread, 5),
        }
        for room, prediction in zip(scene.rooms, predictions, strict=True)
        if room.place is not None
    ]
    return {
        "generator": meta["generator"],
        "frame": HOUSE_FRAME,
        "unit": scene.unit,
        "rooms": rooms,
        "left_out": [room.name for room in scene.rooms if room.place is None],
    }


def _write_cloud(unit: str, placed: Sequence[tuple[Prediction, Place]], path: Path) -> None:
    """All panoramas' points in the common frame, as one binary PLY like those of `save`."""
    share = MAX_POINTS // len(placed)
    clouds = [(thinned(prediction, path, share, "house"), place) for prediction, place in placed]
    names = [str(prediction.meta.get("name")) for prediction, _ in placed]
    meta = metadata(placed[0][0], "surface point", unit=unit, rooms=names)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *ply_comments(meta),
        f"element vertex {sum(cloud.count for cloud, _ in clouds)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in COLOURS),
        "end_header\n",
    ]

    def records() -> Iterator[npt.NDArray[Any]]:
        for cloud, place in clouds:
            for planes, mask, image in cloud.bands():
                points = np.moveaxis(np.asarray(planes, np.float64), 0, -1)[mask]
                points = place.scale * turned(math.radians(place.yaw_deg), points) + place.position
                rows = np.empty(len(points), VERTEX)
                for i, name in enumerate("xyz"):
                    rows[name] = points[:, i]
                for i, name in enumerate(COLOURS):
                    rows[name] = image[mask][:, i]
                yield rows

    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for rows in records():
            file.write(rows.data)

"""What `panodepth align` writes: rooms.json, the joint cloud, and the viewer's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from panodepth.atomic import write_atomic
from panodepth.export.html.page import HtmlOptions, write_rooms
from panodepth.export.metadata import HOUSE_FRAME, metadata, to_json
from panodepth.scene.align import Scene
from panodepth.scene.cloud import write_cloud
from panodepth.scene.poses import Place
from panodepth.types import Prediction

JSON, CLOUD, PAGE = "rooms.json", "rooms_points", "rooms.html"


def scene_files(folder: Path, formats: Sequence[str] = ("ply",)) -> list[Path]:
    """Where rooms.json, the cloud in each format and the page are written."""
    return [folder / name for name in (JSON, *(f"{CLOUD}.{key}" for key in formats), PAGE)]


def write_scene(
    scene: Scene,
    predictions: Sequence[Prediction],
    folder: Path,
    formats: Sequence[str] = ("ply",),
    options: Mapping[str, Any] | None = None,
    crs: str = "",
) -> list[Path]:
    """Write and return all `scene_files`; formats: of the cloud, of `cloud.FORMATS`. options: their
    `cloud_options`, and `HtmlOptions` as "html". crs: see `write_cloud`. Raises OutputError.
    """
    described_in, *clouds, page = files = scene_files(folder, formats)
    placed = [
        (prediction, room.place)
        for prediction, room in zip(predictions, scene.rooms, strict=True)
        if room.place is not None
    ]
    known = options or {}
    for name, cloud in zip(formats, clouds, strict=True):
        write_cloud(scene.unit, placed, cloud, known.get(name), crs)
    shown = [in_unit(scene.unit, *room) for room in placed]
    rooms, places = [p for p, _ in shown], [place for _, place in shown]
    write_rooms(rooms, page, places, known.get("html", HtmlOptions()))
    # Last: where it lies, all of them do.
    write_atomic(described_in, to_json(described(scene, predictions), indent=2) + "\n")
    return files


def in_unit(unit: str, prediction: Prediction, place: Place) -> tuple[Prediction, Place]:
    """A room for the page, whose lengths are in the unit that its rooms say: metres where the
    scene has them.
    """
    if unit != "m" or prediction.unit == "m":
        return prediction, place
    return prediction.to_metres(scale=place.scale), replace(place, scale=1.0)


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
            "distances": prediction.unit,
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

"""The viewer's page: the bundle of web/ (viewer.html beside this file) with rooms put into it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from panodepth.atomic import write_atomic
from panodepth.errors import OutputError
from panodepth.export.colour import distance_range, distance_table
from panodepth.export.formats import Reach
from panodepth.export.html.packing import as_text, pack
from panodepth.export.jpeg import jpeg
from panodepth.export.metadata import metadata, to_json
from panodepth.export.reprojection import as_panorama
from panodepth.export.thinning import every_nth
from panodepth.strict import Count, Range
from panodepth.types import Prediction

MARK = "<!--rooms-->"  # in the bundle: where they go
PAGE = "viewer"  # what a page says that it is
FAR = 4096.0  # from the origin: beyond it single floats are steps of half a millimetre and more


@dataclass(frozen=True, kw_only=True)
class HtmlOptions:
    """max_columns: distances round the equator at most. max_texture_width: of the photo [px].
    behind: surfaces go on behind nearer ones, a guess, up to this angle from the edge [deg]; 0 =
    not.
    """

    max_columns: Annotated[int, Range(at_least=8)] = 1100  # fewer are no room
    max_texture_width: Count = 2048
    behind: Reach = 0.0


@dataclass(frozen=True)
class Place:
    """Where a room stands among others: its frame's turn about the vertical, then its shift.

    yaw_deg: > 0 turns right. position: x, y, z in the common frame, in its unit. scale: the common
    unit's worth of one unit of the room's distances.
    """

    yaw_deg: float = 0.0
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0


def write_html(
    prediction: Prediction, path: Path, options: HtmlOptions = HtmlOptions()
) -> list[Path]:
    """One page with one room; what another lens saw is resampled to a panorama first."""
    return write_rooms([prediction], path, options=options)


def write_rooms(
    predictions: Sequence[Prediction],
    path: Path,
    places: Sequence[Place | None] | None = None,
    options: HtmlOptions = HtmlOptions(),
) -> list[Path]:
    """One page with at least one room, which are stepped through; with all places, seen together.

    Raises OutputError when a prediction has no surface, or the page cannot be written.
    """
    given = _around_the_first(list(places or [None] * len(predictions)))
    panoramas = [as_panorama(prediction) for prediction in predictions]
    infos, data = [], [("table", as_text(distance_table().tobytes()))]
    for number, (panorama, place) in enumerate(zip(panoramas, given, strict=True)):
        if not panorama.mask.any():
            raise OutputError(f"{path}: no pixel of the prediction is valid, so there is no room")
        info, distances = _room(panorama, place, options.max_columns)
        infos.append(info)
        photo = jpeg(panorama.image, options.max_texture_width)
        data += [(f"distance-{number}", distances), (f"photo-{number}", as_text(photo))]
        if options.behind and (hidden := _hidden(panorama, options)):
            known, distances, photo = hidden
            info["behind"] = {**known, "colours": info["colours"]}
            info["about"] += " · what is hidden: guessed"
            data += [(f"behind-{number}", distances), (f"behind-photo-{number}", as_text(photo))]
    names = [info["name"] for info in infos]
    guessed = {"behind_deg": options.behind} if any("behind" in i for i in infos) else {}
    meta = metadata(panoramas[0], PAGE, rooms=names, **guessed)
    title = html.escape(names[0]).encode(errors="replace").decode()  # names may be any bytes
    head = [f"<title>{title}</title>", _json("panodepth", meta), _json("rooms", infos)]
    head += [f'<script type="text/plain" id="{key}">{text}</script>' for key, text in data]
    before, _, after = bundle().partition(MARK)
    write_atomic(path, "\n".join([before.rstrip("\n"), *head]) + after)
    return [path]


def _around_the_first(places: list[Place | None]) -> list[Place | None]:
    """Places as they are; where the first stands `FAR` off, as seen from it, as what draws counts
    in single floats.
    """
    x, y, z = next((place.position for place in places if place), (0.0, 0.0, 0.0))
    if max(abs(x), abs(y), abs(z)) < FAR:
        return places
    return [
        p and replace(p, position=(p.position[0] - x, p.position[1] - y, p.position[2] - z))
        for p in places
    ]


def _room(panorama: Prediction, place: Place | None, columns: int) -> tuple[dict[str, Any], str]:
    """What web/viewer/room.ts calls RoomInfo, and the packed distances."""
    height, width = panorama.distance.shape
    stride = max(1, -(-width // columns))
    down, right = every_nth(height, stride), every_nth(width, stride)
    thin = (down, right)
    mask, sky = panorama.mask[thin], panorama.sky[thin]
    packed = pack(panorama.solid[thin], mask, sky)
    info = {
        "name": str(panorama.meta.get("name") or "panorama"),
        "unit": panorama.unit,
        "about": _about(panorama),
        "width": width,
        "height": height,
        "columns": mask.shape[1],
        "rows": mask.shape[0],
        "stride": stride,
        "first": [right.start, down.start],
        "near": packed.near,
        "far": packed.far,
        "colours": distance_range(panorama.distance, panorama.mask),
        "up": panorama.up.tolist(),
        "place": None if place is None else asdict(place),
    }
    return info, packed.text


def _hidden(panorama: Prediction, options: HtmlOptions) -> tuple[dict[str, Any], str, bytes] | None:
    """As `_room`, and the photo, of what the panorama hides; None where that is nothing."""
    from panodepth.export.meshes.hidden import behind

    found = behind(panorama, options.behind, max_columns=options.max_columns)
    if found is None:
        return None
    return *_room(found, None, options.max_columns), jpeg(found.image, options.max_texture_width)


def _about(panorama: Prediction) -> str:
    """What a reader should know of the numbers, in one line."""
    height, width = panorama.distance.shape
    meta = panorama.meta
    cue = str(meta.get("metres_by") or "").replace("_", " ").replace("learned", "estimate")
    unit = "relative distances"
    if panorama.unit == "m":
        unit = f"metres by {cue}" if cue else "metres"
    return " · ".join([f"{width} × {height}", unit, *filter(None, [str(meta.get("model") or "")])])


def _json(key: str, values: Any) -> str:
    """A script element that holds JSON; no text in it can end the element."""
    text = to_json(values).replace("<", "\\u003c")
    return f'<script type="application/json" id="{key}">{text}</script>'


def bundle() -> str:
    """The page without rooms."""
    return files("panodepth.export.html").joinpath("viewer.html").read_text(encoding="utf-8")

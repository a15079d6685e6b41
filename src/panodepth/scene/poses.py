"""Places of panoramas in one frame: put together, taken apart, read from a file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import DamageError, InputError
from panodepth.export.html.page import Place
from panodepth.scene.registration import turned
from panodepth.strict import parse_json, read_bounded

__all__ = ["Place", "check_poses", "check_units", "in_frame", "inverse", "read_poses"]

MOST = 1e9  # of a pose's numbers [m or °]; beyond, positions cannot be told from one another


def in_frame(outer: Place, inner: Place) -> Place:
    """A place that is given in the frame of a room at `outer`, in the frame that `outer` is in."""
    yaw = math.radians(outer.yaw_deg)
    shift = outer.scale * turned(yaw, np.array(inner.position, float))
    x, y, z = (shift + outer.position).tolist()
    return Place(_degrees(outer.yaw_deg + inner.yaw_deg), (x, y, z), outer.scale * inner.scale)


def inverse(place: Place) -> Place:
    """Where the common frame stands in the room's: `in_frame(place, inverse(place))` is nowhere."""
    shift = turned(-math.radians(place.yaw_deg), -np.array(place.position, float)) / place.scale
    x, y, z = shift.tolist()
    return Place(_degrees(-place.yaw_deg), (x, y, z), 1 / place.scale)


def read_poses(path: Path, *, metres: bool = False) -> dict[str, Place]:
    """By name, of a JSON file like rooms.json: {"rooms": [{"name", "yaw_deg", "position"}, ...]}.

    position: x, y, z [m], x right, y down, z forward of the common frame; a room's "scale" is 1
    where it is missing. metres: whether positions in another "unit" are refused. InputError.
    """
    try:
        told = parse_json(read_bounded(path))
        listed, unit = told["rooms"], told.get("unit", "m")
        if metres and unit != "m":
            raise InputError(
                f"poses: {path}: its unit is {unit!r}, and metres are needed: align with a cue for "
                'metres, such as --camera-height, or measure positions and say "unit": "m"'
            )
        found = {str(room["name"]): _place(room) for room in listed}
        if len(found) < len(listed):
            raise DamageError(
                "a name stands there twice: " + _twice(room["name"] for room in listed)
            )
        return found
    except OSError as error:
        raise InputError(f"poses: {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        why = f" ({error})" if isinstance(error, DamageError) else ""
        raise InputError(
            f'poses: {path}: not {{"rooms": [{{"name", "yaw_deg", "position": [x, y, z]}}, ...]}}'
            + why
        ) from error


def _twice(names: Iterable[Any]) -> str:
    """The first of the names that more than one has."""
    return next(name for name, count in Counter(map(str, names)).items() if count > 1)


def check_poses(names: Iterable[str], poses: Mapping[str, Place]) -> None:
    """Raise InputError for names that have none, which tells what there is."""
    missing = [name for name in names if name not in poses]
    if missing:
        there = ", ".join(poses) or "no picture"
        raise InputError(f"poses: there is none of {', '.join(missing)}; it has those of {there}")


def check_units(path: Path, units: Mapping[str, str]) -> None:
    """Raise InputError where a room that rooms.json places, which `read_poses` took, has its
    distances in another unit now: they would be as large as they are not. units: by name.
    """
    for room in parse_json(read_bounded(path))["rooms"]:
        name, then = str(room["name"]), room.get("distances")
        now = units.get(name, then)
        if then in ("m", "relative") and now != then:
            what = "give what gave metres then" if then == "m" else "give nothing that gives metres"
            raise InputError(
                f"{path}: {name} was aligned with distances in unit {then!r}, and they are {now!r} "
                f"now: {what}, such as --camera-height, or align again"
            )


def relative_in_metres(path: Path) -> set[str]:
    """Rooms with relative distances that rooms.json, which `read_poses` took, places in metres."""
    told = parse_json(read_bounded(path))
    rooms = told["rooms"] if told.get("unit") == "m" else []
    return {str(room["name"]) for room in rooms if room.get("distances") == "relative"}


def _place(room: dict[str, Any]) -> Place:
    x, y, z = (float(part) for part in room["position"])
    yaw = float(room["yaw_deg"])
    scale = float(room.get("scale", 1))
    if not all(abs(value) < MOST for value in (x, y, z, yaw, scale)) or scale <= 0:
        raise DamageError(
            f"{room['name']}: numbers must be finite, below {MOST:g}, and a scale above 0"
        )
    return Place(yaw, (x, y, z), scale)


def _degrees(angle: float) -> float:
    return math.remainder(angle, 360.0)

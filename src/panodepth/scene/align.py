"""One frame and one scale for several panoramas of a place.

Every pair is registered; the pairs with the most matches connect the pictures to the first one of
the largest group. Where poses are given, matches only tell the scales.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from panodepth.errors import InputError
from panodepth.scene.evening import clear_share, evened
from panodepth.scene.guided import register_features
from panodepth.scene.matching import Features, Matches, find_features, match
from panodepth.scene.poses import Place, check_poses, in_frame, inverse
from panodepth.scene.registration import FINE_RAD, MIN_MATCHES, Registration, turned
from panodepth.scene.sweep import Maps, level_maps
from panodepth.types import Float64Array, Prediction

LEAST_PARALLAX = math.sin(math.radians(3.0))  # below it a ray's crossing is too far off
UNSURE_SCALE, UNSURE_PLACE = 0.03, 0.05  # standard errors above which a note says so; of the step


@dataclass(frozen=True)
class Room:
    """Where one panorama stands.

    place: in the common frame; None = it shows nothing of what the others show. matches: that
    agree, with the picture number `seen_from`; 0 and None for the one the others are laid to.
    yaw_spread_deg, position_spread, scale_spread: standard errors against that picture; position in
    the common unit, scale relative, None = not known.
    """

    name: str
    place: Place | None
    matches: int = 0
    seen_from: int | None = None
    yaw_spread_deg: float = 0.0
    position_spread: float = 0.0
    scale_spread: float | None = None


@dataclass(frozen=True)
class Scene:
    """Rooms in the order of the pictures; unit: of the common frame, "m" or "relative"."""

    rooms: tuple[Room, ...]
    unit: str

    def note(self, room: Room) -> str | None:
        """What must be said of a room whose scale or place is not known well."""
        if room.place is None or room.seen_from is None or room.scale_spread is None:
            return None
        seen_from = self.rooms[room.seen_from].place
        assert seen_from is not None
        step = math.dist(room.place.position, seen_from.position)
        place = room.position_spread / max(step, 1e-9)
        if room.scale_spread <= UNSURE_SCALE and place <= UNSURE_PLACE:
            return None
        other = self.rooms[room.seen_from].name
        if place > 1:
            return f"it seems to be taken where {other} was: no step between them is clear"
        off = f"scale may be off by {room.scale_spread:.0%}, its place by {place:.0%} of the step"
        return f"its {off} from {other}"


def align(predictions: Sequence[Prediction], poses: Mapping[str, Place] | None = None) -> Scene:
    """Where level panoramas stand that show the same place, in the frame of one of them.

    The frame is the level one of the first picture of those that overlap. Its unit is metres if any
    of them is in metres or poses are given, else the first one's. poses: by the pictures' names, in
    metres; their scales are not used, but found. Raises InputError where no two overlap, and for
    what is no list of predictions.
    """
    several = hasattr(predictions, "__len__")
    if not several or not all(isinstance(each, Prediction) for each in predictions):
        raise InputError("align takes a list of predictions, as `predict` returns them")
    if len(predictions) < 2:
        raise InputError(f"align takes two predictions or more, not {len(predictions)}")
    names = [str(p.meta.get("name") or f"panorama {i + 1}") for i, p in enumerate(predictions)]
    features = [find_features(prediction) for prediction in predictions]
    if poses is not None:
        return _by_poses(names, features, poses)
    maps = [level_maps(prediction) for prediction in predictions]
    links = {
        (i, j): found
        for j in range(len(names))
        for i in range(j)
        if (found := _link(features, maps, i, j)) is not None
    }
    first = _largest_group(len(names), list(links))
    rooms: dict[int, Room] = {first: Room(names[first], Place())}
    while reached := [pair for pair in links if (pair[0] in rooms) != (pair[1] in rooms)]:
        best = max(reached, key=lambda pair: links[pair].matches)
        old, new = best if best[0] in rooms else best[::-1]
        rooms[new] = _joined(names[new], rooms[old], old, links[best], backward=best[0] == new)
    if len(rooms) < 2:
        raise InputError("no two of these pictures show the same place")
    lone = [rooms.get(i, Room(name, None)) for i, name in enumerate(names)]
    metric = next((i for i in sorted(rooms) if predictions[i].unit == "m"), None)
    if metric is None:
        return Scene(tuple(lone), "relative")
    place = rooms[metric].place
    assert place is not None
    return Scene(tuple(_scaled(room, 1 / place.scale) for room in lone), "m")


def _link(
    features: Sequence[Features], maps: Sequence[Maps], i: int, j: int
) -> Registration | None:
    """Picture j as seen from picture i, if they show the same place."""
    clear = partial(clear_share, maps[i], maps[j])
    found = register_features(features[i], features[j], clear)
    return None if found is None else evened(maps[i], maps[j], found)


def _joined(name: str, old: Room, number: int, link: Registration, *, backward: bool) -> Room:
    """A room beside `old`, number `number`; backward: the link is from the new one's frame."""
    x, y, z = link.position.tolist()
    step = Place(math.degrees(link.yaw_rad), (x, y, z), link.scale)
    step = inverse(step) if backward else step
    assert old.place is not None
    spread = float(np.linalg.norm(link.position_spread)) * (1 / link.scale if backward else 1)
    return Room(
        name,
        in_frame(old.place, step),
        link.matches,
        number,
        math.degrees(link.yaw_spread_rad),
        spread * old.place.scale,
        link.scale_spread,
    )


def _scaled(room: Room, factor: float) -> Room:
    if room.place is None:
        return room
    x, y, z = (part * factor for part in room.place.position)
    place = Place(room.place.yaw_deg, (x, y, z), room.place.scale * factor)
    return replace(room, place=place, position_spread=room.position_spread * factor)


def _largest_group(count: int, pairs: Sequence[tuple[int, int]]) -> int:
    """The first picture of the largest group that hangs together."""
    group = list(range(count))
    for i, j in pairs:
        group = [group[i] if g == group[j] else g for g in group]
    return group.index(max(group, key=group.count))


def _by_poses(
    names: Sequence[str], features: Sequence[Features], poses: Mapping[str, Place]
) -> Scene:
    """Each picture's scale by where the rays of matches cross."""
    check_poses(names, poses)
    places = [poses[name] for name in names]
    ratios: list[list[Float64Array]] = [[] for _ in names]
    for j in range(len(names)):
        for i in range(j):
            matches = match(features[i], features[j])
            for k, found in zip((i, j), _crossings(matches, places[i], places[j]), strict=True):
                ratios[k].append(found)
    rooms = []
    for name, place, all_logs in zip(names, places, ratios, strict=True):
        logs = np.concatenate([np.empty(0), *all_logs])
        if len(logs) < MIN_MATCHES:
            rooms.append(Room(name, None, len(logs)))
            continue
        scale = math.exp(float(np.median(logs)))
        rooms.append(Room(name, replace(place, scale=scale), len(logs)))
    if not any(room.place for room in rooms):
        raise InputError("no two of these pictures show the same place from these poses")
    return Scene(tuple(rooms), "m")


def _crossings(matches: Matches, one: Place, other: Place) -> tuple[Float64Array, Float64Array]:
    """ln of metres per unit of each picture, where rays of both cross; (M,) each."""
    here = turned(math.radians(one.yaw_deg), matches.rays)
    there = turned(math.radians(other.yaw_deg), matches.other_rays)
    base = np.subtract(other.position, one.position)
    # The lengths a, b for which a · here - b · there comes nearest to the step between the places.
    cosine = (here * there).sum(1)
    sine = np.maximum(1 - cosine**2, 1e-12)
    along, back = here @ base, there @ base
    a, b = (along - cosine * back) / sine, (cosine * along - back) / sine
    gap = np.linalg.norm(a[:, None] * here - b[:, None] * there - base, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        fit = (a > 0) & (b > 0) & (sine > LEAST_PARALLAX**2)
        fit &= gap < FINE_RAD * np.minimum(a, b)
        logs = np.log(a / matches.distance), np.log(b / matches.other_distance)
    return logs[0][fit], logs[1][fit]

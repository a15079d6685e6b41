"""From relative distance to metres: what is known about a place, in the order of trust.

A measured distance or length, measured points, a coarse depth map, the camera's height, how far the
picture goes. The first that was given sets the scale; the others are reported beside it. What the
metres network says (`--scale learned`) is an estimate: it counts alone, or mixed with the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from panodepth.errors import InputError
from panodepth.geometry.coordinates import pixels_to_rays, rays_to_pixels
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.floor import MOST_METRES, check_shows_something
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.sampling import sample_erp
from panodepth.predict.metric.files import read_anchor, read_points, read_pose
from panodepth.predict.metric.floors import UNSURE, Run, camera_heights
from panodepth.predict.metric.options import MetricOptions
from panodepth.types import BoolArray, Float64Array, FloatArray

if TYPE_CHECKING:
    from panodepth.predict.lenses.sphere import Origin

MIN_POINTS = 50
LEARNED = "learned"  # name of the metres network's cue
AROUND_RAD = math.radians(1.0)  # where a measured pixel's neighbours tell how sure it is
MAD_TO_STD = 1.4826
ANCHOR_ROWS = 64  # of the map of corrections
ANCHOR_REACH_RAD = math.radians(12.0)  # how far an anchor's correction is felt
ANCHOR_PRIOR = 0.5  # anchors' worth of the median correction that each place has anyway

RAYS_AT_ONCE = 1 << 14  # OpenCV takes no wider maps than twice that


class Seen(NamedTuple):
    """At the network's size: distance, valid (h, w) bool, and pixels (3, h, w) in [0, 1].

    run: the network, to be asked again where that makes metres surer.
    """

    distance: FloatArray
    valid: BoolArray
    pixels: FloatArray
    run: Run | None = None


class Cue(NamedTuple):
    """metres: of one unit. spread: its relative standard deviation, None = unknown. support: the
    share of the view below that is the floor, where the floor tells.
    """

    name: str
    metres: float
    spread: float | None
    support: float | None = None


def to_metres(
    distance: FloatArray,
    valid: BoolArray,
    seen: Seen,
    options: MetricOptions,
    origin: Origin | None = None,
) -> tuple[FloatArray, dict[str, Any]]:
    """The same map (H, W) in metres, and what metadata say: `unit`, factor, cue, spread, others.

    valid: (H, W) bool, True = a surface is there. origin: the picture that was laid on the map's
    sphere, whose pixels and directions are what was measured; None = it is the map's own. Raises
    InputError where no cue can be used, and for files that cannot be read.
    """
    correction, turn = np.ones((1, 1), np.float32), np.eye(3)
    if origin is not None:
        options = origin.measured(options, (distance.shape[0], distance.shape[1]))
        turn = turn if origin.rotation is None else np.asarray(origin.rotation)
    if options.anchor_depth is not None:
        correction = anchored(distance, valid, read_anchor(options.anchor_depth), turn)
        distance = distance * correction
    cues, problems = [], []
    for find in _finders(distance, valid, seen, options, (float(np.median(correction)), turn)):
        try:
            cues.append(find())
        except InputError as error:
            problems.append(error)
    if not cues:
        raise problems[0]
    used, *others = cues
    if others and others[-1].name == LEARNED:
        used = together(used, others[-1])
    if not 1 / MOST_METRES < used.metres < MOST_METRES:
        cue = used.name.replace("_", " ")
        raise InputError(f"{cue}: a unit of the map would be {used.metres:.3g} metres")
    facts: dict[str, Any] = {
        "unit": "m",
        "metres_per_unit": used.metres * float(np.median(correction)),
        "metres_by": used.name,
        "metres_spread": used.spread,
    }
    if options.camera_height is not None:
        facts["camera_height_m"] = options.camera_height
    if used.support is not None:
        facts["floor_support"] = used.support
    if used.name == "camera_height" and (used.spread or 0) > UNSURE:
        off = f"its floor is found {used.spread:.0%} higher or lower as the picture is turned"
        facts["notes"] = [f"{off}: metres are that unsure"]
    if others or problems:
        # Against the cue in use: 1.1 would make everything a tenth larger.
        told = {c.name: {"ratio": c.metres / used.metres, "spread": c.spread} for c in others}
        facts["other_metres"] = told | {"problems": [str(problem) for problem in problems]}
    return distance * np.float32(used.metres), facts


def _finders(
    distance: FloatArray,
    valid: BoolArray,
    seen: Seen,
    options: MetricOptions,
    changed: tuple[float, Float64Array],
) -> Iterator[Callable[[], Cue]]:
    """The cues that were given, the most trusted first.

    changed: how much farther than the network's a distance is, in the median, and the rotation
    (3, 3) from the picture to the map.
    """
    corrected, turn = changed
    known, length = options.known_distance, options.known_length
    if known is not None:
        yield lambda: by_distance(distance, valid, known)
    if length is not None:
        yield lambda: by_length(distance, valid, length)
    if options.points is not None:
        points = read_points(options.points, read_pose(options.points_pose))
        yield lambda: by_points(distance, valid, points @ turn.T)
    if options.anchor_depth is not None:
        yield lambda: Cue("anchor_depth", 1.0, None)
    if options.camera_height is not None:
        metres = options.camera_height

        def by_floor() -> Cue:
            check_shows_something(seen.pixels.mean(0))
            height, spread, support = camera_heights(*seen)
            return Cue("camera_height", metres / height / corrected, spread, support)

        yield by_floor
    if options.max_distance is not None:
        farthest = options.max_distance

        def by_farthest() -> Cue:
            check_shows_something(seen.pixels.mean(0))
            if not valid.any():
                raise InputError("max distance: the picture shows no surface")
            return Cue("max_distance", farthest / float(np.quantile(distance[valid], 0.98)), None)

        yield by_farthest
    if options.scale == LEARNED:

        def by_things() -> Cue:
            from panodepth.predict.metric.learned import by_network

            check_shows_something(seen.pixels.mean(0))
            metres, spread = by_network(seen.distance, seen.valid, seen.pixels)
            return Cue(LEARNED, metres / corrected, spread)

        yield by_things


def together(one: Cue, other: Cue) -> Cue:
    """Two cues as one: the mean of their logs, weighted by 1 / spread².

    A cue that is exact, or does not say how sure it is, stays as it is.
    """
    if not one.spread or not other.spread:
        return one
    weights = one.spread**-2, other.spread**-2
    log = sum(w * math.log(c.metres) for w, c in zip(weights, (one, other), strict=True))
    metres, spread = math.exp(log / sum(weights)), sum(weights) ** -0.5
    return one._replace(name=f"{one.name} + {other.name}", metres=metres, spread=spread)


def by_distance(distance: FloatArray, valid: BoolArray, known: tuple[float, ...]) -> Cue:
    """By (u, v, metres): a distance that was measured at a pixel."""
    u, v, metres = known
    found, spread = _at(distance, valid, u, v)
    return Cue("known_distance", metres / float(np.linalg.norm(found)), spread)


def by_length(distance: FloatArray, valid: BoolArray, known: tuple[float, ...]) -> Cue:
    """By (u, v, u, v, metres): a length that was measured between the surfaces at two pixels."""
    (one, first), (other, second) = (_at(distance, valid, *known[i : i + 2]) for i in (0, 2))
    length = float(np.linalg.norm(one - other))
    if length < 1e-6 * float(np.linalg.norm(one)):
        raise InputError("known length: both its ends are one place")
    moved = math.hypot(first * float(np.linalg.norm(one)), second * float(np.linalg.norm(other)))
    return Cue("known_length", known[4] / length, moved / length)


def by_points(distance: FloatArray, valid: BoolArray, points: Float64Array) -> Cue:
    """By (N, 3) measured points in the map's frame [m]: the median of the ratios."""
    measured, said = _where_seen(distance, valid, points)
    if measured.size < MIN_POINTS:
        raise InputError(
            f"points: {measured.size} of {len(points)} lie where the picture has a surface; "
            f"at least {MIN_POINTS} are needed"
        )
    logs = np.log(measured / said)
    middle = float(np.median(logs))
    return Cue("points", math.exp(middle), MAD_TO_STD * float(np.median(np.abs(logs - middle))))


def anchored(
    distance: FloatArray, valid: BoolArray, anchor: FloatArray, turn: Float64Array
) -> FloatArray:
    """The smooth factor (H, W) that takes a relative map to a sparse or coarse one in metres.

    anchor: (h, w) distance [m], 0 = not known. turn: (3, 3), directions of the anchor to those of
    the map. Far from every anchor the factor is their median's.
    """
    rows, columns = np.nonzero(anchor > 0)
    uv = np.stack([columns + 0.5, rows + 0.5], -1)
    rays = pixels_to_rays(uv, *anchor.shape) @ turn.T
    metres = anchor[rows, columns].astype(np.float64)
    inside = _looks_at(valid, rays)
    rays, metres = rays[inside], metres[inside]
    if not metres.size:
        raise InputError("anchor depth: nothing in it lies where the picture has a surface")
    logs = np.log(metres / _sampled(distance, rays))
    middle = float(np.median(logs))
    # Huber's weights: an anchor at a depth edge may be on the other side of it.
    spread = max(MAD_TO_STD * float(np.median(np.abs(logs - middle))), 0.02)
    trust = 1 / np.maximum(1, np.abs(logs - middle) / (2 * spread))
    size = (ANCHOR_ROWS, 2 * ANCHOR_ROWS)
    gathered = np.zeros((2, *size))
    u, v = np.floor(rays_to_pixels(rays, *size)).astype(int).T
    place = (np.clip(v, 0, size[0] - 1), u % size[1])
    np.add.at(gathered[0], place, trust * (logs - middle))
    np.add.at(gathered[1], place, trust)
    # Many anchors in one cell tell one thing.
    gathered /= np.maximum(gathered[1], 1)
    smooth = _blurred(gathered)
    field = middle + smooth[0] / (smooth[1] + ANCHOR_PRIOR)
    height, width = distance.shape
    return np.asarray(np.exp(resize_erp(field, (height, width))), np.float32)


def _blurred(maps: Float64Array) -> Float64Array:
    """(C, h, w) under a Gaussian of solid angle's distance on the sphere, summed."""
    rays = erp_rays(*maps.shape[-2:], dtype=np.float64).reshape(-1, 3)
    flat, out = maps.reshape(len(maps), -1), np.empty((len(maps), len(rays)))
    used = np.flatnonzero(np.abs(flat).sum(0))
    for start in range(0, len(rays), 1024):
        part = slice(start, start + 1024)
        near = np.exp((rays[part] @ rays[used].T - 1) / ANCHOR_REACH_RAD**2)
        out[:, part] = flat[:, used] @ near.T
    return out.reshape(maps.shape)


def _at(distance: FloatArray, valid: BoolArray, u: float, v: float) -> tuple[Float64Array, float]:
    """The surface's point (3,) at a pixel, and how much its neighbours' distances differ."""
    height, width = distance.shape
    if not (0 <= u <= width and 0 <= v <= height):
        raise InputError(f"pixel {u:g},{v:g} is outside the picture of {width}x{height}")
    angle = np.arange(8) * (math.pi / 4)
    step = AROUND_RAD * height / math.pi
    ring = np.column_stack([u + step * np.cos(angle), v + step * np.sin(angle)])
    places = np.concatenate([[[u, v]], np.clip(ring, [-np.inf, 0], [np.inf, height])])
    rays = pixels_to_rays(places, height, width)
    if not _looks_at(valid, rays[:1])[0]:
        raise InputError(f"pixel {u:g},{v:g} is sky, or masked")
    found = _sampled(distance, rays)
    return found[0] * rays[0], float(np.median(np.abs(np.log(found[1:] / found[0]))))


def _where_seen(
    distance: FloatArray, valid: BoolArray, points: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """How far points are, and how far the map says along the same rays, where it has a surface."""
    measured = np.linalg.norm(points, axis=1)
    kept = np.isfinite(measured) & (measured > 0)
    points, measured = points[kept], measured[kept]
    seen = _looks_at(valid, points)
    return measured[seen], _sampled(distance, points[seen])


def _looks_at(valid: BoolArray, rays: Float64Array) -> BoolArray:
    """Whether rays (N, 3) meet a surface; valid: (H, W)."""
    found: BoolArray = sample_erp(valid[None], rays[None], "nearest")[0, 0]
    return found


def _sampled(distance: FloatArray, rays: Float64Array) -> Float64Array:
    """(N,) of a map (H, W) along rays (N, 3)."""
    out, panorama = np.empty(len(rays)), distance[None].astype(np.float64)
    for start in range(0, len(rays), RAYS_AT_ONCE):
        part = slice(start, start + RAYS_AT_ONCE)
        out[part] = sample_erp(panorama, rays[None, part])[0, 0]
    return out

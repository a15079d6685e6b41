"""A tilted panorama turned upright, predicted again, and the result turned back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from panodepth.geometry.grid import axis_angles, erp_rays
from panodepth.geometry.level.up import FROM_DEG, Up
from panodepth.geometry.point_bands import lonlat_points
from panodepth.geometry.resizing import Edges
from panodepth.geometry.rotation import rotate_vectors, rotation_to_up
from panodepth.geometry.sampling import sample_erp
from panodepth.predict.request import RawOutput, Request, network_pixels, up_of
from panodepth.size import Size
from panodepth.types import FloatArray

SETTLED_DEG = 2.0  # what is left after a turn is not worth another one
LEAST_GAIN = 0.95  # of the tilt may be left after a turn, else it was none
# Of rooms tilted by 8, 16 and 28° the bundled network shows 7.6, 14.7 and 23.7° (medians of 16).
SHRINKAGE, MOST_DEG = 0.0075, 45.0  # a share of the tilt per degree of it; of a turn
BAND_PIXELS = 1 << 16  # turned back at a time: a large picture needs little memory


def turned_upright(
    request: Request,
    output: RawOutput,
    left: Up,
    run: Callable[[Request], RawOutput],
    passes: int,
    edges: Edges,
) -> tuple[Request, RawOutput, Up]:
    """What `levelled` returns for a picture that is surely tilted.

    left: where the output, of a request that is as its picture is, has up. passes: runs at most.
    """
    plain, least_deg = request, FROM_DEG
    for _ in range(passes):
        if not left.is_sure(least_deg):
            break
        turn = _unshrunk(left)
        turn = _surer(turn, plain, output) if request.up is None else _as_seen(turn, request.up)
        tried = upright(plain, turn, edges)
        answer = run(tried)
        rest = up_of(tried, answer)
        if rest is None or rest.tilt_deg > LEAST_GAIN * left.tilt_deg:
            break
        request, output, left, least_deg = tried, answer, rest, SETTLED_DEG
    return request, output, left if request.up is None else _as_seen(left, request.up)


def upright(request: Request, up: Up, edges: Edges) -> Request:
    """A request that is as its picture is, turned so that `up` is up."""
    size = (request.valid.shape[0], request.valid.shape[1])
    rotation = rotation_to_up(up.direction)

    def turn(planes: FloatArray) -> FloatArray:
        return sample_erp(planes, rotate_vectors(rotation, erp_rays(*planes.shape[1:])))

    valid = sample_erp(request.valid[None], rotate_vectors(rotation, erp_rays(*size)), "nearest")[0]
    if not valid.any():  # a few pixels fell between those of the turned grid
        valid = np.ones_like(valid)
    pixels = network_pixels(request.data, size, edges, turn)
    return replace(request, pixels=pixels, valid=valid, up=up)


def turned_back(values: FloatArray, up: Up, size: Size) -> FloatArray:
    """(h, w) of a picture that was turned by `up`, at another size (H, W), as the picture is."""
    lon, lat = axis_angles(*size)
    to_level = rotation_to_up(up.direction).T.astype(np.float32)
    out = np.empty(size, np.float32)
    rows_at_once = max(1, BAND_PIXELS // size[1])
    for top in range(0, size[0], rows_at_once):
        rows = slice(top, top + rows_at_once)
        rays = lonlat_points(np.ones_like(out[rows]), lon, lat[rows])
        out[rows] = sample_erp(values[None], rotate_vectors(to_level, rays))[0]
    return out


def _unshrunk(up: Up) -> Up:
    """The up of a picture in which a network saw this one: its floors are too level."""
    x, _, z = up.direction
    tilt = max(up.tilt_deg, min(up.tilt_deg * (1 + SHRINKAGE * up.tilt_deg), MOST_DEG))
    flat = math.sin(math.radians(tilt)) / max(math.hypot(x, z), 1e-9)
    return replace(up, direction=(x * flat, -math.cos(math.radians(tilt)), z * flat))


def _surer(turn: Up, request: Request, output: RawOutput) -> Up:
    """The first up, by the picture's vertical edges: floors are off by several degrees."""
    from panodepth.geometry.level.edges import MOST_ROWS, by_edges  # level pictures need none

    picture = request.data.shrunk(MOST_ROWS, 2 * MOST_ROWS).image.mean(-1)
    return by_edges(picture, np.exp(output.log_distance), turn)


def _as_seen(left: Up, turn: Up) -> Up:
    """An up found in a picture that was turned upright by `turn`, in the picture as it is."""
    x, y, z = (rotation_to_up(turn.direction) @ left.direction).tolist()
    return replace(left, direction=(x, y, z))

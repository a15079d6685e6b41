"""`--quality best`: a network's map made finer by tiles, for any model, before the detail network.

The base is the mean of the network's looks at the picture (`Request.looks`), or, of a model that
looks once, of its answers to it as it is, mirrored and turned: what changes with the view falls
out. Tiles see everything twice as large; each is fitted to the base and all are blended in the
gradient domain, over the seam and the poles. Networks see tiles of a kind that they were never
trained on, and their walls come out wavy. So differences between neighbours are taken from the
tiles where they find an edge that the base has not got, and from the base everywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch

from panodepth.geometry.poles import settle_poles
from panodepth.geometry.resizing import Edges, resize_erp
from panodepth.geometry.rotation import rotation_to_up
from panodepth.geometry.seam import pad_erp
from panodepth.predict.extras.confidence import views_beside
from panodepth.predict.level.levelled import to_input
from panodepth.predict.request import ROUGH, RawOutput, Request
from panodepth.predict.sky.settled import without_islands
from panodepth.predict.tiles.merging import Blend, Wishes, solve
from panodepth.predict.tiles.tile import FACTOR, Map, Tile, tile_rotations
from panodepth.size import Size
from panodepth.types import FloatArray

HOLD_DEG = 4.0  # what is wider than that stays as the base has it
EDGE_LOG = 0.07  # more of log distance per pixel than the base: an edge of the tiles
NEAR = 2  # pixels around an edge that are taken from the tiles too
LEAST_COSINE = 0.2  # of the latitude: pixels towards the poles are not counted as ever narrower


def refined(
    maps: list[FloatArray],
    request: Request,
    run: Callable[[FloatArray], RawOutput],
    edges: Edges,
    watch: Callable[[float], None],
) -> list[FloatArray]:
    """Distance, and sky logit if there is one, (h, w) as the network saw them, as the picture is.

    They come back finer where the picture is, at most FACTOR times. run: the network on one
    picture, (3, h, w). edges: as in `resize_erp`, of it. watch: called with the share done.
    """
    height, width = maps[0].shape
    views = [] if request.looks > 1 else views_beside(width)
    tiles = [Tile(turn) for turn in tile_rotations()]
    if request.data.size[0] <= height:
        tiles = []  # the network has seen all that there is
    steps = len(views) + len(tiles)
    seen = [RawOutput(np.log(maps[0]), maps[1] if len(maps) > 1 else None)]
    for number, (there, back) in enumerate(views):
        answer = run(np.ascontiguousarray(there(request.pixels)))
        distance = np.exp(back(answer.log_distance))
        if edges == "sphere":  # as `predictor` does with the first
            settle_poles(distance, request.valid)
        sky = None if answer.sky_logit is None else back(answer.sky_logit)
        seen.append(RawOutput(np.log(distance), sky))
        watch((number + 1) / steps)
    log, logits = _mean(seen, request)
    if logits is not None:
        logits = without_islands(logits, request.valid)  # the other views may have seen some
    if tiles:
        planes, to_picture = _planes(request, (height, width))
        size = round(FACTOR * height), round(FACTOR * width)
        base = resize_erp(log, size, edges=edges).astype(np.float64)
        blend = Blend(size)
        for number, tile in enumerate(tiles):
            shown = tile.picture(planes, to_picture, (height, width))
            laid = tile.laid(run(shown).log_distance, base)
            blend.add(*(torch.from_numpy(x) for x in laid))
            watch((len(views) + number + 1) / steps)
        log = _blended(base, blend.wishes())
    out = [np.exp(log), *([] if logits is None else [logits])]
    return [to_input(x, request, (x.shape[0], x.shape[1]), edges) for x in out]


def _mean(seen: list[RawOutput], request: Request) -> tuple[FloatArray, FloatArray | None]:
    """The mean log distance, each at the scale of the first, and the mean sky logit, (h, w)."""
    first = seen[0].log_distance
    logs = [x.log_distance for x in seen]
    scales = [np.median((log - first)[request.valid]) for log in logs]
    log = np.mean([log - scale for log, scale in zip(logs, scales, strict=True)], axis=0)
    logits = [x.sky_logit for x in seen if x.sky_logit is not None]
    sky = None if seen[0].sky_logit is None else np.mean(logits, axis=0).astype(np.float32)
    return log.astype(np.float32), sky


def _planes(request: Request, size: Size) -> tuple[FloatArray, Map]:
    """The picture as (3, H, W), as fine as tiles need, and the turn from level to it, (3, 3)."""
    enough = tuple(round(ROUGH * FACTOR * side) for side in size)
    image = request.data.shrunk(enough[0], enough[1]).image
    turn = np.eye(3) if request.up is None else rotation_to_up(request.up.direction)
    return np.ascontiguousarray(np.moveaxis(image, -1, 0)), turn


def _blended(base: Map, tiles: Wishes) -> FloatArray:
    """The base (H, W) with the edges of the tiles, wishes for its neighbours' differences."""
    anchor = torch.from_numpy(base)
    own = Wishes(anchor.roll(-1, -1) - anchor, anchor[1:] - anchor[:-1])
    height = len(base)
    lat = (np.arange(height) + 0.5) * (math.pi / height) - math.pi / 2
    narrow = torch.from_numpy(np.maximum(np.cos(lat), LEAST_COSINE))[:, None]
    # A step over a narrow pixel is a steeper one.
    across = (tiles.across - own.across).abs() * narrow > EDGE_LOG
    down = (tiles.down - own.down).abs() > EDGE_LOG
    found = across | across.roll(1, -1)
    found[1:] |= down
    found[:-1] |= down
    share = torch.from_numpy(_around(found.numpy()))
    wishes = Wishes(
        own.across + torch.minimum(share, share.roll(-1, -1)) * (tiles.across - own.across),
        own.down + torch.minimum(share[1:], share[:-1]) * (tiles.down - own.down),
    )
    pull = (math.pi / height / math.radians(HOLD_DEG)) ** 2
    return np.asarray(solve(wishes, anchor, pull).numpy(), np.float32)


def _around(found: Any) -> Map:
    """(H, W) in [0, 1]: 1 within NEAR pixels of what was found, and softly less just beyond."""
    pad = NEAR + 1
    wide = pad_erp(found.astype(np.float64), pad)
    wide = cv2.dilate(wide, np.ones((2 * NEAR + 1,) * 2, np.uint8))
    return np.asarray(cv2.blur(wide, (3, 3))[pad:-pad, pad:-pad])

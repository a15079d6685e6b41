"""Tilted panoramas: see where up is, turn the picture upright, predict again, turn the result back.

Networks learn from level cameras: what is tilted by 30° comes out two to three times less exact. A
picture is only turned when its tilt is large and its floor and walls agree on it, as far as its
vertical edges say, and stays turned only when the second prediction is more level than the first.
"""

from __future__ import annotations

from collections.abc import Callable

from panodepth.geometry.level.up import Up
from panodepth.geometry.resizing import Edges, resize_erp
from panodepth.predict.options import LEVEL_PASSES, PredictOptions
from panodepth.predict.request import RawOutput, Request, up_of
from panodepth.size import Size
from panodepth.types import FloatArray


def levelled(
    request: Request,
    output: RawOutput,
    run: Callable[[Request], RawOutput],
    options: PredictOptions,
    edges: Edges,
) -> tuple[Request, RawOutput, Up | None]:
    """Request and output to go on with, and where the picture has up; run: the network."""
    passes = LEVEL_PASSES[options.level]
    if request.up is not None or not passes:
        return request, output, request.up
    left = up_of(request, output)
    if left is None or not left.is_sure():
        return request, output, left
    from panodepth.predict.level.turning import turned_upright

    return turned_upright(request, output, left, run, passes, edges)


def to_input(values: FloatArray, request: Request, size: Size, edges: Edges) -> FloatArray:
    """(h, w) of what the network saw, at another size and turned as the picture is."""
    if request.up is None:
        return resize_erp(values, size, edges=edges)
    from panodepth.predict.level.turning import turned_back

    return turned_back(values, request.up, size)

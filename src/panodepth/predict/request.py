"""What goes into a network for one panorama, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from panodepth.geometry.level.up import Up, estimate_up
from panodepth.geometry.resizing import Edges, resize_erp
from panodepth.images import ImageData
from panodepth.size import Size
from panodepth.types import BoolArray, FloatArray

PATCH = 14  # columns, of the bundled model and of the presets of ViTs
ROUGH = 2  # a picture is box-averaged down to no less than this many times the network's size


@dataclass(frozen=True)
class Request:
    """One checked input, ready for the network.

    data, mask: the picture and (H, W) bool at full size, mask None = all valid. pixels: (3, h, w)
    float32 in [0, 1]. valid: (h, w) bool at the network's size. up: where the picture has up, when
        pixels and valid are turned so that it is up there; None = they are as the picture is.
    looks: how often the network sees the picture, see `_turned`; own_width: that it was made for.
    """

    data: ImageData
    mask: BoolArray | None
    pixels: FloatArray
    valid: BoolArray
    up: Up | None = None
    looks: int = 1
    own_width: int = 1

    @property
    def pictures(self) -> list[FloatArray]:
        """What the network is to see, (3, h, w) each."""
        return [_turned(self.pixels, look, self) for look in range(self.looks)]


class RawOutput(NamedTuple):
    """What a network says about one panorama, (h, w) float32 each.

    log_distance: natural log, up to one offset. sky_logit: > 0 = sky; None without a sky output.
    """

    log_distance: FloatArray
    sky_logit: FloatArray | None


def answers(requests: Sequence[Request], outputs: Sequence[RawOutput]) -> list[RawOutput]:
    """What a network says of each request, of its outputs for all of their `pictures` in turn.

    Of several looks it is the mean, as the picture is; plain and mirrored ones count half each.
    """
    left = iter(outputs)
    return [_mean([next(left) for _ in range(request.looks)], request) for request in requests]


def _mean(seen: Sequence[RawOutput], request: Request) -> RawOutput:
    logs, skies = (
        [_turned(x, look, request, back=True) for look, x in enumerate(maps) if x is not None]
        for maps in zip(*seen, strict=True)
    )
    half = np.array([1 / len(seen[look % 2 :: 2]) for look in range(len(seen))], np.float32)
    return RawOutput(np.average(logs, 0, half), np.average(skies, 0, half) if skies else None)


def _turned(x: FloatArray, look: int, request: Request, *, back: bool = False) -> FloatArray:
    """(..., w) as one of the looks at it, or `back` from there: every other one is mirrored.

    Looks are turned by parts of a patch, for a network sees patches; pairs of an even number alike.
    """
    pair, step = 2 - request.looks % 2, 1 - look % 2 * 2
    patches = (look // pair) / max(1, request.looks // pair)
    columns = round(PATCH * patches * x.shape[-1] / request.own_width)
    return np.roll(x[..., ::step], -columns if back else step * columns, -1)


def up_of(request: Request, output: RawOutput) -> Up | None:
    """Where up is in what the network saw."""
    sky = output.sky_logit
    valid = request.valid if sky is None else request.valid & (sky <= 0)
    return estimate_up(np.exp(output.log_distance), valid)


def halves_alike(pixels: FloatArray) -> bool:
    """Whether both halves of (3, h, w) might be one view, or blank; see `lenses.stereo`."""
    green, half = pixels[1], pixels.shape[2] // 2
    left, right = (h - h.mean(1, keepdims=True) for h in (green[:, :half], green[:, -half:]))
    return bool(np.vdot(left, right) >= 0.3 * np.linalg.norm(left) * np.linalg.norm(right))


def network_pixels(
    data: ImageData, size: Size, edges: Edges, turn: Callable[[FloatArray], FloatArray] = np.asarray
) -> FloatArray:
    """(3, h, w) float32 in [0, 1] at the network's size; turn: of (3, H, W), before that."""
    # A huge picture is averaged in whole boxes first, where the filter would see no difference.
    enough = ROUGH * size[0], ROUGH * size[1]
    planes = np.ascontiguousarray(np.moveaxis(data.shrunk(*enough).image, -1, 0))
    return np.asarray(np.clip(resize_erp(turn(planes), size, edges=edges), 0, 1), np.float32)

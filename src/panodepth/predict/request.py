"""What goes into a network for one panorama, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.up import Up
from panodepth.geometry.resizing import Edges, resize_erp
from panodepth.geometry.rotation import rotate_vectors, rotation_to_up
from panodepth.geometry.sampling import sample_erp
from panodepth.images import ImageData
from panodepth.size import Size
from panodepth.types import BoolArray, FloatArray

ROUGH = 2  # a picture is box-averaged down to no less than this many times the network's size


@dataclass(frozen=True)
class Request:
    """One checked input, ready for the network.

    data, mask: the picture and (H, W) bool at full size, mask None = all valid. pixels: (3, h, w)
    float32 in [0, 1]. valid: (h, w) bool at the network's size. up: where the picture has up, when
        pixels and valid are turned so that it is up there; None = they are as the picture is.
    twice: whether the network sees the picture mirrored, too.
    """

    data: ImageData
    mask: BoolArray | None
    pixels: FloatArray
    valid: BoolArray
    up: Up | None = None
    twice: bool = False

    @property
    def pictures(self) -> list[FloatArray]:
        """What the network is to see, (3, h, w) each."""
        return [np.ascontiguousarray(self.pixels[..., ::s]) for s in (1, -1)[: 1 + self.twice]]


class RawOutput(NamedTuple):
    """What a network says about one panorama, (h, w) float32 each.

    log_distance: natural log, up to one offset. sky_logit: > 0 = sky; None without a sky output.
    """

    log_distance: FloatArray
    sky_logit: FloatArray | None


def answers(requests: Sequence[Request], outputs: Sequence[RawOutput]) -> list[RawOutput]:
    """What a network says of each request, of its outputs for all of their `pictures` in turn.

    Of a picture that is seen mirrored, too, it is the mean of both, as the picture is.
    """
    left = iter(outputs)
    return [_mean(next(left), next(left)) if r.twice else next(left) for r in requests]


def _mean(output: RawOutput, mirrored: RawOutput) -> RawOutput:
    pairs = zip(output, mirrored, strict=True)
    log, sky = (None if a is None or b is None else 0.5 * (a + b[:, ::-1]) for a, b in pairs)
    return RawOutput(output.log_distance if log is None else log, sky)


def halves_alike(pixels: FloatArray) -> bool:
    """Whether both halves of (3, h, w) might be one view, or blank; see `lenses.stereo`."""
    green, half = pixels[1], pixels.shape[2] // 2
    left, right = (h - h.mean(1, keepdims=True) for h in (green[:, :half], green[:, -half:]))
    return bool(np.vdot(left, right) >= 0.3 * np.linalg.norm(left) * np.linalg.norm(right))


def network_pixels(data: ImageData, size: Size, edges: Edges, up: Up | None = None) -> FloatArray:
    """(3, h, w) float32 in [0, 1] at the network's size; up: of the picture, to be turned up."""
    # A huge picture is averaged in whole boxes first, where the filter would see no difference.
    enough = ROUGH * size[0], ROUGH * size[1]
    planes = np.ascontiguousarray(np.moveaxis(data.shrunk(*enough).image, -1, 0))
    if up is not None:
        rays = rotate_vectors(rotation_to_up(up.direction), erp_rays(*enough))
        planes = sample_erp(planes, rays)
    return np.asarray(np.clip(resize_erp(planes, size, edges=edges), 0, 1), np.float32)

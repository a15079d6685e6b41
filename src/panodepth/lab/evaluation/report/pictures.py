"""Pictures of one sample: input, truth, prediction, error, as a JPEG strip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from panodepth.export.colour import colourise, distance_range
from panodepth.export.jpeg import jpeg
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.scoring import Compared
from panodepth.types import BoolArray, ByteArray, FloatArray

WIDTH = 480  # [px] of one picture
GAP = 4  # [px]
QUALITY = 85  # JPEG
ERROR_LIMIT = float(np.log(1.5))  # |ln prediction − ln truth| that is drawn in full
NOTHING = (40, 40, 40)  # RGB where there is no truth
_BLUE, _WHITE, _RED = ((49, 92, 186), (246, 246, 246), (190, 32, 38))  # too near, right, too far


class Choice(NamedTuple):
    """A sample worth looking at; why: "worst" or "median"."""

    row: Row
    why: str


def choose(rows: Sequence[Row], count: int) -> list[Choice]:
    """The `count` worst samples by AbsRel and as many round the median, of each dataset."""
    chosen = []
    for name in dict.fromkeys(row.dataset for row in rows):
        mine = [r for r in rows if r.dataset == name and r.values.get("abs_rel") is not None]
        mine.sort(key=lambda row: (row.values["abs_rel"] or 0.0, row.index))
        worst = mine[::-1][:count]
        rest = mine[: len(mine) - len(worst)]
        start = max(0, (len(mine) - count) // 2)
        chosen += [Choice(row, "worst") for row in worst]
        chosen += [Choice(row, "median") for row in rest[start : start + count]]
    return chosen


def panels(image: FloatArray, compared: Compared, sky: BoolArray | None = None) -> list[ByteArray]:
    """Input, truth, aligned prediction, error, (H, W, 3) uint8 each.

    image: (H, W, 3) sRGB in [0, 1]. sky: (H, W) where the prediction has it, drawn grey as in the
    truth. The same colours stand for the same distance. Error: red = predicted too far, blue = too
    near, by up to a factor of 1.5; dark = no truth.
    """
    known = compared.truth > 0
    limits = distance_range(compared.truth, compared.valid)
    shown = compared.truth if np.isfinite(compared.truth).any() else compared.aligned
    return [
        np.rint(image * 255).astype(np.uint8),
        colourise(shown, known & np.isfinite(shown), limits=limits),
        colourise(compared.aligned, None if sky is None else ~sky, limits=limits),
        _error(compared),
    ]


def strip(image: FloatArray, compared: Compared) -> bytes:
    """JPEG of the four `panels` side by side. image: (H, W, 3) sRGB in [0, 1]."""
    import cv2

    small = [
        cv2.resize(panel, (WIDTH, WIDTH // 2), interpolation=cv2.INTER_AREA)
        for panel in panels(image, compared)
    ]
    gap = np.full((WIDTH // 2, GAP, 3), 255, np.uint8)
    joined = np.concatenate([part for panel in small for part in (panel, gap)][:-1], axis=1)
    return jpeg(np.asarray(joined, np.uint8), quality=QUALITY)


def _error(compared: Compared) -> ByteArray:
    """(H, W, 3) uint8: ln prediction − ln truth from blue over white to red."""
    ratio = np.ones(compared.truth.shape, np.float32)
    np.divide(compared.aligned, compared.truth, out=ratio, where=compared.valid)
    level = np.clip(np.log(ratio) / np.float32(ERROR_LIMIT), -1, 1)[..., None]
    blue, white, red = (np.array(colour, np.float32) for colour in (_BLUE, _WHITE, _RED))
    end = np.where(level > 0, red, blue)
    picture: ByteArray = np.rint(white + (end - white) * np.abs(level)).astype(np.uint8)
    picture[~compared.valid] = NOTHING
    return picture

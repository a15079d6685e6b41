"""The colour bar under a preview: near, far and round distances between, with their unit."""

from __future__ import annotations

import math

import numpy as np

from panodepth.export.colour import NO_SURFACE, distance_table
from panodepth.types import ByteArray

PAPER, INK = (255, 255, 255), (30, 30, 30)
NOTHING = "no surface"
NARROW = 256  # [px]
BAR = 0.4  # share of the legend's height


def legend(width: int, near: float, far: float, unit: str) -> ByteArray:
    """(h, width, 3) uint8, h about width / 24: the bar of `colourise` between `near` and `far`.

    Without text where it would not fit: below NARROW.
    """
    if width < NARROW:
        steps = np.linspace(0, 255, width).round().astype(int)
        return np.repeat(distance_table()[None, steps], 12, axis=0)
    from PIL import Image, ImageDraw, ImageFont

    height = max(24, width // 24)
    picture = Image.new("RGB", (width, height), PAPER)
    drawn, font = ImageDraw.Draw(picture), ImageFont.load_default(height * 0.4)
    margin, bottom = height // 4, round(height * (BAR + 0.1))
    right = width - margin - round(drawn.textlength(NOTHING, font)) - 2 * margin
    table = np.broadcast_to(distance_table(), (bottom - margin // 2, 256, 3))
    bar = Image.fromarray(np.ascontiguousarray(table)).resize((right - margin, len(table)))
    picture.paste(bar, (margin, margin // 2))
    drawn.rectangle((right + 2 * margin, margin // 2, width - margin, bottom - 1), NO_SURFACE)
    drawn.text((width - margin, bottom), NOTHING, INK, font, anchor="ra")
    span = math.log(far / near) or 1.0
    taken = 0.0
    last = right - drawn.textlength(f"far {far:.3g} {unit}", font)
    for value in (near, *_round_between(near, far), far):
        text = f"{value:.3g}"
        text = f"near {text}" if value == near else f"far {text} {unit}" if value == far else text
        half = drawn.textlength(text, font) / 2
        place = margin + (right - margin) * math.log(value / near) / span
        place = min(max(place, margin + half), right - half)
        limit = right if value == far else last - margin
        if place - half >= taken and place + half <= limit:
            drawn.text((place, bottom), text, INK, font, anchor="ma")
            taken = place + half + margin
    return np.asarray(picture)


def _round_between(near: float, far: float) -> list[float]:
    """1, 2, 5, 10, ... between both."""
    exponents = range(math.floor(math.log10(near)), math.ceil(math.log10(far)) + 1)
    return [x for e in exponents for m in (1, 2, 5) if near < (x := m * 10.0**e) < far]

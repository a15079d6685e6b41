"""Sizes, (height, width) in pixels everywhere in the package and as text HxW; numbers as text."""

from __future__ import annotations

import operator
from typing import Any

from panodepth.errors import ConfigError, one_line

Size = tuple[int, int]  # (height, width) [px]
MOST_DIGITS = 9  # of a side in a text


def parse_size(text: str) -> Size:
    """ "546x1092" as (height, width). Raises ConfigError."""
    height, _, width = text.lower().replace("×", "x").partition("x")
    for side in (height.strip(), width.strip()):
        if not side.isdecimal() or len(side) > MOST_DIGITS:
            raise ConfigError(f"size {one_line(repr(text), 60)} is not HxW, e.g. 546x1092")
    return int(height), int(width)


def as_size(size: Any) -> Size:
    """(height, width) [px] of two whole numbers of any kind, or of a text. Raises ConfigError."""
    if isinstance(size, str):
        return parse_size(size)
    try:
        height, width = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        told = one_line(repr(size), 60)
        raise ConfigError(f"size {told} is not (height, width) in whole pixels") from None
    return height, width


def show_size(size: tuple[int, ...]) -> str:
    """(546, 1092) as "546×1092"."""
    return "×".join(str(side) for side in size)


MOST_PIXELS = 1 << 24  # of a picture as a network sees it; more would take all memory


def check_steps(size: Any, step: int, own: Size | None, name: str) -> Size:
    """(h, w), if both are multiples of a network's step and h <= w. Raises ConfigError.

    size: see `as_size`. own: the size that the network was made for. name: what it is called.
    """
    height, width = size = as_size(size)
    if all(s > 0 and s % step == 0 for s in size):
        check_not_swapped(size)
        if height * width > MOST_PIXELS:
            raise ConfigError(
                f"size {show_size(size)} (height×width): a network works at up to "
                f"{MOST_PIXELS:,} pixels"
            )
        return height, width
    near = tuple(max(step, (s + step // 2) // step * step) for s in size)
    told = "" if own is None or size == own else f", its own size is {show_size(own)}"
    raise ConfigError(
        f"size {show_size(size)} (height×width): the {name!r} network takes"
        f" multiples of {step}; the nearest is {show_size(near)}{told}"
    )


def check_not_swapped(size: Size) -> None:
    """Raise ConfigError for a panorama's size whose height is greater than its width."""
    height, width = size
    if height > width:
        raise ConfigError(
            f"size {show_size(size)} (height×width) is taller than wide, and a panorama is wider "
            f"than tall: did you mean {show_size((width, height))}?"
        )


def to_number(text: str) -> float:
    """A number as people write it. Raises ValueError, for "1_6" too, which Python takes for 16."""
    if "_" in text:
        raise ValueError(text)
    return float(text)

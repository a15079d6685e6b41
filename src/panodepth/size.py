"""Sizes: (height, width) in pixels, in this order everywhere in the package; as text HxW."""

from __future__ import annotations

from panodepth.errors import ConfigError

Size = tuple[int, int]  # (height, width) [px]


def parse_size(text: str) -> Size:
    """ "546x1092" as (height, width). Raises ConfigError."""
    height, _, width = text.lower().replace("×", "x").partition("x")
    if not (height.strip().isdecimal() and width.strip().isdecimal()):
        raise ConfigError(f"--size {text!r} is not HxW, e.g. 546x1092")
    return int(height), int(width)


def show_size(size: tuple[int, ...]) -> str:
    """(546, 1092) as "546×1092"."""
    return "×".join(str(side) for side in size)


def check_not_swapped(size: Size) -> None:
    """Raise ConfigError for a panorama's size whose height is greater than its width."""
    height, width = size
    if height > width:
        raise ConfigError(
            f"size {show_size(size)} (height×width) is taller than wide, and a panorama is wider "
            f"than tall: did you mean {show_size((width, height))}?"
        )

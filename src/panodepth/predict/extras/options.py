"""What a prediction can be given beside what the network says."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

from panodepth.errors import ConfigError
from panodepth.options import option
from panodepth.size import to_number

WIDEST_DEG = 60  # of what may be filled: beyond it too little floor is left to fit


@dataclass(frozen=True, kw_only=True)
class ExtraOptions:
    """Off unless asked for.

    nadir: what is filled with the plane of the floor around it: so many degrees around the lowest
        point, 1 to 60, for a cap or a tripod; "auto": as far as what lies there is off that plane,
        where floor surrounds it; "none". What is filled is a surface, masked or not.
    confidence: run the network on five more views of the picture and say where they agree.
    one_view: measure metres by the camera's height on what is predicted alone, and not on three
        more views of the picture too.
    """

    nadir: str = option(
        "none", "Replace a tripod or cap by floor: auto, none or its angle.", metavar="MODE|DEG"
    )
    confidence: bool = option(False, "Also write how certain distances are; six times the work.")
    one_view: bool = option(
        False,
        "Use the floor of one view, not four: faster, less certain.",
        rich_help_panel="Metres",
    )


def check_sky(options: Any) -> None:
    """Raise ConfigError unless `options.sky` is a file; a path becomes its text."""
    file = str(options.sky)
    if not os.path.exists(file):
        raise ConfigError(f"unknown --sky {file!r}: use auto, none or a file that exists")
    object.__setattr__(options, "sky", file)


def check_nadir(options: ExtraOptions) -> None:
    """Raise ConfigError for values that cannot be; a number becomes its text."""
    if options.nadir in ("auto", "none"):
        return
    try:
        degrees = to_number(str(options.nadir))
    except ValueError:
        degrees = math.nan
    if not 1 <= degrees <= WIDEST_DEG:
        raise ConfigError(
            f"unknown --nadir {options.nadir!r}: use auto, none or degrees from 1 to {WIDEST_DEG}"
        )
    object.__setattr__(options, "nadir", str(options.nadir))

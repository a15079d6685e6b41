"""What a user knows of a place that distances can be scaled by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError
from panodepth.options import option
from panodepth.size import to_number

Numbers = tuple[float, ...]
SCALES = (None, "none", "learned")


def _measured(form: str, example: str) -> Callable[[str], Numbers]:
    """A parser of coordinates and metres."""

    def parse(text: str) -> Numbers:
        places, _, metres = text.partition("=")
        try:
            numbers = tuple(to_number(part) for part in (*places.split(","), metres))
        except ValueError:
            numbers = ()
        if len(numbers) != form.count(",") + 2:
            raise ConfigError(f"{text!r} is not {form}, as in {example}")
        return numbers

    return parse


def _metric(help: str, metavar: str, **more: Any) -> Any:
    return option(None, help, metavar=metavar, rich_help_panel="Metres", **more)


@dataclass(frozen=True, kw_only=True)
class MetricOptions:
    """What is known of a place; any of it makes distances metres, none leaves them relative.

    Of several the first in this order sets the scale; metadata report the others.

    known_distance: (u, v, metres), measured at a pixel. known_length: (u, v, u, v, metres), between
        the surfaces at two pixels. Both count from the upper left corner of the picture, whatever
        its lens; centres of pixels are at + 0.5.
    points: a file of measured points [m], 50 of them or more in the picture: in the camera's frame,
        or in another one in which the file `points_pose` says where the camera is.
    anchor_depth: a file of a coarse or sparse depth map [m] that distances are smoothly bent to.
    camera_height: from the floor to the camera [m], > 0.
    max_distance: [m], of the 0.98 quantile of the surfaces.
    scale: "learned" estimates metres by what is seen (docs/metres.md); beside another cue both are
        mixed by how sure they are. "none", or None: no estimate.
    """

    known_distance: Numbers | None = _metric(
        "A distance at a pixel, counted from the upper left.",
        "U,V=METRES",
        parser=_measured("U,V=METRES", "512,300=2.4"),
    )
    known_length: Numbers | None = _metric(
        "A length between two pixels.",
        "U,V,U,V=METRES",
        parser=_measured("U,V,U,V=METRES", "512,300,512,420=0.9"),
    )
    points: Path | None = _metric("Measured points, CSV or PLY.", "FILE")
    points_pose: Path | None = _metric(
        "The camera's pose in their frame, JSON: 4 rows of 4.", "FILE"
    )
    anchor_depth: Path | None = _metric("A coarse depth map: npz, or PNG in mm.", "FILE")
    camera_height: float | None = _metric(
        "Height of the camera over the floor.", "METRES", min=0.01
    )
    max_distance: float | None = _metric("How far the picture goes.", "METRES", min=0.01)
    scale: str | None = _metric("learned: estimate metres from what is seen.", "KIND")


def check_metric(options: MetricOptions) -> None:
    """Raise ConfigError for values that cannot be."""
    for name in ("camera_height", "max_distance"):
        metres = getattr(options, name)
        if metres is not None and not (math.isfinite(metres) and metres > 0):
            words = name.replace("_", " ")
            raise ConfigError(f"{words} must be a positive number of metres: {metres}")
    for name, count in (("known_distance", 3), ("known_length", 5)):
        numbers = getattr(options, name)
        if numbers is None:
            continue
        if len(numbers) != count or not all(map(math.isfinite, numbers)) or numbers[-1] <= 0:
            words = name.replace("_", " ")
            raise ConfigError(f"{words} must be {count - 1} coordinates and metres > 0: {numbers}")
    if options.scale not in SCALES:
        raise ConfigError(f"unknown --scale {options.scale!r}: use learned or none")
    if options.points_pose is not None and options.points is None:
        raise ConfigError("points pose: there are no points; give --points FILE too")

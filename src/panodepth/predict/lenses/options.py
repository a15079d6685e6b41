"""What a user says about a lens: how the picture was taken, and how the result is to be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from panodepth.errors import ConfigError
from panodepth.options import option
from panodepth.size import Size, parse_size, to_number

PROJECTIONS = ("auto", "erp", "cubemap", "fisheye", "dual-fisheye", "perspective")
OUT_PROJECTIONS = ("erp", "input", "cubemap", "fisheye", "perspective")
FISHEYES = ("equidistant", "equisolid", "stereographic", "orthographic", "kb4")
POSES = ("use", "ignore")
EYES = {"none": (1, 1), "left-right": (1, 2), "top-bottom": (2, 1)}  # rows, columns of pictures
Numbers = tuple[float, ...]


def numbers(flag: str, *counts: int, form: str, separator: str = ",") -> Callable[[str], Numbers]:
    """A parser of so many numbers. form: how they are to be written, for its ConfigError."""

    def parse(text: str) -> Numbers:
        try:
            values = tuple(to_number(part) for part in text.lower().split(separator))
        except ValueError:
            values = ()
        if len(values) not in counts or not all(map(math.isfinite, values)):
            raise ConfigError(f"{flag} {text!r} is not {form}")
        return values

    return parse


def _lens(default: Any, help: str, **more: Any) -> Any:
    return option(default, help, rich_help_panel="Lenses", **more)


def _lens_option(help: str, flag: str, *counts: int, form: str, separator: str = ",") -> Any:
    parser = numbers(flag, *counts, form=form, separator=separator)
    more = {"flag": flag, "metavar": form, "parser": parser, "counts": counts}
    return _lens(None, help, **more)


@dataclass(frozen=True, kw_only=True)
class LensOptions:
    """How a picture was taken, and how its result is to be seen.

    projection: of PROJECTIONS; "auto" takes a 2:1 picture for a panorama, follows its GPano tags,
        and refuses two fisheye circles.
    lens: a `geometry.lens.Lens` in pixels of the picture, instead of all that follows.
    fov: full angles (across,) or (across, down) [deg]; as with focal and out_view, a number stands
        for a list of one. top, bottom: elevation of a panorama's upper and lower edge [deg],
        positive up.
    fisheye: of FISHEYES. focal: (f,) or (fx, fy) [px]; centre: (cx, cy) [px]; circle: (cx, cy,
        radius) of the field of view [px], for a dual fisheye of the left circle and then the right.
        distortion: k1, k2, k3, k4 of OpenCV's fisheye, or k1, k2, p1, p2 and maybe k3 of its usual
        model for a perspective picture. Of two fisheyes, focal (fx, fy), centre and distortion are
        those of the left one and then the right one; one focal or distortion stands for both. turn:
        yaw, pitch, roll of the left one against the right one [deg]. camera: "theta-sc" stands for
        all of its numbers.
    layout, face_order, face_turns: of a cubemap; see `geometry.lenses.cubemap.Cubemap`.
    stereo: of EYES, how a picture holds those of two eyes; the first, of the left eye, is read.
    pose: "use" levels a panorama by the pose in its GPano tags, "ignore" does not.
    out_projection: of OUT_PROJECTIONS; "input" is the picture's own. out_fov [deg], out_size,
        out_view (yaw, pitch, roll) [deg]: of the others.
    """

    projection: str = _lens("auto", "erp, cubemap, fisheye, dual-fisheye or perspective.")
    lens: Any = None
    fov: Numbers | None = _lens_option(
        "Field of view [deg].", "--fov", 1, 2, form="H[xV]", separator="x"
    )
    top: float | None = _lens(None, "Elevation of the upper edge [deg].", metavar="DEG")
    bottom: float | None = _lens(None, "Elevation of the lower edge [deg].", metavar="DEG")
    fisheye: str = _lens("equidistant", f"{', '.join(FISHEYES)}.")
    focal: Numbers | None = _lens_option(
        "Focal length [px].", "--focal", 1, 2, 4, form="FX[,FY[,FX,FY]]"
    )
    centre: Numbers | None = _lens_option(
        "Principal point [px].", "--centre", 2, 4, form="CX,CY[,CX,CY]"
    )
    circle: Numbers | None = _lens_option(
        "Circle of the field of view [px]; two for a dual fisheye.",
        *("--circle", 3, 6),
        form="CX,CY,R[,CX,CY,R]",
    )
    distortion: Numbers | None = _lens_option(
        "OpenCV's coefficients of a fisheye (eight for two) or perspective lens.",
        *("--distortion", 4, 5, 8),
        form="K1,K2,K3,K4 or K1,K2,P1,P2[,K3]",
    )
    turn: Numbers | None = _lens_option(
        "Turn of the left fisheye against the right one [deg].", "--turn", 3, form="YAW,PITCH,ROLL"
    )
    camera: str = _lens("", "A dual fisheye by its name: theta-sc.")
    layout: str = _lens("3x2", "Cubemap layout: 3x2, 6x1, 1x6, cross, tall-cross, eac.")
    face_order: str = _lens("", "Order of a cubemap's faces in rows: the letters frblud.")
    face_turns: str = _lens("", "Quarter turns of its faces to the right, six digits.")
    stereo: str = _lens("none", "Two eyes in one picture: left-right or top-bottom.")
    pose: str = _lens("use", "use levels by the pose in GPano tags, ignore does not.")
    out_projection: str = _lens("erp", f"{', '.join(OUT_PROJECTIONS)}.")
    out_fov: float | None = _lens(None, "Field of view of the result [deg].", metavar="DEG")
    out_size: Size | None = _lens(
        None,
        "Size of the result [px].",
        metavar="HxW",
        parser=parse_size,
        counts=(2,),
    )
    out_view: Numbers | None = _lens_option(
        "Where the result looks [deg].", "--out-view", 1, 2, 3, form="YAW[,PITCH[,ROLL]]"
    )
